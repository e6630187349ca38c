//! The manifest: what a tree holds, in one encrypted message (docs/spec/tree.md).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::beneath::{Beneath, io};
use super::entry::{Entry, Kind, Line, MessageId, hex, is_file_time, malformed, to_line, unhex};
use super::lines::{LineReader, LineWriter, More};
use super::path::{OWN_DIRECTORY, TreePath};
use super::select::Patterns;
use super::{KeySource, one_message, quietly};
use crate::error::{Error, Result};
use crate::job::source::read_header;
use crate::job::stream::{self, Incoming};
use crate::job::{AtomicFile, Replace};
use crate::message::Caps;
use crate::pipeline::Control;

/// The id that a tree keeps through all its updates.
pub type TreeId = [u8; 16];

/// The first line: what is true of the tree as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) tree: TreeId,
    /// How many manifests of this tree there have been, this one included.
    pub(super) generation: u64,
    pub(super) counts: Counts,
    /// Sources that could not be encrypted, or only in an earlier state.
    pub(super) failed: u64,
    /// Of the root directory.
    pub(super) mode: u32,
    pub(super) mtime: i128,
    pub(super) patterns: Patterns,
}

/// How much a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) links: u64,
    pub(super) plaintext_bytes: u64,
}

impl Counts {
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        entries.fold(Counts::default(), |mut counts, entry| {
            counts.add(entry);
            counts
        })
    }

    fn add(&mut self, entry: &Entry) {
        match &entry.kind {
            Kind::Directory => self.directories += 1,
            Kind::Link { .. } => self.links += 1,
            Kind::File(file) => {
                self.files += 1;
                self.plaintext_bytes = self.plaintext_bytes.saturating_add(file.size);
            }
        }
    }
}

/// Writes the manifest durably over the one that stands, and gives its message id. `entries` are sorted.
pub(super) fn write(
    own: &Arc<OwnedFd>,
    called: &Path,
    head: &Head,
    entries: &[Entry],
    keys: &dyn KeySource,
    control: &Control<'_>,
) -> Result<MessageId> {
    let mut order = Order::default();
    entries.iter().try_for_each(|entry| order.check(entry))?;
    let lines = std::iter::once_with(|| head.line()).chain(entries.iter().map(Line::entry));
    let target = AtomicFile::create_in(Arc::clone(own), OsStr::from_bytes(NAME), called, Replace::Existing)?;
    // its length is known only when it is written; the key source wants an idea of it
    let materials = keys.encryption(one_message(entries.len() as u64 * TYPICAL_LINE))?;
    let reader = LineReader::new(lines);
    let done = quietly(control, |control| stream::encrypt(&materials, reader, target.file(), control))?;
    target.commit()?;
    message_id(&done.message_id)
}

/// Reads a manifest, and hands each entry to `each` as soon as it is authentic. `None`: there is no manifest.
///
/// An entry is handed out only after every directory above it.
pub(super) fn read(
    root: &Beneath,
    keys: &dyn KeySource,
    control: &Control<'_>,
    mut each: impl FnMut(Entry) -> Result<More>,
) -> Result<Option<(MessageId, Head)>> {
    let Some(file) = open(root)? else { return Ok(None) };
    let caps = Caps::default();
    let len = file.metadata().map_or(0, |metadata| metadata.len());
    let incoming = Incoming::open(file, &caps)?;
    let id = message_id(&incoming.header().message_id)?;
    let materials = keys.decryption(incoming.header(), one_message(len))?;
    let mut reading = Reading::default();
    let mut writer = LineWriter::new(|line: &[u8]| reading.take(line, &mut each));
    let written = quietly(control, |control| incoming.decrypt(&materials, &caps, &mut writer, control));
    writer.finish(written)?;
    Ok(Some((id, reading.finish()?)))
}

/// The message id of the manifest that stands, which its header says; nothing of it is authentic.
pub(super) fn id(root: &Beneath) -> Result<Option<MessageId>> {
    let Some(mut file) = open(root)? else { return Ok(None) };
    let (header, _) = read_header(&mut file, &Caps::default())?;
    message_id(&header.message_id).map(Some)
}

/// Opens the manifest's file; `None` if there is none.
pub(super) fn open(root: &Beneath) -> Result<Option<File>> {
    let called = root.called(OWN_DIRECTORY).join(OsStr::from_bytes(NAME));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = root
        .directory(OWN_DIRECTORY)
        .and_then(|own| rustix::fs::openat(&own, OsStr::from_bytes(NAME), flags, Mode::empty()));
    match opened {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(io("open", &called, errno)),
    }
}

/// A message id of the only length that is written.
pub(super) fn message_id(bytes: &[u8]) -> Result<MessageId> {
    bytes.try_into().map_err(|_| malformed("a message of version 2"))
}

#[derive(Default)]
pub(super) struct Reading {
    head: Option<Head>,
    order: Order,
    counts: Counts,
    cut_short: bool,
}

impl Reading {
    pub(super) fn take(&mut self, line: &[u8], each: &mut impl FnMut(Entry) -> Result<More>) -> Result<More> {
        if self.head.is_none() {
            self.head = Some(Head::parse(line)?);
            return Ok(More::Wanted);
        }
        let Line::Entry(entry) = Line::parse(line)? else {
            return Err(malformed("a manifest with entries only"));
        };
        self.order.check(&entry)?;
        self.counts.add(&entry);
        let more = each(entry)?;
        self.cut_short = more == More::Enough;
        Ok(more)
    }

