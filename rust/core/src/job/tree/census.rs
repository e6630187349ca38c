//! A census: how many messages stand under which key, told from their headers alone.
//!
//! ```text
//! the directories of a level, on all cores ─► list ─► open, read a header, close, file by file ─► counts
//!                                              └─► too many files for one thread: in batches, on all cores again
//! ```
//! No key is needed, and nothing is authentic: whoever can write a file can have it counted under what key they like.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::beneath::{self, Beneath};
use super::entry::file_type;
use super::journal;
use super::opened::known_type;
use super::path::{OWN_DIRECTORY, split};
use crate::error::{Error, Result};
use crate::job::is_temporary;
use crate::job::source::{FIRST_READ, read_header};
use crate::message::{Caps, Header};
use crate::pipeline::{Control, parallel};

/// What a room calls things in headers.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The provider id of its EDKs.
    pub namespace: &'a str,
    /// The key of the context that names the data class.
    pub class_key: &'a str,
}

/// What was counted beneath one path.
#[derive(Debug, Default)]
pub struct Census {
    /// By what messages stand under. A message with several keys of rooms counts under each.
    pub counts: BTreeMap<Under, Count>,
    /// Messages, each once. A journal holds several.
    pub messages: u64,
    /// Bytes of the messages, each once.
    pub bytes: u64,
    /// Files that hold messages.
    pub files: u64,
    /// Files that hold none.
    pub others: u64,
    /// Symbolic links, which were not followed.
    pub links: u64,
    /// What could not be looked at. Unless there is nothing here, a count of zero does not say that nothing is left.
    pub unread: Vec<Unread>,
}

/// What a message stands under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Under {
    /// The data class that its context names.
    pub data_class: Option<String>,
    /// The key that an EDK of a room names; `None` where there is no such EDK.
    pub key: Option<String>,
    /// The algorithm suite.
    pub suite: u16,
}

/// How much stands under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that hold them.
    pub files: u64,
    /// Messages and bytes by the day on which their files were last changed.
    pub days: BTreeMap<Day, (u64, u64)>,
}

/// Days since 1970-01-01, UTC.
pub type Day = i64;

/// What could not be looked at.
#[derive(Debug)]
pub struct Unread {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub error: Error,
}

/// Counts the messages of a file, or of all files beneath a directory. Links are followed to `path` itself, and nowhere
/// else. Only a `path` that cannot be opened is an error.
pub fn census(path: &Path, names: Names<'_>, control: &Control<'_>) -> Result<Census> {
    let is_directory = path.metadata().map_err(Error::io("open", path))?.is_dir();
    if !is_directory {
        let mut census = Census::default();
        let taker = Taker { names, is_journal: is_journal(path) };
        let file = rustix::fs::openat(CWD, path, FLAGS, Mode::empty())
            .map_err(|errno| beneath::io("open", path, errno))?;
        taker.take(&File::from(file), &mut census).map_err(Error::io("read", path))?;
        return Ok(census);
    }
    let root = Beneath::open(path)?;
    let walker = Walker { root: &root, names };
    let mut found = Found::default();
    walker.list(&[], &mut found).map_err(|errno| beneath::io("read", path, errno))?;
    let mut census = Census::default();
    // one level after the other; of each, what one thread would be long at goes to all of them
    while !found.is_done() {
        census.add(std::mem::take(&mut found.census));
        let (directories, batches) = (found.directories, found.batches);
        let next = Mutex::new(Found::default());
        shared(&next, directories, control, |directory, found| walker.directory(&directory, found))?;
        shared(&next, batches, control, |batch, found| walker.batch(batch, found))?;
        found = next.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
    census.add(found.census);
    census.unread.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(census)
}

/// Does `each` for every item, on all threads, and gathers what they find.
fn shared<T: Send>(
    gathered: &Mutex<Found>,
    items: Vec<T>,
    control: &Control<'_>,
    each: impl Fn(T, &mut Found) + Sync,
) -> Result<()> {
    parallel(
        control,
        items.into_iter(),
        || Ok(()),
        |(), item| {
            let mut found = Found::default();
            each(item, &mut found);
            control.progress.files_done.fetch_add(found.census.looked_at(), Ordering::Relaxed);
            gathered.lock().unwrap_or_else(PoisonError::into_inner).append(found);
            Ok(())
        },
    )
}

impl Census {
    fn add(&mut self, other: Census) {
        for (under, count) in other.counts {
            let sum = self.counts.entry(under).or_default();
            sum.messages += count.messages;
            sum.bytes += count.bytes;
            sum.files += count.files;
            for (day, (messages, bytes)) in count.days {
                let of_day = sum.days.entry(day).or_default();
                *of_day = (of_day.0 + messages, of_day.1 + bytes);
            }
        }
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.files += other.files;
        self.others += other.others;
        self.links += other.links;
        self.unread.extend(other.unread);
    }

    fn looked_at(&self) -> u64 {
        self.files + self.others
    }
}

/// What a level holds, and what was counted of it.
#[derive(Default)]
struct Found {
    directories: Vec<Vec<u8>>,
    batches: Vec<Batch>,
    census: Census,
}

/// Files of one directory.
struct Batch {
    directory: Vec<u8>,
    files: Vec<Vec<u8>>,
}

impl Found {
    fn append(&mut self, mut other: Found) {
        self.directories.append(&mut other.directories);
        self.batches.append(&mut other.batches);
        self.census.add(other.census);
    }

    fn is_done(&self) -> bool {
        self.directories.is_empty() && self.batches.is_empty()
    }

    fn unread(&mut self, path: PathBuf, op: &'static str, error: io::Error) {
        let error = Error::io(op, &path)(error);
        self.census.unread.push(Unread { path, error });
    }
}

struct Walker<'a> {
    root: &'a Beneath,
    names: Names<'a>,
}

