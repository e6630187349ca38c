//! The floor of ranged reads: one positioned read and one frame under the bare cipher, at scattered places.

use std::io::IoSliceMut;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::SourceFile;
use crate::job::vectored::{PageBuffer, read_all};
use crate::key::{NONCE_LEN, Nonce};
use crate::primitives::aead::AeadKey;
use crate::suite::Aead;

/// Time for so many reads of `frame_bytes` each, on this thread. Frames are sealed, not opened, since those of any
/// file may be: under AES-GCM both cost the same.
pub fn measure(source: &SourceFile, frame_bytes: usize, reads: u32) -> Result<Duration> {
    let frames = source.len().checked_div(frame_bytes as u64).unwrap_or(0);
    if frames == 0 {
        return Err(Error::Misuse(
            "a frame of at least a byte, and a file that holds one, are needed".into(),
        ));
    }
    let key = AeadKey::new(Aead::Aes256Gcm, &[7; 32])?;
    let mut buffer = PageBuffer::new(frame_bytes);
    let bytes = buffer.first(frame_bytes);
    let start = Instant::now();
    for read in 0..u64::from(reads) {
        let at = read.wrapping_mul(SCATTER) % frames * frame_bytes as u64;
        if !read_all(source.file(), &mut [IoSliceMut::new(bytes)], at)
            .map_err(Error::io("read", source.path()))?
        {
            return Err(source.changed());
        }
        key.seal_in_place(Nonce([0; NONCE_LEN]), AAD, bytes)?;
    }
    Ok(start.elapsed())
}

/// Large and odd: multiples of it, taken modulo the frames of a file, follow no order that a disk could read ahead.
const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;
/// As long as a frame's.
const AAD: &[u8] = &[5; 72];
