//! Wrapping and unwrapping keys: data keys for messages, and the keys of a room under its root.
//! What a token wraps, `token` only puts into a header and takes out of it.

mod raw_aes;
mod raw_ecdh;
mod raw_rsa;
mod room;
pub mod token;

pub use raw_aes::RawAes;
pub use raw_ecdh::RawEcdh;
pub use raw_rsa::RawRsa;
pub use room::{Kdf, LogKey, MacKey, RootKey};

use strongroom_secmem::{MAX_LEN, Secret, forget_calls};

use crate::error::{Error, Result};
use crate::key::{Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;

/// Opens a wrapped key, `ciphertext │ tag 16`, where it will live.
fn open(schedule: &AeadKey, nonce: Nonce, aad: &[u8], wrapped: &[u8]) -> Result<Secret> {
    let (ciphertext, tag) = wrapped.split_last_chunk::<TAG_LEN>().ok_or(Error::Authentication)?;
    // a stranger chose the length: one that no key has says nothing about the keys at hand
    if !(1..=MAX_LEN).contains(&ciphertext.len()) {
        return Err(Error::Authentication);
    }
    let opened = Secret::fill_with(ciphertext.len(), |out| {
        out.copy_from_slice(ciphertext);
        schedule.open_in_place(nonce, aad, out, tag)
    });
    forget_calls();
    opened
}

#[cfg(test)]
mod altered {
    use super::*;

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
