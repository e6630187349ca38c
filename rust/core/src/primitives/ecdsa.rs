//! ECDSA on P-256 and P-384, with DER signatures.

use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, KeyPair, ParsedPublicKey};
use strongroom_secmem::Generation;

use super::digest::Digester;
use crate::error::{Error, Result};
use crate::suite::{Curve, Signature};

/// A key that signs messages. Refuses to work in a forked child.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    generation: Generation,
}

impl SigningKey {
    /// A new key.
    pub fn generate(signature: Signature) -> Result<Self> {
        let algorithm = match signature.curve {
            Curve::P256 => &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
            Curve::P384 => &lc::ECDSA_P384_SHA384_ASN1_SIGNING,
            Curve::P521 => return Err(no_such_curve()),
        };
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| Error::KeyUnavailable)?;
        Ok(SigningKey { pair, generation: Generation::current() })
    }

    /// Its public half, as a compressed point.
    pub fn public_key(&self) -> Result<Vec<u8>> {
        let point = AsBigEndian::<EcPublicKeyCompressedBin<'_>>::as_be_bytes(self.pair.public_key());
        point.map(|point| point.as_ref().to_vec()).map_err(|_| Error::KeyUnavailable)
    }

    /// Signs what was taken in; the signature is DER.
    pub fn sign(&self, signed: Digester) -> Result<Vec<u8>> {
        self.generation.check()?;
        let signature = self.pair.sign_digest(&signed.into_digest());
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::KeyUnavailable)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A key that verifies messages.
#[derive(Debug)]
pub struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// A public key from its point, compressed or not.
    pub fn new(signature: Signature, point: &[u8]) -> Result<Self> {
        let algorithm = match signature.curve {
            Curve::P256 => &lc::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &lc::ECDSA_P384_SHA384_ASN1,
            Curve::P521 => return Err(no_such_curve()),
        };
        let refused = || Error::Misuse("not a point of its curve".into());
        // AWS-LC would take a SubjectPublicKeyInfo as well: a second name for the same key
        if !signature.curve.has_form_of_point(point) {
            return Err(refused());
        }
        ParsedPublicKey::new(algorithm, point).map(VerifyingKey).map_err(|_| refused())
    }

    /// Verifies a DER signature of what was taken in.
    pub fn verify(&self, signed: Digester, signature: &[u8]) -> Result<()> {
        self.0.verify_digest_sig(&signed.into_digest(), signature).map_err(|_| Error::Authentication)
    }
}

fn no_such_curve() -> Error {
    Error::Unsupported("messages are signed on P-256 or P-384".into())
}
