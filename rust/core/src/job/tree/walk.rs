//! Looking through a source tree.

use std::collections::HashSet;

use rustix::fs::{AtFlags, FileType, Stat};

use super::beneath::{Beneath, io};
use super::entry::{Entry, Facts, Kind, file_type};
use super::path::TreePath;
use super::select::Selection;
use super::{Failure, Skipped};
use crate::error::{Error, Result};
use crate::pipeline::Control;

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
    let mut walker = Walker {
        source,
        selection,
        waiting: Vec::new(),
        inodes: HashSet::new(),
        found: Walk {
            root: Facts::of(&root),
            directories: Vec::new(),
            links: Vec::new(),
            files: Vec::new(),
            hard_links: 0,
            skipped: Vec::new(),
            failures: Vec::new(),
            unread: Vec::new(),
        },
    };
    walker.read(&[]).map_err(|errno| io("read", source.path(), errno))?;
    while let Some(directory) = walker.waiting.pop() {
        control.check()?;
        (control.poll)()?;
        if let Err(errno) = walker.read(directory.as_bytes()) {
            walker.fail(directory, "read", errno);
        }
    }
    Ok(walker.finish())
}

struct Walker<'a> {
    source: &'a Beneath,
    selection: &'a Selection,
    waiting: Vec<TreePath>,
    inodes: HashSet<(u64, u64)>,
    found: Walk,
}

impl Walker<'_> {
    fn read(&mut self, directory: &[u8]) -> Result<(), rustix::io::Errno> {
        let (fd, names) = self.source.list(directory)?;
        for (name, _) in names {
            // the kernel gives plain names
            let Some(path) = TreePath::join(directory, &name) else { continue };
            if self.selection.excludes(&path) {
                continue;
            }
            match rustix::fs::statat(&fd, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => self.take(&fd, path, &name, &stat),
                Err(errno) => self.fail(path, "stat", errno),
            }
        }
        Ok(())
    }

    fn take(&mut self, fd: &std::os::fd::OwnedFd, path: TreePath, name: &[u8], stat: &Stat) {
        let facts = Facts::of(stat);
        match file_type(stat) {
            FileType::Directory => {
                self.waiting.push(path.clone());
                self.found.directories.push(facts.entry(path, Kind::Directory));
            }
            _ if !self.selection.picks(&path) => {}
            FileType::RegularFile => {
                if stat.st_nlink > 1 && !self.inodes.insert((stat.st_dev, stat.st_ino)) {
                    self.found.hard_links += 1;
                }
                self.found.files.push(Candidate { path, facts });
            }
            FileType::Symlink => match rustix::fs::readlinkat(fd, name, Vec::new()) {
                Ok(target) => {
                    let kind = Kind::Link { target: target.into_bytes().into() };
                    self.found.links.push(facts.entry(path, kind));
                }
                Err(errno) => self.fail(path, "read the link", errno),
            },
            special => self.found.skipped.push(Skipped { path, why: name_of(special) }),
        }
    }

    fn fail(&mut self, path: TreePath, op: &'static str, errno: rustix::io::Errno) {
        let error = io(op, &self.source.called(path.as_bytes()), errno);
        self.found.unread.push(path.clone());
        self.found.failures.push(Failure { path, error });
    }

    fn finish(self) -> Walk {
        let mut found = self.found;
        if self.selection.names_some() {
            let files = found.files.iter().map(|file| &file.path);
            let needed = parents(files.chain(found.links.iter().map(|link| &link.path)));
            found.directories.retain(|entry| needed.contains(entry.path.as_bytes()));
        }
        found.directories.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        found.links.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        found.skipped.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        found
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
