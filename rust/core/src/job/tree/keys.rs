//! Keys for many messages in one question: asking may cost more than a small file.

use std::sync::Arc;

use super::{KeySource, is_everyones, one_message};
use crate::cache::Usage;
use crate::context::PUBLIC_KEY;
use crate::error::{Error, Result};
use crate::job::reencrypt::Moving;
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

/// Keys for what a re-encrypted tree says of itself, in its manifest and its journal: like those of its manifest.
pub(super) struct Like<'a> {
    pub(super) moving: &'a dyn Moving,
    pub(super) header: Header,
}

impl KeySource for Like<'_> {
    fn encryption(&self, usage: Usage) -> Result<Arc<EncryptionMaterials>> {
        self.moving.encryption(&self.header, usage)
    }

    fn decryption(&self, header: &Header, usage: Usage) -> Result<Arc<DecryptionMaterials>> {
        self.moving.decryption(header, usage)
    }
}

/// Keys for the messages that a group becomes: one question for all that have class and context in common.
pub(super) struct Supply<'a> {
    moving: &'a dyn Moving,
    /// What is still to come.
    left: Usage,
    granted: Option<(Header, Arc<EncryptionMaterials>)>,
    read: Option<(Header, Arc<DecryptionMaterials>)>,
}

impl<'a> Supply<'a> {
    /// For messages of so many plaintext bytes in all. Nothing is asked for until the first is there.
    pub(super) fn new(moving: &'a dyn Moving, left: Usage) -> Self {
        Supply { moving, left, granted: None, read: None }
    }

    pub(super) fn moving(&self) -> &'a dyn Moving {
        self.moving
    }

    /// Materials for a message of so many plaintext bytes, with class and context of this header.
    pub(super) fn writer(&mut self, like: &Header, bytes: u64) -> Result<Arc<EncryptionMaterials>> {
        let left = self.left;
        self.left.messages = left.messages.saturating_sub(1);
        self.left.bytes = left.bytes.saturating_sub(bytes);
        if let Some((known, materials)) = &self.granted
            && is_alike(known, like)
        {
            return Ok(Arc::clone(materials));
        }
        match self.moving.encryption(like, left) {
            // no data key serves so many: each has one of its own, or what the caller keeps
            Err(Error::Limit { .. }) if left.messages > 1 => self.moving.encryption(like, one_message(bytes)),
            materials => {
                let materials = materials?;
                self.granted = Some((like.clone(), Arc::clone(&materials)));
                Ok(materials)
            }
        }
    }

    /// Materials for reading such a message again.
    pub(super) fn reader(&mut self, header: &Header, bytes: u64) -> Result<Arc<DecryptionMaterials>> {
        if let Some((known, materials)) = &self.read
            && share_materials(known, header)
        {
            return Ok(Arc::clone(materials));
        }
        let usage = Usage { messages: self.left.messages + 1, bytes: self.left.bytes + bytes };
        let materials = match self.moving.decryption(header, usage) {
            Err(Error::Limit { .. }) => return self.moving.decryption(header, one_message(bytes)),
            materials => materials?,
        };
        self.read = Some((header.clone(), Arc::clone(&materials)));
        Ok(materials)
    }
}

/// Whether two messages have one class and one context, but for what a signature puts there.
fn is_alike(a: &Header, b: &Header) -> bool {
    let own = |(key, _): &(&str, &str)| *key != PUBLIC_KEY;
    a.context.iter().filter(own).eq(b.context.iter().filter(own))
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::context::Context;
    use crate::key::{DataKey, Edk};
    use crate::suite::Suite;

    /// Serves so many messages under one data key, and remembers what it was asked.
    struct Counting {
        most: u64,
        asked: Mutex<Vec<(u64, u64)>>,
        materials: Arc<EncryptionMaterials>,
    }

    impl KeySource for Counting {
        fn encryption(&self, usage: Usage) -> Result<Arc<EncryptionMaterials>> {
            if usage.messages > self.most {
                return Err(Error::Limit { what: "messages", limit: self.most, found: usage.messages });
            }
            self.asked.lock().unwrap().push((usage.messages, usage.bytes));
            Ok(Arc::clone(&self.materials))
        }

        fn decryption(&self, _: &Header, _: Usage) -> Result<Arc<DecryptionMaterials>> {
            Err(Error::KeyUnavailable)
        }
    }

    fn counting(most: u64) -> Counting {
        let suite = Suite::by_id(0x0478).unwrap();
        let edk = Edk { provider_id: "p".into(), provider_info: vec![], ciphertext: vec![1] };
        let key = Arc::new(DataKey::new(strongroom_secmem::Secret::copy_from(&[7; 32]).unwrap()));
        let materials = EncryptionMaterials::new(suite, key, &[edk], &Context::default(), &[], 4096, None);
        Counting { most, asked: Mutex::default(), materials: Arc::new(materials.unwrap()) }
    }

    #[test]
    fn every_file_is_counted_once() {
        let keys = counting(100);
        let mut granted = Granted::new(&keys, vec![1, 2, 3]);
        (0..3).for_each(|index| drop(granted.of(index, index as u64).unwrap()));
        assert_eq!(*keys.asked.lock().unwrap(), [(3, 6)]);
    }

    #[test]
    fn no_data_key_serves_more_than_it_may() {
        let keys = counting(3);
        let mut granted = Granted::new(&keys, vec![1; 10]);
        // two cannot be read: they are counted for nothing
        (0..10).filter(|index| index % 5 != 3).for_each(|index| drop(granted.of(index, 1).unwrap()));
        assert_eq!(*keys.asked.lock().unwrap(), [(2, 2), (2, 2), (3, 3), (3, 3)]);
    }

    #[test]
    fn what_has_grown_is_asked_for_by_itself() {
        let keys = counting(100);
        let mut granted = Granted::new(&keys, vec![1, 2]);
        let _ = (granted.of(0, 5).unwrap(), granted.of(1, 2).unwrap());
        assert_eq!(*keys.asked.lock().unwrap(), [(1, 5), (1, 2)]);
    }
}
