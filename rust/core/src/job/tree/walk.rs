//! Looking through a source tree.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::beneath::{Beneath, io};
use super::entry::{Entry, Facts, Kind, file_type};
use super::path::TreePath;
use super::select::Selection;
use super::{Failure, Skipped};
use crate::error::{Error, Result};
use crate::pipeline::{Control, parallel};

/// What a source tree holds. Each list is sorted by path.
pub(super) struct Walk {
    pub(super) root: Facts,
    pub(super) directories: Vec<Entry>,
    pub(super) links: Vec<Entry>,
    pub(super) files: Vec<Candidate>,
    /// Names of files that were seen under another name before.
    pub(super) hard_links: u64,
    pub(super) skipped: Vec<Skipped>,
    pub(super) failures: Vec<Failure>,
    /// What could not be looked at: whatever is known of it from before must not be taken for gone.
    pub(super) unread: Vec<TreePath>,
}

/// A regular file to encrypt, as it looked when it was found.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) path: TreePath,
    pub(super) facts: Facts,
}

/// Looks through everything that is selected, without following links. Only an unreadable root is an error.
pub(super) fn walk(source: &Beneath, selection: &Selection, control: &Control<'_>) -> Result<Walk> {
    let root = rustix::fs::fstat(source.fd()).map_err(|errno| io("stat", source.path(), errno))?;
    let walker = Walker { source, selection };
    let mut found = Found::default();
    walker.read(&[], &mut found).map_err(|errno| io("read", source.path(), errno))?;
    // one level after the other, its directories on all cores
    let mut read = 0;
    while read < found.directories.len() {
        let level: Vec<_> = found.directories[read..].iter().map(|entry| entry.path.clone()).collect();
        read = found.directories.len();
        let beneath = Mutex::new(Found::default());
        parallel(
            control,
            level.into_iter(),
            || Ok(()),
            |(), directory| {
                let mut found = Found::default();
                if let Err(errno) = walker.read(directory.as_bytes(), &mut found) {
                    walker.fail(directory, "read", errno, &mut found);
                }
                beneath.lock().unwrap_or_else(PoisonError::into_inner).append(found);
                Ok(())
            },
        )?;
        found.append(beneath.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(found.finish(Facts::of(&root), selection))
}

/// What was found so far, in no order.
#[derive(Default)]
struct Found {
    directories: Vec<Entry>,
    links: Vec<Entry>,
    files: Vec<Candidate>,
    /// Device and inode of files that have other names.
    shared: Vec<(u64, u64)>,
    skipped: Vec<Skipped>,
    failures: Vec<Failure>,
    unread: Vec<TreePath>,
}

struct Walker<'a> {
    source: &'a Beneath,
    selection: &'a Selection,
}

impl Walker<'_> {
    fn read(&self, directory: &[u8], found: &mut Found) -> Result<(), Errno> {
        let (fd, names) = self.source.list(directory)?;
        for (name, _) in names {
            // the kernel gives plain names
            let Some(path) = TreePath::join(directory, &name) else { continue };
            if self.selection.excludes(&path) {
                continue;
            }
            match rustix::fs::statat(&fd, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.take(&fd, path, &name, &stat, found),
                Err(errno) => self.fail(path, "stat", errno, found),
            }
        }
        Ok(())
    }

    fn take(&self, fd: &OwnedFd, path: TreePath, name: &[u8], stat: &Stat, found: &mut Found) {
        let facts = Facts::of(stat);
        match file_type(stat) {
            FileType::Directory => found.directories.push(facts.entry(path, Kind::Directory)),
            _ if !self.selection.picks(&path) => {}
            FileType::RegularFile => {
                if stat.st_nlink > 1 {
                    found.shared.push((stat.st_dev, stat.st_ino));
                }
                found.files.push(Candidate { path, facts });
            }
            FileType::Symlink => match rustix::fs::readlinkat(fd, name, Vec::new()) {
                Ok(target) => {
                    let kind = Kind::Link { target: target.into_bytes().into() };
                    found.links.push(facts.entry(path, kind));
                }
                Err(errno) => self.fail(path, "read the link", errno, found),
            },
            special => found.skipped.push(Skipped { path, why: name_of(special) }),
        }
    }

    fn fail(&self, path: TreePath, op: &'static str, errno: Errno, found: &mut Found) {
        let error = io(op, &self.source.called(path.as_bytes()), errno);
        found.unread.push(path.clone());
        found.failures.push(Failure { path, error });
    }
}

impl Found {
    fn append(&mut self, mut other: Found) {
        self.directories.append(&mut other.directories);
        self.links.append(&mut other.links);
        self.files.append(&mut other.files);
        self.shared.append(&mut other.shared);
        self.skipped.append(&mut other.skipped);
        self.failures.append(&mut other.failures);
        self.unread.append(&mut other.unread);
    }

    fn finish(mut self, root: Facts, selection: &Selection) -> Walk {
        if selection.names_some() {
            let files = self.files.iter().map(|file| &file.path);
            let needed = parents(files.chain(self.links.iter().map(|link| &link.path)));
            self.directories.retain(|entry| needed.contains(entry.path.as_bytes()));
        }
        self.directories.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.links.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.skipped.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let seen: HashSet<_> = self.shared.iter().collect();
        Walk {
            root,
            hard_links: (self.shared.len() - seen.len()) as u64,
            directories: self.directories,
            links: self.links,
            files: self.files,
            skipped: self.skipped,
            failures: self.failures,
            unread: self.unread,
        }
    }
}

/// Every directory above these paths.
pub(super) fn parents<'a>(paths: impl Iterator<Item = &'a TreePath>) -> HashSet<Vec<u8>> {
    let mut parents = HashSet::new();
    for path in paths {
        let mut parent = path.parent();
        while !parent.is_empty() && parents.insert(parent.to_vec()) {
            parent = super::path::split(parent).0;
        }
    }
    parents
}

fn name_of(special: FileType) -> &'static str {
    match special {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "not a file, directory or link",
    }
}

/// Fails unless source and target lie apart: a tree cannot hold itself.
pub(super) fn apart(source: &std::path::Path, target: &std::path::Path) -> Result<()> {
    let source = source.canonicalize().map_err(Error::io("open", source))?;
    let name = target.file_name();
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => std::path::Path::new("."),
    };
    let real = match (target.canonicalize(), name) {
        (Ok(real), _) => real,
        (Err(_), Some(name)) => parent.canonicalize().map_err(Error::io("open", parent))?.join(name),
        (Err(error), None) => return Err(Error::io("open", target)(error)),
    };
    match real.starts_with(&source) || source.starts_with(&real) {
        true => {
            Err(Error::Misuse(format!("{} and {} lie within each other", source.display(), target.display())))
        }
        false => Ok(()),
    }
}
