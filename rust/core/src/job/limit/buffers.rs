//! The bare cipher over frames in memory, out of place.
//!
//! Sealed frames lie as far apart as in a message, with room for what stands before each. Otherwise their places in cache
//! lines differ from ours, and for data larger than the caches some processors open the same frames a third faster in
//! one place than in another.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce};
use crate::message::{FRAME_HEAD, FRAME_OVERHEAD};
use crate::primitives::aead::AeadKey;
use crate::primitives::output::Output;
use crate::suite::Aead;

/// Which direction to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Side {
    Seal,
    Open,
}

/// Time for `total` bytes in frames of `frame_length`, cut evenly over `workers` threads, `rounds` times.
///
/// Buffers are made and touched, and for opening filled, before the clock starts. The calling thread is one of the
/// workers; the others start and end within each round, as ours do within each call.
pub fn measure(
    frame_length: usize,
    total: usize,
    workers: usize,
    rounds: usize,
    side: Side,
) -> Result<Duration> {
    if frame_length == 0 {
        return Err(Error::Misuse("frames of a length are needed".into()));
    }
    let plaintext = vec![1; total];
    let mut sealed = vec![2; sealed_len(frame_length, total)];
    let sealing = measure_sealing(frame_length, workers, rounds, &plaintext, Output::from(&mut *sealed))?;
    if side == Side::Seal {
        return Ok(sealing);
    }
    let mut opened = plaintext;
    opened.fill(3);
    measure_opening(frame_length, workers, rounds, &sealed, Output::from(&mut *opened))
}

/// Bytes of so many once they are sealed in frames.
pub fn sealed_len(frame_length: usize, total: usize) -> usize {
    total + total.div_ceil(frame_length) * FRAME_OVERHEAD
}

/// Time for sealing in memory of the caller, so that a limit and what is measured against it can share their pages.
/// `sealed` has [`sealed_len`] bytes.
pub fn measure_sealing(
    frame_length: usize,
    workers: usize,
    rounds: usize,
    plaintext: &[u8],
    mut sealed: Output<'_>,
) -> Result<Duration> {
    let (key, cut) = prepare(frame_length, workers, plaintext.len(), sealed.len())?;
    let start = Instant::now();
    for _ in 0..rounds {
        cut.seal(&key, plaintext, sealed.reborrow())?;
    }
    Ok(start.elapsed())
}

/// Time for opening what [`measure_sealing`] left.
pub fn measure_opening(
    frame_length: usize,
    workers: usize,
    rounds: usize,
    sealed: &[u8],
    mut opened: Output<'_>,
) -> Result<Duration> {
    let (key, cut) = prepare(frame_length, workers, opened.len(), sealed.len())?;
    let start = Instant::now();
    for _ in 0..rounds {
        cut.open(&key, sealed, opened.reborrow())?;
    }
    Ok(start.elapsed())
}

fn prepare(frame_length: usize, workers: usize, total: usize, sealed: usize) -> Result<(AeadKey, Cut)> {
    if frame_length == 0 || total == 0 || workers == 0 || sealed != sealed_len(frame_length, total) {
        return Err(Error::Misuse("frames, bytes and workers are needed, and room for the tags".into()));
    }
    let frames_each = total.div_ceil(frame_length).div_ceil(workers);
    Ok((AeadKey::new(Aead::Aes256Gcm, &[7; 32])?, Cut::new(frame_length, frames_each)))
}

/// The lengths of a frame, and of what one worker does, without and with what sealing adds.
#[derive(Clone, Copy)]
struct Cut {
    frame: usize,
    sealed_frame: usize,
    share: usize,
    sealed_share: usize,
}

impl Cut {
    fn new(frame: usize, frames_each: usize) -> Self {
        let sealed_frame = frame + FRAME_OVERHEAD;
        Cut { frame, sealed_frame, share: frames_each * frame, sealed_share: frames_each * sealed_frame }
    }

    fn seal(self, key: &AeadKey, plaintext: &[u8], sealed: Output<'_>) -> Result<()> {
        let shares = plaintext.chunks(self.share).zip(Chunks(sealed, self.sealed_share));
        each_on_its_thread(shares, |(plaintext, sealed)| {
            for (frame, out) in plaintext.chunks(self.frame).zip(Chunks(sealed, self.sealed_frame)) {
                let (_, out) = out.split_at(FRAME_HEAD);
                let (ciphertext, tag) = out.split_at(frame.len());
                key.seal(Nonce([0; NONCE_LEN]), AAD, frame, ciphertext, tag)?;
            }
            Ok(())
        })
    }

    fn open(self, key: &AeadKey, sealed: &[u8], opened: Output<'_>) -> Result<()> {
        let shares = sealed.chunks(self.sealed_share).zip(Chunks(opened, self.share));
        each_on_its_thread(shares, |(sealed, opened)| {
            for (frame, out) in sealed.chunks(self.sealed_frame).zip(Chunks(opened, self.frame)) {
                let (ciphertext, tag) = frame[FRAME_HEAD..].split_at(out.len());
                key.open(Nonce([0; NONCE_LEN]), AAD, ciphertext, tag, out)?;
            }
            Ok(())
        })
    }
}

/// An output in pieces of one length, the last perhaps shorter.
struct Chunks<'a>(Output<'a>, usize);

impl<'a> Iterator for Chunks<'a> {
    type Item = Output<'a>;

    fn next(&mut self) -> Option<Output<'a>> {
        let whole = std::mem::replace(&mut self.0, Output::new(&mut []));
        let (chunk, rest) = match whole.len() {
            0 => return None,
            len => whole.split_at(self.1.min(len)),
        };
        self.0 = rest;
        Some(chunk)
    }
}

/// The last share is the calling thread's.
fn each_on_its_thread<T: Send>(
    shares: impl Iterator<Item = T>,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let mut shares = shares.peekable();
    let work = &work;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        while let Some(share) = shares.next() {
            match shares.peek() {
                Some(_) => threads.push(scope.spawn(move || work(share))),
                None => work(share)?,
            }
        }
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(Error::KeyUnavailable)))
    })
}

/// As long as a frame's.
const AAD: &[u8] = &[5; 72];
