//! A message that was forged with the key at hand: authentic, however malformed, and then edited by a stranger.
//!
//! | header and frames | edited afterwards | must be |
//! |---|---|---|
//! | by the rules | no | read, as it was sealed |
//! | by the rules | yes | refused |
//! | against a rule | no | refused, or read as it was sealed |
//! | against a rule | yes | anything but a crash: an edit may mend what was wrong |

use arbitrary::Unstructured;
use strongroom_core::error::Error;

use crate::draft::Draft;
use crate::edit::apply;
use crate::forge::forge;
use crate::memory::within;
use crate::reading::one_shot;

/// Nothing is read but what was sealed, all of it, in memory that follows the message's length.
pub fn message(bytes: &[u8]) {
    let attempt = Attempt::new(bytes);
    let message = &attempt.message;
    let read = within(FIXED + PER_BYTE * message.len(), || one_shot(message));
    attempt.judge(&read);
}

/// The message that an input of the target stands for.
pub fn forged(bytes: &[u8]) -> Vec<u8> {
    Attempt::new(bytes).message
}

/// A message that someone tries to have read, and what may come of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) message: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
    is_plain: bool,
    is_edited: bool,
}

impl Attempt {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        // bytes that have run out are zeros, so there is always a draft
        let draft: Draft = Unstructured::new(bytes).arbitrary().unwrap();
        let forged = forge(&draft);
        let mut message = forged.message.clone();
        apply(&draft.edits, &mut message);
        let is_edited = message != forged.message;
        Attempt { message, sealed: forged.plaintext, is_plain: draft.is_plain(), is_edited }
    }

    pub(crate) fn judge(&self, read: &Result<Vec<u8>, Error>) {
        match (self.is_plain, self.is_edited, read) {
            (true, false, _) => assert_eq!(read.as_ref().unwrap(), &self.sealed),
            (true, true, Ok(_)) => panic!("a forgery was read"),
            (false, false, Ok(plaintext)) => assert_eq!(plaintext, &self.sealed),
            (_, _, Ok(_)) => {}
            (_, _, Err(error)) => self.refused(error),
        }
    }

    /// Whether an edit may have mended what was forged against the rules.
    pub(crate) fn is_mended(&self) -> bool {
        self.is_edited && !self.is_plain
    }

    fn refused(&self, error: &Error) {
        match error {
            Error::Authentication => {}
            other => crate::header::typed(other, &self.message),
        }
    }
}

const FIXED: usize = 4096;
const PER_BYTE: usize = 64;
