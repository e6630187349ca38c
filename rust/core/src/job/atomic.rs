//! A file that appears under its name whole and durable, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};

use crate::error::{Error, Result};
use crate::primitives::rng;

/// Whether an existing target may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// An existing target is an error.
    Never,
    /// An existing regular file is replaced, atomically.
    Existing,
}

/// A file being written. Dropped without [`commit`](Self::commit), it was never there.
///
/// Where the file system can, it has no name until it is committed, so that even SIGKILL leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    target: PathBuf,
    directory: PathBuf,
    temporary: Option<PathBuf>,
    replace: Replace,
}

impl AtomicFile {
    /// Starts a file of mode 0600 that will be called `target`.
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        refuse_existing(target, replace)?;
        let (file, temporary) = match unnamed(&directory) {
            Ok(file) => (file, None),
            Err(error) if may_lack_unnamed(&error) => {
                let path = temporary_name(&directory)?;
                (named(&path).map_err(Error::io("create", target))?, Some(path))
            }
            Err(error) => return Err(Error::io("create", target)(error)),
        };
        Ok(AtomicFile { file, target: target.to_path_buf(), directory, temporary, replace })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What it will be called.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Makes content, name and directory entry durable, in this order.
    pub fn commit(self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("sync", &self.target))?;
        let directory = self.directory.clone();
        self.publish()?;
        sync_directory(&directory)
    }

    /// Gives the file its name; the caller has synced it, and syncs the directory.
    pub fn publish(mut self) -> Result<()> {
        if self.temporary.is_none() && self.replace == Replace::Never {
            return link(&self.file, &self.target).map_err(|error| self.publish_error(error));
        }
        if self.temporary.is_none() {
            let path = temporary_name(&self.directory)?;
            link(&self.file, &path).map_err(Error::io("link", &self.target))?;
            self.temporary = Some(path);
        }
        if let Some(temporary) = &self.temporary {
            rename(temporary, &self.target, self.replace).map_err(|error| self.publish_error(error))?;
        }
        self.temporary = None;
        Ok(())
    }

    fn publish_error(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Error::TargetExists(self.target.clone()),
            _ => Error::io("write", &self.target)(error),
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // nothing better can be done; the name says whose it is
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Makes the entries of a directory durable.
pub fn sync_directory(directory: &Path) -> Result<()> {
    let open = File::open(directory).map_err(Error::io("open", directory))?;
    open.sync_all().map_err(Error::io("sync", directory))
}

/// Said early, before any work; `publish` says it again if someone was faster.
fn refuse_existing(target: &Path, replace: Replace) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_dir() => {
            Err(Error::io("write", target)(io::ErrorKind::IsADirectory.into()))
        }
        Ok(_) if replace == Replace::Never => Err(Error::TargetExists(target.to_path_buf())),
        _ => Ok(()),
    }
}

fn unnamed(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(fd))
}

/// File systems without O_TMPFILE answer in one of these ways (open(2)).
fn may_lack_unnamed(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn named(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn link(file: &File, target: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, unnamed, CWD, target, AtFlags::SYMLINK_FOLLOW)?)
}

fn rename(from: &Path, to: &Path, replace: Replace) -> io::Result<()> {
    let flags = match replace {
        Replace::Never => RenameFlags::NOREPLACE,
        Replace::Existing => RenameFlags::empty(),
    };
    Ok(rustix::fs::renameat_with(CWD, from, CWD, to, flags)?)
}

fn temporary_name(directory: &Path) -> Result<PathBuf> {
    let mut random = [0; 8];
    rng::fill(&mut random)?;
    let name = format!("{TEMPORARY_PREFIX}{:016x}{TEMPORARY_SUFFIX}", u64::from_be_bytes(random));
    Ok(directory.join(name))
}

/// Whether a name is one that an interrupted writer may have left.
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(TEMPORARY_PREFIX.as_bytes()) && name.ends_with(TEMPORARY_SUFFIX.as_bytes())
}

const TEMPORARY_PREFIX: &str = ".strongroom-";
const TEMPORARY_SUFFIX: &str = ".tmp";
