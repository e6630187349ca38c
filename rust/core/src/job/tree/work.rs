//! Encrypting the files of a tree, in groups.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FileType;

use super::beneath::{self, Beneath, Cursor};
use super::entry::{Entry, Facts, Line, MessageId, file_type};
use super::group::{Durability, divide};
use super::journal::Journal;
use super::manifest;
use super::path::TreePath;
use super::site::Site;
use super::standing::Standing;
use super::walk::Candidate;
use super::{EncryptOptions, Existing, Failure, KeySource, alone, is_everyones};
use crate::error::{Error, Result};
use crate::job::file::{self, MessageFile};
use crate::job::{AtomicFile, Replace, SourceFile};
use crate::message::Caps;
use crate::pipeline::{Control, parallel};

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
    pub(super) gathered: Mutex<Gathered>,
}

/// Files that one barrier makes durable.
#[derive(Default)]
struct Group {
    written: Vec<(Entry, AtomicFile)>,
    gathered: Gathered,
}

impl Job<'_> {
    /// Encrypts them all, or keeps what an earlier run made of them.
    pub(super) fn run(&self, files: Vec<Candidate>, control: &Control<'_>) -> Result<()> {
        let (small, large) = divide(files, |file| file.facts.size, control.workers);
        let cursors = || Ok((self.source.cursor(), self.site.root.cursor()));
        parallel(control, small.into_iter(), cursors, |(from, to), group| {
            self.group(from, to, group, &alone(control))
        })?;
        let (mut from, mut to) = cursors()?;
        for file in large {
            (control.poll)()?;
            self.group(&mut from, &mut to, vec![file], control)?;
        }
        Ok(())
    }

    fn group(
        &self,
        from: &mut Cursor<'_>,
        to: &mut Cursor<'_>,
        files: Vec<Candidate>,
        control: &Control<'_>,
    ) -> Result<()> {
        let mut group = Group::default();
        let count = files.len() as u64;
        for file in files {
            control.check()?;
            self.file(from, to, file, &mut group, control)?;
        }
        let (mut entries, files): (Vec<_>, Vec<_>) = group.written.into_iter().unzip();
        if !files.is_empty() {
            self.durability.settle(&files)?;
            // before the names: from here on a reader accepts the old message of a path, and the new one
            self.journal.append(entries.iter().map(Line::entry), control)?;
        }
        files.into_iter().try_for_each(AtomicFile::publish)?;
        control.progress.files_done.fetch_add(count, Ordering::Relaxed);
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entries.append(&mut entries);
        gathered.entries.append(&mut group.gathered.entries);
        gathered.failures.append(&mut group.gathered.failures);
        gathered.message_bytes += group.gathered.message_bytes;
        gathered.kept += group.gathered.kept;
        Ok(())
    }

    fn file(
        &self,
        from: &mut Cursor<'_>,
        to: &mut Cursor<'_>,
        file: Candidate,
        group: &mut Group,
        control: &Control<'_>,
    ) -> Result<()> {
        if self.options.existing == Existing::Resume
            && let Some(kept) = self.keep(to, &file, control)?
        {
            group.gathered.entries.push(kept);
            group.gathered.kept += 1;
            return Ok(());
        }
        let mut outcome = self.attempt(from, to, &file.path, control);
        if matches!(outcome, Err(Error::SourceChanged(_))) {
            outcome = self.attempt(from, to, &file.path, control);
        }
        match outcome {
            Ok((entry, message_bytes, output)) => {
                group.gathered.message_bytes += message_bytes;
                group.written.push((entry, output));
            }
            Err(error) if is_of_source(&error, &from.called(&file.path)) => {
                group.gathered.entries.extend(earlier(self.standing, to, &file.path));
                group.gathered.failures.push(Failure { path: file.path, error });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What an earlier run made of the same source, if it stands and verifies.
    fn keep(&self, to: &mut Cursor<'_>, file: &Candidate, control: &Control<'_>) -> Result<Option<Entry>> {
        for entry in self.standing.of(&file.path).filter(|entry| entry.is_of(&file.facts)) {
            let Some(known) = entry.file() else { continue };
            if self.verifies(to, &file.path, &known.message_id, known.size, control)? {
                return Ok(Some(file.facts.file(file.path.clone(), known.message_id)));
            }
        }
        Ok(None)
    }

    fn verifies(
        &self,
        to: &mut Cursor<'_>,
        path: &TreePath,
        id: &MessageId,
        size: u64,
        control: &Control<'_>,
    ) -> Result<bool> {
        let caps = Caps::default();
        let Some(message) = output_of(to, path, &caps) else { return Ok(false) };
        if message.header().message_id != id {
            return Ok(false);
        }
        let verified = self
            .keys
            .decryption(message.header())
            .and_then(|materials| message.decrypt(&materials, &caps, None, control));
        match verified {
            Ok(done) => Ok(done.plaintext_bytes == size),
            Err(error) if is_everyones(&error) => Err(error),
            Err(_) => Ok(false),
        }
    }

    fn attempt(
        &self,
        from: &mut Cursor<'_>,
        to: &mut Cursor<'_>,
        path: &TreePath,
        control: &Control<'_>,
    ) -> Result<(Entry, u64, AtomicFile)> {
        let (source, facts) = open_source(from, path)?;
        let output = path.file_output();
        let name = beneath::last(&output);
        if name.len() > NAME_MAX {
            let found = name.len() as u64;
            return Err(Error::Limit { what: "a file's name with .sr", limit: NAME_MAX as u64, found });
        }
        let materials = self.keys.encryption(source.len())?;
        let called = to.called(&output);
        let parent = to.parent(&output).map_err(|errno| beneath::io("open", &called, errno))?;
        let replace = match self.options.existing {
            Existing::Refuse => Replace::Never,
            Existing::Resume | Existing::Replace => Replace::Existing,
        };
        let target = AtomicFile::create_in(parent, name, &called, replace)?;
        let done = file::encrypt(&materials, &source, &target, control)?;
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

/// The message that stands for a path, if something of that kind does.
fn output_of(to: &mut Cursor<'_>, path: &TreePath, caps: &Caps) -> Option<MessageFile> {
    let output = path.file_output();
    let file = to.open(&output).ok()?;
    MessageFile::open(SourceFile::of(file, &to.called(&output)).ok()?, caps).ok()
}

/// What an earlier run made of this file, if it stands: better than nothing where the source cannot be read now.
pub(super) fn earlier(standing: &Standing, to: &mut Cursor<'_>, path: &TreePath) -> Option<Entry> {
    let message = output_of(to, path, &Caps::default())?;
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
