//! Where things stand in a framed body.
//!
//! ```text
//! regular frame: number 4 │ nonce 12 │ ciphertext F │ tag 16                         F + 32
//! final frame:   FFFFFFFF │ number 4 │ nonce 12 │ length 4 │ ciphertext n │ tag 16   n + 40
//! ```

use crate::error::{Error, Result};

/// Bytes that a regular frame adds to its plaintext.
pub const FRAME_OVERHEAD: usize = 32;
/// Bytes that the final frame adds to its plaintext.
pub const FINAL_OVERHEAD: usize = 40;
/// Bytes of a regular frame before its ciphertext.
pub(crate) const FRAME_HEAD: usize = 16;
/// Bytes of the final frame before its ciphertext.
pub(crate) const FINAL_HEAD: usize = 24;
/// What stands in place of the number at the start of a final frame.
pub(crate) const FINAL_MARK: [u8; 4] = [0xFF; 4];

/// How many frames a plaintext of this length makes: at least one; the last of them is final, and full where it divides.
pub fn frame_count(plaintext_len: u64, frame_length: u32) -> Result<u32> {
    let count = plaintext_len.div_ceil(u64::from(frame_length)).max(1);
    u32::try_from(count).ok().filter(|&n| n <= MAX_FRAMES).ok_or_else(|| Error::Limit {
        what: "the number of frames",
        limit: u64::from(MAX_FRAMES),
        found: count,
    })
}

/// Bytes of the framed body of a plaintext of this length.
pub fn body_len(plaintext_len: u64, frame_length: u32) -> Result<u64> {
    Ok(Body::of_plaintext(plaintext_len, frame_length)?.len())
}

/// A framed body whose length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body {
    /// Plaintext bytes of a regular frame.
    pub frame_length: u32,
    /// How many regular frames stand before the final one.
    pub regular: u32,
    /// Plaintext bytes of the final frame.
    pub final_len: u32,
}

impl Body {
    /// The body of a plaintext of this length, as we write it.
    pub fn of_plaintext(plaintext_len: u64, frame_length: u32) -> Result<Body> {
        let regular = frame_count(plaintext_len, frame_length)? - 1;
        let final_len = plaintext_len - u64::from(regular) * u64::from(frame_length);
        // at most one frame is left over
        let final_len = u32::try_from(final_len).unwrap_or(frame_length);
        Ok(Body { frame_length, regular, final_len })
    }

    /// What a body of this many bytes must be, if it is one. Only the final frame's own tag makes it true.
    pub fn of_len(len: u64, frame_length: u32) -> Option<Body> {
        let rest = len.checked_sub(FINAL_OVERHEAD as u64)?;
        let stride = u64::from(frame_length) + FRAME_OVERHEAD as u64;
        let regular = u32::try_from(rest / stride).ok().filter(|&n| n < MAX_FRAMES)?;
        let final_len = u32::try_from(rest % stride).ok().filter(|&n| n <= frame_length)?;
        Some(Body { frame_length, regular, final_len })
    }

    /// Frames in all.
    pub fn frames(&self) -> u32 {
        self.regular + 1
    }

    /// Plaintext bytes.
    pub fn plaintext_len(&self) -> u64 {
        u64::from(self.regular) * u64::from(self.frame_length) + u64::from(self.final_len)
    }

    /// Bytes of the body.
    #[allow(clippy::len_without_is_empty, reason = "a body has at least its final frame")]
    pub fn len(&self) -> u64 {
        self.plaintext_len() + u64::from(self.regular) * FRAME_OVERHEAD as u64 + FINAL_OVERHEAD as u64
    }

    /// Where the final frame starts in the body.
    pub fn final_at(&self) -> u64 {
        u64::from(self.regular) * (u64::from(self.frame_length) + FRAME_OVERHEAD as u64)
    }

    /// The run of `frames` frames from the frame numbered `first`, all of which must be in the body.
    pub fn run(&self, first: u32, frames: u32) -> Run {
        let skipped = u64::from(first) - 1;
        let is_last = skipped + u64::from(frames) == u64::from(self.frames());
        let frame_length = self.frame_length as usize;
        let regular = frames as usize - usize::from(is_last);
        let mut plaintext_len = regular * frame_length;
        let mut body_len = regular * (frame_length + FRAME_OVERHEAD);
        if is_last {
            plaintext_len += self.final_len as usize;
            body_len += self.final_len as usize + FINAL_OVERHEAD;
        }
        Run {
            first,
            frames,
            is_last,
            frame_length,
            plaintext_len,
            body_len,
            plaintext_at: skipped * frame_length as u64,
            body_at: skipped * (frame_length + FRAME_OVERHEAD) as u64,
        }
    }

    /// Cut into runs of frames, each about `bytes` long, for workers to take.
    pub fn grid(&self, bytes: usize) -> Grid {
        Grid { body: *self, per_run: frames_per_run(self.frame_length, bytes) }
    }
}

/// Frames of a run of about `bytes` bytes: at least one.
#[expect(clippy::cast_possible_truncation, reason = "clamped below 1,024")]
pub(crate) fn frames_per_run(frame_length: u32, bytes: usize) -> u32 {
    let stride = frame_length as usize + FRAME_OVERHEAD;
    (bytes / stride).clamp(1, MAX_RUN) as u32
}

/// A body cut into runs of whole frames.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    body: Body,
    per_run: u32,
}