    pub(super) fn finish(self) -> Result<Head> {
        let head = self.head.ok_or(malformed("a manifest with a first line"))?;
        match self.cut_short || self.counts == head.counts {
            true => Ok(head),
            false => Err(malformed("a manifest with as many entries as it says")),
        }
    }
}

/// Entries ascend by path, and each stands in a directory: so nothing can be reached through a link or a file.
#[derive(Default)]
struct Order {
    last: Option<TreePath>,
    directories: HashSet<TreePath>,
}

impl Order {
    fn check(&mut self, entry: &Entry) -> Result<()> {
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            return Err(malformed("a manifest in ascending order"));
        }
        let parent = TreePath::new(entry.path.parent());
        if parent.is_some_and(|parent| !self.directories.contains(&parent)) {
            return Err(malformed("a manifest whose entries stand in its directories"));
        }
        if entry.kind == Kind::Directory {
            self.directories.insert(entry.path.clone());
        }
        self.last = Some(entry.path.clone());
        Ok(())
    }
}

impl Head {
    /// Of a tree that holds nothing.
    pub(super) fn empty(tree: TreeId) -> Self {
        let (generation, failed, mode, mtime) = (0, 0, 0o700, 0);
        Head {
            tree,
            generation,
            counts: Counts::default(),
            failed,
            mode,
            mtime,
            patterns: Patterns::default(),
        }
    }

    pub(super) fn line(&self) -> Result<Vec<u8>> {
        to_line(&RawHead {
            version: VERSION,
            id: hex(&self.tree),
            generation: self.generation,
            files: self.counts.files,
            directories: self.counts.directories,
            links: self.counts.links,
            plaintext_bytes: self.counts.plaintext_bytes,
            failed: self.failed,
            mode: self.mode,
            mtime: self.mtime,
            include: self.patterns.include.clone(),
            exclude: self.patterns.exclude.clone(),
        })
    }

    fn parse(line: &[u8]) -> Result<Head> {
        let not_ours = |_| malformed("the first line of a tree's manifest");
        let Version { version } = serde_json::from_slice(line).map_err(not_ours)?;
        if version != VERSION {
            return Err(Error::Unsupported(format!("version {version} of a tree is not read here")));
        }
        let raw: RawHead = serde_json::from_slice(line).map_err(not_ours)?;
        let tree = unhex(&raw.id).ok_or(malformed("a tree id of 32 hexadecimal digits"))?;
        if raw.mode > 0o7777 || !is_file_time(raw.mtime) {
            return Err(malformed("a root with a mode and a time"));
        }
        Ok(Head {
            tree,
            generation: raw.generation,
            counts: Counts {
                files: raw.files,
                directories: raw.directories,
                links: raw.links,
                plaintext_bytes: raw.plaintext_bytes,
            },
            failed: raw.failed,
            mode: raw.mode,
            mtime: raw.mtime,
            patterns: Patterns { include: raw.include, exclude: raw.exclude },
        })
    }
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "strongroom-tree")]
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    #[serde(rename = "strongroom-tree")]
    version: u32,
    id: String,
    generation: u64,
    files: u64,
    directories: u64,
    links: u64,
    plaintext_bytes: u64,
    failed: u64,
    mode: u32,
    mtime: i128,
    include: Vec<String>,
    exclude: Vec<String>,
}

/// The manifest's name in the tree's own directory.
pub(super) const NAME: &[u8] = b"manifest.sr";
const VERSION: u32 = 1;
const TYPICAL_LINE: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind) -> Entry {
        Entry { path: TreePath::new(path.as_bytes()).unwrap(), mode: 0o755, mtime: 0, kind }
    }

    #[test]
    fn entries_stand_in_directories_in_order() {
        let link = || Kind::Link { target: (*b"/etc").into() };
        let orders = [
            (vec![entry("a", Kind::Directory), entry("a/b", link())], true),
            (vec![entry("a", Kind::Directory), entry("a-b", link()), entry("a/b", link())], true),
            (vec![entry("a", link()), entry("a/b", Kind::Directory)], false),
            (vec![entry("a/b", link())], false),
            (vec![entry("b", link()), entry("a", link())], false),
            (vec![entry("a", link()), entry("a", link())], false),
        ];
        for (entries, fine) in orders {
            let mut order = Order::default();
            assert_eq!(entries.iter().try_for_each(|e| order.check(e)).is_ok(), fine, "{entries:?}");
        }
    }

    #[test]
    fn first_lines() {
        let head = Head {
            tree: [7; 16],
            generation: 3,
            counts: Counts { files: 1, directories: 2, links: 3, plaintext_bytes: 4 },
            failed: 0,
            mode: 0o2755,
            mtime: -1,
            patterns: Patterns { include: vec!["*.txt".into()], exclude: vec![] },
        };
        let line = head.line().unwrap();
        assert_eq!(Head::parse(&line[..line.len() - 1]).unwrap(), head);
        assert!(matches!(Head::parse(br#"{"strongroom-tree":2,"new":1}"#), Err(Error::Unsupported(_))));
        assert!(matches!(Head::parse(br#"{"strongroom-tree":1}"#), Err(Error::Malformed { .. })));
        assert!(matches!(Head::parse(b"[]"), Err(Error::Malformed { .. })));
    }
}