impl Walker<'_> {
    fn directory(&self, directory: &[u8], found: &mut Found) {
        if let Err(errno) = self.list(directory, found) {
            found.unread(self.root.called(directory), "read", errno.into());
        }
    }

    fn list(&self, directory: &[u8], found: &mut Found) -> Result<(), Errno> {
        let (fd, names) = self.root.list(directory)?;
        let mut files = Vec::new();
        for (name, kind) in names {
            match known_type(&fd, &name, kind) {
                FileType::Directory => found.directories.push(joined(directory, &name)),
                FileType::RegularFile => files.push(name),
                FileType::Symlink => found.census.links += 1,
                // devices, sockets and FIFOs hold no message
                _ => {}
            }
        }
        if files.len() > BATCH {
            let batch = |files: &[Vec<u8>]| Batch { directory: directory.to_vec(), files: files.to_vec() };
            found.batches.extend(files.chunks(BATCH).map(batch));
            return Ok(());
        }
        self.files(&fd, directory, &files, found);
        Ok(())
    }

    fn batch(&self, batch: Batch, found: &mut Found) {
        match self.root.directory(&batch.directory) {
            Ok(fd) => self.files(&fd, &batch.directory, &batch.files, found),
            Err(errno) => found.unread(self.root.called(&batch.directory), "open", errno.into()),
        }
    }

    fn files(&self, fd: impl AsFd, directory: &[u8], files: &[Vec<u8>], found: &mut Found) {
        for name in files {
            let is_journal = name == journal::NAME.as_bytes() && split(directory).1 == OWN_DIRECTORY;
            let taker = Taker { names: self.names, is_journal };
            let opened = rustix::fs::openat(&fd, &**name, FLAGS | OFlags::NOFOLLOW, Mode::empty());
            let taken = match opened {
                // a run that is at work gave it its name
                Err(Errno::NOENT) if is_temporary(OsStr::from_bytes(name)) => Ok(()),
                Err(errno) => Err(errno.into()),
                Ok(file) => taker.take(&File::from(file), &mut found.census),
            };
            if let Err(error) = taken {
                found.unread(self.root.called(&joined(directory, name)), "read", error);
            }
        }
    }
}

/// Counts what one file holds.
struct Taker<'a> {
    names: Names<'a>,
    is_journal: bool,
}

