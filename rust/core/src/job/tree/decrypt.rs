//! Decrypting a tree.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::beneath::{self, Beneath, Cursor, last};
use super::entry::{Entry, Facts, Kind, file_type};
use super::group::{self, Course, Durability, divide};
use super::lines::More;
use super::opened::Opened;
use super::path::TreePath;
use super::small::{Asking, Desk, Message};
use super::sweep::{Presence, sweep};
use super::verify::{announce, size};
use super::{DecryptOptions, Existing, Failure, KeySource, Report, Selection, is_everyones, restore, walk};
use crate::error::{Error, Result};
use crate::job::file::MessageFile;
use crate::job::{AtomicFile, Done, Replace};
use crate::message::Caps;
use crate::pipeline::{Control, Progress};

/// Decrypts the tree `source` into the directory `target`, or one path of it.
///
/// Nothing is written outside `target`. What is missing, extra, swapped, renamed or replaced is reported and not
/// decrypted; the others are.
pub fn decrypt(
    source: &Path,
    target: &Path,
    keys: &dyn KeySource,
    options: &DecryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    walk::apart(source, target)?;
    if options.existing == Existing::Refuse && target.symlink_metadata().is_ok() {
        return Err(Error::TargetExists(target.to_path_buf()));
    }
    let Some(only) = &options.only else {
        let opened = Opened::open(source, keys, control, |_| (true, More::Wanted))?;
        return tree(&opened, target, None, keys, options, control);
    };
    let opened = Opened::open(source, keys, control, |entry| within(only, entry))?;
    match opened.entries.first() {
        Some(entry) if entry.path == *only && entry.kind == Kind::Directory => {
            tree(&opened, target, Some(entry), keys, options, control)
        }
        Some(entry) if entry.path == *only => one(&opened, entry, target, keys, options.existing, control),
        _ => Err(Error::Misuse(format!("there is no '{only}' in {}", source.display()))),
    }
}

/// Whether an entry is the one path, or beneath it; and whether another such can follow.
fn within(only: &TreePath, entry: &Entry) -> (bool, More) {
    let path = entry.path.as_bytes();
    // '0' follows '/': from here on nothing is beneath `only`
    let is_past = path > only.as_bytes() && path >= [only.as_bytes(), b"0"].concat().as_slice();
    let is_all = entry.path == *only && entry.kind != Kind::Directory;
    (entry.path.is_within(only), if is_past || is_all { More::Enough } else { More::Wanted })
}

