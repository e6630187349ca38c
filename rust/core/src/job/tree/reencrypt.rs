//! Moving a tree to other keys, while others read it.
//!
//! ```text
//! lock ─► look at each header ─► for each group: decrypt, encrypt, verify (no names yet) ─► barrier ─► journal ─► names
//!      ─► barrier ─► manifest ─► remove the journal
//! ```
//! From the record of a journal on until the next manifest stands, readers accept the old message of a file and the new.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::beneath::{self, Beneath, Cursor, last};
use super::encrypt::start;
use super::entry::{Entry, FileEntry, Kind};
use super::group::{self, Course, Durability, divide};
use super::journal::{self, Journal};
use super::keys::{Like, Supply};
use super::manifest::{self, Counts, Head};
use super::opened::no_manifest;
use super::path::{OWN_DIRECTORY, TreePath};
use super::site::Site;
use super::small::{Asking, Beside, Desk, Message};
use super::standing::Standing;
use super::survey::{Survey, survey};
use super::verify::size;
use super::work::source_of;
use super::{Existing, Failure, Report, is_everyones, mismatch};
use crate::cache::Usage;
use crate::error::{Error, Result};
use crate::job::reencrypt::{Moving, keep_facts};
use crate::job::source::read_header;
use crate::job::{AtomicFile, Done, Replace};
use crate::message::{Caps, Header};
use crate::pipeline::{Control, Progress};

/// How to re-encrypt a tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReencryptOptions {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Re-encrypts every message of a tree that is not [settled](Moving::is_settled), its manifest at last.
///
/// Of the report, `files` are all there are, `kept` those that were settled, and the bytes those of the messages made
/// anew. What fails for one file is told, and its old message stays. A run that was killed is gone on with.
pub fn reencrypt(
    tree: &Path,
    keys: &dyn Moving,
    options: ReencryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    let root = Beneath::open(tree)?;
    let like = Like { moving: keys, header: manifest_header(&root)? };
    if options.dry_run {
        let mut standing = Standing::read(&root, Existing::Resume, &like, control)?;
        let survey = survey(&root, &mut standing, keys, control)?;
        return Ok(report(tree_id(&standing, tree)?, survey.planned(), Gathered::default()));
    }
    let site = Site::take(root)?;
    // read once more, now that nobody can change it
    let like = Like { moving: keys, header: manifest_header(&site.root)? };
    let mut standing = Standing::read(&site.root, Existing::Resume, &like, control)?;
    let id = tree_id(&standing, tree)?;
    let begun = start(&site, &standing)?;
    site.sweep(standing.directories())?;
    let mut survey = survey(&site.root, &mut standing, keys, control)?;
    let todo = std::mem::take(&mut survey.todo);
    if todo.is_empty() && standing.past.is_none() && keys.is_settled(&like.header)? {
        journal::remove(&site.root, &site.own)?;
        return Ok(report(id, survey, Gathered::default()));
    }
    let journal = Journal::begin(&site.root, &site.own, begun, standing.past.as_ref(), &like)?;
    let gathered = run(&site, &journal, &like, todo, control)?;
    finish(&site, &standing, &like, survey, gathered, control)
}

/// Re-encrypts these, under a journal.
fn run(
    site: &Site,
    journal: &Journal<'_>,
    like: &Like<'_>,
    todo: Vec<Entry>,
    control: &Control<'_>,
) -> Result<Gathered> {
    control.progress.bytes_total.store(todo.iter().map(size).sum(), Ordering::Relaxed);
    control.progress.files_total.store(todo.len() as u64, Ordering::Relaxed);
    let durability = Durability::of(&site.root);
    let job = Job {
        root: &site.root,
        like,
        journal,
        durability: &durability,
        progress: control.progress,
        gathered: Mutex::default(),
    };
    group::run(&job, divide(todo, size, control.workers), control)?;
    Ok(job.gathered.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The next manifest, which names what stands now.
fn finish(
    site: &Site,
    standing: &Standing,
    like: &Like<'_>,
    mut survey: Survey,
    mut gathered: Gathered,
    control: &Control<'_>,
) -> Result<Report> {
    let Some((_, old)) = &standing.manifest else { return Err(no_manifest(site.root.path())) };
    survey.entries.append(&mut gathered.entries);
    survey.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let head =
        Head { generation: old.generation + 1, counts: Counts::of(survey.entries.iter()), ..old.clone() };
    let directories: Vec<TreePath> =
        survey.entries.iter().filter(|entry| entry.file().is_none()).filter_map(Entry::output).collect();
    Durability::of(&site.root).finish(directories.iter())?;
    let called = site.root.called(OWN_DIRECTORY).join("manifest.sr");
    manifest::write(&site.own, &called, &head, &survey.entries, like, control)?;
    journal::remove(&site.root, &site.own)?;
    Ok(report(head.tree, survey, gathered))
}

fn report(tree: manifest::TreeId, survey: Survey, gathered: Gathered) -> Report {
    let counts = Counts::of(survey.entries.iter());
    let mut failures = survey.failures;
    failures.extend(gathered.failures);
    failures.sort_by(|a, b| a.path.cmp(&b.path));
    Report {
        tree,
        files: counts.files,
        directories: counts.directories,
        links: counts.links,
        plaintext_bytes: gathered.plaintext_bytes + survey.plaintext_bytes,
        message_bytes: gathered.message_bytes,
        kept: survey.settled,
        failures,
        ..Report::default()
    }
}

fn tree_id(standing: &Standing, tree: &Path) -> Result<manifest::TreeId> {
    standing.manifest.as_ref().map(|(_, head)| head.tree).ok_or_else(|| no_manifest(tree))
}

fn manifest_header(root: &Beneath) -> Result<Header> {
    let mut file = manifest::open(root)?.ok_or_else(|| no_manifest(root.path()))?;
    read_header(&mut file, &Caps::default()).map(|(header, _)| header)
}

/// What the workers have done so far.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    failures: Vec<Failure>,
    plaintext_bytes: u64,
    message_bytes: u64,
}

struct Job<'a> {
    root: &'a Beneath,
    like: &'a Like<'a>,
    journal: &'a Journal<'a>,
    durability: &'a Durability<'a>,
    progress: &'a Progress,
    gathered: Mutex<Gathered>,
}

