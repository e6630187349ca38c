//! Reading a message in memory and as a stream, under the key that everything here is forged with.

use std::io::Write;

use strongroom_core::context::Context;
use strongroom_core::error::Result;
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::job::stream::Incoming;
use strongroom_core::message::{Caps, DecryptionMaterials, Header};
use strongroom_core::pipeline::{Control, Progress};
use strongroom_core::primitives::output::Output;

use crate::forge::data_key;

/// Decrypts in memory, on this thread. What fails must leave nothing behind.
pub(crate) fn one_shot(message: &[u8]) -> Result<Vec<u8>> {
    let header = Header::parse(message, &Caps::default())?;
    let located = Located::find(&header.outline(), message)?;
    let materials = materials(&header)?;
    let mut plaintext = vec![0xAA; located.plaintext_len()];
    let out = Output::from(&mut plaintext[..]);
    let opened = on_one_thread(|control| {
        buffer::decrypt(&header.outline(), &located, &materials, message, out, control)
    });
    match opened {
        Ok(()) => Ok(plaintext),
        Err(error) => {
            assert!(plaintext.iter().all(|&byte| byte == 0), "plaintext was left behind");
            Err(error)
        }
    }
}

/// Decrypts as a stream into `out`.
pub(crate) fn streamed(message: &[u8], out: impl Write) -> Result<()> {
    let caps = Caps::default();
    let incoming = Incoming::open(message, &caps)?;
    let materials = materials(incoming.header())?;
    on_one_thread(|control| incoming.decrypt(&materials, &caps, out, control)).map(drop)
}

/// What opens a message of this header.
pub(crate) fn materials(header: &Header) -> Result<DecryptionMaterials> {
    DecryptionMaterials::new(header, data_key(header.suite), &Context::default())
}

/// One worker, no signals.
pub(crate) fn on_one_thread<T>(job: impl FnOnce(&Control<'_>) -> T) -> T {
    let progress = Progress::default();
    job(&Control { workers: 1, progress: &progress, poll: &|| Ok(()) })
}
