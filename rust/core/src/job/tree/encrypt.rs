//! Encrypting a tree.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FileType;

use super::beneath::{self, Beneath, Cursor};
use super::entry::{Entry, Facts, Kind, Line, MessageId, file_type};
use super::group::{Durability, divide};
use super::journal::{self, Journal, Run};
use super::manifest::{self, Counts, Head};
use super::path::TreePath;
use super::site::Site;
use super::standing::Standing;
use super::walk::{self, Candidate, Walk};
use super::{EncryptOptions, Existing, Failure, KeySource, Report, alone, is_everyones};
use crate::error::{Error, Result};
use crate::job::file::{self, MessageFile};
use crate::job::{AtomicFile, Replace, SourceFile};
use crate::message::Caps;
use crate::pipeline::{Control, parallel};
use crate::primitives::rng;

/// Encrypts the tree `source` into the tree `target`.
///
/// Files that fail are reported and the others are done; of a file that fails now and was encrypted before, the earlier
/// encryption stays.
pub fn encrypt(
    source: &Path,
    target: &Path,
    keys: &dyn KeySource,
    options: &EncryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    walk::apart(source, target)?;
    let source = Beneath::open(source)?;
    if options.dry_run {
        return plan(&source, target, keys, options, control);
    }
    let site = Site::enter(target, options.existing)?;
    let outcome = Standing::read(&site.root, options.existing, keys, control)
        .and_then(|standing| run(&source, &site, &standing, keys, options, control));
    if outcome.is_err() {
        site.abandon();
    }
    outcome
}

fn run(
    source: &Beneath,
    site: &Site,
    standing: &Standing,
    keys: &dyn KeySource,
    options: &EncryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    // 1. what there is, and what an earlier run has made of it
    let mut walk = walk::walk(source, &options.selection, control)?;
    announce(&walk.files, control);
    if options.existing != Existing::Refuse {
        site.sweep(walk.directories.iter().chain(standing.directories()))?;
    }
    // 2. the journal names the directories before they are made, so that a later run can remove them
    let run = start(site, standing)?;
    let journal = Journal::begin(&site.root, &site.own, run, standing.past.as_ref(), keys)?;
    let named = journal.append(walk.directories.iter().map(Line::entry), control);
    if named.is_err() && standing.past.is_none() {
        journal::remove(&site.root, &site.own)?;
    }
    named?;
    site.make_directories(&walk.directories)?;
    // 3. the files
    let files = std::mem::take(&mut walk.files);
    let durability = Durability::of(&site.root);
    let gathered = Mutex::new(Gathered::default());
    let job =
        Job { source, site, standing, keys, journal: &journal, durability: &durability, options, gathered };
    job.run(files, control)?;
    let gathered = job.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    // 4. the manifest, then what it no longer names
    finish(
        walk,
        gathered,
        run,
        &Finish { site, standing, keys, journal: &journal, durability: &durability, options },
        control,
    )
}

fn announce(files: &[Candidate], control: &Control<'_>) {
    let bytes = files.iter().map(|file| file.facts.size).sum();
    control.progress.bytes_total.store(bytes, Ordering::Relaxed);
    control.progress.files_total.store(files.len() as u64, Ordering::Relaxed);
}

/// The run that a journal goes on with, or a new one on what stands.
fn start(site: &Site, standing: &Standing) -> Result<Run> {
    // what a finished run has left over is in nobody's way, and must be gone before its journal is
    if standing.past.is_none() {
        site.remove(standing.left_over())?;
    }
    match (&standing.past, &standing.manifest) {
        (Some(past), _) => Ok(past.run),
        (None, Some((id, head))) => Ok(Run { tree: head.tree, base: Some(*id) }),
        (None, None) => {
            let mut tree = [0; 16];
            rng::fill(&mut tree)?;
            Ok(Run { tree, base: None })
        }
    }
}

/// What the workers have done so far.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    failures: Vec<Failure>,
    message_bytes: u64,
    kept: u64,
}

struct Job<'a> {
    source: &'a Beneath,
    site: &'a Site,
    standing: &'a Standing,
    keys: &'a dyn KeySource,
    journal: &'a Journal<'a>,
    durability: &'a Durability<'a>,
    options: &'a EncryptOptions,
    gathered: Mutex<Gathered>,
}

/// Files that one barrier makes durable.
#[derive(Default)]
struct Group {
    written: Vec<(Entry, AtomicFile)>,
    gathered: Gathered,
}

impl Job<'_> {
    fn run(&self, files: Vec<Candidate>, control: &Control<'_>) -> Result<()> {
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
fn earlier(standing: &Standing, to: &mut Cursor<'_>, path: &TreePath) -> Option<Entry> {
    let message = output_of(to, path, &Caps::default())?;
    let stands =
        |entry: &&Entry| entry.file().is_some_and(|file| message.header().message_id == file.message_id);
    standing.of(path).find(stands).cloned()
}

/// What earlier runs made of everything beneath paths that could not be looked at now.
fn unseen(standing: &Standing, root: &Beneath, unread: &[TreePath]) -> Vec<Entry> {
    let mut cursor = root.cursor();
    let stands = |entry: &Entry| match entry.kind {
        Kind::File(_) => earlier(standing, &mut cursor, &entry.path),
        Kind::Directory | Kind::Link { .. } => Some(entry.clone()),
    };
    unread.iter().flat_map(|path| standing.within(path)).filter_map(stands).collect()
}

/// Whether an error is one file's own: it could not be read, or cannot be a message.
fn is_of_source(error: &Error, source: &Path) -> bool {
    match error {
        Error::SourceChanged(_) | Error::Limit { .. } => true,
        Error::Io { path: Some(path), .. } => path == source,
        _ => false,
    }
}

struct Finish<'a> {
    site: &'a Site,
    standing: &'a Standing,
    keys: &'a dyn KeySource,
    journal: &'a Journal<'a>,
    durability: &'a Durability<'a>,
    options: &'a EncryptOptions,
}

