//! Reading any part of a message file, and only the frames that hold it.

use super::RUN_BYTES;
use super::file::MessageFile;
use super::vectored::PageBuffer;
use crate::error::{Error, Result};
use crate::message::{Body, Content, DecryptionMaterials, Opener, Run, frames_per_run};
use crate::pipeline::{Control, parallel};
use crate::primitives::output::Output;

/// A message file open for reading at any position.
#[derive(Debug)]
pub struct Ranged {
    message: MessageFile,
    opener: Opener,
    body: Body,
}

impl Ranged {
    /// Verifies header and final frame: only that frame's tag makes the length of the plaintext true.
    ///
    /// Refuses signed and non-framed messages, of which no part is authentic before the whole.
    pub fn open(message: MessageFile, materials: &DecryptionMaterials) -> Result<Self> {
        let frame_length = match (message.header().content, message.header().suite.signature) {
            (Content::Framed(frame_length), None) => frame_length,
            (Content::Unframed, _) => {
                return Err(Error::Unsupported("a non-framed message has no ranges".into()));
            }
            (_, Some(_)) => {
                let why = "a signed message is authentic only as a whole, so it has no ranges";
                return Err(Error::Unsupported(why.into()));
            }
        };
        let opener = Opener::new(message.header(), materials)?;
        let body = message.body(frame_length)?;
        let ranged = Ranged { message, opener, body };
        ranged.verify_final_frame()?;
        Ok(ranged)
    }

    /// Bytes of the plaintext.
    pub fn plaintext_len(&self) -> u64 {
        self.body.plaintext_len()
    }

    /// Reads from a position of the plaintext on, as much as `out` holds or the plaintext has. On failure `out` is zero.
    pub fn read_at(&self, at: u64, out: Output<'_>, control: &Control<'_>) -> Result<usize> {
        let left = self.plaintext_len().saturating_sub(at);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        if len == 0 {
            return Ok(0);
        }
        let (mut out, _) = out.split_at(len);
        let read = self.read(at, out.reborrow(), control);
        if let Err(error) = read {
            out.zero();
            return Err(error);
        }
        Ok(len)
    }

    fn read(&self, at: u64, out: Output<'_>, control: &Control<'_>) -> Result<()> {
        let pieces = self.pieces(at, out);
        let longest = pieces.iter().map(|piece| piece.run.body_len).max().unwrap_or(0);
        let buffer = || Ok(PageBuffer::new(longest));
        parallel(control, pieces.into_iter(), buffer, |buffer, piece| {
            let bytes = buffer.first(piece.run.body_len);
            self.message.read_run(&piece.run, bytes)?;
            self.opener.open_in_place(&piece.run, bytes)?;
            piece.copy_from(bytes)
        })
    }

    /// The runs that cover `out`, each with its part of it.
    fn pieces<'a>(&self, at: u64, out: Output<'a>) -> Vec<Piece<'a>> {
        let frame_length = u64::from(self.body.frame_length);
        let end = at + out.len() as u64;
        let per_run = u64::from(frames_per_run(self.body.frame_length, RUN_BYTES));
        let mut pieces = Vec::new();
        let mut rest = out;
        let mut frame = at / frame_length;
        let stop = (end - 1) / frame_length + 1;
        while frame < stop {
            let frames = (stop - frame).min(per_run);
            #[expect(clippy::cast_possible_truncation, reason = "frames of a body are counted in 32 bits")]
            let run = self.body.run(frame as u32 + 1, frames as u32);
            let from = at.max(run.plaintext_at);
            let to = end.min(run.plaintext_at + run.plaintext_len as u64);
            #[expect(clippy::cast_possible_truncation, reason = "both lie within one run, which fits memory")]
            let (skip, len) = ((from - run.plaintext_at) as usize, (to - from) as usize);
            let (part, after) = rest.split_at(len);
            pieces.push(Piece { run, skip, out: part });
            rest = after;
            frame += frames;
        }
        pieces
    }

    fn verify_final_frame(&self) -> Result<()> {
        let run = self.body.run(self.body.frames(), 1);
        let mut buffer = PageBuffer::new(run.body_len);
        let bytes = buffer.first(run.body_len);
        self.message.read_run(&run, bytes)?;
        self.opener.open_in_place(&run, bytes)
    }
}

/// A run, and the part of the caller's output that its plaintext fills from byte `skip` on.
struct Piece<'a> {
    run: Run,
    skip: usize,
    out: Output<'a>,
}

impl Piece<'_> {
    fn copy_from(self, body: &[u8]) -> Result<()> {
        let mut skip = self.skip;
        let mut rest = self.out;
        for slot in self.run.slots() {
            let skipped = skip.min(slot.len());
            skip -= skipped;
            let count = (slot.len() - skipped).min(rest.len());
            let (part, after) = rest.split_at(count);
            part.write(&body[slot.start + skipped..slot.start + skipped + count])?;
            rest = after;
        }
        Ok(())
    }
}
