//! The keys of a room: a root that seals under a secret, and wraps KEKs and the keystore's MAC key.
//!
//! ```text
//! sealed root, wrapped key:  nonce 12 │ ciphertext 32 │ tag 16
//! ```

use strongroom_secmem::{Secret, forget_calls};

use super::{RawAes, open};
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::argon2::{self, Cost};
use crate::primitives::hkdf::Prk;
use crate::primitives::{ed25519, hmac, rng};
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

    /// Wraps a KEK, which has 256 bits like everything under a root.
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

    /// The key that wraps the data keys of backups, as a raw AES keyring does.
    pub fn backup_key(&self) -> Result<RawAes> {
        RawAes::new(self.purpose(BACKUP)?)
    }

    /// The root itself, for wrapping it under a key elsewhere.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Takes over a root that was wrapped elsewhere. One of another length is no root.
    pub fn from_secret(secret: Secret) -> Result<Self> {
        if secret.len() == KEY_LEN { Ok(RootKey(secret)) } else { Err(Error::Authentication) }
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

    /// The key that signs the checkpoints of a log, the one that `binding` names.
    ///
    /// No row is signed over what begins like a binding, so no MAC is ever its seed.
    pub fn log_key(&self, binding: &[u8]) -> Result<LogKey> {
        let seed = self.sign(binding)?;
        Secret::copy_from(seed.as_ref()).map(LogKey).map_err(Error::from)
    }
}

/// An Ed25519 key that signs the checkpoints of one log.
#[derive(Debug)]
pub struct LogKey(Secret);

impl LogKey {
    /// Its public half.
    pub fn public_key(&self) -> Result<[u8; ed25519::PUBLIC_LEN]> {
        ed25519::public_key(self.0.expose()?)
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; ed25519::SIGNATURE_LEN]> {
        ed25519::sign(self.0.expose()?, message)
    }
}

fn expand(prk: &Prk, info: &[u8]) -> Result<Secret> {
    Secret::fill_with(KEY_LEN, |out| prk.expand(&[info], out))
}

fn wrap(under: &Secret, key: &Secret, aad: &[u8]) -> Result<Vec<u8>> {
    if key.len() != KEY_LEN {
        return Err(Error::Misuse(format!("a key of a room has {KEY_LEN} bytes, not {}", key.len())));
    }
    let mut nonce = [0; NONCE_LEN];
    rng::fill(&mut nonce)?;
    let mut sealed = zeroize::Zeroizing::new(key.expose()?.to_vec());
    let tag =
        AeadKey::new(Aead::Aes256Gcm, under.expose()?)?.seal_in_place(Nonce(nonce), aad, &mut sealed)?;
    forget_calls();
    Ok([&nonce[..], &sealed, &tag].concat())
}

fn unwrap(under: &Secret, wrapped: &[u8], aad: &[u8]) -> Result<Secret> {
    if wrapped.len() != NONCE_LEN + KEY_LEN + TAG_LEN {
        return Err(Error::Authentication);
    }
    let (nonce, rest) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(Error::Authentication)?;
    open(&AeadKey::new(Aead::Aes256Gcm, under.expose()?)?, Nonce(*nonce), aad, rest)
}

