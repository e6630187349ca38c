//! Raw AES: the data key under AES-GCM, bound to the encryption context.
//!
//! ```text
//! provider info: key name │ tag length in bits 4 │ nonce length 4 │ nonce 12
//! ciphertext:    wrapped data key │ tag 16
//! ```

use strongroom_secmem::{Secret, forget_calls};
use zeroize::Zeroizing;

use super::open;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk, NONCE_LEN, Nonce, RAW_AES_LENGTHS};
use crate::primitives::aead::AeadKey;
use crate::primitives::rng;
use crate::suite::Aead;

/// An AES key that wraps data keys.
#[derive(Debug)]
pub struct RawAes {
    key: Secret,
    aead: Aead,
}

impl RawAes {
    /// Takes over a key of 16, 24 or 32 bytes.
    pub fn new(key: Secret) -> Result<Self> {
        let aead = match key.len() {
            16 => Aead::Aes128Gcm,
            24 => Aead::Aes192Gcm,
            32 => Aead::Aes256Gcm,
            len => return Err(Error::Misuse(format!("an AES key has 16, 24 or 32 bytes, not {len}"))),
        };
        Ok(RawAes { key, aead })
    }

    /// Wraps a data key under this context. One key wraps fewer than 2^32 data keys: the nonces are random.
    pub fn wrap(&self, data_key: &DataKey, namespace: &str, name: &str, context: &Context) -> Result<Edk> {
        let mut nonce = [0; NONCE_LEN];
        rng::fill(&mut nonce)?;
        let mut ciphertext = Zeroizing::new(data_key.expose()?.to_vec());
        let tag = self.schedule()?.seal_in_place(Nonce(nonce), &context.serialize(), &mut ciphertext)?;
        forget_calls();
        let ciphertext = [&ciphertext[..], &tag].concat();
        let provider_info = [name.as_bytes(), &RAW_AES_LENGTHS, &nonce].concat();
        Ok(Edk { provider_id: namespace.to_owned(), provider_info, ciphertext })
    }

    /// Unwraps what [`wrap`](Self::wrap) made. An EDK of another key is an authentication failure like any other.
    pub fn unwrap(&self, edk: &Edk, namespace: &str, name: &str, context: &Context) -> Result<DataKey> {
        let nonce = nonce(edk, namespace, name).ok_or(Error::Authentication)?;
        open(&self.schedule()?, Nonce(nonce), &context.serialize(), &edk.ciphertext).map(DataKey::new)
    }

    /// Expanded for each use and wiped after it: the schedule holds the key, outside of locked memory.
    fn schedule(&self) -> Result<AeadKey> {
        AeadKey::new(self.aead, self.key.expose()?)
    }

    /// The key itself, for wrapping it under another.
    pub fn secret(&self) -> &Secret {
        &self.key
    }
}

/// The nonce of an EDK that this namespace and name have written; `None` for those of others.
fn nonce(edk: &Edk, namespace: &str, name: &str) -> Option<[u8; NONCE_LEN]> {
    let rest = edk.provider_info.strip_prefix(name.as_bytes())?.strip_prefix(&RAW_AES_LENGTHS)?;
    let nonce = rest.try_into().ok()?;
    (edk.provider_id == namespace).then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::altered::{all_refused, refused};

    fn key(len: usize) -> RawAes {
        RawAes::new(Secret::fill_with(len, rng::fill).unwrap()).unwrap()
    }

    fn data_key() -> DataKey {
        DataKey::new(Secret::copy_from(&[7; 32]).unwrap())
    }

    fn context(value: &str) -> Context {
        Context::new([("tenant".to_owned(), value.to_owned())]).unwrap()
    }

    #[test]
    fn round_trip_and_layout() {
        for len in [16, 24, 32] {
            let key = key(len);
            let edk = key.wrap(&data_key(), "ns", "name", &context("acme")).unwrap();
            assert_eq!(edk.provider_id, "ns");
            assert_eq!(edk.provider_info[..12], *b"name\0\0\0\x80\0\0\0\x0c");
            assert_eq!((edk.provider_info.len(), edk.ciphertext.len()), (12 + 12, 32 + 16));
            let opened = key.unwrap(&edk, "ns", "name", &context("acme")).unwrap();
            assert_eq!(opened.expose().unwrap(), data_key().expose().unwrap());
        }
    }

    #[test]
    fn each_wrap_has_its_nonce() {
        let (key, context) = (key(32), context("acme"));
        let wraps = [0; 2].map(|_| key.wrap(&data_key(), "ns", "name", &context).unwrap());
        assert_ne!(wraps[0].provider_info, wraps[1].provider_info);
        assert_ne!(wraps[0].ciphertext, wraps[1].ciphertext);
    }

    #[test]
    fn another_key_place_or_context_does_not_open() {
        let key32 = key(32);
        let edk = key32.wrap(&data_key(), "ns", "name", &context("acme")).unwrap();
        refused(&key(32).unwrap(&edk, "ns", "name", &context("acme")));
        refused(&key(16).unwrap(&edk, "ns", "name", &context("acme")));
        refused(&key32.unwrap(&edk, "ms", "name", &context("acme")));
        refused(&key32.unwrap(&edk, "ns", "nam", &context("acme")));
        refused(&key32.unwrap(&edk, "ns", "name\0", &context("acme")));
        refused(&key32.unwrap(&edk, "ns", "name", &context("acmf")));
        refused(&key32.unwrap(&edk, "ns", "name", &Context::default()));
    }

    #[test]
    fn nothing_altered_opens() {
        let (key, context) = (key(32), context("acme"));
        let edk = key.wrap(&data_key(), "ns", "name", &context).unwrap();
        all_refused(&edk.ciphertext, |altered| {
            key.unwrap(&Edk { ciphertext: altered.to_vec(), ..edk.clone() }, "ns", "name", &context)
        });
        all_refused(&edk.provider_info, |altered| {
            key.unwrap(&Edk { provider_info: altered.to_vec(), ..edk.clone() }, "ns", "name", &context)
        });
    }

    #[test]
    fn a_wrapped_key_of_no_keys_length_does_not_open() {
        let (key, context) = (key(32), context("acme"));
        let edk = key.wrap(&data_key(), "ns", "name", &context).unwrap();
        for len in [0, 16, 17, 65_488, 65_489, 65_535] {
            let altered = Edk { ciphertext: vec![1; len], ..edk.clone() };
            refused(&key.unwrap(&altered, "ns", "name", &context));
        }
    }

    #[test]
    fn keys_have_three_lengths() {
        for len in [1, 15, 17, 23, 31, 33, 64] {
            let refused = RawAes::new(Secret::copy_from(&vec![1; len]).unwrap());
            assert!(matches!(refused, Err(Error::Misuse(_))));
        }
    }
}
