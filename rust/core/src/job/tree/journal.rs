//! The journal: what a run has done so far, beside the manifest, until the next manifest stands (docs/spec/tree.md).
//!
//! ```text
//! journal = record*        record = len32 ‖ message        its plaintext = first line ‖ lines
//! ```
//! Records are encrypted, so the journal tells no more than the names and sizes beside it, and nobody can write one
//! that passes an older output off as finished.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::beneath::{Beneath, io};
use super::entry::{Entry, Line, MessageId, hex, malformed, to_line, unhex};
use super::manifest::{Head, TreeId};
use super::path::OWN_DIRECTORY;
use super::{KeySource, one_message, quietly};
use crate::error::{Error, Result};
use crate::job::buffer::{self, Located};
use crate::message::{Caps, Header};
use crate::pipeline::Control;
use crate::primitives::output::Output;

/// Which run a journal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) tree: TreeId,
    /// The manifest that stood when the run began.
    pub(super) base: Option<MessageId>,
    /// That manifest's generation; 0 where there was none, or none that could be read.
    pub(super) generation: u64,
}

/// What an earlier run left.
pub(super) struct Past {
    pub(super) run: Run,
    pub(super) lines: Vec<Line>,
    records: u64,
    end: u64,
}

/// A journal being written.
pub(super) struct Journal<'a> {
    file: File,
    called: PathBuf,
    run: Run,
    keys: &'a dyn KeySource,
    next: Mutex<Next>,
}

struct Next {
    record: u64,
    at: u64,
}

impl<'a> Journal<'a> {
    /// Starts a journal over what stood there, or goes on after the records of `past`.
    pub(super) fn begin(
        root: &Beneath,
        own: &OwnedFd,
        run: Run,
        past: Option<&Past>,
        keys: &'a dyn KeySource,
    ) -> Result<Self> {
        let called = called(root);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(own, NAME, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(fd.map_err(|errno| io("open", &called, errno))?);
        let (record, at) = past.map_or((0, 0), |past| (past.records, past.end));
        // a torn record at the end goes
        file.set_len(at).map_err(Error::io("write", &called))?;
        Ok(Journal { file, called, run, keys, next: Mutex::new(Next { record, at }) })
    }

    /// Appends one record, durably.
    pub(super) fn append(
        &self,
        lines: impl Iterator<Item = Result<Vec<u8>>>,
        control: &Control<'_>,
    ) -> Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plaintext = self.run.line(next.record)?;
        for line in lines {
            plaintext.extend_from_slice(&line?);
        }
        let record = self.seal(&plaintext, control)?;
        self.file.write_all_at(&record, next.at).map_err(Error::io("write", &self.called))?;
        self.file.sync_data().map_err(Error::io("sync", &self.called))?;
        next.record += 1;
        next.at += record.len() as u64;
        Ok(())
    }

    /// Appends entries as one record, durably; nothing if there are none.
    pub(super) fn append_entries<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry>,
        control: &Control<'_>,
    ) -> Result<()> {
        let mut entries = entries.peekable();
        match entries.peek() {
            Some(_) => self.append(entries.map(Line::entry), control),
            None => Ok(()),
        }
    }

    fn seal(&self, plaintext: &[u8], control: &Control<'_>) -> Result<Vec<u8>> {
        let materials = self.keys.encryption(one_message(plaintext.len() as u64))?;
        let len = buffer::encrypted_len(&materials, plaintext.len() as u64)?;
        let too_long = Error::Limit { what: "a record of a journal", limit: u64::from(u32::MAX), found: len };
        let len32 = u32::try_from(len).map_err(|_| too_long)?;
        let mut record = len32.to_be_bytes().to_vec();
        // 32 bits fit the address space
        record.resize(LEN + len32 as usize, 0);
        let out = Output::from(&mut record[LEN..]);
        quietly(control, |control| buffer::encrypt(&materials, plaintext, out, control))?;
        Ok(record)
    }
}

/// Reads what an earlier run left: every record up to the first that is torn, foreign or not authentic.
pub(super) fn read(root: &Beneath, keys: &dyn KeySource, control: &Control<'_>) -> Result<Option<Past>> {
    read_on(root, None, keys, control)
}

