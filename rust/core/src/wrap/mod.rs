//! Wrapping and unwrapping keys: data keys for messages, and the keys of a room under its root.

mod raw_aes;
mod raw_ecdh;
mod raw_rsa;
mod room;

pub use raw_aes::RawAes;
pub use raw_ecdh::RawEcdh;
pub use raw_rsa::RawRsa;
pub use room::{Kdf, MacKey, RootKey};

#[cfg(test)]
mod altered {
    use crate::error::{Error, Result};

    /// Every bit flipped, every truncation, one byte more: each must be an authentication failure.
    pub(super) fn all_refused<T: std::fmt::Debug>(bytes: &[u8], open: impl Fn(&[u8]) -> Result<T>) {
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(&open(&flipped));
        }
        for len in 0..bytes.len() {
            refused(&open(&bytes[..len]));
        }
        refused(&open(&[bytes, &[0]].concat()));
    }

    pub(super) fn refused<T: std::fmt::Debug>(outcome: &Result<T>) {
        assert!(matches!(outcome, Err(Error::Authentication)), "{outcome:?}");
    }
}
