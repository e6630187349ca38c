//! An encrypted tree open for reading.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::beneath::{self, Beneath, Cursor};
use super::entry::{Entry, Line, MessageId};
use super::lines::More;
use super::manifest::{self, Head};
use super::path::{OWN_DIRECTORY, TreePath};
use super::recent::Recent;
use super::small::Asking;
use super::{Failure, KeySource, journal, mismatch, recent};
use crate::error::{Error, Result};
use crate::job::file::MessageFile;
use crate::job::{SourceFile, is_temporary};
use crate::message::{Caps, Header};
use crate::pipeline::Control;

/// A tree, as its manifest names it.
pub(super) struct Opened {
    pub(super) root: Beneath,
    pub(super) head: Head,
    /// The entries that were asked for, sorted.
    pub(super) entries: Vec<Entry>,
    recent: Recent,
    /// Outputs that the run which wrote the manifest had yet to remove.
    gone: Vec<TreePath>,
    ids: OnceLock<HashMap<MessageId, TreePath>>,
}

impl Opened {
    /// Reads the manifest. `wanted` says which entries to keep, and when no more can come.
    pub(super) fn open(
        tree: &Path,
        keys: &dyn KeySource,
        control: &Control<'_>,
        mut wanted: impl FnMut(&Entry) -> (bool, More),
    ) -> Result<Self> {
        let root = Beneath::open(tree)?;
        let stamps = recent::stamps(&root);
        let mut entries = Vec::new();
        let manifest = manifest::read(&root, keys, control, |entry| {
            let (is_wanted, more) = wanted(&entry);
            if is_wanted {
                entries.push(entry);
            }
            Ok(more)
        })?;
        let Some((id, head)) = manifest else { return Err(no_manifest(tree)) };
        let past = journal::read(&root, keys, control)?;
        let gone = match &past {
            Some(past) if past.run.base != Some(id) && past.run.leads_to(&head) => gone(&past.lines),
            _ => Vec::new(),
        };
        let recent = Recent::of((id, &head), stamps, past);
        Ok(Opened { root, head, entries, recent, gone, ids: OnceLock::new() })
    }

    /// Whether a path is among the entries.
    pub(super) fn holds(&self, path: &TreePath) -> bool {
        self.entries.binary_search_by(|entry| entry.path.cmp(path)).is_ok()
    }

    /// Opens what stands for a file's entry.
    pub(super) fn source(&self, cursor: &mut Cursor<'_>, entry: &Entry) -> Result<SourceFile> {
        let output = entry.path.file_output();
        let called = cursor.called(&output);
        let file = match cursor.open(&output) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(mismatch("is missing")),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(mismatch("has something else in its place")),
            Err(errno) => return Err(beneath::io("open", &called, errno)),
        };
        SourceFile::of(file, &called).map_err(|error| match error {
            Error::Io { op: "stat", .. } => error,
            _ => mismatch("has something else in its place"),
        })
    }

    /// The entry that a message in the place of `entry` fits: the one that the manifest names, or a run in progress. A
    /// run that is at work has perhaps put it there since the tree was opened, so whatever is unknown is looked up again.
    pub(super) fn fitting<'a>(
        &self,
        entry: &'a Entry,
        header: &Header,
        Asking { keys, control }: Asking<'_>,
    ) -> Result<Cow<'a, Entry>> {
        let id = &header.message_id;
        if entry.file().is_some_and(|file| *id == file.message_id) {
            return Ok(Cow::Borrowed(entry));
        }
        loop {
            if let Some(found) = self.recent.find(&entry.path, id) {
                return Ok(Cow::Owned(found));
            }
            if !self.recent.look_again(self, keys, control)? {
                return Err(self.stranger(id));
            }
        }
    }

    /// Says what a message that does not belong where it stands may be.
    fn stranger(&self, id: &[u8]) -> Error {
        let ids = self.ids.get_or_init(|| {
            let named = |entry: &Entry| Some((entry.file()?.message_id, entry.path.clone()));
            self.entries.iter().filter_map(named).collect()
        });
        match manifest::message_id(id).ok().and_then(|id| ids.get(&id)) {
            Some(path) => mismatch(&format!("has the message of '{path}' in its place")),
            None => {
                mismatch("has a message in its place that the manifest does not name, perhaps an older one")
            }
        }
    }

    /// What stands in the encrypted tree and is not of it. Temporary files of a run in progress are nobody's.
    pub(super) fn extras(&self, control: &Control<'_>) -> Result<Vec<Failure>> {
        let recent = self.recent.entries();
        let entries = self.entries.iter().chain(&recent);
        let outputs = entries.filter_map(Entry::output).chain(self.gone.iter().cloned());
        let named: HashSet<TreePath> = outputs.collect();
        let mut waiting = vec![Vec::new()];
        let mut extras = Vec::new();
        while let Some(directory) = waiting.pop() {
            control.check()?;
            (control.poll)()?;
            let listed = self.root.list(&directory);
            let (fd, names) =
                listed.map_err(|errno| beneath::io("read", &self.root.called(&directory), errno))?;
            for (name, kind) in names {
                let Some(path) = TreePath::join(&directory, &name) else { continue };
                let kind = known_type(&fd, &name, kind);
                match kind {
                    _ if is_own(&path) => {}
                    FileType::Directory if named.contains(&path) && !path.is_file_output() => {
                        waiting.push(path.as_bytes().to_vec());
                    }
                    FileType::RegularFile if named.contains(&path) && path.is_file_output() => {}
                    FileType::RegularFile if is_passing(&name) => {}
                    _ => extras.push(self.extra(path, kind)),
                }
            }
        }
        Ok(extras)
    }

    fn extra(&self, path: TreePath, kind: FileType) -> Failure {
        let mut cursor = self.root.cursor();
        let message = (kind == FileType::RegularFile)
            .then(|| cursor.open(&path).ok())
            .flatten()
            .and_then(|file| SourceFile::of(file, &cursor.called(&path)).ok())
            .and_then(|source| MessageFile::open(source, &Caps::default()).ok());
        let error = match message.map(|message| self.stranger(&message.header().message_id)) {
            Some(Error::Mismatch(what)) if what.contains('\'') => {
                Error::Mismatch(what.replace("in its place", "under another name"))
            }
            _ => mismatch("is in the tree but not in its manifest"),
        };
        Failure { path, error }
    }
}

pub(super) fn no_manifest(tree: &Path) -> Error {
    Error::Mismatch(format!(
        "{} has no manifest: it is no encrypted tree, or encrypting it was not finished",
        tree.display()
    ))
}

/// What a run was to remove once its manifest stood: whatever its journal names and the manifest does not is among it.
fn gone(lines: &[Line]) -> Vec<TreePath> {
    let gone = |line: &Line| if let Line::Gone(output) = line { Some(output.clone()) } else { None };
    lines.iter().filter_map(gone).collect()
}

fn is_own(path: &TreePath) -> bool {
    path.as_bytes() == OWN_DIRECTORY
}

fn is_passing(name: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    is_temporary(std::ffi::OsStr::from_bytes(name))
}

/// Some file systems do not tell types in their directories.
pub(super) fn known_type(fd: &std::os::fd::OwnedFd, name: &[u8], told: FileType) -> FileType {
    match told {
        FileType::Unknown => rustix::fs::statat(fd, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_or(told, |stat| FileType::from_raw_mode(stat.st_mode)),
        _ => told,
    }
}
