//! One message made anew under other keys.
//!
//! ```text
//! same frames:  read a run ─► open in place ─► seal in place ─► write        on every thread, in one buffer
//! otherwise:    decrypt as a stream ─► pieces ─► encrypt as a stream         signed, non-framed, other frame length
//! ```
//! Plaintext stands only in buffers that are wiped when they go.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, fchmod, fchown, fstat, futimens};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::behind::{Behind, write_behind};
use super::file::{AtStart, MessageFile, Named, write_run};
use super::stream::{self, Incoming};
use super::vectored::PageBuffer;
use super::{AtomicFile, Done, RUN_BYTES, Replace, SourceFile};
use crate::cache::Usage;
use crate::error::{Error, Result};
use crate::message::{Caps, DecryptionMaterials, EncryptionMaterials, Header, Opener, Sealer};
use crate::pipeline::{Control, Progress, parallel};

/// Where messages are to go, and the keys that it takes: asked by any thread.
pub trait Moving: Sync {
    /// Whether a message of this header stands where it should already.
    fn is_settled(&self, header: &Header) -> Result<bool>;
    /// Materials that open so many messages like this, of so many bytes in all.
    fn decryption(&self, header: &Header, usage: Usage) -> Result<Arc<DecryptionMaterials>>;
    /// Materials for so many messages of so many plaintext bytes, with class and context of this header.
    /// [`Error::Limit`]: for no so many at once.
    fn encryption(&self, like: &Header, usage: Usage) -> Result<Arc<EncryptionMaterials>>;
    /// Waits until so many more bytes may be worked on.
    fn pace(&self, bytes: u64) -> Result<()>;
}

/// Re-encrypts a message file in its place, unless it is [settled](Moving::is_settled): then there is nothing to tell.
///
/// The new message is written beside the old one, durable and verified before it takes its name. It keeps owner, mode and
/// times. A file that changes meanwhile, or has another in its place, stays as it is.
pub fn reencrypt_file(path: &Path, keys: &dyn Moving, control: &Control<'_>) -> Result<Option<Done>> {
    let message = MessageFile::open(SourceFile::open(path)?, &Caps::default())?;
    if keys.is_settled(message.header())? {
        return Ok(None);
    }
    let target = AtomicFile::create(path, Replace::Existing)?;
    let done = reencrypt(&message, keys, &target, control)?;
    still_stands(&message, path)?;
    target.commit()?;
    Ok(Some(done))
}

/// Re-encrypts a message into `target`, which is verified afterwards and not yet committed.
pub(super) fn reencrypt(
    message: &MessageFile,
    keys: &dyn Moving,
    target: &AtomicFile,
    control: &Control<'_>,
) -> Result<Done> {
    let (header, bytes) = (message.header(), message.source().len());
    let old = keys.decryption(header, one(bytes))?;
    let new = keys.encryption(header, one(bytes))?;
    let is_alike = old_frames(header) == Some(new.frame_length()) && new.suite().signature.is_none();
    let done = match header.frame_length().filter(|_| is_alike) {
        Some(frame_length) => run_by_run(message, frame_length, &old, &new, keys, target, control)?,
        None => through(message, &old, &new, keys, target, control)?,
    };
    message.source().unchanged()?;
    verify(target, &done, keys, control)?;
    let stat =
        fstat(message.source().file()).map_err(|errno| io_of("stat", message.source().path(), errno))?;
    keep_facts(&stat, target)?;
    Ok(done)
}

/// The length of frames that can be opened one by one.
fn old_frames(header: &Header) -> Option<u32> {
    header.frame_length().filter(|_| header.suite.signature.is_none())
}

/// The new body has the frames of the old one, so a run is worked on where it was read.
fn run_by_run(
    message: &MessageFile,
    frame_length: u32,
    old: &DecryptionMaterials,
    new: &EncryptionMaterials,
    keys: &dyn Moving,
    target: &AtomicFile,
    control: &Control<'_>,
) -> Result<Done> {
    let opener = Opener::new(&message.header().outline(), old)?;
    let (sealer, header) = Sealer::new(new)?;
    let body = message.body(frame_length)?;
    let grid = body.grid(RUN_BYTES);
    let each = |buffer: &mut PageBuffer, index, behind: &Behind| {
        let run = grid.run(index);
        keys.pace(run.plaintext_len as u64)?;
        let bytes = buffer.first(run.body_len);
        message.read_run(&run, bytes)?;
        opener.open_in_place(&run, bytes)?;
        sealer.seal_in_place(&run, bytes)?;
        write_run(target, &header, &run, bytes)?;
        behind.wrote(run.body_len);
        control.advance(run.plaintext_len);
        Ok(())
    };
    write_behind(target, body.len(), |behind| {
        let buffer = || Ok(PageBuffer::new(grid.run_len()));
        parallel(control, 0..grid.runs(), buffer, |buffer, index| each(buffer, index, behind))
    })?;
    Ok(Done {
        plaintext_bytes: body.plaintext_len(),
        message_bytes: header.len() as u64 + body.len(),
        frames: body.frames(),
        message_id: sealer.message_id().to_vec(),
    })
}

