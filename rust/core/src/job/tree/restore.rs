//! Making directories, links, modes and times again, beneath a target and nowhere else.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, fchmod, futimens, utimensat};
use rustix::io::Errno;

use super::Existing;
use super::beneath::{self, Beneath};
use super::entry::{Entry, Facts, Kind};
use crate::error::{Error, Result};
use crate::job::atomic::temporary_name;

/// Gives a file that has no name yet its mode and time.
///
/// Its owner is whoever decrypts, not who owned the source: so it does not run as its owner.
pub(super) fn finish_file(file: &File, entry: &Entry, called: &Path) -> Result<()> {
    let mode = Mode::from_raw_mode(entry.mode & !SET_ID);
    fchmod(file, mode)
        .and_then(|()| futimens(file, &beneath::mtime(entry.mtime)))
        .map_err(|errno| beneath::io("set mode and time of", called, errno))
}

/// Whether a file that stands has size, mode and time of its entry: a run that was killed has put it there, whole.
pub(super) fn is_done(facts: &Facts, entry: &Entry) -> bool {
    let size = entry.file().map(|file| file.size);
    (Some(facts.size), facts.mode, facts.mtime) == (size, entry.mode & !SET_ID, entry.mtime)
}

/// Makes a symbolic link in an open directory.
pub(super) fn link(
    parent: &OwnedFd,
    name: &OsStr,
    entry: &Entry,
    called: &Path,
    existing: Existing,
) -> Result<()> {
    let Kind::Link { target } = &entry.kind else { return Ok(()) };
    let target = OsStr::from_bytes(target);
    let made = match rustix::fs::symlinkat(target, parent, name) {
        Err(Errno::EXIST) if existing == Existing::Refuse => return Err(Error::TargetExists(called.into())),
        Err(Errno::EXIST) => replace_link(parent, name, target),
        made => made.map_err(|errno| beneath::io("make the link", called, errno)),
    };
    made?;
    utimensat(parent, name, &beneath::mtime(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| beneath::io("set the time of", called, errno))
}

fn replace_link(parent: &OwnedFd, name: &OsStr, target: &OsStr) -> Result<()> {
    let temporary = temporary_name()?;
    let called = Path::new(name);
    rustix::fs::symlinkat(target, parent, &temporary)
        .and_then(|()| rustix::fs::renameat(parent, &temporary, parent, name))
        .map_err(|errno| {
            // the name was ours to begin with
            let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
            beneath::io("replace by a link", called, errno)
        })
}

/// Gives a directory that is complete its mode and time.
pub(super) fn finish_directory(target: &Beneath, path: &[u8], mode: u32, mtime: i128) -> Result<()> {
    let finish = || {
        let fd = target.directory(path)?;
        futimens(&fd, &beneath::mtime(mtime))?;
        fchmod(&fd, Mode::from_raw_mode(mode))
    };
    finish().map_err(|errno| beneath::io("set mode and time of", &target.called(path), errno))
}

/// Makes a directory that everything else of a tree goes into.
pub(super) fn make_root(target: &Path, existing: Existing) -> Result<()> {
    match rustix::fs::mkdir(target, Mode::RWXU) {
        Err(Errno::EXIST) if existing == Existing::Refuse => Err(Error::TargetExists(target.into())),
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(beneath::io("make the directory", target, errno)),
    }
}

const SET_ID: u32 = 0o6000;
