//! Counts how the cases of a set of vectors came out, and lets no case go uncounted.

use std::collections::BTreeMap;
use std::io::Write;

use strongroom_core::error::{Error, Result};

/// What a vector says of its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It must be accepted, with the output stated.
    Valid,
    /// It must be refused.
    Invalid,
    /// It may be refused; if it is accepted, the output must be the one stated.
    Acceptable,
}

/// A count that a set cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Passed,
    Refused,
    Outside,
}

/// The cases of one set.
#[derive(Debug)]
pub(crate) struct Tally {
    name: String,
    passed: usize,
    refused: usize,
    outside: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Tally { name: name.into(), passed: 0, refused: 0, outside: BTreeMap::new() }
    }

    /// A case within our parameters: `outcome` says whether the output is the one stated, or why there is none.
    pub(crate) fn judge(&mut self, case: usize, expected: Expected, outcome: Result<bool>) {
        match (expected, outcome) {
            (Expected::Valid | Expected::Acceptable, Ok(true)) => self.passed += 1,
            (Expected::Invalid | Expected::Acceptable, Err(error)) if is_typed(&error) => self.refused += 1,
            (expected, outcome) => panic!("{} {case}: {expected:?}, but {outcome:?}", self.name),
        }
    }

    /// A case whose refusal the test has seen for itself.
    pub(crate) fn refused(&mut self) {
        self.refused += 1;
    }

    /// A case that our types cannot express.
    pub(crate) fn outside(&mut self, why: &'static str) {
        self.outside_all(why, 1);
    }

    /// That many of them.
    pub(crate) fn outside_all(&mut self, why: &'static str, cases: usize) {
        *self.outside.entry(why).or_default() += cases;
    }

    /// A case outside our parameters that can be asked for, and is refused whatever the vector says of it.
    pub(crate) fn outside_and_refused<T>(&mut self, case: usize, why: &'static str, outcome: Result<T>) {
        match outcome {
            Err(error) if is_typed(&error) => self.outside(why),
            Err(error) => panic!("{} {case}: {why}, but {error:?}", self.name),
            Ok(_) => panic!("{} {case}: {why}, but accepted", self.name),
        }
    }

    /// Prints the counts; every case must have been counted, and these counts must not be zero.
    pub(crate) fn report(self, cases: usize, needed: &[Count]) {
        let outside = self.outside.values().sum::<usize>();
        let reasons: Vec<_> = self.outside.iter().map(|(why, count)| format!("{why}: {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        let (name, passed, refused) = (&self.name, self.passed, self.refused);
        // past the harness, which swallows what passing tests print
        let mut out = std::io::stdout().lock();
        writeln!(out, "{name}: passed {passed}, refused {refused}, outside {outside}{reasons}").unwrap();
        assert_eq!(passed + refused + outside, cases, "{name}: cases went uncounted");
        for count in needed {
            let found = match count {
                Count::Passed => passed,
                Count::Refused => refused,
                Count::Outside => outside,
            };
            assert!(found > 0, "{name}: no case was {count:?}");
        }
    }
}

/// An error that bad input may give: never a failure of this machine or of this process.
fn is_typed(error: &Error) -> bool {
    matches!(error, Error::Misuse(_)) || super::is_rejection(error)
}
