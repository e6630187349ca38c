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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;

    #[test]
    fn a_footer_ends_where_its_length_says() {
        assert_eq!(read(&[0, 3, 7, 8, 9], 100).unwrap(), [7, 8, 9]);
        assert_eq!(read(&[0, 0], 100).unwrap(), [0_u8; 0]);
        for short in [&[][..], &[0], &[0, 3, 7, 8], &[1, 0, 7]] {
            let ends = 100 + short.len() as u64;
            assert!(matches!(read(short, 100), Err(Error::Truncated { offset }) if offset == ends));
        }
        assert!(matches!(read(&[0, 1, 7, 8, 9], 100), Err(Error::Malformed { offset: 103, .. })));
    }

    #[test]
    fn a_footer_that_we_write_has_one_length() {
        let signature = Suite::by_id(0x0578).unwrap().signature.unwrap();
        let key = SigningKey::generate(signature).unwrap();
        for _ in 0..20 {
            let footer = write(&key, &Digester::new(signature.hash)).unwrap();
            assert_eq!(footer.len(), SIGNED_FOOTER_LEN);
            assert_eq!(read(&footer, 0).unwrap().len(), 103);
        }
        assert_eq!(MAX_FOOTER_LEN, 2 + 0xFFFF);
    }
}
