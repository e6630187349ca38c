//! From file to file: every worker reads a run of frames straight into its slots, works in place, and writes it.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::behind::{Behind, write_behind};
use super::end::{HEAD, body_to_end};
use super::source::read_header;
use super::stream::{self, Incoming};
use super::vectored::{PageBuffer, read_all, slots, slots_mut, write_all};
use super::{AtomicFile, Done, RUN_BYTES, SourceFile};
use crate::error::{Error, Result};
use crate::message::{
    Body, Caps, Content, DecryptionMaterials, EncryptionMaterials, Header, Opener, Run, Sealer,
};
use crate::pipeline::{Control, parallel};

/// Encrypts a file. `target` holds the whole message afterwards and is not yet committed.
pub fn encrypt(
    materials: &EncryptionMaterials,
    source: &SourceFile,
    target: &AtomicFile,
    control: &Control<'_>,
) -> Result<Done> {
    let done = match materials.suite().signature {
        // a stream that fails cancels what it shares, and the files beside this one share its progress
        Some(_) => control
            .apart(|control| stream::encrypt(materials, AtStart::of(source), Named(target), control))?,
        None => encrypt_frames(materials, source, target, control)?,
    };
    match done.plaintext_bytes == source.len() {
        true => source.unchanged().map(|()| done),
        false => Err(source.changed()),
    }
}

fn encrypt_frames(
    materials: &EncryptionMaterials,
    source: &SourceFile,
    target: &AtomicFile,
    control: &Control<'_>,
) -> Result<Done> {
    let (sealer, header) = Sealer::new(materials)?;
    let body = Body::of_plaintext(source.len(), materials.frame_length())?;
    let grid = body.grid(RUN_BYTES);
    let buffer = || Ok(PageBuffer::new(grid.run_len()));
    let encrypt_run = |buffer: &mut PageBuffer, index, behind: &Behind| {
        let run = grid.run(index);
        let bytes = buffer.first(run.body_len);
        let mut plaintext = slots_mut(bytes, run.slots());
        if !read_all(source.file(), &mut plaintext, run.plaintext_at)
            .map_err(Error::io("read", source.path()))?
        {
            return Err(source.changed());
        }
        sealer.seal_in_place(&run, bytes)?;
        write_run(target, &header, &run, bytes)?;
        behind.wrote(run.body_len);
        control.advance(run.plaintext_len);
        Ok(())
    };
    write_behind(target, body.len(), |behind| {
        parallel(control, 0..grid.runs(), buffer, |buffer, index| encrypt_run(buffer, index, behind))
    })?;
    Ok(Done {
        plaintext_bytes: source.len(),
        message_bytes: header.len() as u64 + body.len(),
        frames: body.frames(),
        message_id: sealer.message_id().to_vec(),
    })
}

/// The header goes out with the first run, so that a small message is one system call.
pub(super) fn write_run(target: &AtomicFile, header: &[u8], run: &Run, bytes: &[u8]) -> Result<()> {
    let written = match run.first {
        1 => write_all(target.file(), &mut [IoSlice::new(header), IoSlice::new(bytes)], 0),
        _ => write_all(target.file(), &mut [IoSlice::new(bytes)], header.len() as u64 + run.body_at),
    };
    written.map_err(Error::io("write", target.path()))
}

/// A file that starts with a header.
#[derive(Debug)]
pub struct MessageFile {
    pub(super) source: SourceFile,
    header: Header,
}