impl Taker<'_> {
    fn take(&self, file: &File, census: &mut Census) -> io::Result<()> {
        let stat = rustix::fs::fstat(file)?;
        if file_type(&stat) != FileType::RegularFile {
            return Ok(());
        }
        let (day, len) = (stat.st_mtime.div_euclid(SECONDS_A_DAY), stat.st_size as u64);
        let before = census.messages;
        match self.is_journal {
            true => self.records(file, day, len, census)?,
            false => {
                if let Some(header) = header_at(file, 0)? {
                    for under in self.unders(&header) {
                        census.count(under, day, len).files += 1;
                    }
                    census.message(len);
                }
            }
        }
        match census.messages > before {
            true => census.files += 1,
            false => census.others += 1,
        }
        Ok(())
    }

    /// Every record of a journal is a message behind its length. A torn one at the end counts as well.
    fn records(&self, file: &File, day: Day, len: u64, census: &mut Census) -> io::Result<()> {
        let mut seen = BTreeSet::new();
        let mut at = 0;
        let mut length = [0; journal::LEN];
        while at + journal::LEN as u64 <= len {
            file.read_exact_at(&mut length, at)?;
            let record = u64::from(u32::from_be_bytes(length));
            let Some(header) = header_at(file, at + journal::LEN as u64)? else { break };
            for under in self.unders(&header) {
                census.count(under.clone(), day, record);
                seen.insert(under);
            }
            census.message(record);
            at += journal::LEN as u64 + record;
        }
        for under in seen {
            census.counts.entry(under).or_default().files += 1;
        }
        Ok(())
    }

    fn unders(&self, header: &Header) -> BTreeSet<Under> {
        let data_class = header.context.get(self.names.class_key);
        let under = |key: Option<&str>| Under {
            data_class: data_class.map(str::to_owned),
            key: key.map(str::to_owned),
            suite: header.suite.id,
        };
        let ours = header.edks.iter().filter_map(|edk| edk.key_name(self.names.namespace));
        let unders: BTreeSet<_> = ours.map(|name| under(Some(name))).collect();
        match unders.is_empty() {
            true => BTreeSet::from([under(None)]),
            false => unders,
        }
    }
}

impl Census {
    fn count(&mut self, under: Under, day: Day, bytes: u64) -> &mut Count {
        let count = self.counts.entry(under).or_default();
        count.messages += 1;
        count.bytes += bytes;
        let of_day = count.days.entry(day).or_default();
        *of_day = (of_day.0 + 1, of_day.1 + bytes);
        count
    }

    fn message(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// The header at an offset; `None`: there is none. One read, unless the header is a long one.
///
/// A header above its caps may be one that somebody can read, so it is an error.
fn header_at(file: &File, at: u64) -> io::Result<Option<Header>> {
    let mut bytes = [0; FIRST_READ];
    let got = file.read_at(&mut bytes, at)?;
    let parsed = match Header::parse(&bytes[..got], &CAPS) {
        Err(Error::Truncated { .. }) if got == bytes.len() => {
            read_header(&mut At { file, at }, &CAPS).map(|(header, _)| header)
        }
        parsed => parsed,
    };
    match parsed {
        Ok(header) => Ok(Some(header)),
        Err(Error::Malformed { .. } | Error::Truncated { .. } | Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Reads a file from a position on.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn is_journal(path: &Path) -> bool {
    let parent = path.parent().and_then(Path::file_name);
    path.file_name() == Some(OsStr::new(journal::NAME)) && parent == Some(OsStr::from_bytes(OWN_DIRECTORY))
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match directory.is_empty() {
        true => name.to_vec(),
        false => [directory, b"/", name].concat(),
    }
}

/// Opening a FIFO must not wait for somebody to write to it.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// As many EDKs and bytes as the format can hold: here a header costs no more than being read.
const CAPS: Caps = Caps { header: 1 << 20, edks: u16::MAX, frame: u32::MAX, unframed: u64::MAX };
/// Files of one directory that one thread looks at, one after the other.
const BATCH: usize = 512;
const SECONDS_A_DAY: i64 = 86_400;
