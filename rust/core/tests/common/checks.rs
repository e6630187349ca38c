//! Our primitives, put to the cases of a vector file. `Ok(false)`: accepted, with another output than stated.

use strongroom_core::error::Result;
use strongroom_core::key::Nonce;
use strongroom_core::primitives::aead::AeadKey;
use strongroom_core::primitives::digest::Digester;
use strongroom_core::primitives::ecdh;
use strongroom_core::primitives::ecdsa::VerifyingKey;
use strongroom_core::primitives::hkdf::Prk;
use strongroom_core::primitives::hmac;
use strongroom_core::primitives::output::Output;
use strongroom_core::suite::{Aead, Curve, Hash, Signature};

/// One case of AES-GCM.
#[derive(Debug)]
pub(crate) struct Gcm<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) nonce: [u8; 12],
    pub(crate) aad: &'a [u8],
    pub(crate) plaintext: &'a [u8],
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: &'a [u8],
}

impl Gcm<'_> {
    /// Encrypts both ways.
    pub(crate) fn seal(&self) -> Result<bool> {
        let key = self.schedule()?;
        let (mut ciphertext, mut tag) = (vec![0; self.plaintext.len()], [0; 16]);
        let out = (Output::from(&mut ciphertext[..]), Output::from(&mut tag[..]));
        key.seal(Nonce(self.nonce), self.aad, self.plaintext, out.0, out.1)?;
        let mut in_place = self.plaintext.to_vec();
        let in_place_tag = key.seal_in_place(Nonce(self.nonce), self.aad, &mut in_place)?;
        Ok(ciphertext == self.ciphertext && tag == self.tag && in_place == ciphertext && in_place_tag == tag)
    }

    /// Decrypts both ways; insists that they agree, and that a refusal leaves no plaintext.
    pub(crate) fn open(&self) -> Result<bool> {
        let key = self.schedule()?;
        let mut plaintext = vec![0xAA; self.ciphertext.len()];
        let out = Output::from(&mut plaintext[..]);
        let opened = key.open(Nonce(self.nonce), self.aad, self.ciphertext, self.tag, out);
        let mut in_place = self.ciphertext.to_vec();
        let opened_in_place = key.open_in_place(Nonce(self.nonce), self.aad, &mut in_place, self.tag);
        assert_eq!(opened.is_ok(), opened_in_place.is_ok());
        if opened.is_err() {
            assert!(plaintext.iter().chain(&in_place).all(|&byte| byte == 0), "plaintext released");
        }
        opened.and(opened_in_place)?;
        Ok(plaintext == self.plaintext && in_place == plaintext)
    }

    fn schedule(&self) -> Result<AeadKey> {
        let aead = match self.key.len() {
            16 => Aead::Aes128Gcm,
            24 => Aead::Aes192Gcm,
            _ => Aead::Aes256Gcm,
        };
        AeadKey::new(aead, self.key)
    }
}

/// HKDF, extract and expand.
pub(crate) fn hkdf(hash: Hash, salt: &[u8], ikm: &[u8], info: &[u8], len: usize, okm: &[u8]) -> Result<bool> {
    let mut out = vec![0; len];
    Prk::extract(hash, salt, ikm).expand(&[info], &mut out)?;
    Ok(out == okm)
}

/// HMAC: verifies, and signs what it accepts.
pub(crate) fn hmac(hash: Hash, key: &[u8], message: &[u8], mac: &[u8]) -> Result<bool> {
    hmac::verify(hash, key, message, mac)?;
    Ok(hmac::sign(hash, key, message).as_ref() == mac)
}

/// ECDSA with the hash that belongs to the curve, of which `hash` may be another.
pub(crate) fn ecdsa(curve: Curve, hash: Hash, point: &[u8], message: &[u8], der: &[u8]) -> Result<bool> {
    let key = VerifyingKey::new(Signature { curve, hash }, point)?;
    let mut digester = Digester::new(hash);
    digester.update(message);
    key.verify(digester, der).map(|()| true)
}

/// ECDH with a point as it stands.
pub(crate) fn ecdh(curve: Curve, scalar: &[u8], point: &[u8], shared: &[u8]) -> Result<bool> {
    let key = private_key(curve, scalar)?;
    Ok(key.agree(point)?.as_slice() == shared)
}

/// ECDH with a SubjectPublicKeyInfo.
pub(crate) fn ecdh_spki(curve: Curve, scalar: &[u8], spki: &[u8], shared: &[u8]) -> Result<bool> {
    let key = private_key(curve, scalar)?;
    let point = ecdh::public_point(&key, spki)?;
    Ok(key.agree(&point)?.as_slice() == shared)
}

fn private_key(curve: Curve, scalar: &[u8]) -> Result<ecdh::PrivateKey> {
    let key = ecdh::PrivateKey::from_pkcs8(&super::der::ec_pkcs8(curve, scalar))?;
    assert_eq!(key.curve(), curve);
    Ok(key)
}
