//! HMAC.

use aws_lc_rs::hmac as lc;
use strongroom_secmem::forget_calls;

use crate::error::{Error, Result};
use crate::suite::Hash;

/// The HMAC of a message.
pub fn sign(hash: Hash, key: &[u8], message: &[u8]) -> impl AsRef<[u8]> + use<> {
    let mac = lc::sign(&of(hash, key), message);
    forget_calls();
    mac
}

/// Whether this is the HMAC of the message; compared in constant time.
pub fn verify(hash: Hash, key: &[u8], message: &[u8], mac: &[u8]) -> Result<()> {
    let verified = lc::verify(&of(hash, key), message, mac);
    forget_calls();
    verified.map_err(|_| Error::Authentication)
}

fn of(hash: Hash, key: &[u8]) -> lc::Key {
    let algorithm = match hash {
        Hash::Sha256 => lc::HMAC_SHA256,
        Hash::Sha384 => lc::HMAC_SHA384,
        Hash::Sha512 => lc::HMAC_SHA512,
    };
    lc::Key::new(algorithm, key)
}
