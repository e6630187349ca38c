//! The keys of a room: a root that seals under a secret, and wraps KEKs and the keystore's MAC key.
//!
//! ```text
//! sealed root, wrapped key:  nonce 12 │ ciphertext 32 │ tag 16
//! ```

use strongroom_secmem::Secret;

use super::RawAes;
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::argon2::{self, Cost};
use crate::primitives::hkdf::Prk;
use crate::primitives::{hmac, rng};
use crate::suite::{Aead, Hash};

/// How a sealing key comes from a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kdf {
    /// From a passphrase: slow on purpose.
    Argon2id {
        /// At least 16 random bytes.
        salt: Vec<u8>,
        /// What it costs.
        cost: Cost,
    },
    /// From a secret that is random already: a key file, a recovery kit.
    HkdfSha256 {
        /// Random bytes.
        salt: Vec<u8>,
    },
}

impl Kdf {
    fn derive(&self, secret: &Secret) -> Result<Secret> {
        match self {
            Kdf::Argon2id { salt, cost } => argon2::derive(secret.expose()?, salt, *cost),
            Kdf::HkdfSha256 { salt } => {
                if secret.len() < KEY_LEN {
                    return Err(Error::Misuse("a key file has at least 32 random bytes".into()));
                }
                expand(&Prk::extract(Hash::Sha256, salt, secret.expose()?), SEAL)
            }
        }
    }
}

/// The root of a room's hierarchy: 256 random bits that leave locked memory only sealed.
#[derive(Debug)]
pub struct RootKey(Secret);

impl RootKey {
    /// A new root.
    pub fn generate() -> Result<Self> {
        Secret::fill_with(KEY_LEN, rng::fill).map(RootKey)
    }

    /// Seals the root under a secret; `aad` says what it is the root of.
    pub fn seal(&self, secret: &Secret, kdf: &Kdf, aad: &[u8]) -> Result<Vec<u8>> {
        wrap(&kdf.derive(secret)?, &self.0, aad)
    }

    /// Opens a sealed root. A wrong secret is an authentication failure.
    pub fn unseal(sealed: &[u8], secret: &Secret, kdf: &Kdf, aad: &[u8]) -> Result<Self> {
        unwrap(&kdf.derive(secret)?, sealed, aad).map(RootKey)
    }

    /// Wraps a KEK.
    pub fn wrap_kek(&self, key: &RawAes, aad: &[u8]) -> Result<Vec<u8>> {
        wrap(&self.purpose(KEK)?, key.secret(), aad)
    }

    /// Unwraps a KEK.
    pub fn unwrap_kek(&self, wrapped: &[u8], aad: &[u8]) -> Result<RawAes> {
        unwrap(&self.purpose(KEK)?, wrapped, aad).and_then(RawAes::new)
    }

    /// Wraps the keystore's MAC key.
    pub fn wrap_mac_key(&self, key: &MacKey, aad: &[u8]) -> Result<Vec<u8>> {
        wrap(&self.purpose(MAC)?, &key.0, aad)
    }

    /// Unwraps the keystore's MAC key.
    pub fn unwrap_mac_key(&self, wrapped: &[u8], aad: &[u8]) -> Result<MacKey> {
        unwrap(&self.purpose(MAC)?, wrapped, aad).map(MacKey)
    }

    fn purpose(&self, info: &[u8]) -> Result<Secret> {
        expand(&Prk::extract(Hash::Sha256, &[], self.0.expose()?), info)
    }
}

/// A key for HMAC-SHA256 over what the keystore says.
#[derive(Debug)]
pub struct MacKey(Secret);

impl MacKey {
    /// A new key.
    pub fn generate() -> Result<Self> {
        Secret::fill_with(KEY_LEN, rng::fill).map(MacKey)
    }

    /// The MAC of a message.
    pub fn sign(&self, message: &[u8]) -> Result<impl AsRef<[u8]> + use<>> {
        Ok(hmac::sign(Hash::Sha256, self.0.expose()?, message))
    }

    /// Whether this is the MAC of the message.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> Result<()> {
        hmac::verify(Hash::Sha256, self.0.expose()?, message, mac)
    }
}

fn expand(prk: &Prk, info: &[u8]) -> Result<Secret> {
    Secret::fill_with(KEY_LEN, |out| prk.expand(&[info], out))
}

fn wrap(under: &Secret, key: &Secret, aad: &[u8]) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    rng::fill(&mut nonce)?;
    let mut sealed = zeroize::Zeroizing::new(key.expose()?.to_vec());
    let tag =
        AeadKey::new(Aead::Aes256Gcm, under.expose()?)?.seal_in_place(Nonce(nonce), aad, &mut sealed)?;
    Ok([&nonce[..], &sealed, &tag].concat())
}

fn unwrap(under: &Secret, wrapped: &[u8], aad: &[u8]) -> Result<Secret> {
    if wrapped.len() != NONCE_LEN + KEY_LEN + TAG_LEN {
        return Err(Error::Authentication);
    }
    let (nonce, rest) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Error::Authentication)?;
    let (ciphertext, tag) = rest.split_at(KEY_LEN);
    let schedule = AeadKey::new(Aead::Aes256Gcm, under.expose()?)?;
    Secret::fill_with(KEY_LEN, |out| {
        out.copy_from_slice(ciphertext);
        schedule.open_in_place(Nonce(*nonce), aad, out, tag)
    })
}

const KEY_LEN: usize = 32;
const SEAL: &[u8] = b"strongroom/v1/seal";
const KEK: &[u8] = b"strongroom/v1/kek";
const MAC: &[u8] = b"strongroom/v1/mac";
