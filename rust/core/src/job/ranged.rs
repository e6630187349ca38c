//! Reading any part of a message file, and only the frames that hold it.

use super::file::MessageFile;
use super::spare::Spare;
use super::vectored::PageBuffer;
use crate::error::{Error, Result};
use crate::message::{Body, Content, DecryptionMaterials, Opener, Reading, Run, frames_per_run};
use crate::pipeline::{Control, parallel};
use crate::primitives::output::Output;

/// A message file open for reading at any position.
#[derive(Debug)]
pub struct Ranged {
    message: MessageFile,
    opener: Opener,
    body: Body,
    spare: Spare,
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
        let opener = Opener::new(&message.header().outline(), materials)?;
        let body = message.body(frame_length)?;
        let ranged = Ranged { message, opener, body, spare: Spare::default() };
        ranged.verify_final_frame()?;
        Ok(ranged)
    }

    /// Bytes of the plaintext.
    pub fn plaintext_len(&self) -> u64 {
        self.body.plaintext_len()
    }

    /// Plaintext bytes of a regular frame.
    pub fn frame_length(&self) -> u32 {
        self.body.frame_length
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
        // below this, starting a thread costs more than it saves
        let workers = if out.len() < SPREAD_FROM { 1 } else { control.workers };
        let pieces = self.pieces(at, out);
        let longest = pieces.iter().map(|piece| piece.run.body_len).max().unwrap_or(0);
        parallel(
            &Control { workers, ..*control },
            pieces.into_iter(),
            || Ok(self.spare.lend(longest)),
            |buffer, piece| self.fill(piece, buffer),
        )
    }

    /// Cuts `out` at the frames that it starts and ends in, and what lies between into runs of whole frames.
    fn pieces<'a>(&self, at: u64, out: Output<'a>) -> Vec<Piece<'a>> {
        let per_run = frames_per_run(self.body.frame_length, PIECE_BYTES);
        let mut pieces = Vec::new();
        let (mut at, mut rest) = (at, out);
        while !rest.is_empty() {
            let (run, skip) = self.run_from(at, rest.len(), per_run);
            let len = (run.plaintext_len - skip).min(rest.len());
            let (part, after) = rest.split_at(len);
            pieces.push(Piece { run, skip, out: part });
            at += len as u64;
            rest = after;
        }
        pieces
    }

    /// The frame that holds byte `at`; or, where more is wanted, as many whole ones as `len` bytes fill. And how many
    /// bytes of it lie before `at`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "frames of a body are counted in 32 bits, their bytes in 31"
    )]
    fn run_from(&self, at: u64, len: usize, most: u32) -> (Run, usize) {
        let frame_length = u64::from(self.body.frame_length);
        let before = (at / frame_length) as u32;
        let skip = (at % frame_length) as usize;
        let left = self.body.frames() - before;
        let whole = match len as u64 >= self.plaintext_len() - at {
            true => left,
            false => (len as u64 / frame_length) as u32,
        };
        let frames = if skip == 0 { whole.clamp(1, most) } else { 1 };
        (self.body.run(before + 1, frames), skip)
    }

    fn fill(&self, piece: Piece<'_>, buffer: &mut PageBuffer) -> Result<()> {
        let body = buffer.first(piece.run.body_len);
        self.message.read_run(&piece.run, body)?;
        if piece.is_whole() {
            return self.opener.open(&piece.run, body, piece.out, Reading::Straight);
        }
        self.opener.open_in_place(&piece.run, body)?;
        let slot = piece.run.slots().next().unwrap_or_default();
        let start = slot.start + piece.skip;
        let end = start + piece.out.len();
        piece.out.write(&body[start..end]).map(drop)
    }

    fn verify_final_frame(&self) -> Result<()> {
        let run = self.body.run(self.body.frames(), 1);
        let mut buffer = self.spare.lend(run.body_len);
        let bytes = buffer.first(run.body_len);
        self.message.read_run(&run, bytes)?;
        self.opener.open_in_place(&run, bytes)
    }
}

/// Whole frames, or one of which a part is wanted, from byte `skip` on.
struct Piece<'a> {
    run: Run,
    skip: usize,
    out: Output<'a>,
}

impl Piece<'_> {
    fn is_whole(&self) -> bool {
        self.out.len() == self.run.plaintext_len
    }
}

/// Bytes of a run: what is read and what is made of it fit a core's second-level cache together.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes of a read from which on threads share it.
const SPREAD_FROM: usize = 512 << 10;
