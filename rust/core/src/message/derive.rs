//! From data key and message id to content key and commitment (specification, `framework/algorithm-suites.md`).

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::key::DataKey;
use crate::primitives::aead::AeadKey;
use crate::primitives::hkdf::Prk;
use crate::suite::Suite;

/// The key of one message and what its header commits to.
pub(super) struct Derived {
    pub(super) content_key: AeadKey,
    pub(super) commitment: Option<[u8; 32]>,
}

pub(super) fn derive(suite: &Suite, data_key: &DataKey, message_id: &[u8]) -> Result<Derived> {
    if data_key.len() != suite.data_key_len() {
        return Err(Error::Misuse(format!(
            "suite 0x{:04x} takes a data key of {} bytes, not {}",
            suite.id,
            suite.data_key_len(),
            data_key.len()
        )));
    }
    match (suite.kdf, suite.commits) {
        (None, _) => bare(suite, data_key),
        (Some(_), false) => derive_v1(suite, data_key, message_id),
        (Some(_), true) => derive_v2(suite, data_key, message_id),
    }
}

fn bare(suite: &Suite, data_key: &DataKey) -> Result<Derived> {
    Ok(Derived { content_key: AeadKey::new(suite.aead, data_key.expose()?)?, commitment: None })
}

fn derive_v1(suite: &Suite, data_key: &DataKey, message_id: &[u8]) -> Result<Derived> {
    let Some(hash) = suite.kdf else { return bare(suite, data_key) };
    let prk = Prk::extract(hash, &[0; 64][..hash.len()], data_key.expose()?);
    let content_key = expand_key(suite, &prk, &[&suite.id.to_be_bytes(), message_id])?;
    Ok(Derived { content_key, commitment: None })
}

fn derive_v2(suite: &Suite, data_key: &DataKey, message_id: &[u8]) -> Result<Derived> {
    let Some(hash) = suite.kdf else { return bare(suite, data_key) };
    let prk = Prk::extract(hash, message_id, data_key.expose()?);
    let content_key = expand_key(suite, &prk, &[&suite.id.to_be_bytes(), b"DERIVEKEY"])?;
    let mut commitment = [0; 32];
    prk.expand(&[b"COMMITKEY"], &mut commitment)?;
    Ok(Derived { content_key, commitment: Some(commitment) })
}

fn expand_key(suite: &Suite, prk: &Prk, info: &[&[u8]]) -> Result<AeadKey> {
    let mut key = Zeroizing::new([0; 32]);
    let key = &mut key[..suite.aead.key_len()];
    prk.expand(info, key)?;
    AeadKey::new(suite.aead, key)
}