/// One file or link becomes the target itself.
fn one(
    opened: &Opened,
    entry: &Entry,
    target: &Path,
    keys: &dyn KeySource,
    existing: Existing,
    control: &Control<'_>,
) -> Result<Report> {
    let mut report = Report { tree: opened.head.tree, ..Report::default() };
    if entry.file().is_some() {
        announce(&[entry], control);
        let message = MessageFile::open(opened.source(&mut opened.root.cursor(), entry)?, &Caps::default())?;
        let asking = Asking { keys, control };
        let fitting = opened.fitting(entry, message.header(), asking)?;
        let output = AtomicFile::create(target, replace(existing))?;
        let message = Message::of_file(message, asking);
        let done = message.decrypt(size(&fitting), Some(&output))?;
        restore::finish_file(output.file(), &fitting, target)?;
        output.commit()?;
        control.progress.files_done.fetch_add(1, Ordering::Relaxed);
        (report.files, report.plaintext_bytes, report.message_bytes) =
            (1, done.plaintext_bytes, done.message_bytes);
        return Ok(report);
    }
    let (parent, name) = match (target.parent(), target.file_name()) {
        (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => (parent, name),
        (_, Some(name)) => (Path::new("."), name),
        (_, None) => return Err(Error::io("write", target)(std::io::ErrorKind::IsADirectory.into())),
    };
    restore::link(Beneath::open(parent)?.fd(), name, entry, target, existing)?;
    report.links = 1;
    Ok(report)
}

/// Everything that is selected, beneath `target`; `top` is the directory that becomes it, if not the root.
fn tree(
    opened: &Opened,
    target: &Path,
    top: Option<&Entry>,
    keys: &dyn KeySource,
    options: &DecryptOptions,
    control: &Control<'_>,
) -> Result<Report> {
    let selected = select(&opened.entries, top, &options.selection);
    restore::make_root(target, options.existing)?;
    let target = Beneath::open(target)?;
    let durability = Durability::of(&target);
    let job = Job {
        opened,
        target: &target,
        top: top.map(|entry| &entry.path),
        keys,
        existing: options.existing,
        durability: &durability,
        progress: control.progress,
        gathered: Mutex::default(),
    };
    // 1. directories, open to us alone
    let mut report = Report { tree: opened.head.tree, ..Report::default() };
    let directories = job.directories(&selected)?;
    // 2. what a killed run has left in them; then files
    let _presence = Presence::enter(target.fd(), || match options.existing {
        Existing::Refuse => Ok(()),
        Existing::Resume | Existing::Replace => {
            let made = directories.iter().map(|(path, _)| path.as_bytes().to_vec());
            sweep(&target, made.chain([Vec::new()]))
        }
    })?;
    let files: Vec<&Entry> = selected.iter().copied().filter(|entry| entry.file().is_some()).collect();
    announce(&files, control);
    job.files(files, control)?;
    // 3. links, when nothing is written any more that could go through them
    let links = job.links(&selected)?;
    // 4. what is not of the tree, where all of it was looked at
    let gathered = job.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.failures = gathered.failures;
    if top.is_none() && options.selection.is_everything() {
        report.failures.extend(opened.extras(control)?);
    }
    // 5. names are durable, then modes and times of directories, deepest first
    durability.finish(directories.iter().map(|(path, _)| path))?;
    for (path, entry) in directories.iter().rev() {
        if let Err(error) = restore::finish_directory(&target, path.as_bytes(), entry.mode, entry.mtime) {
            report.failures.push(Failure { path: entry.path.clone(), error });
        }
    }
    let (mode, mtime) = top.map_or((opened.head.mode, opened.head.mtime), |top| (top.mode, top.mtime));
    restore::finish_directory(&target, &[], mode, mtime)?;
    report.failures.sort_by(|a, b| a.path.cmp(&b.path));
    (report.files, report.links, report.directories) = (gathered.files, links, directories.len() as u64);
    (report.plaintext_bytes, report.message_bytes) = (gathered.plaintext_bytes, gathered.message_bytes);
    report.kept = gathered.kept;
    Ok(report)
}

/// The entries that are meant, in order; directories where they are needed or nothing in particular is named.
fn select<'a>(entries: &'a [Entry], top: Option<&Entry>, selection: &Selection) -> Vec<&'a Entry> {
    let beneath = entries.iter().filter(|entry| top.is_none_or(|top| top.path != entry.path));
    let mut selected: Vec<&Entry> = beneath
        .filter(|entry| match entry.kind {
            Kind::Directory => !selection.excludes(&entry.path),
            _ => selection.picks(&entry.path),
        })
        .collect();
    if selection.names_some() {
        let needed = walk::parents(selected.iter().filter(|e| e.kind != Kind::Directory).map(|e| &e.path));
        selected.retain(|entry| entry.kind != Kind::Directory || needed.contains(entry.path.as_bytes()));
    }
    selected
}

fn replace(existing: Existing) -> Replace {
    match existing {
        Existing::Refuse => Replace::Never,
        Existing::Resume | Existing::Replace => Replace::Existing,
    }
}

#[derive(Default)]
struct Gathered {
    failures: Vec<Failure>,
    files: u64,
    plaintext_bytes: u64,
    message_bytes: u64,
    kept: u64,
}

struct Job<'a> {
    opened: &'a Opened,
    target: &'a Beneath,
    top: Option<&'a TreePath>,
    keys: &'a dyn KeySource,
    existing: Existing,
    durability: &'a Durability<'a>,
    progress: &'a Progress,
    gathered: Mutex<Gathered>,
}

/// Files that are written and have no names yet.
#[derive(Default)]
struct Group<'a> {
    files: Vec<(&'a Entry, AtomicFile, Done)>,
    gathered: Gathered,
    count: u64,
}

/// What one thread works with.
struct Hands<'a> {
    from: Cursor<'a>,
    to: Cursor<'a>,
    desk: Desk,
}

impl<'a> Job<'a> {
    /// Where an entry goes in the target.
    fn place(&self, entry: &Entry) -> TreePath {
        let placed = self.top.and_then(|top| entry.path.relative_to(top));
        placed.unwrap_or_else(|| entry.path.clone())
    }

