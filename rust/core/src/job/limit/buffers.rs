//! The bare cipher over frames in memory, out of place.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
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
    if frame_length == 0 || total == 0 || workers == 0 {
        return Err(Error::Misuse("frames, bytes and workers are needed".into()));
    }
    let key = AeadKey::new(Aead::Aes256Gcm, &[7; 32])?;
    let frames = total.div_ceil(frame_length);
    let cut = Cut::new(frame_length, frames.div_ceil(workers));
    let mut plaintext = vec![1; total];
    let mut sealed = vec![2; total + frames * TAG_LEN];
    if side == Side::Open {
        cut.seal(&key, &plaintext, &mut sealed)?;
        plaintext.fill(3);
    }
    let start = Instant::now();
    for _ in 0..rounds {
        match side {
            Side::Seal => cut.seal(&key, &plaintext, &mut sealed)?,
            Side::Open => cut.open(&key, &sealed, &mut plaintext)?,
        }
    }
    Ok(start.elapsed())
}

/// The lengths of a frame, and of what one worker does, without and with their tags.
#[derive(Clone, Copy)]
struct Cut {
    frame: usize,
    sealed_frame: usize,
    share: usize,
    sealed_share: usize,
}

impl Cut {
    fn new(frame: usize, frames_each: usize) -> Self {
        let sealed_frame = frame + TAG_LEN;
        Cut { frame, sealed_frame, share: frames_each * frame, sealed_share: frames_each * sealed_frame }
    }

    fn seal(self, key: &AeadKey, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        let shares = plaintext.chunks(self.share).zip(sealed.chunks_mut(self.sealed_share));
        each_on_its_thread(shares, |(plaintext, sealed)| {
            let frames = plaintext.chunks(self.frame).zip(sealed.chunks_mut(self.sealed_frame));
            for (frame, out) in frames {
                let (ciphertext, tag) = Output::from(out).split_at(frame.len());
                key.seal(Nonce([0; NONCE_LEN]), AAD, frame, ciphertext, tag)?;
            }
            Ok(())
        })
    }

    fn open(self, key: &AeadKey, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let shares = sealed.chunks(self.sealed_share).zip(plaintext.chunks_mut(self.share));
        each_on_its_thread(shares, |(sealed, plaintext)| {
            let frames = sealed.chunks(self.sealed_frame).zip(plaintext.chunks_mut(self.frame));
            for (frame, out) in frames {
                let (ciphertext, tag) = frame.split_at(out.len());
                key.open(Nonce([0; NONCE_LEN]), AAD, ciphertext, tag, Output::from(out))?;
            }
            Ok(())
        })
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
