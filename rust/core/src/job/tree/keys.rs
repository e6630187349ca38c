//! Keys for many messages in one question: asking may cost more than a small file.

use std::sync::Arc;

use super::{KeySource, is_everyones, one_message};
use crate::cache::Usage;
use crate::error::{Error, Result};
use crate::message::{DecryptionMaterials, EncryptionMaterials, Header};

/// Materials for the files of a group, in order, each counted once.
pub(super) struct Granted<'a> {
    keys: &'a dyn KeySource,
    /// Plaintext bytes of each file, as far as is known.
    sizes: Vec<u64>,
    /// The files before this one are counted.
    until: usize,
    materials: Option<Arc<EncryptionMaterials>>,
}

impl<'a> Granted<'a> {
    /// For files of these sizes. Nothing is asked for until the first is there.
    pub(super) fn new(keys: &'a dyn KeySource, sizes: Vec<u64>) -> Self {
        Granted { keys, sizes, until: 0, materials: None }
    }

    /// Materials for the file of this index, which has turned out to have so many bytes. Indices ascend.
    pub(super) fn of(&mut self, index: usize, bytes: u64) -> Result<Arc<EncryptionMaterials>> {
        if bytes > self.sizes[index] {
            return self.keys.encryption(one_message(bytes));
        }
        match &self.materials {
            Some(materials) if index < self.until => Ok(Arc::clone(materials)),
            _ => self.ask(index),
        }
    }

    /// As many as one data key may serve, all that are left if it may.
    fn ask(&mut self, from: usize) -> Result<Arc<EncryptionMaterials>> {
        let mut sizes = &self.sizes[from..];
        let materials = loop {
            let usage = Usage { messages: sizes.len() as u64, bytes: sizes.iter().sum() };
            match self.keys.encryption(usage) {
                Err(Error::Limit { .. }) if sizes.len() > 1 => sizes = &sizes[..sizes.len() / 2],
                outcome => break outcome?,
            }
        };
        self.until = from + sizes.len();
        self.materials = Some(Arc::clone(&materials));
        Ok(materials)
    }
}

/// Materials for messages of these headers and lengths: those that share data keys and context share the question.
///
/// `None`: the question must be asked for that message by itself, for whatever went wrong may not concern them all.
pub(super) fn decryption(
    keys: &dyn KeySource,
    messages: &[(&Header, u64)],
) -> Result<Vec<Option<Arc<DecryptionMaterials>>>> {
    let mut kinds: Vec<(&Header, Usage)> = Vec::new();
    let mut kind_of = Vec::with_capacity(messages.len());
    for (header, len) in messages {
        let kind = kinds.iter().position(|(known, _)| share_materials(known, header));
        let kind = kind.unwrap_or_else(|| {
            kinds.push((header, Usage::default()));
            kinds.len() - 1
        });
        kinds[kind].1.messages += 1;
        kinds[kind].1.bytes += len;
        kind_of.push(kind);
    }
    let asked = kinds.into_iter().map(|(header, usage)| match keys.decryption(header, usage) {
        Err(error) if is_everyones(&error) => Err(error),
        outcome => Ok(outcome.ok()),
    });
    let materials: Vec<_> = asked.collect::<Result<_>>()?;
    Ok(kind_of.into_iter().map(|kind| materials[kind].clone()).collect())
}

fn share_materials(a: &Header, b: &Header) -> bool {
    a.suite.id == b.suite.id && a.edks == b.edks && a.context == b.context
}