fn finish(
    walk: Walk,
    gathered: Gathered,
    run: Run,
    with: &Finish<'_>,
    control: &Control<'_>,
) -> Result<Report> {
    let failed = (walk.failures.len() + gathered.failures.len()) as u64;
    let unseen = unseen(with.standing, &with.site.root, &walk.unread);
    let mut failures = walk.failures;
    failures.extend(gathered.failures);
    failures.sort_by(|a, b| a.path.cmp(&b.path));
    let new = walk.directories.into_iter().chain(walk.links).chain(gathered.entries);
    let entries = merge(new, unseen);
    let counts = Counts::of(entries.iter());
    let head = Head {
        tree: run.tree,
        generation: with.standing.generation() + 1,
        counts,
        failed,
        mode: walk.root.mode,
        mtime: walk.root.mtime,
        patterns: with.options.selection.patterns().clone(),
    };
    // 1. say what will go, so that a later run can finish removing it
    let gone = gone(&entries, with.standing);
    if !gone.is_empty() {
        with.journal.append(gone.iter().map(Line::gone), control)?;
    }
    // 2. names and directories are durable before the manifest claims them
    let outputs: Vec<TreePath> =
        entries.iter().filter(|entry| entry.file().is_none()).filter_map(Entry::output).collect();
    with.durability.finish(outputs.iter())?;
    // 3. the manifest, and what it makes superfluous
    let called = with.site.root.called(super::path::OWN_DIRECTORY).join("manifest.sr");
    manifest::write(&with.site.own, &called, &head, &entries, with.keys, control)?;
    let removed = with.site.remove(gone)?;
    journal::remove(&with.site.root, &with.site.own)?;
    Ok(Report {
        tree: run.tree,
        files: counts.files,
        directories: counts.directories,
        links: counts.links,
        plaintext_bytes: counts.plaintext_bytes,
        message_bytes: gathered.message_bytes,
        kept: gathered.kept,
        removed,
        hard_links: walk.hard_links,
        skipped: walk.skipped,
        failures,
    })
}

/// The entries of the next manifest, sorted: the new ones, and where there is none the earlier.
fn merge(new: impl Iterator<Item = Entry>, earlier: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut entries: BTreeMap<TreePath, Entry> = new.map(|entry| (entry.path.clone(), entry)).collect();
    for entry in earlier {
        entries.entry(entry.path.clone()).or_insert(entry);
    }
    entries.into_values().collect()
}

/// Outputs of earlier runs that these entries do not name.
fn gone(entries: &[Entry], standing: &Standing) -> Vec<TreePath> {
    let named: HashSet<TreePath> = entries.iter().filter_map(Entry::output).collect();
    let mut gone: Vec<TreePath> = standing.outputs().filter(|output| !named.contains(output)).collect();
    gone.sort_unstable();
    gone.dedup();
    gone
}

/// What would be done. Nothing is verified, so some of what would be kept may turn out not to verify.
fn plan(
    source: &Beneath,
    target: &Path,
    keys: &dyn KeySource,
    options: &EncryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    let standing = match (target.symlink_metadata(), options.existing) {
        (Err(_), _) => Standing::default(),
        (Ok(_), Existing::Refuse) => return Err(Error::TargetExists(target.to_path_buf())),
        (Ok(_), existing) => {
            let root = Beneath::open(target)?;
            super::standing::refuse_foreign(&root)?;
            Standing::read(&root, existing, keys, control)?
        }
    };
    let walk = walk::walk(source, &options.selection, control)?;
    let is_kept = |file: &&Candidate| standing.of(&file.path).any(|entry| entry.is_of(&file.facts));
    let kept = match options.existing {
        Existing::Resume => walk.files.iter().filter(is_kept).count() as u64,
        Existing::Refuse | Existing::Replace => 0,
    };
    let counts = (walk.files.len() as u64, walk.files.iter().map(|file| file.facts.size).sum());
    let files = walk.files.into_iter().map(|file| file.facts.file(file.path, [0; 32]));
    let (directories, links) = (walk.directories.len() as u64, walk.links.len() as u64);
    let new = walk.directories.into_iter().chain(walk.links).chain(files);
    let entries = merge(new, walk.unread.iter().flat_map(|path| standing.within(path)).cloned());
    Ok(Report {
        tree: standing.manifest.as_ref().map_or([0; 16], |(_, head)| head.tree),
        files: counts.0,
        directories,
        links,
        plaintext_bytes: counts.1,
        kept,
        removed: gone(&entries, &standing).len() as u64,
        hard_links: walk.hard_links,
        skipped: walk.skipped,
        failures: walk.failures,
        message_bytes: 0,
    })
}

/// Bytes of a name on every file system that is likely here.
const NAME_MAX: usize = 255;
