//! Small files: each is read whole, worked on in memory, and written whole. One thread's buffers serve file after file.
//!
//! ```text
//! encrypt:  read ─► message in memory ─► write
//! read:     read some messages, one behind the other ─► one question for all their keys ─► decrypt each ─► write
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;

use super::keys::{self, Supply};
use super::{KeySource, mismatch, one_message};
use crate::error::{Error, Result};
use crate::job::buffer::{self, Located};
use crate::job::file::{self, MessageFile};
use crate::job::reencrypt;
use crate::job::vectored::{PageBuffer, read_all, write_all};
use crate::job::{AtomicFile, Done, SourceFile};
use crate::message::{Caps, DecryptionMaterials, EncryptionMaterials, Header, frame_count};
use crate::pipeline::{Control, Progress};
use crate::primitives::output::Output;

/// Where one thread has its files before it, a few at a time.
pub(super) struct Desk {
    input: PageBuffer,
    output: PageBuffer,
}

/// Whom to ask for keys, and who watches.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) keys: &'a dyn KeySource,
    pub(super) control: &'a Control<'a>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Desk { input: PageBuffer::new(ROOM), output: PageBuffer::new(ROOM) }
    }

    /// Encrypts a file, small or not, into a target that is not yet committed.
    pub(super) fn encrypt(
        &mut self,
        materials: &EncryptionMaterials,
        source: &SourceFile,
        target: &AtomicFile,
        control: &Control<'_>,
    ) -> Result<Done> {
        let message_len = buffer::encrypted_len(materials, source.len())?;
        let (Some(len), Some(message_len)) = (fitting(source.len()), fitting(message_len)) else {
            return file::encrypt(materials, source, target, control);
        };
        let plaintext = self.input.first(len);
        read(source, plaintext)?;
        let message = self.output.first(message_len);
        let id = buffer::encrypt(materials, plaintext, Output::from(&mut *message), control)?;
        write(target, message)?;
        source.unchanged()?;
        Ok(Done {
            plaintext_bytes: len as u64,
            message_bytes: message_len as u64,
            frames: frame_count(len as u64, materials.frame_length())?,
            message_id: id.to_vec(),
        })
    }

    /// Opens a message for each item, and hands it to `take`, or why there is none. Not in the order of the items.
    ///
    /// `fits` sees the header before any key is asked for. Only `take`, and what concerns all items, ends it early.
    pub(super) fn each<T, F>(
        &mut self,
        items: impl Iterator<Item = T>,
        asking: Asking<'_>,
        mut open: impl FnMut(&T) -> Result<SourceFile>,
        mut fits: impl FnMut(&T, &Header) -> Result<F>,
        mut take: impl FnMut(T, Result<(F, Message<'_>)>) -> Result<()>,
    ) -> Result<()> {
        let mut waiting: Vec<Waiting<(T, F)>> = Vec::new();
        let mut filled = 0;
        for item in items {
            asking.control.check()?;
            let source = match open(&item) {
                Ok(source) => source,
                Err(error) => {
                    take(item, Err(error))?;
                    continue;
                }
            };
            let Some(len) = fitting(source.len()) else {
                let opened = MessageFile::open(source, &Caps::default());
                let opened = opened.and_then(|message| Ok((fits(&item, message.header())?, message)));
                take(item, opened.map(|(fit, message)| (fit, Message::of_file(message, asking))))?;
                continue;
            };
            if filled + len > ROOM || waiting.len() == AT_ONCE {
                self.hand_out(std::mem::take(&mut waiting), asking, &mut take)?;
                filled = 0;
            }
            let bytes = &mut self.input.first(ROOM)[filled..filled + len];
            let parsed = read(&source, bytes).and_then(|()| Header::parse(bytes, &Caps::default()));
            match parsed.and_then(|header| Ok((fits(&item, &header)?, header))) {
                Ok((fit, header)) => {
                    waiting.push(Waiting { item: (item, fit), header, range: filled..filled + len });
                    filled += len;
                }
                Err(error) => take(item, Err(error))?,
            }
        }
        self.hand_out(waiting, asking, &mut take)
    }

    fn hand_out<T, F>(
        &mut self,
        waiting: Vec<Waiting<(T, F)>>,
        asking: Asking<'_>,
        take: &mut impl FnMut(T, Result<(F, Message<'_>)>) -> Result<()>,
    ) -> Result<()> {
        let headers: Vec<_> = waiting.iter().map(|one| (&one.header, one.range.len() as u64)).collect();
        let materials = keys::decryption(asking.keys, &headers)?;
        let input = &*self.input.first(ROOM);
        for (one, materials) in waiting.into_iter().zip(materials) {
            let bytes = &input[one.range];
            let body = Body::Memory { header: one.header, bytes, room: &mut self.output, materials };
            let (item, fit) = one.item;
            take(item, Ok((fit, Message { body, asking })))?;
        }
        Ok(())
    }
}

/// A message that was read and waits for its keys.
struct Waiting<T> {
    item: T,
    header: Header,
    range: Range<usize>,
}

/// An open message, of which nothing is authentic yet.
pub(super) struct Message<'a> {
    body: Body<'a>,
    asking: Asking<'a>,
}

enum Body<'a> {
    File(MessageFile),
    Memory {
        header: Header,
        bytes: &'a [u8],
        room: &'a mut PageBuffer,
        materials: Option<Arc<DecryptionMaterials>>,
    },
}

impl<'a> Message<'a> {
    /// One that is not small, or alone.
    pub(super) fn of_file(message: MessageFile, asking: Asking<'a>) -> Self {
        Message { body: Body::File(message), asking }
    }

    /// Decrypts into `target`, which is not yet committed, or only verifies. The plaintext must have `size` bytes.
    pub(super) fn decrypt(self, size: u64, target: Option<&AtomicFile>) -> Result<Done> {
        let Asking { keys, control } = self.asking;
        let done = match self.body {
            Body::File(message) => {
                let materials = keys.decryption(message.header(), one_message(message.source().len()))?;
                message.decrypt(&materials, &Caps::default(), target, control)?
            }
            Body::Memory { header, bytes, room, materials } => {
                let materials = match materials {
                    Some(materials) => materials,
                    None => keys.decryption(&header, one_message(bytes.len() as u64))?,
                };
                let located = Located::find(&header.outline(), bytes)?;
                // a plaintext is shorter than its message, which fitted
                let plaintext = room.first(located.plaintext_len());
                let out = Output::from(&mut *plaintext);
                buffer::decrypt(&header.outline(), &located, &materials, bytes, out, control)?;
                target.map_or(Ok(()), |target| write(target, plaintext))?;
                Done {
                    plaintext_bytes: plaintext.len() as u64,
                    message_bytes: bytes.len() as u64,
                    frames: located.frames(),
                    message_id: header.message_id,
                }
            }
        };
        match done.plaintext_bytes == size {
            true => Ok(done),
            false => Err(mismatch("has another length than its manifest names")),
        }
    }
}

/// Where a message is made anew beside the desk, and made out again.
pub(super) struct Beside {
    message: PageBuffer,
    check: PageBuffer,
}

impl Beside {
    pub(super) fn new() -> Self {
        Beside { message: PageBuffer::new(ROOM), check: PageBuffer::new(ROOM) }
    }
}

impl Message<'_> {
    /// Re-encrypts into `target`, which is verified afterwards and not yet committed. The plaintext must have `size`
    /// bytes.
    pub(super) fn reencrypt(
        self,
        size: u64,
        target: &AtomicFile,
        supply: &mut Supply<'_>,
        beside: &mut Beside,
    ) -> Result<Done> {
        let Asking { keys, control } = self.asking;
        let other_length = || mismatch("has another length than its manifest names");
        let (header, bytes, room, materials) = match self.body {
            Body::File(message) => {
                let done = reencrypt::reencrypt(&message, supply.moving(), target, control)?;
                return if done.plaintext_bytes == size { Ok(done) } else { Err(other_length()) };
            }
            Body::Memory { header, bytes, room, materials } => (header, bytes, room, materials),
        };
        // 1. what it holds
        let located = Located::find(&header.outline(), bytes)?;
        if located.plaintext_len() as u64 != size {
            return Err(other_length());
        }
        let plaintext = room.first(located.plaintext_len());
        let materials =
            materials.map_or_else(|| keys.decryption(&header, one_message(bytes.len() as u64)), Ok)?;
        supply.moving().pace(size)?;
        buffer::decrypt(
            &header.outline(),
            &located,
            &materials,
            bytes,
            Output::from(&mut *plaintext),
            control,
        )?;
        // 2. the same anew
        let materials = supply.writer(&header, size)?;
        let len = buffer::encrypted_len(&materials, size)?;
        let len =
            usize::try_from(len).map_err(|_| Error::Misuse("a message beyond the address space".into()))?;
        if len > beside.message.len() {
            // frames of a few bytes
            beside.message = PageBuffer::new(len);
        }
        let message = beside.message.first(len);
        let progress = Progress::default();
        let quiet = Control { progress: &progress, poll: &|| Ok(()), ..*control };
        let id = buffer::encrypt(&materials, plaintext, Output::from(&mut *message), &quiet)?;
        // 3. read by a data key that was unwrapped from it, it holds what the old one did
        let header = Header::parse(message, &Caps::default())?;
        let located = Located::find(&header.outline(), message)?;
        let check = beside.check.first(plaintext.len());
        let materials = supply.reader(&header, len as u64)?;
        let out = Output::from(&mut *check);
        buffer::decrypt(&header.outline(), &located, &materials, message, out, &quiet)?;
        if check != plaintext {
            return Err(mismatch("could not be read back as it was"));
        }
        write(target, message)?;
        Ok(Done {
            plaintext_bytes: size,
            message_bytes: len as u64,
            frames: located.frames(),
            message_id: id.to_vec(),
        })
    }
}

/// A length of which a file and its message fit the desk.
fn fitting(len: u64) -> Option<usize> {
    usize::try_from(len).ok().filter(|&len| len <= ROOM)
}

fn read(source: &SourceFile, bytes: &mut [u8]) -> Result<()> {
    match read_all(source.file(), &mut [IoSliceMut::new(bytes)], 0)
        .map_err(Error::io("read", source.path()))?
    {
        true => Ok(()),
        false => Err(source.changed()),
    }
}

fn write(target: &AtomicFile, bytes: &[u8]) -> Result<()> {
    write_all(target.file(), &mut [IoSlice::new(bytes)], 0).map_err(Error::io("write", target.path()))
}

/// Bytes on a desk, each way: few enough for a core's second-level cache.
const ROOM: usize = 1 << 20;
/// Messages that share a question for keys.
const AT_ONCE: usize = 64;
