//! The closed table of algorithm suites (AWS Encryption SDK specification, `framework/algorithm-suites.md`).

use crate::error::{Error, Result};

/// AES-GCM with a 12-byte nonce and a 16-byte tag, by key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aead {
    /// AES-128-GCM
    Aes128Gcm,
    /// AES-192-GCM
    Aes192Gcm,
    /// AES-256-GCM
    Aes256Gcm,
}

impl Aead {
    /// Bytes of its key.
    pub const fn key_len(self) -> usize {
        match self {
            Aead::Aes128Gcm => 16,
            Aead::Aes192Gcm => 24,
            Aead::Aes256Gcm => 32,
        }
    }
}

/// SHA-2, by output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Bytes of its output.
    #[expect(clippy::len_without_is_empty, reason = "a digest is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }
}

/// NIST curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of a coordinate.
    pub const fn coordinate_len(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// Whether these bytes have the form of a point, compressed or not (SEC 1, 2.3.3); it may still be off the curve.
    pub fn has_form_of_point(self, bytes: &[u8]) -> bool {
        let len = self.coordinate_len();
        match bytes.first() {
            Some(2 | 3) => bytes.len() == 1 + len,
            Some(4) => bytes.len() == 1 + 2 * len,
            _ => false,
        }
    }
}

/// An ECDSA signature over the whole message: the curve and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// The curve of the key.
    pub curve: Curve,
    /// The hash that is signed.
    pub hash: Hash,
}

/// The version of the message format that a suite is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FormatVersion {
    V1,
    V2,
}

/// What we think of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Written and read.
    Recommended,
    /// Read, behind the commitment policy; never written.
    ReadOnly,
}

/// One algorithm suite.
#[derive(Debug, PartialEq, Eq)]
pub struct Suite {
    /// The identifier on the wire.
    pub id: u16,
    /// Its name in the specification.
    pub name: &'static str,
    /// The format version that carries it.
    pub version: FormatVersion,
    /// The cipher of header and frames.
    pub aead: Aead,
    /// The hash of HKDF; `None`: the data key is the content key.
    pub kdf: Option<Hash>,
    /// Whether the header commits to the key.
    pub commits: bool,
    /// The signature in the footer, if any.
    pub signature: Option<Signature>,
    /// Whether it is written.
    pub status: Status,
    /// The last year in which new data should be written with it, by NIST SP 800-57 part 1 and its own weaknesses.
    pub not_after: Option<u16>,
    /// The suite to move to.
    pub replacement: Option<u16>,
}

impl Suite {
    /// The suite with this identifier.
    pub fn by_id(id: u16) -> Result<&'static Suite> {
        SUITES
            .iter()
            .find(|s| s.id == id)
            .ok_or_else(|| Error::Unsupported(format!("unknown algorithm suite 0x{id:04x}")))
    }

    /// Bytes of the data key: the input of HKDF, or the content key itself.
    pub const fn data_key_len(&self) -> usize {
        self.aead.key_len()
    }

    /// Bytes of the message id, which is also the salt of the version 2 suites.
    pub const fn message_id_len(&self) -> usize {
        match self.version {
            FormatVersion::V1 => 16,
            FormatVersion::V2 => 32,
        }
    }
}

/// AES-256-GCM, HKDF-SHA512, key commitment: what we write unless told otherwise.
pub const DEFAULT: u16 = 0x0478;

const P256: Option<Signature> = Some(Signature { curve: Curve::P256, hash: Hash::Sha256 });
const P384: Option<Signature> = Some(Signature { curve: Curve::P384, hash: Hash::Sha384 });

/// Every suite, by identifier.
pub static SUITES: [Suite; 11] = [
    v1(0x0014, "ALG_AES_128_GCM_IV12_TAG16_NO_KDF", Aead::Aes128Gcm, None, None),
    v1(0x0046, "ALG_AES_192_GCM_IV12_TAG16_NO_KDF", Aead::Aes192Gcm, None, None),
    v1(0x0078, "ALG_AES_256_GCM_IV12_TAG16_NO_KDF", Aead::Aes256Gcm, None, None),
    v1(0x0114, "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256", Aead::Aes128Gcm, Some(Hash::Sha256), None),
    v1(0x0146, "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256", Aead::Aes192Gcm, Some(Hash::Sha256), None),
    v1(0x0178, "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256", Aead::Aes256Gcm, Some(Hash::Sha256), None),
    v1(
        0x0214,
        "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256",
        Aead::Aes128Gcm,
        Some(Hash::Sha256),
        P256,
    ),
    v1(
        0x0346,
        "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
        Aead::Aes192Gcm,
        Some(Hash::Sha384),
        P384,
    ),
    v1(
        0x0378,
        "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
        Aead::Aes256Gcm,
        Some(Hash::Sha384),
        P384,
    ),
    v2(0x0478, "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY", None),
    v2(0x0578, "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384", P384),
];

const fn v1(
    id: u16,
    name: &'static str,
    aead: Aead,
    kdf: Option<Hash>,
    signature: Option<Signature>,
) -> Suite {
    let replacement = if signature.is_some() { 0x0578 } else { 0x0478 };
    Suite {
        id,
        name,
        version: FormatVersion::V1,
        aead,
        kdf,
        commits: false,
        signature,
        status: Status::ReadOnly,
        not_after: Some(2020),
        replacement: Some(replacement),
    }
}

const fn v2(id: u16, name: &'static str, signature: Option<Signature>) -> Suite {
    Suite {
        id,
        name,
        version: FormatVersion::V2,
        aead: Aead::Aes256Gcm,
        kdf: Some(Hash::Sha512),
        commits: true,
        signature,
        status: Status::Recommended,
        not_after: None,
        replacement: None,
    }
}