/// Reads what has come since, if the journal goes on that was read before: `past` with the lines of new records added.
pub(super) fn read_on(
    root: &Beneath,
    mut past: Option<Past>,
    keys: &dyn KeySource,
    control: &Control<'_>,
) -> Result<Option<Past>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened =
        root.directory(OWN_DIRECTORY).and_then(|own| rustix::fs::openat(&own, NAME, flags, Mode::empty()));
    let mut file = match opened {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(past),
        Err(errno) => return Err(io("open", &called(root), errno)),
    };
    let start = past.as_ref().map_or(0, |past| past.end);
    file.seek(SeekFrom::Start(start)).map_err(Error::io("read", &called(root)))?;
    while let Some(record) = next_record(&mut file).map_err(Error::io("read", &called(root)))? {
        let number = past.as_ref().map_or(0, |past| past.records);
        let Some((run, mut lines)) = open(&record, number, keys, control)? else { break };
        let end = (LEN + record.len()) as u64;
        match &mut past {
            None => past = Some(Past { run, lines, records: 1, end }),
            Some(past) if past.run == run => {
                past.lines.append(&mut lines);
                past.records += 1;
                past.end += end;
            }
            Some(_) => break,
        }
    }
    Ok(past)
}

/// Removes the journal, if there is one.
pub(super) fn remove(root: &Beneath, own: &OwnedFd) -> Result<()> {
    match rustix::fs::unlinkat(own, NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io("remove", &called(root), errno)),
    }
}

fn next_record(file: &mut File) -> std::io::Result<Option<Vec<u8>>> {
    let mut record = Vec::new();
    if file.take(LEN as u64).read_to_end(&mut record)? < LEN {
        return Ok(None);
    }
    let len = u64::from(u32::from_be_bytes([record[0], record[1], record[2], record[3]]));
    record.clear();
    // grows with what is there, not with what the length claims
    let got = file.take(len).read_to_end(&mut record)?;
    Ok((got as u64 == len).then_some(record))
}

/// Opens a record. `None`: it is none, or not this one. Only a key source that fails is an error.
fn open(
    record: &[u8],
    number: u64,
    keys: &dyn KeySource,
    control: &Control<'_>,
) -> Result<Option<(Run, Vec<Line>)>> {
    let Ok(header) = Header::parse(record, &Caps::default()) else { return Ok(None) };
    let materials = match keys.decryption(&header, one_message(record.len() as u64)) {
        Ok(materials) => materials,
        Err(error) if super::is_everyones(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    let Ok(located) = Located::find(&header.outline(), record) else { return Ok(None) };
    let mut plaintext = vec![0; located.plaintext_len()];
    let out = Output::from(&mut plaintext[..]);
    let opened = quietly(control, |control| {
        buffer::decrypt(&header.outline(), &located, &materials, record, out, control)
    });
    match opened.and_then(|()| parse(&plaintext)) {
        Ok((run, record, lines)) if record == number => Ok(Some((run, lines))),
        Ok(_) => Ok(None),
        Err(error) if super::is_everyones(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

pub(super) fn parse(plaintext: &[u8]) -> Result<(Run, u64, Vec<Line>)> {
    let mut lines = plaintext.strip_suffix(b"\n").unwrap_or(plaintext).split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let raw: RawRun = serde_json::from_slice(first).map_err(|_| malformed("the first line of a record"))?;
    let base = raw.base.map(|base| unhex(&base).ok_or(malformed("a message id"))).transpose()?;
    let tree = unhex(&raw.tree).ok_or(malformed("a tree id"))?;
    let run = Run { tree, base, generation: raw.generation };
    if raw.version != VERSION {
        return Err(malformed("a journal of a known version"));
    }
    Ok((run, raw.record, lines.map(Line::parse).collect::<Result<_>>()?))
}

impl Run {
    /// Whether this run ends, or ended, with such a manifest.
    pub(super) fn leads_to(&self, head: &Head) -> bool {
        self.tree == head.tree && self.generation.checked_add(1) == Some(head.generation)
    }

    pub(super) fn line(&self, record: u64) -> Result<Vec<u8>> {
        let base = self.base.map(|base| hex(&base));
        let (tree, generation) = (hex(&self.tree), self.generation);
        to_line(&RawRun { version: VERSION, tree, base, generation, record })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRun {
    #[serde(rename = "strongroom-journal")]
    version: u32,
    tree: String,
    base: Option<String>,
    generation: u64,
    record: u64,
}

fn called(root: &Beneath) -> PathBuf {
    root.called(OWN_DIRECTORY).join(NAME)
}

/// The journal's name in the tree's own directory.
pub(super) const NAME: &str = "journal";
const VERSION: u32 = 1;
/// Bytes of the length before a record.
pub(super) const LEN: usize = 4;