const KEY_LEN: usize = 32;
const SEAL: &[u8] = b"strongroom/v1/seal";
const KEK: &[u8] = b"strongroom/v1/kek";
const MAC: &[u8] = b"strongroom/v1/mac";
const BACKUP: &[u8] = b"strongroom/v1/backup";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::altered::{all_refused, refused};

    fn random(len: usize) -> Secret {
        Secret::fill_with(len, rng::fill).unwrap()
    }

    fn hkdf(salt: &[u8]) -> Kdf {
        Kdf::HkdfSha256 { salt: salt.to_vec() }
    }

    fn argon2(memory_kib: u32) -> Kdf {
        Kdf::Argon2id { salt: vec![3; 16], cost: Cost { memory_kib, passes: 1, lanes: 1 } }
    }

    fn same(left: &Secret, right: &Secret) -> bool {
        left.expose().unwrap() == right.expose().unwrap()
    }

    #[test]
    fn a_root_opens_with_its_secret_and_way() {
        let (secret, root) = (random(32), RootKey::generate().unwrap());
        let (kdfs, other) = match cfg!(feature = "fips") {
            false => (vec![hkdf(b"salt"), argon2(64)], argon2(128)),
            true => (vec![hkdf(b"salt")], hkdf(b"other")),
        };
        for kdf in kdfs {
            let sealed = root.seal(&secret, &kdf, b"aad").unwrap();
            assert_eq!(sealed.len(), 12 + 32 + 16);
            assert!(same(&RootKey::unseal(&sealed, &secret, &kdf, b"aad").unwrap().0, &root.0));
            refused(&RootKey::unseal(&sealed, &random(32), &kdf, b"aad"));
            refused(&RootKey::unseal(&sealed, &secret, &hkdf(b"tlas"), b"aad"));
            refused(&RootKey::unseal(&sealed, &secret, &other, b"aad"));
            refused(&RootKey::unseal(&sealed, &secret, &kdf, b"aae"));
        }
    }

    #[test]
    #[cfg(feature = "fips")]
    fn a_fips_build_takes_no_passphrase() {
        let sealed = RootKey::generate().unwrap().seal(&random(32), &argon2(64), b"aad");
        assert!(matches!(sealed, Err(Error::Unsupported(_))));
    }

    #[test]
    fn no_altered_root_opens() {
        let (secret, kdf) = (random(32), hkdf(b"salt"));
        let sealed = RootKey::generate().unwrap().seal(&secret, &kdf, b"aad").unwrap();
        all_refused(&sealed, |altered| RootKey::unseal(altered, &secret, &kdf, b"aad"));
    }

    #[test]
    fn a_short_secret_is_no_key_file() {
        let sealed = RootKey::generate().unwrap().seal(&random(31), &hkdf(b"salt"), b"aad");
        assert!(matches!(sealed, Err(Error::Misuse(_))));
    }

    #[test]
    fn wrapped_keys_open_under_their_root_and_purpose() {
        let (root, other) = (RootKey::generate().unwrap(), RootKey::generate().unwrap());
        let kek = RawAes::new(random(32)).unwrap();
        let wrapped = root.wrap_kek(&kek, b"aad").unwrap();
        assert!(same(root.unwrap_kek(&wrapped, b"aad").unwrap().secret(), kek.secret()));
        refused(&other.unwrap_kek(&wrapped, b"aad"));
        refused(&root.unwrap_kek(&wrapped, b"aae"));
        refused(&root.unwrap_mac_key(&wrapped, b"aad"));
        all_refused(&wrapped, |altered| root.unwrap_kek(altered, b"aad"));

        let mac_key = MacKey::generate().unwrap();
        let wrapped = root.wrap_mac_key(&mac_key, b"aad").unwrap();
        assert!(same(&root.unwrap_mac_key(&wrapped, b"aad").unwrap().0, &mac_key.0));
        refused(&root.unwrap_kek(&wrapped, b"aad"));
        all_refused(&wrapped, |altered| root.unwrap_mac_key(altered, b"aad"));
    }

    #[test]
    fn the_key_of_backups_is_one_of_its_own() {
        let root = RootKey::generate().unwrap();
        let backup = root.backup_key().unwrap();
        assert!(same(backup.secret(), root.backup_key().unwrap().secret()));
        for other in [root.purpose(KEK).unwrap(), root.purpose(MAC).unwrap()] {
            assert!(!same(backup.secret(), &other));
        }
        assert!(!same(backup.secret(), RootKey::generate().unwrap().backup_key().unwrap().secret()));
    }

    /// What could not be unwrapped later is not wrapped.
    #[test]
    fn only_keys_of_256_bits_are_wrapped() {
        let root = RootKey::generate().unwrap();
        for len in [16, 24] {
            let short = RawAes::new(random(len)).unwrap();
            assert!(matches!(root.wrap_kek(&short, b"aad"), Err(Error::Misuse(_))));
        }
    }

    #[test]
    fn a_mac_is_of_its_key_and_message() {
        let key = MacKey::generate().unwrap();
        let mac = key.sign(b"row").unwrap();
        key.verify(b"row", mac.as_ref()).unwrap();
        refused(&key.verify(b"rov", mac.as_ref()));
        refused(&MacKey::generate().unwrap().verify(b"row", mac.as_ref()));
        all_refused(mac.as_ref(), |altered| key.verify(b"row", altered));
    }
}
