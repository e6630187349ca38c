//! Encrypting the files of a tree, in groups.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FileType;

use super::beneath::{self, Beneath, Cursor};
use super::entry::{Entry, Facts, MessageId, file_type};
use super::group::{self, Course, Durability, divide};
use super::journal::Journal;
use super::keys::Granted;
use super::manifest;
use super::path::TreePath;
use super::site::Site;
use super::small::{Asking, Desk};
use super::standing::Standing;
use super::walk::Candidate;
use super::{EncryptOptions, Existing, Failure, KeySource, is_everyones, mismatch, one_message};
use crate::error::{Error, Result};
use crate::job::file::MessageFile;
use crate::job::{AtomicFile, Replace, SourceFile};
use crate::message::{Caps, EncryptionMaterials};
use crate::pipeline::{Control, Progress};

/// What the workers have done so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) entries: Vec<Entry>,
    pub(super) failures: Vec<Failure>,
    pub(super) message_bytes: u64,
    pub(super) kept: u64,
}

/// What it takes to encrypt files.
pub(super) struct Job<'a> {
    pub(super) source: &'a Beneath,
    pub(super) site: &'a Site,
    pub(super) standing: &'a Standing,
    pub(super) keys: &'a dyn KeySource,
    pub(super) journal: &'a Journal<'a>,
    pub(super) durability: &'a Durability<'a>,
    pub(super) options: &'a EncryptOptions,
    pub(super) progress: &'a Progress,
    pub(super) gathered: Mutex<Gathered>,
}

/// What one thread works with.
pub(super) struct Hands<'a> {
    from: Cursor<'a>,
    to: Cursor<'a>,
    desk: Desk,
}

/// Files that are written and have no names yet.
#[derive(Default)]
pub(super) struct Group {
    entries: Vec<Entry>,
    files: Vec<AtomicFile>,
    gathered: Gathered,
    count: u64,
}

impl Job<'_> {
    /// Encrypts them all, or keeps what an earlier run made of them.
    pub(super) fn run(&self, files: Vec<Candidate>, control: &Control<'_>) -> Result<()> {
        group::run(self, divide(files, |file| file.facts.size, control.workers), control)
    }
}

impl<'a> Course for Job<'a> {
    type Item = Candidate;
    type Hands = Hands<'a>;
    type Written = Group;

    fn hands(&self) -> Result<Hands<'a>> {
        Ok(Hands { from: self.source.cursor(), to: self.site.root.cursor(), desk: Desk::new() })
    }

    fn write(
        &self,
        hands: &mut Hands<'a>,
        mut files: Vec<Candidate>,
        control: &Control<'_>,
    ) -> Result<Group> {
        let mut group = Group { count: files.len() as u64, ..Group::default() };
        if self.options.existing == Existing::Resume {
            files = self.keep(hands, files, &mut group, control)?;
        }
        let mut keys = Granted::new(self.keys, files.iter().map(|file| file.facts.size).collect());
        for (index, file) in files.into_iter().enumerate() {
            control.check()?;
            self.file(hands, file, |bytes| keys.of(index, bytes), &mut group, control)?;
        }
        self.durability.prepare(group.files.iter())?;
        Ok(group)
    }

    fn directory<'i>(&self, file: &'i Candidate) -> &'i [u8] {
        file.path.parent()
    }

    fn settle(&self, groups: &[&Group], control: &Control<'_>) -> Result<()> {
        self.durability.settle(groups.iter().flat_map(|group| &group.files))?;
        // before the names: from here on a reader accepts the old message of a path, and the new one
        self.journal.append_entries(groups.iter().flat_map(|group| &group.entries), control)
    }

    fn name(&self, mut group: Group) -> Result<()> {
        group.files.into_iter().try_for_each(AtomicFile::publish)?;
        self.progress.files_done.fetch_add(group.count, Ordering::Relaxed);
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entries.append(&mut group.entries);
        gathered.entries.append(&mut group.gathered.entries);
        gathered.failures.append(&mut group.gathered.failures);
        gathered.message_bytes += group.gathered.message_bytes;
        gathered.kept += group.gathered.kept;
        Ok(())
    }
}

