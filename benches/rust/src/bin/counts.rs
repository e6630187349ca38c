//! One path of the core, a given number of times, for `python -m benches.counts` to count under callgrind.
//!
//! `counts SCENARIO TIMES`. What a scenario prepares does not depend on TIMES, so that the difference of two runs is
//! the path alone. Sizes are repeated in `SCENARIOS` of `benches/counts/count.py`.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;

use strongroom_core::cache::{Cache, Limits, Usage};
use strongroom_core::context::Context;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::key::{DataKey, Edk};
use strongroom_core::message::{
    Body, Caps, DecryptionMaterials, EncryptionMaterials, Header, Opener, Outline, Reading, Run, Sealer,
};
use strongroom_core::pipeline::{Control, Progress};
use strongroom_core::primitives::output::Output;
use strongroom_core::suite::Suite;
use strongroom_secmem::Secret;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(scenario), Some(times), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(Error::Misuse("usage: counts SCENARIO TIMES".into()));
    };
    let times = times.parse().ok().filter(|times| *times <= MOST_TIMES);
    let times = times.ok_or_else(|| Error::Misuse(format!("TIMES is 0 to {MOST_TIMES}")))?;
    match scenario.as_str() {
        "frames-seal" => frames_seal(times),
        "frames-seal-in-place" => frames_seal_in_place(times),
        "frames-open" => frames_open(times),
        "frames-open-in-place" => frames_open_in_place(times),
        "message-seal" => message_seal(times),
        "message-open" => message_open(times),
        "header-parse" => header_parse(times),
        "cache-hit" => cache_hit(times),
        _ => Err(Error::Misuse(format!("no scenario '{scenario}'"))),
    }
}

/// Every time the next run of the message: no frame is sealed twice.
fn frames_seal(times: u32) -> Result<()> {
    let (sealer, _) = Sealer::new(&materials(FRAME_LENGTH)?)?;
    let (plaintext, mut body) = (vec![1; run(0)?.plaintext_len], vec![0; run(0)?.body_len]);
    for index in 0..times {
        sealer.seal(&run(index)?, black_box(&plaintext), Output::from(&mut body[..]))?;
        black_box(&body);
    }
    Ok(())
}

fn frames_seal_in_place(times: u32) -> Result<()> {
    let (sealer, _) = Sealer::new(&materials(FRAME_LENGTH)?)?;
    let mut body = vec![1; run(0)?.body_len];
    for index in 0..times {
        sealer.seal_in_place(&run(index)?, black_box(&mut body))?;
    }
    Ok(())
}

fn frames_open(times: u32) -> Result<()> {
    let (opener, body) = sealed_run()?;
    let mut plaintext = vec![0; run(0)?.plaintext_len];
    for _ in 0..times {
        opener.open(&run(0)?, black_box(&body), Output::from(&mut plaintext[..]), Reading::Straight)?;
        black_box(&plaintext);
    }
    Ok(())
}

fn frames_open_in_place(times: u32) -> Result<()> {
    let (opener, body) = sealed_run()?;
    let mut bodies = vec![body; MOST_TIMES as usize];
    for body in bodies.iter_mut().take(times as usize) {
        opener.open_in_place(&run(0)?, black_box(body))?;
    }
    Ok(())
}

fn message_seal(times: u32) -> Result<()> {
    let (materials, plaintext) = (materials(65_536)?, vec![1; MESSAGE_BYTES]);
    let mut message = vec![0; MESSAGE_BYTES + materials.header_len() + 40];
    for _ in 0..times {
        seal(&materials, black_box(&plaintext), &mut message)?;
        black_box(&message);
    }
    Ok(())
}

/// With materials that are there, as the cache has them.
fn message_open(times: u32) -> Result<()> {
    let message = sealed_message()?;
    let parsed = Header::parse(&message, &Caps::default())?;
    let materials = DecryptionMaterials::new(&parsed, data_key()?, &Context::default())?;
    let mut plaintext = vec![0; MESSAGE_BYTES];
    for _ in 0..times {
        let header = Outline::find(black_box(&message), &Caps::default())?;
        let located = Located::find(&header, &message)?;
        let out = Output::from(&mut plaintext[..]);
        alone(|control| buffer::decrypt(&header, &located, &materials, &message, out, control))?;
        black_box(&plaintext);
    }
    Ok(())
}

fn header_parse(times: u32) -> Result<()> {
    let message = sealed_message()?;
    for _ in 0..times {
        black_box(Header::parse(black_box(&message), &Caps::default())?);
    }
    Ok(())
}

/// One entry only: where several lie in the table depends on the keys that its hash draws at random.
fn cache_hit(times: u32) -> Result<()> {
    let (cache, key, usage) = (Cache::new(64), [7; 32], Usage { messages: 1, bytes: 1 });
    let limits = Limits { max_age_ns: u64::MAX, max_messages: u64::MAX, max_bytes: u64::MAX };
    cache.insert(key, 0, usage, 1_u64, limits);
    for _ in 0..times {
        black_box(cache.get(black_box(&key), 1, usage).ok_or(Error::KeyUnavailable)?);
    }
    Ok(())
}

fn sealed_run() -> Result<(Opener, Vec<u8>)> {
    let (sealer, header) = Sealer::new(&materials(FRAME_LENGTH)?)?;
    let mut body = vec![1; run(0)?.body_len];
    sealer.seal_in_place(&run(0)?, &mut body)?;
    let header = Header::parse(&header, &Caps::default())?;
    let materials = DecryptionMaterials::new(&header, data_key()?, &Context::default())?;
    Ok((Opener::new(&header.outline(), &materials)?, body))
}

fn sealed_message() -> Result<Vec<u8>> {
    let materials = materials(65_536)?;
    let mut message = vec![0; MESSAGE_BYTES + materials.header_len() + 40];
    seal(&materials, &[1; MESSAGE_BYTES], &mut message)?;
    Ok(message)
}

fn seal(materials: &EncryptionMaterials, plaintext: &[u8], message: &mut [u8]) -> Result<()> {
    alone(|control| buffer::encrypt(materials, plaintext, Output::from(message), control).map(|_| ()))
}

fn alone<T>(job: impl FnOnce(&Control<'_>) -> Result<T>) -> Result<T> {
    let progress = Progress::default();
    job(&Control { workers: 1, progress: &progress, poll: &|| Ok(()) })
}

/// Regular frames only: the final one is a message's affair.
fn run(index: u32) -> Result<Run> {
    let frames = (MOST_TIMES + 1) * RUN_FRAMES;
    let body = Body::of_plaintext(u64::from(frames) * u64::from(FRAME_LENGTH), FRAME_LENGTH)?;
    Ok(body.run(1 + index * RUN_FRAMES, RUN_FRAMES))
}

/// As of a room: one EDK, the context with its class and a pair of the caller's.
fn materials(frame_length: u32) -> Result<EncryptionMaterials> {
    let pairs = [("strongroom-class", "default"), ("tenant", "acme")];
    let context = Context::new(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())))?;
    let edk =
        Edk { provider_id: "strongroom".to_owned(), provider_info: vec![b'k'; 52], ciphertext: vec![2; 48] };
    EncryptionMaterials::new(Suite::by_id(0x0478)?, data_key()?, &[edk], &context, &[], frame_length, None)
}

fn data_key() -> Result<Arc<DataKey>> {
    Ok(Arc::new(DataKey::new(Secret::copy_from(&[7; 32])?)))
}

const MOST_TIMES: u32 = 16;
const RUN_FRAMES: u32 = 64;
const FRAME_LENGTH: u32 = 4096;
const MESSAGE_BYTES: usize = 1024;
