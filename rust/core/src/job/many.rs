//! Many messages in memory, one job.

use std::collections::HashMap;

use super::buffer::{self, Located};
use crate::error::Result;
use crate::message::{Caps, DecryptionMaterials, EncryptionMaterials, MessageIds, Outline};
use crate::pipeline::{Apart, Control, parallel_made};
use crate::primitives::output::Output;

/// What is read and where the outcome goes. A message that is made fills `out`; so does a plaintext.
#[derive(Debug)]
pub struct Item<'a> {
    /// The plaintext, or the whole message.
    pub input: &'a [u8],
    /// Exactly as many bytes as [`buffer::encrypted_len`] or [`Located::plaintext_len`] say.
    pub out: Output<'a>,
}

/// Which messages the same materials open: those of one suite, with the same context and encrypted data keys.
#[derive(Debug, Default)]
pub struct Groups<'a> {
    /// The group of each message.
    pub of: Vec<usize>,
    /// The messages of each group, of which it has at least one.
    pub members: Vec<Vec<usize>>,
    numbers: HashMap<Alike<'a>, usize>,
    last: Option<(Alike<'a>, usize)>,
}

type Alike<'a> = (u16, &'a [u8]);

impl<'a> Groups<'a> {
    /// Adds the next message, by its header.
    pub fn add(&mut self, header: &Outline<'a>) {
        let alike = (header.suite.id, header.keys);
        let group = match self.last {
            // messages made together mostly come together
            Some((last, group)) if last == alike => group,
            _ => *self.numbers.entry(alike).or_insert(self.members.len()),
        };
        if group == self.members.len() {
            self.members.push(Vec::new());
        }
        self.members[group].push(self.of.len());
        self.of.push(group);
        self.last = Some((alike, group));
    }
}

/// Encrypts each plaintext into a message of its own. The calling thread makes the items while others are at work.
pub fn encrypt<'a>(
    materials: &EncryptionMaterials,
    items: impl ExactSizeIterator<Item = Result<Item<'a>>>,
    apart: Apart<'_>,
    control: &Control<'_>,
) -> Result<()> {
    in_batches(control, items, apart, MessageIds::new, |ids, item, control| {
        buffer::encrypt_as(materials, ids.next_id()?, item.input, item.out, control)
    })
}

/// Decrypts each message with its own materials, in the same way. After a failure the outputs are of no use: some are
/// zero, some plaintext, some untouched.
pub fn decrypt<'a>(
    items: impl ExactSizeIterator<Item = Result<(Item<'a>, &'a DecryptionMaterials)>>,
    caps: &Caps,
    apart: Apart<'_>,
    control: &Control<'_>,
) -> Result<()> {
    let nothing = || ();
    in_batches(control, items, apart, nothing, |(), (item, materials), control| {
        // found once more rather than kept: many of them would fill the cache that the work needs
        let header = Outline::find(item.input, caps)?;
        let located = Located::find(&header, item.input)?;
        buffer::decrypt(&header, &located, materials, item.input, item.out, control)
    })
}

/// Items go to threads in batches, each worth the taking; within one, a message has one thread.
fn in_batches<T: Send, S>(
    control: &Control<'_>,
    mut items: impl ExactSizeIterator<Item = Result<T>>,
    apart: Apart<'_>,
    state: impl Fn() -> S + Sync,
    each: impl Fn(&mut S, T, &Control<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let count = items.len();
    let per_batch = count.div_ceil(control.workers * BATCHES_PER_WORKER).max(1);
    let batches =
        (0..count).step_by(per_batch).map(|_| items.by_ref().take(per_batch).collect::<Result<Vec<_>>>());
    let workers = if batches.len() > 1 { 1 } else { control.workers };
    let progress = control.progress;
    parallel_made(
        control,
        batches,
        apart,
        || Ok(state()),
        |state, batch| {
            let inner = Control { workers, progress, poll: &|| Ok(()) };
            batch.into_iter().try_for_each(|item| each(state, item, &inner))
        },
    )
}

/// Enough for all threads to end together.
const BATCHES_PER_WORKER: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_grouped_by_suite_context_and_keys() {
        let message = |suite: u8, key: u8, id: u8| {
            let mut header = vec![2, suite, 0x78];
            header.extend([id; 32]);
            header.extend([0, 0, 0, 1, 0, 1, b'p', 0, 1, b'i', 0, 1, key]);
            header.extend([2, 0, 0, 1, 0]);
            header.extend([0; 48]);
            header
        };
        let messages =
            [(4, 1, 1), (4, 1, 2), (4, 2, 3), (5, 1, 4), (4, 1, 5)].map(|(s, k, i)| message(s, k, i));
        let mut groups = Groups::default();
        for message in &messages {
            groups.add(&Outline::find(message, &Caps::default()).unwrap());
        }
        assert_eq!(groups.of, [0, 0, 1, 2, 0]);
        assert_eq!(groups.members, [vec![0, 1, 4], vec![2], vec![3]]);
    }
}