impl MessageFile {
    /// Reads the header, of which nothing is authentic yet.
    pub fn open(source: SourceFile, caps: &Caps) -> Result<Self> {
        let (header, _) = read_header(&mut AtStart::of(&source), caps)?;
        Ok(MessageFile { source, header })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file.
    pub fn source(&self) -> &SourceFile {
        &self.source
    }

    /// The body as its length tells it; only for unsigned framed messages, and not authentic yet.
    pub fn body(&self, frame_length: u32) -> Result<Body> {
        body_to_end(self.header.len() as u64, frame_length, self.source.len(), |at| {
            let mut head = [0; HEAD];
            let mut slices = [IoSliceMut::new(&mut head)];
            match read_all(self.source.file(), &mut slices, at)
                .map_err(Error::io("read", self.source.path()))?
            {
                true => Ok(head),
                false => Err(Error::Truncated { offset: self.source.len() }),
            }
        })
    }

    /// Decrypts into `target`, which is not yet committed; without a target, only verifies.
    pub fn decrypt(
        &self,
        materials: &DecryptionMaterials,
        caps: &Caps,
        target: Option<&AtomicFile>,
        control: &Control<'_>,
    ) -> Result<Done> {
        match (self.header.content, self.header.suite.signature) {
            (Content::Framed(frame_length), None) => {
                self.decrypt_frames(frame_length, materials, target, control)
            }
            _ => control.apart(|control| self.decrypt_in_order(materials, caps, target, control)),
        }
    }

    fn decrypt_frames(
        &self,
        frame_length: u32,
        materials: &DecryptionMaterials,
        target: Option<&AtomicFile>,
        control: &Control<'_>,
    ) -> Result<Done> {
        let opener = Opener::new(&self.header.outline(), materials)?;
        let body = self.body(frame_length)?;
        let grid = body.grid(RUN_BYTES);
        let buffer = || Ok(PageBuffer::new(grid.run_len()));
        let decrypt_run = |buffer: &mut PageBuffer, index, to: Option<(&AtomicFile, &Behind)>| {
            let run = grid.run(index);
            let bytes = buffer.first(run.body_len);
            self.read_run(&run, bytes)?;
            opener.open_in_place(&run, bytes)?;
            if let Some((target, behind)) = to {
                let written = write_all(target.file(), &mut slots(bytes, run.slots()), run.plaintext_at);
                written.map_err(Error::io("write", target.path()))?;
                behind.wrote(run.plaintext_len);
            }
            control.advance(run.plaintext_len);
            Ok(())
        };
        let decrypt_all = |to: Option<(&AtomicFile, &Behind)>| {
            parallel(control, 0..grid.runs(), buffer, |buffer, index| decrypt_run(buffer, index, to))
        };
        match target {
            Some(target) => {
                let write = |behind: &Behind| decrypt_all(Some((target, behind)));
                write_behind(target, body.plaintext_len(), write)?;
            }
            None => decrypt_all(None)?,
        }
        Ok(Done {
            plaintext_bytes: body.plaintext_len(),
            message_bytes: self.source.len(),
            frames: body.frames(),
            message_id: self.header.message_id.clone(),
        })
    }

    pub(super) fn read_run(&self, run: &Run, bytes: &mut [u8]) -> Result<()> {
        let at = self.header.len() as u64 + run.body_at;
        let mut slices = [IoSliceMut::new(bytes)];
        match read_all(self.source.file(), &mut slices, at).map_err(Error::io("read", self.source.path()))? {
            true => Ok(()),
            false => Err(self.source.changed()),
        }
    }

    /// Signed messages are hashed from start to end, non-framed ones are one piece.
    fn decrypt_in_order(
        &self,
        materials: &DecryptionMaterials,
        caps: &Caps,
        target: Option<&AtomicFile>,
        control: &Control<'_>,
    ) -> Result<Done> {
        let incoming = Incoming::open(AtStart::of(&self.source), caps)?;
        match target {
            Some(target) => incoming.decrypt(materials, caps, Named(target), control),
            None => incoming.decrypt(materials, caps, io::sink(), control),
        }
    }
}

/// Reads a file from its start without moving a shared position. Errors name it.
pub(super) struct AtStart<'a> {
    source: &'a SourceFile,
    at: u64,
}

impl<'a> AtStart<'a> {
    pub(super) fn of(source: &'a SourceFile) -> Self {
        AtStart { source, at: 0 }
    }
}

impl io::Read for AtStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.file().read_at(buffer, self.at).map_err(named("read", self.source.path()))?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Writes a file whose errors name it.
pub(super) struct Named<'a>(pub(super) &'a AtomicFile);

impl Write for Named<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file().write(bytes).map_err(named("write", self.0.path()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Carried through the stream, whose own errors have no name for what it reads and writes.
fn named(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |error| match error.kind() {
        // whoever reads or writes tries again
        io::ErrorKind::Interrupted => error,
        _ => io::Error::other(Error::io(op, path)(error)),
    }
}
