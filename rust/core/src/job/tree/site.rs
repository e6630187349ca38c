//! The target of an encryption: locked for one run at a time.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, flock};
use rustix::io::Errno;

use super::Existing;
use super::beneath::{self, Beneath};
use super::entry::Entry;
use super::path::{OWN_DIRECTORY, TreePath};
use super::standing::refuse_foreign;
use super::sweep::sweep;
use crate::error::{Error, Result};

/// An encrypted tree that this run may write. The lock goes with it.
pub(super) struct Site {
    pub(super) root: Beneath,
    pub(super) own: Arc<OwnedFd>,
    is_new: bool,
}

impl Site {
    /// Makes the target, or takes the one that stands if that is wanted.
    pub(super) fn enter(target: &Path, existing: Existing) -> Result<Self> {
        let is_new = make(target, existing)?;
        let entered = Self::enter_root(target, is_new);
        if is_new && entered.is_err() {
            // empty, and ours
            let _ = rustix::fs::rmdir(target);
        }
        entered
    }

    fn enter_root(target: &Path, is_new: bool) -> Result<Self> {
        let root = Beneath::open(target)?;
        if !is_new {
            refuse_foreign(&root)?;
        }
        let called = root.called(OWN_DIRECTORY);
        let own = own_directory(&root).map_err(|errno| beneath::io("open", &called, errno))?;
        lock(&own, target)?;
        Ok(Site { root, own, is_new })
    }

    /// Takes the encrypted tree that stands.
    pub(super) fn take(root: Beneath) -> Result<Self> {
        let called = root.called(OWN_DIRECTORY);
        let own = root.directory(OWN_DIRECTORY).map_err(|errno| beneath::io("open", &called, errno))?;
        lock(&own, root.path())?;
        Ok(Site { root, own, is_new: false })
    }

    /// Takes away what `enter` made, as far as nothing is in it: a run that was denied its keys leaves no trace.
    pub(super) fn abandon(self) {
        if self.is_new {
            // whatever is not empty has begun to be a tree, and stays
            let _ = rustix::fs::unlinkat(self.root.fd(), OWN_DIRECTORY, AtFlags::REMOVEDIR);
            let _ = rustix::fs::rmdir(self.root.path());
        }
    }

    /// Makes the directories of the tree, which come before what is in them.
    pub(super) fn make_directories(&self, directories: &[Entry]) -> Result<()> {
        let mut cursor = self.root.cursor();
        for entry in directories {
            let output = entry.path.directory_output();
            self.make_directory(&mut cursor, &output)?;
        }
        Ok(())
    }

    fn make_directory(&self, cursor: &mut beneath::Cursor<'_>, output: &TreePath) -> Result<()> {
        match cursor.make_directory(output) {
            Ok(()) => Ok(()),
            Err(errno) => Err(beneath::io("make the directory", &cursor.called(output), errno)),
        }
    }

    /// Removes the temporary files that a killed run may have left.
    pub(super) fn sweep<'a>(&self, directories: impl Iterator<Item = &'a Entry>) -> Result<()> {
        let outputs: HashSet<Vec<u8>> =
            directories.map(|entry| entry.path.directory_output().as_bytes().to_vec()).collect();
        sweep(&self.root, outputs.into_iter().chain([Vec::new(), OWN_DIRECTORY.to_vec()]))
    }

    /// Removes outputs of an earlier run that nothing names any more, deepest first. Tells how many went.
    pub(super) fn remove(&self, mut outputs: Vec<TreePath>) -> Result<u64> {
        outputs.sort_unstable_by(|a, b| b.cmp(a));
        outputs.dedup();
        let mut cursor = self.root.cursor();
        let mut removed = 0;
        for output in &outputs {
            let gone = match cursor.remove(output, AtFlags::empty()) {
                Err(Errno::ISDIR) => cursor.remove(output, AtFlags::REMOVEDIR),
                gone => gone,
            };
            match gone {
                Ok(()) => removed += 1,
                // gone already, or holding what is not ours
                Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY) => {}
                Err(errno) => return Err(beneath::io("remove", &cursor.called(output), errno)),
            }
        }
        Ok(removed)
    }
}

impl Drop for Site {
    /// Said aloud: a process that forked meanwhile shares the lock until it executes something else.
    fn drop(&mut self) {
        let _ = flock(&self.own, FlockOperation::Unlock);
    }
}

/// Makes the target's root; says whether it is new.
fn make(target: &Path, existing: Existing) -> Result<bool> {
    match rustix::fs::mkdir(target, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) if existing == Existing::Refuse => Err(Error::TargetExists(target.to_path_buf())),
        Err(Errno::EXIST) if target.is_dir() => Ok(false),
        Err(Errno::EXIST) => Err(Error::io("write", target)(io::ErrorKind::NotADirectory.into())),
        Err(errno) => Err(beneath::io("make the directory", target, errno)),
    }
}

fn own_directory(root: &Beneath) -> Result<Arc<OwnedFd>, Errno> {
    match rustix::fs::mkdirat(root.fd(), OWN_DIRECTORY, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => root.directory(OWN_DIRECTORY),
        Err(errno) => Err(errno),
    }
}

fn lock(own: &OwnedFd, target: &Path) -> Result<()> {
    match flock(own, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            Err(Error::Misuse(format!("another run is at work on {}", target.display())))
        }
        // some network file systems cannot lock a directory; there, two runs at once are the caller's to prevent
        _ => Ok(()),
    }
}
