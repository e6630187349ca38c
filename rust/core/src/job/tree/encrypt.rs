//! Encrypting a tree.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::beneath::Beneath;
use super::entry::{Entry, Kind, Line};
use super::group::Durability;
use super::journal::{self, Journal, Run};
use super::manifest::{self, Counts, Head};
use super::path::{OWN_DIRECTORY, TreePath};
use super::site::Site;
use super::standing::{self, Standing};
use super::walk::{self, Candidate, Walk};
use super::work::{Gathered, Job, earlier};
use super::{EncryptOptions, Existing, KeySource, Report};
use crate::error::{Error, Result};
use crate::pipeline::Control;
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
    let job = Job {
        source,
        site,
        standing,
        keys,
        journal: &journal,
        durability: &durability,
        options,
        progress: control.progress,
        gathered,
    };
    job.run(files, control)?;
    // 4. the manifest, then what it no longer names
    finish(walk, &job, run, control)
}

fn announce(files: &[Candidate], control: &Control<'_>) {
    let bytes = files.iter().map(|file| file.facts.size).sum();
    control.progress.bytes_total.store(bytes, Ordering::Relaxed);
    control.progress.files_total.store(files.len() as u64, Ordering::Relaxed);
}

/// The run that a journal goes on with, or a new one on what stands.
pub(super) fn start(site: &Site, standing: &Standing) -> Result<Run> {
    // what a finished run has left over is in nobody's way, and must be gone before its journal is
    if standing.past.is_none() {
        site.remove(standing.left_over())?;
    }
    match (&standing.past, &standing.manifest) {
        (Some(past), _) => Ok(past.run),
        (None, Some((id, head))) => Ok(Run { tree: head.tree, base: Some(*id), generation: head.generation }),
        (None, None) => {
            let mut tree = [0; 16];
            rng::fill(&mut tree)?;
            Ok(Run { tree, base: None, generation: 0 })
        }
    }
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

fn finish(walk: Walk, job: &Job<'_>, run: Run, control: &Control<'_>) -> Result<Report> {
    let gathered = std::mem::take(&mut *job.gathered.lock().unwrap_or_else(PoisonError::into_inner));
    let failed = (walk.failures.len() + gathered.failures.len()) as u64;
    let unseen = unseen(job.standing, &job.site.root, &walk.unread);
    let mut failures = walk.failures;
    failures.extend(gathered.failures);
    failures.sort_by(|a, b| a.path.cmp(&b.path));
    let new = walk.directories.into_iter().chain(walk.links).chain(gathered.entries);
    let entries = merge(new, unseen);
    let counts = Counts::of(entries.iter());
    let head = Head {
        tree: run.tree,
        generation: run.generation + 1,
        counts,
        failed,
        mode: walk.root.mode,
        mtime: walk.root.mtime,
        patterns: job.options.selection.patterns().clone(),
    };
    // 1. say what will go, so that a later run can finish removing it
    let gone = gone(&entries, job.standing);
    if !gone.is_empty() {
        job.journal.append(gone.iter().map(Line::gone), control)?;
    }
    // 2. names and directories are durable before the manifest claims them
    let outputs: Vec<TreePath> =
        entries.iter().filter(|entry| entry.file().is_none()).filter_map(Entry::output).collect();
    job.durability.finish(outputs.iter())?;
    // 3. the manifest, and what it makes superfluous
    let called = job.site.root.called(OWN_DIRECTORY).join("manifest.sr");
    manifest::write(&job.site.own, &called, &head, &entries, job.keys, control)?;
    let removed = job.site.remove(gone)?;
    journal::remove(&job.site.root, &job.site.own)?;
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
    let mut entries: Vec<Entry> = new.chain(earlier).collect();
    // stable: of two with one path the new one comes first, and stays; and runs that are in order cost nothing
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup_by(|later, first| later.path == first.path);
    entries
}

/// Outputs of earlier runs that these entries do not name.
fn gone(entries: &[Entry], standing: &Standing) -> Vec<TreePath> {
    if standing.outputs().next().is_none() {
        return Vec::new();
    }
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
            standing::refuse_foreign(&root)?;
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
