//! What "the limit" means: the bare cipher over the same frames, buffers and threads, out of place.

use std::io::{IoSlice, IoSliceMut};
use std::thread;
use std::time::{Duration, Instant};

use super::vectored::{PageBuffer, read_all, write_all};
use super::{AtomicFile, RUN_BYTES, SourceFile};
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::pipeline::{Control, Progress, parallel};
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

/// Time for `total` bytes in frames of `frame_length`, cut evenly over `workers` threads. Buffers are made and touched,
/// and for opening filled, before the clock starts; threads start within it, as ours do.
pub fn measure(frame_length: usize, total: usize, workers: usize, side: Side) -> Result<Duration> {
    if frame_length == 0 || total == 0 || workers == 0 {
        return Err(Error::Misuse("frames, bytes and workers are needed".into()));
    }
    let key = AeadKey::new(Aead::Aes256Gcm, &[7; 32])?;
    let plaintext = vec![1; total];
    let frames = total.div_ceil(frame_length);
    let mut sealed = vec![2; total + frames * TAG_LEN];
    let mut opened = vec![3; if side == Side::Open { total } else { 0 }];
    let per_worker = frames.div_ceil(workers).max(1) * frame_length;
    let sealing = seal_all(&key, &plaintext, &mut sealed, frame_length, per_worker)?;
    match side {
        Side::Seal => Ok(sealing),
        Side::Open => open_all(&key, &sealed, &mut opened, frame_length, per_worker),
    }
}

/// Time for copying a file in runs, as a job reads and writes it, with nothing in between: the floor of file jobs.
pub fn measure_copy(source: &SourceFile, target: &AtomicFile, workers: usize) -> Result<Duration> {
    let progress = Progress::default();
    let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
    // a file's runs are counted in 32 bits, as its frames are
    let runs = u32::try_from(source.len().div_ceil(RUN_BYTES as u64)).unwrap_or(u32::MAX);
    let start = Instant::now();
    parallel(
        &control,
        0..runs,
        || Ok(PageBuffer::new(RUN_BYTES)),
        |buffer, run| {
            let at = u64::from(run) * RUN_BYTES as u64;
            let len = usize::try_from(source.len() - at).unwrap_or(RUN_BYTES).min(RUN_BYTES);
            let bytes = buffer.first(len);
            read_all(source.file(), &mut [IoSliceMut::new(bytes)], at)
                .map_err(Error::io("read", source.path()))?;
            write_all(target.file(), &mut [IoSlice::new(bytes)], at)
                .map_err(Error::io("write", target.path()))
        },
    )?;
    Ok(start.elapsed())
}

fn seal_all(
    key: &AeadKey,
    plaintext: &[u8],
    sealed: &mut [u8],
    frame_length: usize,
    per_worker: usize,
) -> Result<Duration> {
    let sealed_per_worker = per_worker / frame_length * (frame_length + TAG_LEN);
    let start = Instant::now();
    thread::scope(|scope| {
        let parts = plaintext.chunks(per_worker).zip(sealed.chunks_mut(sealed_per_worker));
        let threads: Vec<_> = parts
            .map(|(plaintext, sealed)| {
                scope.spawn(move || {
                    for (frame, out) in
                        plaintext.chunks(frame_length).zip(sealed.chunks_mut(frame_length + TAG_LEN))
                    {
                        let (ciphertext, tag) = Output::from(out).split_at(frame.len());
                        key.seal(Nonce([0; NONCE_LEN]), AAD, frame, ciphertext, tag)?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(Error::KeyUnavailable)))
    })?;
    Ok(start.elapsed())
}

fn open_all(
    key: &AeadKey,
    sealed: &[u8],
    opened: &mut [u8],
    frame_length: usize,
    per_worker: usize,
) -> Result<Duration> {
    let sealed_per_worker = per_worker / frame_length * (frame_length + TAG_LEN);
    let start = Instant::now();
    thread::scope(|scope| {
        let parts = sealed.chunks(sealed_per_worker).zip(opened.chunks_mut(per_worker));
        let threads: Vec<_> = parts
            .map(|(sealed, opened)| {
                scope.spawn(move || {
                    for (frame, out) in
                        sealed.chunks(frame_length + TAG_LEN).zip(opened.chunks_mut(frame_length))
                    {
                        let (ciphertext, tag) = frame.split_at(out.len());
                        key.open(Nonce([0; NONCE_LEN]), AAD, ciphertext, tag, Output::from(out))?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(Error::KeyUnavailable)))
    })?;
    Ok(start.elapsed())
}

/// As long as a frame's.
const AAD: &[u8] = &[5; 72];
