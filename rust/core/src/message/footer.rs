//! The footer of signed suites: the length of a DER signature, and the signature.

use crate::error::{Error, Result};
use crate::primitives::digest::Digester;
use crate::primitives::ecdsa::SigningKey;

/// Bytes of the footer that we write: DER signatures vary by a byte or two, so we sign until one has this length, as
/// the official writers do. Then the size of a message is known before it is made.
pub const SIGNED_FOOTER_LEN: usize = FOOTER_HEAD + P384_DER_LEN as usize;
/// Bytes of a footer at most.
pub(crate) const MAX_FOOTER_LEN: usize = FOOTER_HEAD + u16::MAX as usize;

/// The footer that signs what `signed` has taken in.
pub(super) fn write(key: &SigningKey, signed: &Digester) -> Result<Vec<u8>> {
    for _ in 0..MAX_TRIES {
        let signature = key.sign(signed.clone())?;
        if signature.len() == usize::from(P384_DER_LEN) {
            return Ok([&P384_DER_LEN.to_be_bytes()[..], &signature].concat());
        }
    }
    // half of all signatures have the length; not to meet one in so many tries is a broken generator
    Err(Error::KeyUnavailable)
}

/// The signature in a footer that is `bytes`, whole. `offset` is where it stands in the message.
pub(super) fn read(bytes: &[u8], offset: u64) -> Result<&[u8]> {
    let truncated = Error::Truncated { offset: offset + bytes.len() as u64 };
    let Some((head, rest)) = bytes.split_first_chunk::<FOOTER_HEAD>() else { return Err(truncated) };
    let len = usize::from(u16::from_be_bytes(*head));
    match rest.len().cmp(&len) {
        std::cmp::Ordering::Less => Err(truncated),
        std::cmp::Ordering::Equal => Ok(rest),
        std::cmp::Ordering::Greater => Err(Error::Malformed {
            offset: offset + (FOOTER_HEAD + len) as u64,
            what: "bytes after the end of the message",
        }),
    }
}

const FOOTER_HEAD: usize = 2;
const P384_DER_LEN: u16 = 103;
const MAX_TRIES: usize = 256;