/// What one thread works with.
struct Hands<'a> {
    from: Cursor<'a>,
    to: Cursor<'a>,
    desk: Desk,
    beside: Beside,
}

/// Messages that are written and have no names yet.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    files: Vec<AtomicFile>,
    gathered: Gathered,
    count: u64,
}

impl<'a> Course for Job<'a> {
    type Item = Entry;
    type Hands = Hands<'a>;
    type Written = Group;

    fn hands(&self) -> Result<Hands<'a>> {
        let (from, to) = (self.root.cursor(), self.root.cursor());
        Ok(Hands { from, to, desk: Desk::new(), beside: Beside::new() })
    }

    fn write(&self, hands: &mut Hands<'a>, entries: Vec<Entry>, control: &Control<'_>) -> Result<Group> {
        let mut group = Group { count: entries.len() as u64, ..Group::default() };
        let usage = Usage { messages: entries.len() as u64, bytes: entries.iter().map(size).sum() };
        let mut supply = Supply::new(self.like.moving, usage);
        let Hands { from, to, desk, beside } = hands;
        desk.each(
            entries.into_iter(),
            Asking { keys: self.like, control },
            |entry| source_of(from, &entry.path).ok_or_else(|| mismatch("is missing")),
            stands_for,
            |entry, message| {
                let made =
                    message.and_then(|((), message)| self.file(to, &entry, message, &mut supply, beside));
                match made {
                    Ok((fresh, file, done)) => {
                        group.entries.push(fresh);
                        group.files.push(file);
                        group.gathered.plaintext_bytes += done.plaintext_bytes;
                        group.gathered.message_bytes += done.message_bytes;
                    }
                    Err(error) if is_everyones(&error) || is_of_disk(&error) => return Err(error),
                    Err(error) => {
                        // its old message stays, and stays named
                        group.gathered.failures.push(Failure { path: entry.path.clone(), error });
                        group.gathered.entries.push(entry);
                    }
                }
                Ok(())
            },
        )?;
        self.durability.prepare(group.files.iter())?;
        Ok(group)
    }

    fn directory<'i>(&self, entry: &'i Entry) -> &'i [u8] {
        entry.path.parent()
    }

    fn settle(&self, groups: &[&Group], control: &Control<'_>) -> Result<()> {
        self.durability.settle(groups.iter().flat_map(|group| &group.files))?;
        self.journal.append_entries(groups.iter().flat_map(|group| &group.entries), control)
    }

    fn name(&self, mut group: Group) -> Result<()> {
        group.files.into_iter().try_for_each(AtomicFile::publish)?;
        self.progress.files_done.fetch_add(group.count, Ordering::Relaxed);
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entries.append(&mut group.entries);
        gathered.entries.append(&mut group.gathered.entries);
        gathered.failures.append(&mut group.gathered.failures);
        gathered.plaintext_bytes += group.gathered.plaintext_bytes;
        gathered.message_bytes += group.gathered.message_bytes;
        Ok(())
    }
}

impl Job<'_> {
    fn file(
        &self,
        to: &mut Cursor<'_>,
        entry: &Entry,
        message: Message<'_>,
        supply: &mut Supply<'_>,
        beside: &mut Beside,
    ) -> Result<(Entry, AtomicFile, Done)> {
        let output = entry.path.file_output();
        let called = to.called(&output);
        let parent = to.parent(&output).map_err(|errno| beneath::io("open", &called, errno))?;
        let target = AtomicFile::create_in(parent, last(&output), &called, Replace::Existing)?;
        let done = message.reencrypt(size(entry), &target, supply, beside)?;
        // under the tree's lock, what stands there is what was read
        let stat = to.stat(&output).map_err(|errno| beneath::io("stat", &called, errno))?;
        keep_facts(&stat, &target)?;
        Ok((renewed(entry, &done)?, target, done))
    }
}

/// The same file in another message.
fn renewed(entry: &Entry, done: &Done) -> Result<Entry> {
    let message_id = manifest::message_id(&done.message_id)?;
    let kind = match &entry.kind {
        Kind::File(file) => Kind::File(FileEntry { message_id, ..*file }),
        other => other.clone(),
    };
    Ok(Entry { kind, ..entry.clone() })
}

fn stands_for(entry: &Entry, header: &Header) -> Result<()> {
    match entry.file().is_some_and(|file| header.message_id == file.message_id) {
        true => Ok(()),
        false => Err(mismatch("has another message in its place")),
    }
}

/// Whether there is no more room, so that the next file would fare no better.
fn is_of_disk(error: &Error) -> bool {
    let Error::Io { source, op, .. } = error else { return false };
    let is = |errno: Errno| source.raw_os_error() == Some(errno.raw_os_error());
    [Errno::NOSPC, Errno::DQUOT, Errno::ROFS].into_iter().any(is) || (*op != "read" && is(Errno::IO))
}
