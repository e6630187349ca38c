//! Every claim on the committed seeds and on some thousand edits of each, without libFuzzer: the same functions, in
//! seconds, with the compiler that everything else is built with.
//!
//! Without the test harness, whose own thread allocates when it likes: the allocator counts what the whole process allocates.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use arbitrary::Unstructured;
use strongroom_core::primitives::digest::sha256;
use strongroom_fuzz_claims::{CLAIMS, Claim, apply, control, edits};

fn main() {
    every_claim_holds_on_seeds_and_edits();
    a_planted_fault_is_found();
}

fn every_claim_holds_on_seeds_and_edits() {
    for (name, claim) in CLAIMS {
        let runs = if name == "stream" { 500 } else { 20_000 };
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| claim(seed));
        attempts(&seeds).take(runs).for_each(|bytes| claim(&bytes));
    }
}

fn a_planted_fault_is_found() {
    let hook = take_hook();
    // nobody wants to read of a fault that was planted
    set_hook(Box::new(|_| {}));
    let found = attempts(&seeds("header")).take(5_000).any(|bytes| !holds(control, &bytes));
    set_hook(hook);
    assert!(found);
}

fn holds(claim: Claim, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| claim(bytes))).is_ok()
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Edits of seeds, the same in every run.
fn attempts(seeds: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    (0_u64..).zip(seeds.iter().cycle()).map(|(number, seed)| {
        let choices = sha256(&number.to_be_bytes());
        let mut bytes = seed.clone();
        apply(&edits(&mut Unstructured::new(&choices)).unwrap(), &mut bytes);
        bytes
    })
}
