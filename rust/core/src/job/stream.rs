//! From stream to stream, in order, in constant memory.

use std::io::{self, Read, Write};

use super::Done;
use super::buffer::{self, Located};
use super::end::{HEAD, final_len};
use super::source::read_header;
use crate::error::{Error, Result};
use crate::key::TAG_LEN;
use crate::message::{
    Body, Caps, Content, DecryptionMaterials, EncryptionMaterials, FINAL_OVERHEAD, FRAME_OVERHEAD, Header,
    MAX_FOOTER_LEN, MAX_FRAMES, Opener, Reading, Run, Sealer, UNFRAMED_HEAD, frames_per_run,
};
use crate::pipeline::{Control, Stage, ordered};
use crate::primitives::digest::Digester;
use crate::primitives::output::Output;

/// Encrypts everything that `reader` gives.
pub fn encrypt(
    materials: &EncryptionMaterials,
    reader: impl Read + Send,
    mut writer: impl Write,
    control: &Control<'_>,
) -> Result<Done> {
    let (sealer, header) = Sealer::new(materials)?;
    let mut signed = materials.suite().signature.map(|signature| Digester::new(signature.hash));
    let mut done = Done { message_id: sealer.message_id().to_vec(), ..Done::default() };
    let mut emit = |bytes: &[u8]| {
        if let Some(signed) = &mut signed {
            signed.update(bytes);
        }
        done.message_bytes += bytes.len() as u64;
        write_out(&mut writer, bytes)
    };
    emit(&header)?;
    let mut plaintext = Plaintext::new(reader, materials.frame_length());
    ordered(
        control,
        |stage| plaintext.next(stage),
        |stage| {
            let run = unit(stage.unit)?;
            stage.output.resize(run.body_len, 0);
            sealer.seal(&run, &stage.input[..run.plaintext_len], Output::from(&mut stage.output[..]))
        },
        |stage| {
            let run = unit(stage.unit)?;
            emit(&stage.output)?;
            done.plaintext_bytes += run.plaintext_len as u64;
            done.frames += run.frames;
            control.advance(run.plaintext_len);
            Ok(())
        },
    )?;
    if let Some(signed) = &signed {
        let footer = Sealer::footer(materials, signed)?;
        done.message_bytes += footer.len() as u64;
        write_out(&mut writer, &footer)?;
    }
    writer.flush().map_err(Error::io_unnamed("write the output"))?;
    Ok(done)
}

/// Every slot that was read has a run; this only says so to the compiler.
fn unit(run: Option<Run>) -> Result<Run> {
    run.ok_or_else(|| Error::Misuse("a stage without a run".into()))
}

/// Cuts a plaintext stream into runs. One byte more than a run is read, to know whether the run is the last.
struct Plaintext<R> {
    reader: R,
    frame_length: u32,
    per_run: u32,
    number: u32,
    ahead: Option<u8>,
    ended: bool,
}

impl<R: Read> Plaintext<R> {
    fn new(reader: R, frame_length: u32) -> Self {
        let per_run = frames_per_run(frame_length, PIECE_BYTES);
        Plaintext { reader, frame_length, per_run, number: 1, ahead: None, ended: false }
    }

    fn next(&mut self, stage: &mut Stage<Option<Run>>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let full = self.per_run as usize * self.frame_length as usize;
        let input = room_for(&mut stage.input, full + 1);
        let mut filled = 0;
        if let Some(byte) = self.ahead.take() {
            input[0] = byte;
            filled = 1;
        }
        filled = fill(&mut self.reader, input, filled)?;
        self.ended = filled <= full;
        if !self.ended {
            self.ahead = Some(input[full]);
        }
        let run = self.run(filled.min(full))?;
        self.number += run.frames;
        stage.unit = Some(run);
        Ok(true)
    }

    fn run(&self, plaintext_len: usize) -> Result<Run> {
        let mut body = Body::of_plaintext(plaintext_len as u64, self.frame_length)?;
        let frames = body.frames();
        if u64::from(self.number) + u64::from(frames) - 1 > u64::from(MAX_FRAMES) {
            return Err(Error::Limit {
                what: "the number of frames",
                limit: u64::from(MAX_FRAMES),
                found: u64::from(MAX_FRAMES) + 1,
            });
        }
        body.regular += self.number - 1 + u32::from(!self.ended);
        Ok(body.run(self.number, frames))
    }
}

/// The first `len` bytes of a slot's buffer. It never shrinks, so that it is zeroed once in its life and not at each
/// turn.
fn room_for(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    match buffer.is_empty() {
        // the kernel's own zeros, where nothing has to be kept
        true => *buffer = vec![0; len],
        false if buffer.len() < len => buffer.resize(len, 0),
        false => {}
    }
    &mut buffer[..len]
}

/// Reads until `buffer`, of which `filled` bytes are there already, is full or the stream ends; says how many are there.
fn fill(reader: &mut impl Read, buffer: &mut [u8], mut filled: usize) -> Result<usize> {
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled = (filled + count).min(buffer.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io_unnamed("read the input")(error)),
        }
    }
    Ok(filled)
}

