//! Opening things beneath a directory, never through a symbolic link and never outside.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::path::{TreePath, split};
use crate::error::{Error, Result};

/// An entry of a directory, as the directory tells it.
pub(super) type Name = (Vec<u8>, FileType);

/// An open directory that everything else is reached from.
#[derive(Debug)]
pub(super) struct Beneath {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

impl Beneath {
    /// Opens the root. The caller named it, so here links are followed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| io("open", path, errno))?;
        Ok(Beneath { fd: Arc::new(fd), path: path.to_path_buf() })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What errors call something in here.
    pub(super) fn called(&self, path: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(path))
    }

    /// Opens the directory of a path, empty for the root itself, one name after the other.
    ///
    /// `openat2` could do so in one call, but not on every kernel and sandbox, and [`Cursor`] makes it rare.
    pub(super) fn directory(&self, path: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        let mut fd = Arc::clone(&self.fd);
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            fd = Arc::new(directory_in(&fd, name)?);
        }
        Ok(fd)
    }

    /// Reads names and types of a directory's entries.
    pub(super) fn list(&self, path: &[u8]) -> Result<(Arc<OwnedFd>, Vec<Name>), Errno> {
        let fd = self.directory(path)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&*fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.to_vec(), entry.file_type()));
            }
        }
        Ok((fd, names))
    }

    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { beneath: self, at: Vec::new(), fd: Arc::clone(&self.fd) }
    }
}

/// Remembers the directory it was in last: neighbours of a sorted list share it.
pub(super) struct Cursor<'a> {
    beneath: &'a Beneath,
    at: Vec<u8>,
    fd: Arc<OwnedFd>,
}

impl Cursor<'_> {
    /// The open directory that a path is in.
    pub(super) fn parent(&mut self, path: &TreePath) -> Result<Arc<OwnedFd>, Errno> {
        let parent = path.parent();
        if self.at != parent {
            self.fd = self.beneath.directory(parent)?;
            self.at = parent.to_vec();
        }
        Ok(Arc::clone(&self.fd))
    }

    /// What errors call a path.
    pub(super) fn called(&self, path: &TreePath) -> PathBuf {
        self.beneath.called(path.as_bytes())
    }

    /// Opens a file for reading. What is no regular file is found out by whoever takes it; nothing here waits for it.
    pub(super) fn open(&mut self, path: &TreePath) -> Result<File, Errno> {
        let parent = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, last(path), flags, Mode::empty()).map(File::from)
    }

    /// What stands under a path.
    pub(super) fn stat(&mut self, path: &TreePath) -> Result<Stat, Errno> {
        let parent = self.parent(path)?;
        rustix::fs::statat(&parent, last(path), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Makes a directory of mode 0700, or takes the one that is there.
    pub(super) fn make_directory(&mut self, path: &TreePath) -> Result<(), Errno> {
        let parent = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, last(path), Mode::RWXU) {
            Err(Errno::EXIST) => make_accessible(&parent, last(path)),
            made => made,
        }
    }

    /// Removes a file, or an empty directory. Whatever cannot be removed so stays.
    pub(super) fn remove(&mut self, path: &TreePath, flags: AtFlags) -> Result<(), Errno> {
        let parent = self.parent(path)?;
        rustix::fs::unlinkat(&parent, last(path), flags)
    }
}

/// The last name of a path.
pub(super) fn last(path: &TreePath) -> &OsStr {
    OsStr::from_bytes(split(path.as_bytes()).1)
}

fn directory_in(fd: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(fd, name, flags, Mode::empty())
}

/// An earlier run may have given the directory its final mode already, one that forbids us to write.
fn make_accessible(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let mode = rustix::fs::fstat(&fd)?.st_mode;
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    // fchmod refuses O_PATH; the link in /proc leads to the very directory that was opened
    rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), Mode::from_raw_mode(mode | 0o700))
}

/// Only the modification time; the access time stays.
pub(super) fn mtime(nanoseconds: i128) -> Timestamps {
    let mtime = Timespec {
        // no entry holds a time that a file cannot have
        tv_sec: i64::try_from(nanoseconds.div_euclid(SECOND)).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or(0),
    };
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: mtime }
}

/// An error of the system, about a path.
pub(super) fn io(op: &'static str, path: &Path, errno: Errno) -> Error {
    Error::io(op, path)(errno.into())
}

pub(super) const SECOND: i128 = 1_000_000_000;
