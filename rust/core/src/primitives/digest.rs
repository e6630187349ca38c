//! SHA-2, at once or piece by piece.

use aws_lc_rs::digest as lc;

use crate::suite::Hash;

/// The SHA-256 of something that is all there.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(lc::digest(&lc::SHA256, bytes).as_ref());
    digest
}

/// A hash that takes its input in pieces.
#[derive(Clone)]
pub struct Digester(lc::Context);

impl Digester {
    /// Starts a hash.
    pub fn new(hash: Hash) -> Self {
        Digester(lc::Context::new(match hash {
            Hash::Sha256 => &lc::SHA256,
            Hash::Sha384 => &lc::SHA384,
            Hash::Sha512 => &lc::SHA512,
        }))
    }

    /// Takes in more.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> impl AsRef<[u8]> {
        self.0.finish()
    }

    pub(super) fn into_digest(self) -> lc::Digest {
        self.0.finish()
    }
}

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digester")
    }
}