/// Any message into any other.
fn through(
    message: &MessageFile,
    old: &DecryptionMaterials,
    new: &EncryptionMaterials,
    keys: &dyn Moving,
    target: &AtomicFile,
    control: &Control<'_>,
) -> Result<Done> {
    let (sender, receiver) = bounded(PIECES);
    // a stream that fails cancels its job, and the job here may be one of many
    let (reading, writing) = (Progress::default(), Progress::default());
    let reading = &reading;
    let poll = || control.check().and_then(|()| (control.poll)());
    let incoming = Incoming::open(AtStart::of(message.source()), &Caps::default())?;
    thread::scope(|scope| {
        let decrypt = move || {
            let control = Control { progress: reading, poll: &|| Ok(()), ..*control };
            let decrypted = incoming.decrypt(old, &Caps::default(), Onward(&sender), &control);
            if decrypted.is_ok() {
                // only a plaintext that is authentic to its end has one
                let _ = sender.send(None);
            }
            decrypted
        };
        let decrypting = thread::Builder::new()
            .spawn_scoped(scope, decrypt)
            .map_err(Error::io_unnamed("start a thread"))?;
        let pieces = Pieces { receiver, piece: Zeroizing::default(), taken: 0, ended: false, keys, control };
        let written = stream::encrypt(
            new,
            pieces,
            Named(target),
            &Control { progress: &writing, poll: &poll, ..*control },
        );
        let read = decrypting.join().unwrap_or_else(|panic| resume_unwind(panic));
        match read {
            Err(error) if !is_unwanted(&error) => Err(error),
            _ => written,
        }
    })
}

/// Hands plaintext to another thread.
struct Onward<'a>(&'a Sender<Option<Piece>>);

type Piece = Zeroizing<Vec<u8>>;

impl Write for Onward<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Zeroizing::new(bytes.to_vec());
        self.0.send(Some(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_unwanted(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

/// Takes plaintext from another thread, and ends only if that one has said so.
struct Pieces<'a> {
    receiver: Receiver<Option<Piece>>,
    piece: Piece,
    taken: usize,
    ended: bool,
    keys: &'a dyn Moving,
    control: &'a Control<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() && !self.ended {
            match self.receiver.recv() {
                Ok(Some(piece)) => (self.piece, self.taken) = (piece, 0),
                Ok(None) => self.ended = true,
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            self.keys.pace(self.piece.len() as u64).map_err(io::Error::other)?;
        }
        let count = (self.piece.len() - self.taken).min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece[self.taken..self.taken + count]);
        self.taken += count;
        self.control.advance(count);
        Ok(count)
    }
}

/// Reads back what was written, and authenticates it with a data key that was unwrapped from it.
fn verify(target: &AtomicFile, done: &Done, keys: &dyn Moving, control: &Control<'_>) -> Result<()> {
    let written = File::try_clone(target.file()).map_err(Error::io("read", target.path()))?;
    let message = MessageFile::open(SourceFile::of(written, target.path())?, &Caps::default())?;
    let materials = keys.decryption(message.header(), one(message.source().len()))?;
    let progress = Progress::default();
    let poll = || control.check().and_then(|()| (control.poll)());
    let quiet = Control { progress: &progress, poll: &poll, ..*control };
    let read = message.decrypt(&materials, &Caps::default(), None, &quiet)?;
    match read == *done {
        true => Ok(()),
        false => Err(Error::SourceChanged(target.path().to_path_buf())),
    }
}

/// Gives a file that has no name yet owner, mode and times of the one that it replaces.
pub(super) fn keep_facts(old: &Stat, target: &AtomicFile) -> Result<()> {
    keep(old, target.file()).map_err(|errno| io_of("keep owner, mode and times of", target.path(), errno))
}

fn keep(old: &Stat, target: &File) -> Result<(), Errno> {
    let new = fstat(target)?;
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid) {
        fchown(target, Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid)))?;
    }
    fchmod(target, Mode::from_raw_mode(old.st_mode & 0o7777))?;
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let last_access = time(old.st_atime, old.st_atime_nsec as _);
    let last_modification = time(old.st_mtime, old.st_mtime_nsec as _);
    futimens(target, &Timestamps { last_access, last_modification })
}

/// Fails if another file has taken the name meanwhile.
fn still_stands(message: &MessageFile, path: &Path) -> Result<()> {
    let stands = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    let read = fstat(message.source().file());
    match (stands, read) {
        (Ok(stands), Ok(read)) if (stands.st_dev, stands.st_ino) == (read.st_dev, read.st_ino) => {
            message.source().unchanged()
        }
        _ => Err(Error::SourceChanged(path.to_path_buf())),
    }
}

fn io_of(op: &'static str, path: &Path, errno: Errno) -> Error {
    Error::io(op, path)(errno.into())
}

fn one(bytes: u64) -> Usage {
    Usage { messages: 1, bytes }
}

/// Pieces of plaintext on their way from thread to thread.
const PIECES: usize = 4;
