//! Data keys and how messages carry them.

use strongroom_secmem::Secret;

use crate::error::Result;

/// A plaintext data key, in locked memory.
#[derive(Debug)]
pub struct DataKey(Secret);

impl DataKey {
    /// Takes over a secret as a data key.
    pub fn new(secret: Secret) -> Self {
        DataKey(secret)
    }

    /// Its bytes. Fails in a forked child.
    pub fn expose(&self) -> Result<&[u8]> {
        Ok(self.0.expose()?)
    }

    /// The secret itself, for wrapping it where only a secret may go.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Bytes in it.
    #[allow(clippy::len_without_is_empty, reason = "a data key is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// An encrypted data key as it stands in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edk {
    /// Who can unwrap it: a keyring's namespace.
    pub provider_id: String,
    /// What that keyring needs to know: the key's name, a nonce, points.
    pub provider_info: Vec<u8>,
    /// The wrapped data key.
    pub ciphertext: Vec<u8>,
}

impl Edk {
    /// The name of the key of a room that wrapped it: in memory as raw AES, or in a token by one of its schemes.
    pub fn key_name(&self, namespace: &str) -> Option<&str> {
        match self.provider_id.strip_prefix(namespace)? {
            "" => self.raw_aes_name(),
            rest if rest.strip_prefix('-').is_some_and(|scheme| TOKEN_SCHEMES.contains(&scheme)) => {
                std::str::from_utf8(&self.provider_info).ok()
            }
            _ => None,
        }
    }

    /// The name of the key that wrapped it, if it has the form of raw AES: name ‖ two lengths ‖ nonce.
    fn raw_aes_name(&self) -> Option<&str> {
        let (rest, _) = self.provider_info.split_last_chunk::<NONCE_LEN>()?;
        std::str::from_utf8(rest.strip_suffix(&RAW_AES_LENGTHS)?).ok()
    }
}

/// The nonce of one AES-GCM operation. Not `Clone`: it is used up.
#[derive(Debug)]
pub struct Nonce(pub [u8; 12]);

/// Bytes of an AES-GCM tag.
pub const TAG_LEN: usize = 16;
/// Bytes of an AES-GCM nonce.
pub const NONCE_LEN: usize = 12;
/// How tokens wrap data keys.
pub const TOKEN_SCHEMES: [&str; 3] = ["aes-gcm", "aes-cbc-hmac-sha256", "rsa-oaep-sha256"];
/// What stands between name and nonce in a raw-AES EDK: tag length 128 bits, nonce length 12 bytes.
pub(crate) const RAW_AES_LENGTHS: [u8; 8] = [0, 0, 0, 128, 0, 0, 0, 12];
