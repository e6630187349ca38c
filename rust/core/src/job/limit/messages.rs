//! The floor of small messages: what the crypto library alone takes for each, with nothing assembled or copied.

use std::thread;
use std::time::{Duration, Instant};

use super::Side;
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::hkdf::Prk;
use crate::primitives::output::Output;
use crate::primitives::rng;
use crate::suite::{Aead, Hash};

/// Time for `count` messages of `size` bytes under one data key, shared out evenly over `workers` threads: for each, 32
/// random bytes (sealing only), key and commitment by HKDF as suite 0x0478 has them, the cipher's key set-up, the tag
/// of a header, and one frame out of place.
pub fn measure(count: usize, size: usize, workers: usize, side: Side) -> Result<Duration> {
    if count == 0 || workers == 0 {
        return Err(Error::Misuse("messages and workers are needed".into()));
    }
    let mut states = (0..workers).map(|_| State::new(size)).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    thread::scope(|scope| {
        let (own, others) = states.split_at_mut(1);
        let threads: Vec<_> = (others.iter_mut().enumerate())
            .map(|(i, state)| scope.spawn(move || state.run(share(count, workers, i + 1), side)))
            .collect();
        own[0].run(share(count, workers, 0), side)?;
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(Error::KeyUnavailable)))
    })?;
    Ok(start.elapsed())
}

fn share(count: usize, workers: usize, index: usize) -> usize {
    count / workers + usize::from(index < count % workers)
}

/// What one thread works on: its own memory, made before the clock starts.
struct State {
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
    header_tag: [u8; TAG_LEN],
    message_id: [u8; 32],
}

impl State {
    fn new(size: usize) -> Result<State> {
        let (plaintext, sealed) = (vec![1; size], vec![0; size + TAG_LEN]);
        let mut state = State { plaintext, sealed, header_tag: [0; TAG_LEN], message_id: [3; 32] };
        state.seal()?;
        Ok(state)
    }

    fn run(&mut self, count: usize, side: Side) -> Result<()> {
        match side {
            Side::Seal => (0..count).try_for_each(|_| {
                rng::fill(&mut self.message_id)?;
                self.seal()
            }),
            Side::Open => (0..count).try_for_each(|_| self.open()),
        }
    }

    fn seal(&mut self) -> Result<()> {
        let key = derive(&self.message_id)?;
        self.header_tag = key.seal_in_place(Nonce([0; NONCE_LEN]), HEADER, &mut [])?;
        let (ciphertext, tag) = Output::from(&mut *self.sealed).split_at(self.plaintext.len());
        key.seal(Nonce([1; NONCE_LEN]), AAD, &self.plaintext, ciphertext, tag)
    }

    fn open(&mut self) -> Result<()> {
        let key = derive(&self.message_id)?;
        key.open_in_place(Nonce([0; NONCE_LEN]), HEADER, &mut [], &self.header_tag)?;
        let (ciphertext, tag) = self.sealed.split_at(self.plaintext.len());
        key.open(Nonce([1; NONCE_LEN]), AAD, ciphertext, tag, Output::from(&mut *self.plaintext))
    }
}

fn derive(message_id: &[u8; 32]) -> Result<AeadKey> {
    let prk = Prk::extract(Hash::Sha512, message_id, &[7; 32]);
    let (mut key, mut commitment) = ([0; 32], [0; 32]);
    prk.expand(&[&[0x04, 0x78], b"DERIVEKEY"], &mut key)?;
    prk.expand(&[b"COMMITKEY"], &mut commitment)?;
    std::hint::black_box(commitment);
    AeadKey::new(Aead::Aes256Gcm, &key)
}

/// As long as that of a message with one encrypted data key and a short context.
const HEADER: &[u8] = &[9; 200];
/// As long as a final frame's.
const AAD: &[u8] = &[5; 78];
