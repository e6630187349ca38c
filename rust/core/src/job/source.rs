//! A regular file that must not change while it is read, and the header at the start of a stream.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};
use crate::message::{Caps, Header};

/// A regular file, as it was when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    pub(super) file: File,
    path: PathBuf,
    stamp: Stamp,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    mtime: (i64, i64),
}

impl SourceFile {
    /// Opens a regular file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        // a FIFO is opened at once, to be refused, and not when somebody writes to it
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty());
        let file = file.map(File::from).map_err(|errno| Error::io("open", path)(errno.into()))?;
        Self::of(file, path)
    }

    /// Takes an open file. `path` is what errors call it.
    pub fn of(file: File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(Error::io("stat", path))?;
        if metadata.is_dir() {
            return Err(Error::io("read", path)(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(Error::Misuse(format!("{} is not a regular file", path.display())));
        }
        Ok(SourceFile { file, path: path.to_path_buf(), stamp: stamp(&metadata) })
    }

    /// Its length when it was opened.
    #[allow(clippy::len_without_is_empty, reason = "an empty file is a file like any other")]
    pub fn len(&self) -> u64 {
        self.stamp.len
    }

    /// What errors call it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Fails if length or modification time are no longer those it was opened with.
    pub fn unchanged(&self) -> Result<()> {
        let metadata = self.file.metadata().map_err(Error::io("stat", &self.path))?;
        match stamp(&metadata) == self.stamp {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    pub(super) fn changed(&self) -> Error {
        Error::SourceChanged(self.path.clone())
    }
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp { len: metadata.len(), mtime: (metadata.mtime(), metadata.mtime_nsec()) }
}

/// Reads a header from the start of a stream, and whatever came with it.
pub(super) fn read_header(reader: &mut impl Read, caps: &Caps) -> Result<(Header, Vec<u8>)> {
    let mut bytes = Vec::new();
    for step in (0..).map(|doubling| FIRST_READ << doubling) {
        let want = step.min(caps.header.saturating_add(FIRST_READ)) - bytes.len();
        let got = reader
            .take(want as u64)
            .read_to_end(&mut bytes)
            .map_err(Error::io_unnamed("read the message"))?;
        match Header::parse(&bytes, caps) {
            Err(Error::Truncated { .. }) if got == want => {}
            Err(error) => return Err(error),
            Ok(header) => {
                let rest = bytes.split_off(header.len());
                return Ok((header, rest));
            }
        }
    }
    Err(Error::Truncated { offset: bytes.len() as u64 })
}

pub(super) const FIRST_READ: usize = 4096;
