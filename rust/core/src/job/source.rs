//! What is read: a regular file that must not change meanwhile, or a stream.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};
use crate::message::{Caps, Header};
use crate::pipeline::Progress;

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
        let file = File::open(path).map_err(Error::io("open", path))?;
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
        let want = step.min(caps.header + FIRST_READ) - bytes.len();
        let got = reader.take(want as u64).read_to_end(&mut bytes).map_err(Error::io_unnamed("read the message"))?;
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

/// A pipe, socket or terminal that can be left alone when the job is cancelled.
#[derive(Debug)]
pub struct Descriptor<'a> {
    file: &'a File,
    progress: &'a Progress,
}

impl<'a> Descriptor<'a> {
    /// Reads from this descriptor until its end or until `progress` is cancelled.
    pub fn new(file: &'a File, progress: &'a Progress) -> Self {
        Descriptor { file, progress }
    }
}

impl Read for Descriptor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut waiting = [PollFd::new(self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&LOOK_UP)) {
                Ok(0) if self.progress.is_cancelled() => return Err(io::ErrorKind::Interrupted.into()),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return (&mut &*self.file).read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

const FIRST_READ: usize = 4096;
/// How long a cancelled job may wait for input.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
