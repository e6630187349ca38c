//! Raw ECDH, reading: the data key under a key that sender and recipient agree on.
//!
//! ```text
//! provider info: 01 │ len 4 │ recipient point │ len 4 │ sender point
//! ciphertext:    salt 32 │ commitment 32 │ wrapped data key │ tag 16
//! ```

use strongroom_secmem::ct_eq;
use zeroize::Zeroizing;

use super::open;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk, NONCE_LEN, Nonce};
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
    /// From PEM: our private key (PKCS#8), and a public key (SubjectPublicKeyInfo): our own, as half of a pair, or the
    /// other party's, to accept no other.
    pub fn new(private_pem: &[u8], public_pem: Option<&[u8]>) -> Result<Self> {
        let key = PrivateKey::from_pkcs8(&pem::decode(private_pem, pem::PRIVATE_KEY)?)?;
        let point = key.public_key()?;
        let named = public_pem
            .map(|document| public_point(&key, &pem::decode(document, pem::PUBLIC_KEY)?))
            .transpose()?;
        let peer = named.filter(|named| *named != point);
        Ok(RawEcdh { key, point, peer })
    }

    /// Unwraps a data key that was agreed with this key, as recipient or as sender.
    pub fn unwrap(&self, edk: &Edk, context: &Context) -> Result<DataKey> {
        // 1. who agreed
        if edk.provider_id != PROVIDER {
            return Err(Error::Authentication);
        }
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
        let wrapping_key = AeadKey::new(Aead::Aes256Gcm, &derived[32..])?;
        open(&wrapping_key, Nonce([0; NONCE_LEN]), &info, rest).map(DataKey::new)
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

const PROVIDER: &str = "raw-ecdh";
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::altered::{all_refused, refused};

    fn key(scalar: u8) -> RawEcdh {
        let der = [PKCS8_P256, &[scalar; 32]].concat();
        let document = ::pem::encode(&::pem::Pem::new(pem::PRIVATE_KEY, der));
        RawEcdh::new(document.as_bytes(), None).unwrap()
    }

    fn context(value: &str) -> Context {
        Context::new([("tenant".to_owned(), value.to_owned())]).unwrap()
    }

    /// What a sender of another implementation writes.
    fn wrap(sender: &RawEcdh, recipient: &[u8], context: &Context) -> Edk {
        let salt = [5; 32];
        let info = fixed_info(Curve::P256, recipient, &sender.point, context);
        let derived = sender.derive(recipient, &info, &salt).unwrap();
        let mut wrapped = [7; 32];
        let schedule = AeadKey::new(Aead::Aes256Gcm, &derived[32..]).unwrap();
        let tag = schedule.seal_in_place(Nonce([0; NONCE_LEN]), &info, &mut wrapped).unwrap();
        let point_len = 33_u32.to_be_bytes();
        Edk {
            provider_id: PROVIDER.to_owned(),
            provider_info: [&[VERSION][..], &point_len, recipient, &point_len, &sender.point].concat(),
            ciphertext: [&salt, &derived[..32], &wrapped, &tag].concat(),
        }
    }

    #[test]
    fn both_parties_open() {
        let (sender, recipient) = (key(1), key(2));
        let edk = wrap(&sender, &recipient.point, &context("acme"));
        for party in [&sender, &recipient] {
            let opened = party.unwrap(&edk, &context("acme")).unwrap();
            assert_eq!(opened.expose().unwrap(), [7; 32]);
            refused(&party.unwrap(&edk, &context("acmf")));
        }
        refused(&key(3).unwrap(&edk, &context("acme")));
        let of_aws = Edk { provider_id: "aws-kms-ecdh".to_owned(), ..edk };
        refused(&recipient.unwrap(&of_aws, &context("acme")));
    }

    #[test]
    fn a_party_that_was_named_is_the_only_one() {
        let (sender, mut recipient) = (key(1), key(2));
        let edk = wrap(&sender, &recipient.point, &context("acme"));
        recipient.peer = Some(key(3).point);
        refused(&recipient.unwrap(&edk, &context("acme")));
        recipient.peer = Some(sender.point);
        recipient.unwrap(&edk, &context("acme")).unwrap();
    }

    #[test]
    fn nothing_altered_opens() {
        let (recipient, context) = (key(2), context("acme"));
        let edk = wrap(&key(1), &recipient.point, &context);
        all_refused(&edk.ciphertext, |altered| {
            recipient.unwrap(&Edk { ciphertext: altered.to_vec(), ..edk.clone() }, &context)
        });
        all_refused(&edk.provider_info, |altered| {
            recipient.unwrap(&Edk { provider_info: altered.to_vec(), ..edk.clone() }, &context)
        });
    }

    /// PKCS#8 of a P-256 key up to its scalar, without the public point.
    const PKCS8_P256: &[u8] = b"\x30\x41\x02\x01\0\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
        \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
}