impl<'a> Job<'a> {
    fn file(
        &self,
        hands: &mut Hands<'_>,
        file: Candidate,
        granted: impl FnOnce(u64) -> Result<Arc<EncryptionMaterials>>,
        group: &mut Group,
        control: &Control<'_>,
    ) -> Result<()> {
        let mut outcome = self.attempt(hands, &file.path, granted, control);
        if matches!(outcome, Err(Error::SourceChanged(_))) {
            let again = |bytes| self.keys.encryption(one_message(bytes));
            outcome = self.attempt(hands, &file.path, again, control);
        }
        let Hands { from, to, .. } = hands;
        match outcome {
            Ok((entry, message_bytes, output)) => {
                group.gathered.message_bytes += message_bytes;
                group.entries.push(entry);
                group.files.push(output);
            }
            Err(error) if is_of_source(&error, &from.called(&file.path)) => {
                group.gathered.entries.extend(earlier(self.standing, to, &file.path));
                group.gathered.failures.push(Failure { path: file.path, error });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps what an earlier run made of the same sources, where it stands and verifies. Gives the others back.
    fn keep(
        &self,
        hands: &mut Hands<'_>,
        files: Vec<Candidate>,
        group: &mut Group,
        control: &Control<'_>,
    ) -> Result<Vec<Candidate>> {
        let (known, mut others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| self.known(file).next().is_some());
        let to = &mut hands.to;
        hands.desk.each(
            known.into_iter(),
            Asking { keys: self.keys, control },
            |file| source_of(to, &file.path).ok_or_else(|| mismatch("is missing")),
            |file, header| {
                let id = self.known(file).find(|id| header.message_id == *id);
                id.ok_or_else(|| mismatch("has another message in its place"))
            },
            |file, message| {
                let verified =
                    message.and_then(|(id, message)| message.decrypt(file.facts.size, None).map(|_| id));
                match verified {
                    Ok(id) => {
                        group.gathered.entries.push(file.facts.file(file.path, id));
                        group.gathered.kept += 1;
                    }
                    Err(error) if is_everyones(&error) => return Err(error),
                    Err(_) => others.push(file),
                }
                Ok(())
            },
        )?;
        Ok(others)
    }

    /// The messages that earlier runs made of this very source, the latest first.
    fn known(&self, file: &Candidate) -> impl Iterator<Item = MessageId> {
        let entries = self.standing.of(&file.path).filter(|entry| entry.is_of(&file.facts));
        entries.filter_map(Entry::file).map(|known| known.message_id)
    }

    fn attempt(
        &self,
        hands: &mut Hands<'_>,
        path: &TreePath,
        keys: impl FnOnce(u64) -> Result<Arc<EncryptionMaterials>>,
        control: &Control<'_>,
    ) -> Result<(Entry, u64, AtomicFile)> {
        let Hands { from, to, desk } = hands;
        let (source, facts) = open_source(from, path)?;
        let output = path.file_output();
        let name = beneath::last(&output);
        if name.len() > NAME_MAX {
            let found = name.len() as u64;
            return Err(Error::Limit { what: "a file's name with .sr", limit: NAME_MAX as u64, found });
        }
        let materials = keys(source.len())?;
        let called = to.called(&output);
        let parent = to.parent(&output).map_err(|errno| beneath::io("open", &called, errno))?;
        let replace = match self.options.existing {
            Existing::Refuse => Replace::Never,
            Existing::Resume | Existing::Replace => Replace::Existing,
        };
        let target = AtomicFile::create_in(parent, name, &called, replace)?;
        let done = desk.encrypt(&materials, &source, &target, control)?;
        let entry = facts.file(path.clone(), manifest::message_id(&done.message_id)?);
        Ok((entry, done.message_bytes, target))
    }
}

/// Opens a source; size, time and inode are those of the very file that is read.
fn open_source(from: &mut Cursor<'_>, path: &TreePath) -> Result<(SourceFile, Facts)> {
    let called = from.called(path);
    let file = from.open(path).map_err(|errno| beneath::io("open", &called, errno))?;
    let stat = rustix::fs::fstat(file.as_fd()).map_err(|errno| beneath::io("stat", &called, errno))?;
    match file_type(&stat) {
        FileType::RegularFile => Ok((SourceFile::of(file, &called)?, Facts::of(&stat))),
        _ => Err(Error::SourceChanged(called)),
    }
}

/// The file that stands for a path, if one does.
pub(super) fn source_of(to: &mut Cursor<'_>, path: &TreePath) -> Option<SourceFile> {
    let output = path.file_output();
    let file = to.open(&output).ok()?;
    SourceFile::of(file, &to.called(&output)).ok()
}

/// What an earlier run made of this file, if it stands: better than nothing where the source cannot be read now.
pub(super) fn earlier(standing: &Standing, to: &mut Cursor<'_>, path: &TreePath) -> Option<Entry> {
    let message = MessageFile::open(source_of(to, path)?, &Caps::default()).ok()?;
    let stands =
        |entry: &&Entry| entry.file().is_some_and(|file| message.header().message_id == file.message_id);
    standing.of(path).find(stands).cloned()
}

/// Whether an error is one file's own: it could not be read, or cannot be a message.
fn is_of_source(error: &Error, source: &Path) -> bool {
    match error {
        Error::SourceChanged(_) | Error::Limit { .. } => true,
        Error::Io { path: Some(path), .. } => path == source,
        _ => false,
    }
}

/// Bytes of a name on every file system that is likely here.
const NAME_MAX: usize = 255;
