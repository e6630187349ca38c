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
    /// From PEM: PKCS#8 for the private key, SubjectPublicKeyInfo for the public one. At least one is needed.
    pub fn new(private_pem: Option<&[u8]>, public_pem: Option<&[u8]>, padding: Padding) -> Result<Self> {
        let private_key = private_pem
            .map(|document| PrivateKey::from_pkcs8(&pem::decode(document, pem::PRIVATE_KEY)?))
            .transpose()?;
        let public_key = match (public_pem, &private_key) {
            (Some(document), _) => PublicKey::from_spki(&pem::decode(document, pem::PUBLIC_KEY)?)?,
            (None, Some(key)) => key.public_key(),
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