/// A message that arrives as a stream: its header has been read.
#[derive(Debug)]
pub struct Incoming<R> {
    reader: R,
    header: Header,
    ahead: Vec<u8>,
}

impl<R: Read + Send> Incoming<R> {
    /// Reads the header, of which nothing is authentic yet.
    pub fn open(mut reader: R, caps: &Caps) -> Result<Self> {
        let (header, ahead) = read_header(&mut reader, caps)?;
        Ok(Incoming { reader, header, ahead })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Decrypts the rest. What `writer` has got when an error comes is a prefix of the plaintext that ends with a
    /// frame; of a signed message the last run of frames is held back until the signature is verified.
    pub fn decrypt(
        self,
        materials: &DecryptionMaterials,
        caps: &Caps,
        writer: impl Write,
        control: &Control<'_>,
    ) -> Result<Done> {
        match self.header.content {
            Content::Framed(frame_length) => self.decrypt_frames(frame_length, materials, writer, control),
            Content::Unframed => self.decrypt_unframed(materials, caps, writer, control),
        }
    }

    fn decrypt_frames(
        self,
        frame_length: u32,
        materials: &DecryptionMaterials,
        mut writer: impl Write,
        control: &Control<'_>,
    ) -> Result<Done> {
        let header = self.header;
        let opener = Opener::new(&header.outline(), materials)?;
        let mut signed = header.suite.signature.map(|signature| Digester::new(signature.hash));
        if let Some(signed) = &mut signed {
            signed.update(&header.encoded());
        }
        let mut done = Done {
            message_bytes: header.len() as u64,
            message_id: header.message_id.clone(),
            ..Done::default()
        };
        let mut frames =
            Frames::new(self.reader, self.ahead, frame_length, done.message_bytes, signed.is_some());
        ordered(
            control,
            |stage| frames.next(stage),
            |stage| {
                let run = unit(stage.unit.run)?;
                stage.output.resize(run.plaintext_len, 0);
                opener.open(
                    &run,
                    &stage.input[..run.body_len],
                    Output::from(&mut stage.output[..]),
                    Reading::Straight,
                )
            },
            |stage| {
                let run = unit(stage.unit.run)?;
                let (body, footer) = stage.input[..stage.unit.filled].split_at(run.body_len);
                done.message_bytes += body.len() as u64;
                if let Some(signed) = &mut signed {
                    signed.update(body);
                    if run.is_last {
                        Opener::verify(materials, signed.clone(), footer, done.message_bytes)?;
                        done.message_bytes += footer.len() as u64;
                    }
                }
                write_out(&mut writer, &stage.output)?;
                done.plaintext_bytes += run.plaintext_len as u64;
                done.frames += run.frames;
                control.advance(run.plaintext_len);
                Ok(())
            },
        )?;
        writer.flush().map_err(Error::io_unnamed("write the output"))?;
        Ok(done)
    }

    /// Nothing may be released before the one tag at the end, so the body is held whole, up to its cap.
    fn decrypt_unframed(
        mut self,
        materials: &DecryptionMaterials,
        caps: &Caps,
        mut writer: impl Write,
        control: &Control<'_>,
    ) -> Result<Done> {
        let header = self.header;
        let mut message = header.encoded();
        let around = header.len() + UNFRAMED_HEAD + TAG_LEN + MAX_FOOTER_LEN + 1;
        let beyond = caps.unframed.saturating_add(around as u64);
        message.append(&mut self.ahead);
        let mut rest = self.reader.take(beyond.saturating_sub(message.len() as u64));
        rest.read_to_end(&mut message).map_err(Error::io_unnamed("read the message"))?;
        let located = Located::find(&header.outline(), &message)?;
        if located.plaintext_len() as u64 > caps.unframed {
            return Err(Error::Limit {
                what: "a non-framed body",
                limit: caps.unframed,
                found: located.plaintext_len() as u64,
            });
        }
        let mut plaintext = zeroize::Zeroizing::new(vec![0; located.plaintext_len()]);
        let out = Output::from(&mut plaintext[..]);
        buffer::decrypt(&header.outline(), &located, materials, &message, out, control)?;
        write_out(&mut writer, &plaintext)?;
        writer.flush().map_err(Error::io_unnamed("write the output"))?;
        Ok(Done {
            plaintext_bytes: plaintext.len() as u64,
            message_bytes: message.len() as u64,
            frames: 0,
            message_id: header.message_id,
        })
    }
}

/// A run of a framed body in a slot, and what follows the last one.
#[derive(Debug, Default)]
struct Piece {
    run: Option<Run>,
    /// How many bytes of the slot's input are its own.
    filled: usize,
}

/// Cuts a framed body into runs. Frames have one length until the final one, which says so at its start.
struct Frames<R> {
    reader: R,
    ahead: Vec<u8>,
    frame_length: u32,
    per_run: u32,
    number: u32,
    at: u64,
    signed: bool,
    ended: bool,
}

impl<R: Read> Frames<R> {
    fn new(reader: R, ahead: Vec<u8>, frame_length: u32, at: u64, signed: bool) -> Self {
        let per_run = frames_per_run(frame_length, PIECE_BYTES);
        Frames { reader, ahead, frame_length, per_run, number: 1, at, signed, ended: false }
    }

