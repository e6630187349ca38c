//! Raw ECDH, reading: the data key under a key that sender and recipient agree on.
//!
//! ```text
//! provider info: 01 │ len 4 │ recipient point │ len 4 │ sender point
//! ciphertext:    salt 32 │ commitment 32 │ wrapped data key │ tag 16
//! ```

use strongroom_secmem::{Secret, ct_eq};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk, NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::ecdh::{PrivateKey, kbkdf_sha384, public_point};
use crate::primitives::pem;
use crate::suite::{Aead, Curve};

/// Our private key, and the one party that it agrees with if that is known.
#[derive(Debug)]
pub struct RawEcdh {
    key: PrivateKey,
    point: Vec<u8>,
    peer: Option<Vec<u8>>,
}

impl RawEcdh {
    /// From PEM: our private key (PKCS#8), and the other party's public key (SubjectPublicKeyInfo) to accept no other.
    pub fn new(private_pem: &[u8], peer_pem: Option<&[u8]>) -> Result<Self> {
        let key = PrivateKey::from_pkcs8(&pem::decode(private_pem, pem::PRIVATE_KEY)?)?;
        let point = key.public_key()?;
        let peer = peer_pem
            .map(|document| public_point(&key, &pem::decode(document, pem::PUBLIC_KEY)?))
            .transpose()?;
        Ok(RawEcdh { key, point, peer })
    }

    /// Unwraps a data key that was agreed with this key, as recipient or as sender.
    pub fn unwrap(&self, edk: &Edk, context: &Context) -> Result<DataKey> {
        // 1. who agreed
        let (recipient, sender) = points(&edk.provider_info).ok_or(Error::Authentication)?;
        let theirs = match (recipient == self.point, sender == self.point) {
            (true, _) => sender,
            (_, true) => recipient,
            _ => return Err(Error::Authentication),
        };
        if self.peer.as_ref().is_some_and(|peer| peer != theirs) {
            return Err(Error::Authentication);
        }
        // 2. commitment and wrapping key from the shared secret
        let (salt, rest) = edk.ciphertext.split_first_chunk::<32>().ok_or(Error::Authentication)?;
        let (commitment, rest) = rest.split_first_chunk::<32>().ok_or(Error::Authentication)?;
        let info = fixed_info(self.key.curve(), recipient, sender, context);
        let derived = self.derive(theirs, &info, salt)?;
        if !ct_eq(&derived[..32], commitment) {
            return Err(Error::Authentication);
        }
        // 3. the data key
        let split = rest.len().checked_sub(TAG_LEN).filter(|&len| len > 0).ok_or(Error::Authentication)?;
        let (ciphertext, tag) = rest.split_at(split);
        let wrapping_key = AeadKey::new(Aead::Aes256Gcm, &derived[32..])?;
        let secret = Secret::fill_with(ciphertext.len(), |out| {
            out.copy_from_slice(ciphertext);
            wrapping_key.open_in_place(Nonce([0; NONCE_LEN]), &info, out, tag)
        })?;
        Ok(DataKey::new(secret))
    }

    fn derive(&self, theirs: &[u8], fixed_info: &[u8], salt: &[u8; 32]) -> Result<Zeroizing<[u8; 64]>> {
        let shared = self.key.agree(theirs)?;
        let info = [fixed_info, &[0], salt, &512_u32.to_be_bytes()].concat();
        let mut derived = Zeroizing::new([0; 64]);
        kbkdf_sha384(&shared, &info, &mut derived[..])?;
        Ok(derived)
    }
}

fn points(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = info.strip_prefix(&[VERSION])?;
    let (recipient, rest) = point(rest)?;
    let (sender, rest) = point(rest)?;
    rest.is_empty().then_some((recipient, sender))
}

fn point(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

fn fixed_info(curve: Curve, recipient: &[u8], sender: &[u8], context: &Context) -> Vec<u8> {
    let curve = match curve {
        Curve::P256 => "p256",
        Curve::P384 => "p384",
        Curve::P521 => "p521",
    };
    [
        b"ecdh-key-derivation\0",
        curve.as_bytes(),
        b"\0HMAC_SHA384\0",
        sender,
        recipient,
        b"\0\x01\0",
        &context.serialize(),
    ]
    .concat()
}

const VERSION: u8 = 1;