/// A run of whole frames: where it stands in body and plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The number of its first frame; numbers start at 1.
    pub first: u32,
    /// How many frames it has.
    pub frames: u32,
    /// Whether its last frame is the message's final one.
    pub is_last: bool,
    /// Plaintext bytes of a regular frame.
    pub frame_length: usize,
    /// Its plaintext bytes.
    pub plaintext_len: usize,
    /// Its bytes in the body.
    pub body_len: usize,
    /// Where its plaintext starts in the whole plaintext.
    pub plaintext_at: u64,
    /// Where it starts in the body.
    pub body_at: u64,
}

impl Run {
    /// The plaintext ranges of its frames' slots in the run's body bytes, in order.
    pub fn slots(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let run = *self;
        (0..run.frames as usize).map(move |i| {
            let at = i * (run.frame_length + FRAME_OVERHEAD);
            match run.is_last && i + 1 == run.frames as usize {
                true => at + FINAL_HEAD..run.body_len - 16,
                false => at + FRAME_HEAD..at + FRAME_HEAD + run.frame_length,
            }
        })
    }
}

impl Grid {
    /// How many runs there are.
    pub fn runs(&self) -> u32 {
        self.body.frames().div_ceil(self.per_run)
    }

    /// Room for the body bytes of any of its runs.
    pub fn run_len(&self) -> usize {
        let full = self.per_run as usize * (self.body.frame_length as usize + FRAME_OVERHEAD);
        let whole = usize::try_from(self.body.len()).unwrap_or(usize::MAX);
        (full + FINAL_OVERHEAD - FRAME_OVERHEAD).min(whole)
    }

    /// The run of this index, from 0.
    pub fn run(&self, index: u32) -> Run {
        let skipped = index * self.per_run;
        self.body.run(skipped + 1, (self.body.frames() - skipped).min(self.per_run))
    }
}

/// Java's reader fails on the last number, so it is never written.
pub(crate) const MAX_FRAMES: u32 = u32::MAX - 1;
/// Frames of one run at most: each is one entry of a vectored system call, of which Linux takes 1,024.
const MAX_RUN: usize = 1023;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_length_and_back() {
        for frame_length in [1, 7, 128, 4096, 65_536] {
            for plaintext in [0, 1, 6, 7, 8, 127, 128, 129, 65_535, 65_536, 65_537, 1 << 20] {
                let body = Body::of_plaintext(plaintext, frame_length).unwrap();
                assert_eq!(body.plaintext_len(), plaintext);
                assert_eq!(body.len(), body_len(plaintext, frame_length).unwrap());
                assert_eq!(Body::of_len(body.len(), frame_length), Some(body));
            }
        }
    }

    #[test]
    fn runs_tile_the_body() {
        let body = Body::of_plaintext(1_000_003, 100).unwrap();
        let grid = body.grid(10_000);
        let (mut plaintext, mut bytes, mut next) = (0, 0, 1);
        for index in 0..grid.runs() {
            let run = grid.run(index);
            assert_eq!((run.plaintext_at, run.body_at, run.first), (plaintext, bytes, next));
            assert_eq!(run.slots().map(|s| s.len()).sum::<usize>(), run.plaintext_len);
            plaintext += run.plaintext_len as u64;
            bytes += run.body_len as u64;
            next += run.frames;
            assert!(run.body_len <= grid.run_len());
            assert_eq!(run.is_last, index + 1 == grid.runs());
        }
        assert_eq!((plaintext, bytes), (body.plaintext_len(), body.len()));
    }

    #[test]
    fn impossible_lengths_are_no_body() {
        assert_eq!(Body::of_len(39, 100), None);
        assert_eq!(Body::of_len(40 + 101, 100), None);
        assert_eq!(Body::of_len(40 + 131, 100), None);
        assert!(Body::of_len(40 + 132, 100).is_some());
        assert_eq!(MAX_FRAMES, 0xFFFF_FFFE);
        let most = u64::from(MAX_FRAMES);
        assert!(frame_count(most + 1, 1).is_err());
        assert_eq!(frame_count(most, 1).unwrap(), MAX_FRAMES);
        let longest = Body::of_plaintext(most, 1).unwrap();
        assert_eq!(Body::of_len(longest.len(), 1), Some(longest));
        assert_eq!(Body::of_len(longest.len() + 33, 1), None);
    }

    #[test]
    fn a_final_frame_stands_behind_the_regular_ones() {
        for (plaintext, final_at) in [(0, 0), (100, 0), (101, 132), (200, 132), (201, 264)] {
            let body = Body::of_plaintext(plaintext, 100).unwrap();
            assert_eq!((body.final_at(), body.frames()), (final_at, 1 + body.regular));
            let run = body.run(body.frames(), 1);
            assert!(run.is_last && run.body_at == final_at);
            assert_eq!(run.body_len as u64, body.len() - final_at);
        }
    }

    #[test]
    fn a_run_is_about_as_long_as_was_asked_for() {
        for (bytes, frames) in [(0, 1), (131, 1), (132, 1), (263, 1), (264, 2), (usize::MAX, 1023)] {
            assert_eq!(frames_per_run(100, bytes), frames, "{bytes}");
        }
        // runs of two frames each; the last is longer by what a final frame has more, or all there is
        for (plaintext, runs, longest) in [(400, 2, 2 * 132 + 8), (500, 3, 2 * 132 + 8), (50, 1, 90)] {
            let grid = Body::of_plaintext(plaintext, 100).unwrap().grid(264);
            assert_eq!((grid.runs(), grid.run_len()), (runs, longest));
            assert!((0..runs).all(|index| grid.run(index).body_len <= longest));
        }
    }
}