    fn stride(&self) -> usize {
        self.frame_length as usize + FRAME_OVERHEAD
    }

    fn next(&mut self, stage: &mut Stage<Piece>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        // 1. a run of regular frames and the head of the frame after it
        let regular = self.per_run as usize * self.stride();
        let ahead = std::mem::take(&mut self.ahead);
        let input = room_for(&mut stage.input, (regular + HEAD).max(ahead.len()));
        input[..ahead.len()].copy_from_slice(&ahead);
        let mut filled = fill(&mut self.reader, input, ahead.len())?;
        // 2. the final frame, if it is among them
        let found = (0..self.per_run).find_map(|index| self.final_at(&input[..filled], index));
        let run = match found {
            Some((before, final_len)) => {
                let (run, end) = self.last(&mut stage.input, filled, before, final_len)?;
                filled = end;
                run
            }
            None if filled < regular + HEAD => return Err(self.truncated(filled)),
            None => {
                self.ahead = input[regular..filled].to_vec();
                filled = regular;
                let body = Body { frame_length: self.frame_length, regular: MAX_FRAMES - 1, final_len: 0 };
                self.checked(self.per_run)?;
                body.run(self.number, self.per_run)
            }
        };
        self.number += run.frames;
        self.at += run.body_len as u64;
        stage.unit = Piece { run: Some(run), filled };
        Ok(true)
    }

    fn final_at(&self, bytes: &[u8], index: u32) -> Option<(u32, u32)> {
        let head = bytes.get(index as usize * self.stride()..)?.first_chunk::<HEAD>()?;
        final_len(head).map(|len| (index, len))
    }

    /// The last run, `before` regular frames and the final one, and where in `input` the bytes end that are its own and
    /// its footer's. Takes in the footer, and insists on the end.
    fn last(
        &mut self,
        input: &mut Vec<u8>,
        filled: usize,
        before: u32,
        final_len: u32,
    ) -> Result<(Run, usize)> {
        let start = before as usize * self.stride();
        if final_len > self.frame_length {
            let offset = self.at + start as u64 + 20;
            return Err(Error::Malformed { offset, what: "a final frame above the frame length" });
        }
        let end = start + FINAL_OVERHEAD + final_len as usize;
        let beyond = if self.signed { end + MAX_FOOTER_LEN + 1 } else { end + 1 };
        let filled = fill(&mut self.reader, room_for(input, beyond.max(filled)), filled)?;
        if filled < end {
            return Err(self.truncated(filled));
        }
        if filled > end && !self.signed {
            let offset = self.at + end as u64;
            return Err(Error::Malformed { offset, what: "bytes after the end of the message" });
        }
        self.ended = true;
        self.checked(before + 1)?;
        let regular = self.number - 1 + before;
        let body = Body { frame_length: self.frame_length, regular, final_len };
        Ok((body.run(self.number, before + 1), filled))
    }

    fn checked(&self, frames: u32) -> Result<()> {
        match u64::from(self.number) + u64::from(frames) - 1 > u64::from(MAX_FRAMES) {
            true => {
                Err(Error::Malformed { offset: self.at, what: "more frames than the format has numbers" })
            }
            false => Ok(()),
        }
    }

    fn truncated(&self, filled: usize) -> Error {
        Error::Truncated { offset: self.at + filled as u64 }
    }
}

/// Writes everything to a writer that errors call by no name.
fn write_out(writer: &mut impl Write, bytes: &[u8]) -> Result<()> {
    writer.write_all(bytes).map_err(Error::io_unnamed("write the output"))
}

/// Bytes of a run: few enough that a short stream touches little memory, enough that threads seldom wait for each other.
const PIECE_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream does not say how long it is: only the numbers that are left can end it in time.
    #[test]
    fn no_frame_gets_a_number_after_the_last() {
        let mut plaintext = Plaintext::new(io::empty(), 1);
        plaintext.number = MAX_FRAMES - 5;
        plaintext.ended = true;
        let run = plaintext.run(6).unwrap();
        assert_eq!((run.first, run.frames, run.is_last), (MAX_FRAMES - 5, 6, true));
        assert!(matches!(plaintext.run(7), Err(Error::Limit { .. })));

        let mut frames = Frames::new(io::empty(), Vec::new(), 1, 0, false);
        frames.number = MAX_FRAMES - 5;
        assert!(frames.checked(6).is_ok());
        assert!(matches!(frames.checked(7), Err(Error::Malformed { .. })));
    }
}
