//! RSA encryption of short secrets: OAEP, and PKCS#1 v1.5 for old messages.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{
    self as lc, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey,
    Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use strongroom_secmem::Generation;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};

/// How the secret is padded. In OAEP, MGF1 uses the same hash, and there is no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Padding {
    Pkcs1,
    OaepSha1,
    OaepSha256,
    OaepSha384,
    OaepSha512,
}

impl Padding {
    /// The padding of this name.
    pub fn by_name(name: &str) -> Result<Self> {
        match name {
            "pkcs1" => Ok(Padding::Pkcs1),
            "oaep-sha1" => Ok(Padding::OaepSha1),
            "oaep-sha256" => Ok(Padding::OaepSha256),
            "oaep-sha384" => Ok(Padding::OaepSha384),
            "oaep-sha512" => Ok(Padding::OaepSha512),
            _ => Err(Error::Misuse(format!("there is no RSA padding '{name}'"))),
        }
    }

    fn oaep(self) -> Option<&'static OaepAlgorithm> {
        match self {
            Padding::Pkcs1 => None,
            Padding::OaepSha1 => Some(&lc::OAEP_SHA1_MGF1SHA1),
            Padding::OaepSha256 => Some(&lc::OAEP_SHA256_MGF1SHA256),
            Padding::OaepSha384 => Some(&lc::OAEP_SHA384_MGF1SHA384),
            Padding::OaepSha512 => Some(&lc::OAEP_SHA512_MGF1SHA512),
        }
    }
}

/// A private key of 2048 to 8192 bits. Refuses to work in a forked child.
#[derive(Debug)]
pub struct PrivateKey {
    key: PrivateDecryptingKey,
    generation: Generation,
}

impl PrivateKey {
    /// From PKCS#8 DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let key = PrivateDecryptingKey::from_pkcs8(der)
            .map_err(|_| Error::Misuse("not an RSA private key of 2048 to 8192 bits in PKCS#8".into()))?;
        Ok(PrivateKey { key, generation: Generation::current() })
    }

    /// Its public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.public_key())
    }

    /// Decrypts a short secret.
    pub fn decrypt(&self, padding: Padding, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.generation.check()?;
        let mut out = Zeroizing::new(vec![0; self.key.key_size_bytes()]);
        let opened = match padding.oaep() {
            Some(algorithm) => OaepPrivateDecryptingKey::new(self.key.clone()).and_then(|key| {
                key.decrypt(algorithm, ciphertext, &mut out, None).map(|secret| secret.len())
            }),
            None => Pkcs1PrivateDecryptingKey::new(self.key.clone())
                .and_then(|key| key.decrypt(ciphertext, &mut out).map(|secret| secret.len())),
        };
        let len = opened.map_err(|_| Error::Authentication)?;
        out[len..].zeroize();
        out.truncate(len);
        Ok(out)
    }
}

/// A public key of 2048 to 8192 bits.
#[derive(Debug)]
pub struct PublicKey(PublicEncryptingKey);

impl PublicKey {
    /// From SubjectPublicKeyInfo DER.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let key = PublicEncryptingKey::from_der(der);
        key.map(PublicKey).map_err(|_| Error::Misuse("not an RSA public key of 2048 to 8192 bits".into()))
    }

    /// As SubjectPublicKeyInfo DER: the same for the same key, however it was given.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&self.0);
        der.map(|der| der.as_ref().to_vec()).map_err(|_| Error::KeyUnavailable)
    }

    /// Encrypts a short secret.
    pub fn encrypt(&self, padding: Padding, secret: &[u8]) -> Result<Vec<u8>> {
        let mut out = vec![0; self.0.key_size_bytes()];
        let sealed = match padding.oaep() {
            Some(algorithm) => OaepPublicEncryptingKey::new(self.0.clone())
                .and_then(|key| key.encrypt(algorithm, secret, &mut out, None).map(|bytes| bytes.len())),
            None => Pkcs1PublicEncryptingKey::new(self.0.clone())
                .and_then(|key| key.encrypt(secret, &mut out).map(|bytes| bytes.len())),
        };
        let len =
            sealed.map_err(|_| Error::Misuse("the secret is too long for this key and padding".into()))?;
        out.truncate(len);
        Ok(out)
    }
}
