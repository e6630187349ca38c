//! Materials from a key that the test knows, and jobs with no frills.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod checks;
pub(crate) mod der;
pub(crate) mod rsp;
pub(crate) mod tally;
pub(crate) mod trees;

use std::sync::Arc;

use strongroom_core::context::{Context, PUBLIC_KEY};
use strongroom_core::error::{Error, Result};
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::job::stream::{self, Incoming};
use strongroom_core::key::{DataKey, Edk};
use strongroom_core::message::{Caps, DecryptionMaterials, EncryptionMaterials, Header, public_key_value};
use strongroom_core::pipeline::{Control, Progress};
use strongroom_core::primitives::ecdsa::SigningKey;
use strongroom_core::primitives::output::Output;
use strongroom_core::suite::Suite;
use strongroom_secmem::Secret;

pub(crate) fn data_key() -> Arc<DataKey> {
    Arc::new(DataKey::new(Secret::copy_from(&[7; 32]).unwrap()))
}

pub(crate) fn materials(suite: u16, frame_length: u32) -> EncryptionMaterials {
    let suite = Suite::by_id(suite).unwrap();
    let signing_key = suite.signature.map(|signature| SigningKey::generate(signature).unwrap());
    let mut pairs = vec![("purpose".to_owned(), "test".to_owned())];
    pairs.extend(signing_key.as_ref().map(|key| (PUBLIC_KEY.to_owned(), public_key_value(key).unwrap())));
    let edk = Edk { provider_id: "test".into(), provider_info: b"key".to_vec(), ciphertext: vec![1; 48] };
    let context = Context::new(pairs).unwrap();
    EncryptionMaterials::new(suite, data_key(), &[edk], &context, &[], frame_length, signing_key).unwrap()
}

pub(crate) fn opening(header: &Header) -> Result<DecryptionMaterials> {
    DecryptionMaterials::new(header, data_key(), &Context::default())
}

pub(crate) fn with_control<T>(job: impl FnOnce(&Control<'_>) -> T) -> T {
    let progress = Progress::default();
    job(&Control { workers: 2, progress: &progress, poll: &|| Ok(()) })
}

pub(crate) fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

pub(crate) fn encrypt(materials: &EncryptionMaterials, plaintext: &[u8]) -> Vec<u8> {
    let mut message = vec![0; buffer::encrypted_len(materials, plaintext.len() as u64).unwrap() as usize];
    with_control(|control| buffer::encrypt(materials, plaintext, Output::from(&mut message[..]), control))
        .unwrap();
    message
}

/// Decrypts in memory; also insists that a failure leaves no plaintext behind.
pub(crate) fn decrypt(message: &[u8]) -> Result<Vec<u8>> {
    let header = Header::parse(message, &Caps::default())?;
    let located = Located::find(&header.outline(), message)?;
    let materials = opening(&header)?;
    let mut plaintext = vec![0xAA; located.plaintext_len()];
    let out = Output::from(&mut plaintext[..]);
    match with_control(|control| {
        buffer::decrypt(&header.outline(), &located, &materials, message, out, control)
    }) {
        Ok(_) => Ok(plaintext),
        Err(error) => {
            assert!(plaintext.iter().all(|&byte| byte == 0), "plaintext released");
            Err(error)
        }
    }
}

pub(crate) fn encrypt_stream(materials: &EncryptionMaterials, plaintext: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    with_control(|control| stream::encrypt(materials, plaintext, &mut message, control)).unwrap();
    message
}

/// Decrypts as a stream: what was released, and how it ended.
pub(crate) fn decrypt_stream(message: &[u8]) -> (Vec<u8>, Result<()>) {
    let mut released = Vec::new();
    let caps = Caps::default();
    let outcome = with_control(|control| {
        let incoming = Incoming::open(message, &caps)?;
        let materials = opening(incoming.header())?;
        incoming.decrypt(&materials, &caps, &mut released, control).map(drop)
    });
    (released, outcome)
}

/// Whether an error is one that bad bytes may give.
pub(crate) fn is_rejection(error: &Error) -> bool {
    matches!(
        error,
        Error::Authentication
            | Error::Malformed { .. }
            | Error::Truncated { .. }
            | Error::Unsupported(_)
            | Error::Limit { .. }
    )
}
