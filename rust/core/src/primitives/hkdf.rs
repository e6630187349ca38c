//! HKDF (RFC 5869).

use aws_lc_rs::hkdf as lc;

use crate::error::{Error, Result};
use crate::suite::Hash;

/// A pseudorandom key: the outcome of HKDF-Extract.
pub struct Prk(lc::Prk);

impl Prk {
    /// HKDF-Extract.
    pub fn extract(hash: Hash, salt: &[u8], secret: &[u8]) -> Prk {
        let algorithm = match hash {
            Hash::Sha256 => lc::HKDF_SHA256,
            Hash::Sha384 => lc::HKDF_SHA384,
            Hash::Sha512 => lc::HKDF_SHA512,
        };
        Prk(lc::Salt::new(algorithm, salt).extract(secret))
    }

    /// HKDF-Expand into all of `out`; `info` is taken as one string.
    pub fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<()> {
        let len = out.len();
        let filled = self.0.expand(info, Length(len)).and_then(|okm| okm.fill(out));
        filled.map_err(|_| Error::Misuse(format!("HKDF does not give {len} bytes")))
    }
}

struct Length(usize);

impl lc::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
