//! Message ids: 32 random bytes, the salt of the content key.

use crate::error::Result;
use crate::primitives::rng;

/// The id of one message to be written. Not `Clone`: two messages under one id and data key would share their nonces.
#[derive(Debug)]
pub struct MessageId([u8; 32]);

impl MessageId {
    /// A fresh id.
    pub fn generate() -> Result<MessageId> {
        let mut id = [0; 32];
        rng::fill(&mut id)?;
        Ok(MessageId(id))
    }

    /// Its bytes, which are public.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Fresh ids for many messages: the generator takes about as long for a batch of them as for one.
///
/// Lives within one call, so that no fork can hand out its ids twice.
#[derive(Debug)]
pub struct MessageIds {
    batch: [[u8; 32]; BATCH],
    left: usize,
}

impl MessageIds {
    /// None is made before it is asked for.
    #[allow(clippy::new_without_default, reason = "a batch is made for a job, not by default")]
    pub fn new() -> MessageIds {
        MessageIds { batch: [[0; 32]; BATCH], left: 0 }
    }

    /// The next id.
    pub fn next_id(&mut self) -> Result<MessageId> {
        if self.left == 0 {
            rng::fill(self.batch.as_flattened_mut())?;
            self.left = BATCH;
        }
        self.left -= 1;
        Ok(MessageId(std::mem::take(&mut self.batch[self.left])))
    }
}

const BATCH: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_batches_are_all_different_and_never_the_emptied_place() {
        let mut ids = MessageIds::new();
        let drawn: HashSet<_> = (0..3 * BATCH + 1).map(|_| ids.next_id().unwrap().0).collect();
        assert_eq!(drawn.len(), 3 * BATCH + 1);
        assert!(!drawn.contains(&[0; 32]));
    }
}
