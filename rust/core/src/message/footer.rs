//! The footer of signed suites: the length of a DER signature, and the signature.

use crate::error::{Error, Result};

/// Bytes before the signature.
pub(crate) const FOOTER_HEAD: usize = 2;

/// The footer that carries this signature.
pub(super) fn write(signature: &[u8]) -> Result<Vec<u8>> {
    let len = u16::try_from(signature.len()).map_err(|_| Error::Misuse("a signature beyond 64 KiB".into()))?;
    Ok([&len.to_be_bytes()[..], signature].concat())
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
