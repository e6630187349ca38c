//! Any bytes, one-shot and streamed, under a key that fits: both give the same plaintext or both refuse.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use strongroom_core::context::Context;
use strongroom_core::error::Result;
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::job::stream::Incoming;
use strongroom_core::key::DataKey;
use strongroom_core::message::{Caps, DecryptionMaterials, Header};
use strongroom_core::pipeline::{Control, Progress};
use strongroom_core::primitives::output::Output;
use strongroom_secmem::Secret;

fuzz_target!(|bytes: &[u8]| {
    let progress = Progress::default();
    let control = Control { workers: 1, progress: &progress, poll: &|| Ok(()) };
    let whole = one_shot(bytes, &control);
    let mut released = Vec::new();
    let streamed = streamed(bytes, &mut released, &control);
    assert_eq!(whole.is_ok(), streamed.is_ok());
    if let Ok(plaintext) = whole {
        assert_eq!(plaintext, released);
    }
});

fn materials(header: &Header) -> Result<DecryptionMaterials> {
    let key = Secret::copy_from(&[0; 32][..header.suite.data_key_len()])?;
    DecryptionMaterials::new(header, Arc::new(DataKey::new(key)), &Context::default())
}

fn one_shot(bytes: &[u8], control: &Control<'_>) -> Result<Vec<u8>> {
    let header = Header::parse(bytes, &Caps::default())?;
    let located = Located::find(&header.outline(), bytes)?;
    let mut plaintext = vec![0; located.plaintext_len()];
    let out = Output::from(&mut plaintext[..]);
    buffer::decrypt(&header.outline(), &located, &materials(&header)?, bytes, out, control)?;
    Ok(plaintext)
}

fn streamed(bytes: &[u8], released: &mut Vec<u8>, control: &Control<'_>) -> Result<()> {
    let caps = Caps::default();
    let incoming = Incoming::open(bytes, &caps)?;
    let materials = materials(incoming.header())?;
    incoming.decrypt(&materials, &caps, released, control).map(drop)
}
