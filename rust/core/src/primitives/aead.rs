//! AES-GCM with 12-byte nonces and 16-byte tags.

use aws_lc_rs::aead::{self as lc, Aad, LessSafeKey, UnboundKey};
use strongroom_secmem::Generation;

use super::output::Output;
use crate::error::{Error, Result};
use crate::key::{Nonce, TAG_LEN};
use crate::suite::Aead;

/// A key with its schedule. Refuses to work in a forked child, where the parent goes on using its nonces.
pub struct AeadKey {
    key: LessSafeKey,
    generation: Generation,
}

impl AeadKey {
    /// Expands a key of the cipher's length.
    pub fn new(aead: Aead, key: &[u8]) -> Result<Self> {
        let algorithm = match aead {
            Aead::Aes128Gcm => &lc::AES_128_GCM,
            Aead::Aes192Gcm => &lc::AES_192_GCM,
            Aead::Aes256Gcm => &lc::AES_256_GCM,
        };
        let unbound = UnboundKey::new(algorithm, key)
            .map_err(|_| Error::Misuse(format!("a key of {} bytes does not fit its cipher", key.len())))?;
        Ok(AeadKey { key: LessSafeKey::new(unbound), generation: Generation::current() })
    }

    /// Encrypts from one place to another; `ciphertext` is as long as `plaintext`, `tag` has 16 bytes.
    #[inline]
    pub fn seal(
        &self,
        nonce: Nonce,
        aad: &[u8],
        plaintext: &[u8],
        mut ciphertext: Output<'_>,
        mut tag: Output<'_>,
    ) -> Result<()> {
        self.generation.check()?;
        let (ciphertext, tag) = (ciphertext.as_mut_slice(), tag.as_mut_slice());
        let sealed =
            self.key.seal_out_of_place_scatter(of(&nonce), Aad::from(aad), plaintext, ciphertext, &[], tag);
        sealed.map_err(|_| too_long(plaintext.len()))
    }

    /// Encrypts in place and returns the tag.
    #[inline]
    pub fn seal_in_place(&self, nonce: Nonce, aad: &[u8], in_out: &mut [u8]) -> Result<[u8; TAG_LEN]> {
        self.generation.check()?;
        let len = in_out.len();
        let tag = self.key.seal_in_place_separate_tag(of(&nonce), Aad::from(aad), in_out);
        let mut bytes = [0; TAG_LEN];
        bytes.copy_from_slice(tag.map_err(|_| too_long(len))?.as_ref());
        Ok(bytes)
    }

    /// Decrypts from one place to another. On failure the output is zero.
    #[inline]
    pub fn open(
        &self,
        nonce: Nonce,
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        mut plaintext: Output<'_>,
    ) -> Result<()> {
        self.generation.check()?;
        let out = plaintext.as_mut_slice();
        let opened = self.key.open_separate_gather(of(&nonce), Aad::from(aad), ciphertext, tag, out);
        opened.map_err(|_| {
            plaintext.zero();
            Error::Authentication
        })
    }

    /// Decrypts in place. On failure the bytes are zero.
    #[inline]
    pub fn open_in_place(&self, nonce: Nonce, aad: &[u8], in_out: &mut [u8], tag: &[u8]) -> Result<()> {
        self.generation.check()?;
        let opened = self.key.open_in_place_separate_tag(of(&nonce), Aad::from(aad), tag, in_out).map(drop);
        opened.map_err(|_| {
            in_out.fill(0);
            Error::Authentication
        })
    }
}

impl std::fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AeadKey")
    }
}

fn of(nonce: &Nonce) -> lc::Nonce {
    lc::Nonce::assume_unique_for_key(nonce.0)
}

fn too_long(len: usize) -> Error {
    Error::Limit { what: "the plaintext of one AES-GCM operation", limit: MAX_PLAINTEXT, found: len as u64 }
}

const MAX_PLAINTEXT: u64 = (1 << 36) - 32;
