//! ECDH on the NIST curves, and the key derivation of SP 800-108 that follows it.

use aws_lc_rs::agreement::{self as lc, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use strongroom_secmem::Generation;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::suite::Curve;

/// A private key on one of the curves. Refuses to work in a forked child.
#[derive(Debug)]
pub struct PrivateKey {
    key: lc::PrivateKey,
    curve: Curve,
    generation: Generation,
}

impl PrivateKey {
    /// From PKCS#8 DER; the curve is the key's own.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let curves =
            [(&lc::ECDH_P256, Curve::P256), (&lc::ECDH_P384, Curve::P384), (&lc::ECDH_P521, Curve::P521)];
        let found = curves.into_iter().find_map(|(algorithm, curve)| {
            let key = lc::PrivateKey::from_private_key_der(algorithm, der).ok()?;
            Some(PrivateKey { key, curve, generation: Generation::current() })
        });
        found.ok_or_else(|| Error::Misuse("not a private key on P-256, P-384 or P-521 in PKCS#8".into()))
    }

    /// Its curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// Its public half, as a compressed point.
    pub fn public_key(&self) -> Result<Vec<u8>> {
        let public = self.key.compute_public_key().map_err(|_| Error::KeyUnavailable)?;
        let point = AsBigEndian::<EcPublicKeyCompressedBin<'_>>::as_be_bytes(&public);
        point.map(|point| point.as_ref().to_vec()).map_err(|_| Error::KeyUnavailable)
    }

    /// Agrees with the owner of a point, compressed or not, and gives the shared secret.
    pub fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.generation.check()?;
        // AWS-LC would take a SubjectPublicKeyInfo as well: a second name for the same key
        if !self.curve.has_form_of_point(point) {
            return Err(Error::Authentication);
        }
        let theirs = UnparsedPublicKey::new(self.key.algorithm(), point);
        lc::agree(&self.key, theirs, Error::Authentication, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
}

/// The compressed point of a public key of this key's curve, given as SubjectPublicKeyInfo DER.
pub fn public_point(key: &PrivateKey, spki: &[u8]) -> Result<Vec<u8>> {
    let refused = || Error::Misuse("not a public key on the curve of the private key".into());
    // AWS-LC also takes curves spelt out in parameters, of which it does not check all; RFC 5480 wants their name, and
    // DER has one way of writing that
    let point = spki.strip_prefix(named(key.curve)).ok_or_else(refused)?;
    if !key.curve.has_form_of_point(point) {
        return Err(refused());
    }
    ParsedPublicKey::try_from(&UnparsedPublicKey::new(key.key.algorithm(), spki)).map_err(|_| refused())?;
    let (x, y) = point[1..].split_at(key.curve.coordinate_len());
    let sign = y.last().map_or(0, |last| last & 1);
    Ok([&[2 + sign], x].concat())
}

/// SP 800-108 in counter mode with HMAC-SHA384, a 32-bit counter before the fixed information.
pub fn kbkdf_sha384(secret: &[u8], info: &[u8], out: &mut [u8]) -> Result<()> {
    let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha384)
        .ok_or_else(|| Error::Unsupported("SP 800-108 with HMAC-SHA384".into()))?;
    kbkdf_ctr_hmac(algorithm, secret, info, out).map_err(|_| Error::KeyUnavailable)
}

/// A SubjectPublicKeyInfo up to its uncompressed point: the algorithm id-ecPublicKey and the curve by name.
fn named(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0",
        Curve::P384 => b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\0\x22\x03\x62\0",
        Curve::P521 => b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\0\x23\x03\x81\x86\0",
    }
}
