//! What in a tree is still to be moved to other keys, told from headers.

use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::beneath::{self, Beneath, Cursor};
use super::entry::{Entry, Kind};
use super::path::TreePath;
use super::standing::Standing;
use super::verify::size;
use super::{Failure, is_everyones, mismatch};
use crate::error::{Error, Result};
use crate::job::SourceFile;
use crate::job::file::MessageFile;
use crate::job::reencrypt::Moving;
use crate::message::{Caps, Header};
use crate::pipeline::{Control, parallel};

/// What stands in a tree.
#[derive(Default)]
pub(super) struct Survey {
    /// Files whose messages are to be made anew.
    pub(super) todo: Vec<Entry>,
    /// Everything else that the next manifest names.
    pub(super) entries: Vec<Entry>,
    /// How many files are settled.
    pub(super) settled: u64,
    /// Bytes of what a dry run would do.
    pub(super) plaintext_bytes: u64,
    pub(super) failures: Vec<Failure>,
}

/// Looks at the header of every file that manifest or journal name.
pub(super) fn survey(
    root: &Beneath,
    standing: &Standing,
    keys: &dyn Moving,
    control: &Control<'_>,
) -> Result<Survey> {
    let all: Vec<_> = standing.all().collect();
    if all.iter().any(|(_, entries)| is_unsettled(entries)) {
        return Err(Error::Misuse(format!(
            "encrypting {} was interrupted: finish that with --resume, then re-encrypt it",
            root.path().display()
        )));
    }
    let found = Mutex::new(Survey::default());
    let hands = || Ok(Looking { cursor: root.cursor(), standing, keys, last: None });
    parallel(control, all.chunks(AT_ONCE), hands, |looking, chunk| {
        let mut some = Survey::default();
        for (path, entries) in chunk {
            looking.look(path, entries, &mut some)?;
        }
        found.lock().unwrap_or_else(PoisonError::into_inner).append(some);
        Ok(())
    })?;
    let mut survey = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    // neighbours share a directory
    survey.todo.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(survey)
}

/// Whether an update was to make something else of a path: only its source can tell what is true of it now.
fn is_unsettled(entries: &[Entry]) -> bool {
    let kind = |entry: &Entry| std::mem::discriminant(&entry.kind);
    entries.windows(2).any(|pair| kind(&pair[0]) != kind(&pair[1]))
}

impl Survey {
    fn append(&mut self, mut other: Survey) {
        self.todo.append(&mut other.todo);
        self.entries.append(&mut other.entries);
        self.failures.append(&mut other.failures);
        self.settled += other.settled;
    }

    /// The same where nothing is going to be done.
    pub(super) fn planned(mut self) -> Survey {
        self.plaintext_bytes = self.todo.iter().map(size).sum();
        self.entries.append(&mut self.todo);
        self
    }
}

/// What one thread works with.
struct Looking<'a> {
    cursor: Cursor<'a>,
    standing: &'a Standing,
    keys: &'a dyn Moving,
    /// The header asked about last: its neighbours mostly have keys and context in common with it.
    last: Option<(Header, bool)>,
}

impl Looking<'_> {
    /// Sorts one path; its entries are all that may stand there, the latest last.
    fn look(&mut self, path: &TreePath, entries: &[Entry], found: &mut Survey) -> Result<()> {
        let Some(newest) = entries.last() else { return Ok(()) };
        if !matches!(newest.kind, Kind::File(_)) {
            found.entries.push(newest.clone());
            return Ok(());
        }
        match self.stands(path, entries) {
            Ok((entry, true)) => {
                found.settled += 1;
                found.entries.push(entry);
            }
            Ok((entry, false)) => found.todo.push(entry),
            Err(error) if is_everyones(&error) => return Err(error),
            // written by an update that was interrupted before it gave it its name
            Err(Error::Mismatch(_)) if self.standing.is_planned(path) => {}
            // its entry stays, and is told
            Err(error) => {
                found.entries.extend(entries.first().cloned());
                found.failures.push(Failure { path: path.clone(), error });
            }
        }
        Ok(())
    }

    fn stands(&mut self, path: &TreePath, entries: &[Entry]) -> Result<(Entry, bool)> {
        let output = path.file_output();
        let called = self.cursor.called(&output);
        let file = self.cursor.open(&output).map_err(|errno| match errno {
            Errno::NOENT => mismatch("is missing"),
            Errno::LOOP | Errno::NOTDIR => mismatch("has something else in its place"),
            errno => beneath::io("open", &called, errno),
        })?;
        let message = MessageFile::open(SourceFile::of(file, &called)?, &Caps::default())?;
        let header = message.header();
        let is_its = |entry: &&Entry| entry.file().is_some_and(|file| header.message_id == file.message_id);
        let entry = entries.iter().rev().find(is_its).cloned();
        let entry = entry.ok_or_else(|| {
            mismatch("has a message in its place that the manifest does not name, perhaps an older one")
        })?;
        Ok((entry, self.is_settled(header)?))
    }

    fn is_settled(&mut self, header: &Header) -> Result<bool> {
        if let Some((last, verdict)) = &self.last
            && (last.suite.id, &last.edks, &last.context) == (header.suite.id, &header.edks, &header.context)
        {
            return Ok(*verdict);
        }
        let verdict = self.keys.is_settled(header)?;
        self.last = Some((header.clone(), verdict));
        Ok(verdict)
    }
}

/// Files that one thread looks at, one after the other.
const AT_ONCE: usize = 128;
