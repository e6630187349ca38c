//! PEM documents by their label.

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The DER of the first document with this label.
pub fn decode(document: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>> {
    let documents = pem::parse_many(document).map_err(|_| Error::Misuse("not a PEM document".into()))?;
    let found = documents.into_iter().find(|document| document.tag() == label);
    match found {
        Some(document) => Ok(Zeroizing::new(document.into_contents())),
        None => Err(Error::Misuse(format!("the PEM document holds no {label}"))),
    }
}

/// The label of PKCS#8 private keys.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of SubjectPublicKeyInfo.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";
