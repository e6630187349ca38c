//! A file that appears under its name whole and durable, or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use strongroom_secmem::Generation;

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
    /// Held open, so that whoever renames directories meanwhile cannot lead the file astray.
    directory: Arc<OwnedFd>,
    name: OsString,
    target: PathBuf,
    temporary: Option<OsString>,
    replace: Replace,
    generation: Generation,
}

impl AtomicFile {
    /// Starts a file of mode 0600 that will be called `target`.
    pub fn create(target: &Path, replace: Replace) -> Result<Self> {
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let Some(name) = target.file_name() else {
            return Err(Error::io("write", target)(io::ErrorKind::IsADirectory.into()));
        };
        let directory = open_directory(parent).map_err(Error::io("create", target))?;
        refuse_existing(&directory, name, target, replace)?;
        Self::create_in(Arc::new(directory), name, target, replace)
    }

    /// Starts a file of mode 0600 that will be called `name` in an open directory. Errors call it `target`. Where
    /// something stands there that cannot be replaced, publishing says so.
    pub fn create_in(directory: Arc<OwnedFd>, name: &OsStr, target: &Path, replace: Replace) -> Result<Self> {
        let (file, temporary) = match unnamed(&directory) {
            Ok(file) => (file, None),
            Err(error) if may_lack_unnamed(error) => {
                let temporary = temporary_name()?;
                (named(&directory, &temporary).map_err(Error::io("create", target))?, Some(temporary))
            }
            Err(error) => return Err(Error::io("create", target)(error.into())),
        };
        Ok(AtomicFile {
            file,
            directory,
            name: name.to_os_string(),
            target: target.to_path_buf(),
            temporary,
            replace,
            generation: Generation::current(),
        })
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
        let (directory, target) = (Arc::clone(&self.directory), self.target.clone());
        self.publish()?;
        rustix::fs::fsync(&directory).map_err(|errno| Error::io("sync", &target)(errno.into()))
    }

    /// Gives the file its name; the caller has synced it, and syncs the directory.
    pub fn publish(mut self) -> Result<()> {
        if self.temporary.is_none() {
            match link(&self.file, &self.directory, &self.name) {
                Err(Errno::EXIST) if self.replace == Replace::Existing => {}
                linked => return linked.map_err(|errno| self.publish_error(errno)),
            }
            let name = temporary_name()?;
            link(&self.file, &self.directory, &name).map_err(|errno| self.publish_error(errno))?;
            self.temporary = Some(name);
        }
        if let Some(temporary) = &self.temporary {
            let renamed = rename(&self.directory, temporary, &self.name, self.replace);
            renamed.map_err(|errno| self.publish_error(errno))?;
        }
        self.temporary = None;
        Ok(())
    }

    fn publish_error(&self, errno: Errno) -> Error {
        match errno {
            Errno::EXIST => Error::TargetExists(self.target.clone()),
            _ => Error::io("write", &self.target)(errno.into()),
        }
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // a forked child that ends must not take its parent's file away
        if let (Some(temporary), Ok(())) = (&self.temporary, self.generation.check()) {
            // nothing better can be done; the name says whose it is
            let _ = rustix::fs::unlinkat(&self.directory, temporary, AtFlags::empty());
        }
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Said early, before any work; `publish` says it again if someone was faster.
fn refuse_existing(directory: &OwnedFd, name: &OsStr, target: &Path, replace: Replace) -> Result<()> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Err(Error::io("write", target)(io::ErrorKind::IsADirectory.into()))
        }
        Ok(_) if replace == Replace::Never => Err(Error::TargetExists(target.to_path_buf())),
        _ => Ok(()),
    }
}

fn unnamed(directory: &OwnedFd) -> Result<File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(directory, ".", flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// File systems without O_TMPFILE answer in one of these ways (open(2)).
fn may_lack_unnamed(errno: Errno) -> bool {
    [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL].contains(&errno)
}

fn named(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?))
}

fn link(file: &File, directory: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::linkat(file, "", directory, name, AtFlags::EMPTY_PATH) {
        // before Linux 6.10 that took a capability; the way through /proc is open to all, and slower
        Err(Errno::NOENT) => {}
        linked => return linked,
    }
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, unnamed, directory, name, AtFlags::SYMLINK_FOLLOW)
}

fn rename(directory: &OwnedFd, from: &OsStr, to: &OsStr, replace: Replace) -> Result<(), Errno> {
    let flags = match replace {
        Replace::Never => RenameFlags::NOREPLACE,
        Replace::Existing => RenameFlags::empty(),
    };
    rustix::fs::renameat_with(directory, from, directory, to, flags)
}

/// A name that [`is_temporary`].
pub(super) fn temporary_name() -> Result<OsString> {
    let mut random = [0; 8];
    rng::fill(&mut random)?;
    let name = format!("{TEMPORARY_PREFIX}{:016x}{TEMPORARY_SUFFIX}", u64::from_be_bytes(random));
    Ok(name.into())
}

/// Whether a name is one that an interrupted writer may have left.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_bytes().strip_prefix(TEMPORARY_PREFIX.as_bytes());
    let random = name.and_then(|name| name.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
    random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
}

const TEMPORARY_PREFIX: &str = ".strongroom-";
const TEMPORARY_SUFFIX: &str = ".tmp";
