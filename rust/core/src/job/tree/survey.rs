//! What in a tree is still to be moved to other keys, told from headers.

use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::beneath::{self, Beneath, Cursor};
use super::entry::Entry;
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

/// Looks at the header of every file that manifest or journal name. Their entries move here: a tree may have millions.
pub(super) fn survey(
    root: &Beneath,
    standing: &mut Standing,
    keys: &dyn Moving,
    control: &Control<'_>,
) -> Result<Survey> {
    let mut all = standing.take();
    if all.iter().any(|(_, entries)| is_unsettled(entries)) {
        return Err(Error::Misuse(format!(
            "encrypting {} was interrupted: finish that with --resume, then re-encrypt it",
            root.path().display()
        )));
    }
    let found = Mutex::new(Survey::default());
    let standing = &*standing;
    let hands = || Ok(Looking { cursor: root.cursor(), standing, keys, last: None });
    parallel(control, all.chunks_mut(AT_ONCE), hands, |looking, chunk| {
        let mut some = Survey::default();
        for (path, entries) in chunk {
            looking.look(path, std::mem::take(entries), &mut some)?;
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
    fn look(&mut self, path: &TreePath, mut entries: Vec<Entry>, found: &mut Survey) -> Result<()> {
        if entries.last().is_none_or(|newest| newest.file().is_none()) {
            found.entries.extend(entries.pop());
            return Ok(());
        }
        match self.stands(path, &entries) {
            Ok((at, true)) => {
                found.settled += 1;
                found.entries.push(entries.swap_remove(at));
            }
            Ok((at, false)) => found.todo.push(entries.swap_remove(at)),
            Err(error) if is_everyones(&error) => return Err(error),
            // written by an update that was interrupted before it gave it its name
            Err(Error::Mismatch(_)) if self.standing.is_planned(path) => {}
            // its entry stays, and is told
            Err(error) => {
                found.entries.extend(entries.into_iter().next());
                found.failures.push(Failure { path: path.clone(), error });
            }
        }
        Ok(())
    }

    /// Which of the entries is that of the message which stands there, and whether it is settled.
    fn stands(&mut self, path: &TreePath, entries: &[Entry]) -> Result<(usize, bool)> {
        let output = path.file_output();
        let called = self.cursor.called(&output);
        let file = self.cursor.open(&output).map_err(|errno| match errno {
            Errno::NOENT => mismatch("is missing"),
            Errno::LOOP | Errno::NOTDIR => mismatch("has something else in its place"),
            errno => beneath::io("open", &called, errno),
        })?;
        let message = MessageFile::open(SourceFile::of(file, &called)?, &Caps::default())?;
        let header = message.header();
        let is_its = |entry: &Entry| entry.file().is_some_and(|file| header.message_id == file.message_id);
        let at = entries.iter().rposition(is_its).ok_or_else(|| {
            mismatch("has a message in its place that the manifest does not name, perhaps an older one")
        })?;
        Ok((at, self.is_settled(header)?))
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