    fn fail(&self, entry: &Entry, error: Error) -> Result<()> {
        if is_everyones(&error) || is_of_target(&error, self.target) {
            return Err(error);
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.failures.push(Failure { path: entry.path.clone(), error });
        Ok(())
    }

    fn directories(&self, selected: &[&'a Entry]) -> Result<Vec<(TreePath, &'a Entry)>> {
        let mut cursor = self.target.cursor();
        let mut made = Vec::new();
        for entry in selected.iter().filter(|entry| entry.kind == Kind::Directory) {
            let place = self.place(entry);
            match cursor.make_directory(&place) {
                Ok(()) => made.push((place, *entry)),
                Err(errno) => {
                    self.fail(entry, beneath::io("make the directory", &cursor.called(&place), errno))?
                }
            }
        }
        Ok(made)
    }

    fn files(&self, files: Vec<&'a Entry>, control: &Control<'_>) -> Result<()> {
        group::run(self, divide(files, |entry| size(entry), control.workers), control)
    }

    fn is_kept(&self, to: &mut Cursor<'_>, entry: &Entry, sum: &mut Gathered) -> bool {
        let stat = to.stat(&self.place(entry));
        let is_done = stat.is_ok_and(|stat| {
            file_type(&stat) == FileType::RegularFile && restore::is_done(&Facts::of(&stat), entry)
        });
        if is_done {
            sum.kept += 1;
            sum.files += 1;
            sum.plaintext_bytes += size(entry);
        }
        is_done
    }

    fn file(
        &self,
        to: &mut Cursor<'_>,
        entry: &Entry,
        fitting: &Entry,
        message: Message<'_>,
    ) -> Result<(AtomicFile, Done)> {
        let place = self.place(entry);
        let called = to.called(&place);
        let parent =
            to.parent(&place).map_err(|errno| beneath::io("open the directory of", &called, errno))?;
        let output = AtomicFile::create_in(parent, last(&place), &called, replace(self.existing))?;
        let done = message.decrypt(size(fitting), Some(&output))?;
        restore::finish_file(output.file(), fitting, &called)?;
        Ok((output, done))
    }

    fn links(&self, selected: &[&Entry]) -> Result<u64> {
        let mut cursor = self.target.cursor();
        let mut made = 0;
        for entry in selected.iter().filter(|entry| matches!(entry.kind, Kind::Link { .. })) {
            let place = self.place(entry);
            let called = cursor.called(&place);
            let outcome = cursor
                .parent(&place)
                .map_err(|errno| beneath::io("open the directory of", &called, errno))
                .and_then(|parent| restore::link(&parent, last(&place), entry, &called, self.existing));
            match outcome {
                Ok(()) => made += 1,
                Err(error) => self.fail(entry, error)?,
            }
        }
        Ok(made)
    }
}

impl<'a> Course for Job<'a> {
    type Item = &'a Entry;
    type Hands = Hands<'a>;
    type Written = Group<'a>;

    fn hands(&self) -> Result<Hands<'a>> {
        Ok(Hands { from: self.opened.root.cursor(), to: self.target.cursor(), desk: Desk::new() })
    }

    fn write(
        &self,
        hands: &mut Hands<'a>,
        mut entries: Vec<&'a Entry>,
        control: &Control<'_>,
    ) -> Result<Group<'a>> {
        let mut group = Group { count: entries.len() as u64, ..Group::default() };
        let Hands { from, to, desk } = hands;
        if self.existing == Existing::Resume {
            entries.retain(|entry| !self.is_kept(to, entry, &mut group.gathered));
        }
        let asking = Asking { keys: self.keys, control };
        desk.each(
            entries.into_iter(),
            asking,
            |entry| self.opened.source(from, entry),
            |entry, header| self.opened.fitting(entry, header, asking),
            |entry, message| {
                match message.and_then(|(fitting, message)| self.file(to, entry, &fitting, message)) {
                    Ok((file, done)) => group.files.push((entry, file, done)),
                    Err(error) => self.fail(entry, error)?,
                }
                Ok(())
            },
        )?;
        self.durability.prepare(group.files.iter().map(|(_, file, _)| file))?;
        Ok(group)
    }

    fn directory<'i>(&self, entry: &'i &'a Entry) -> &'i [u8] {
        entry.path.parent()
    }

    fn settle(&self, groups: &[&Group<'a>], _: &Control<'_>) -> Result<()> {
        self.durability.settle(groups.iter().flat_map(|group| &group.files).map(|(_, file, _)| file))
    }

    fn name(&self, group: Group<'a>) -> Result<()> {
        let mut sum = group.gathered;
        for (entry, file, done) in group.files {
            match file.publish() {
                Ok(()) => sum.add(&done),
                Err(error) => self.fail(entry, error)?,
            }
        }
        self.progress.files_done.fetch_add(group.count, Ordering::Relaxed);
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).merge(sum);
        Ok(())
    }
}

impl Gathered {
    fn add(&mut self, done: &Done) {
        self.files += 1;
        self.plaintext_bytes += done.plaintext_bytes;
        self.message_bytes += done.message_bytes;
    }

    fn merge(&mut self, other: Gathered) {
        self.failures.extend(other.failures);
        self.files += other.files;
        self.plaintext_bytes += other.plaintext_bytes;
        self.message_bytes += other.message_bytes;
        self.kept += other.kept;
    }
}

/// Whether the target itself is in trouble: full, read-only or broken. Then the next file would fare no better.
fn is_of_target(error: &Error, target: &Beneath) -> bool {
    let Error::Io { path: Some(path), source, .. } = error else { return false };
    let troubles = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO];
    let is_trouble = troubles.iter().any(|errno| source.raw_os_error() == Some(errno.raw_os_error()));
    is_trouble && path.starts_with(target.path())
}
