//! Taking away what a killed run has left, where no other run is at work.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use super::beneath::{self, Beneath};
use crate::error::Result;
use crate::job::is_temporary;

/// Removes temporary files and links from these directories, as far as they are there.
///
/// A file has such a name for an instant while it replaces another, and all the time where the file system cannot do
/// without names.
pub(super) fn sweep(root: &Beneath, directories: impl Iterator<Item = Vec<u8>>) -> Result<()> {
    for directory in directories {
        let swept = sweep_directory(root, &directory);
        swept.map_err(|errno| beneath::io("sweep", &root.called(&directory), errno))?;
    }
    Ok(())
}

fn sweep_directory(root: &Beneath, directory: &[u8]) -> Result<(), Errno> {
    let (fd, names) = match root.list(directory) {
        Err(Errno::NOENT) => return Ok(()),
        listed => listed?,
    };
    for (name, kind) in names {
        if is_temporary(OsStr::from_bytes(&name)) && kind != FileType::Directory {
            rustix::fs::unlinkat(&fd, &*name, AtFlags::empty())?;
        }
    }
    Ok(())
}

/// A run that writes into a directory, beside others that do. While it lasts nobody sweeps what it is writing.
pub(super) struct Presence<'a>(&'a OwnedFd);

impl<'a> Presence<'a> {
    /// Joins whoever is at work in a directory. `alone` is done before, if nobody is.
    pub(super) fn enter(fd: &'a OwnedFd, alone: impl FnOnce() -> Result<()>) -> Result<Self> {
        // where directories cannot be locked, several runs at once are the caller's to prevent
        let is_alone = flock(fd, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK);
        let presence = Presence(fd);
        if is_alone {
            alone()?;
        }
        let _ = retry_on_intr(|| flock(fd, FlockOperation::LockShared));
        Ok(presence)
    }
}

impl Drop for Presence<'_> {
    /// Said aloud: a process that forked meanwhile shares the lock until it executes something else.
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}
