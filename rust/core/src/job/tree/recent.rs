//! What a run has put in place since a reader opened a tree.
//!
//! ```text
//! unknown message ─► is journal or manifest another than last time? ─► read on in the journal of our manifest,
//!                                                                      or read the manifest that has come since
//! ```

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::AtFlags;

use super::beneath::Beneath;
use super::entry::{Entry, Line, MessageId};
use super::journal::{self, Past};
use super::lines::More;
use super::manifest::{self, Head};
use super::opened::Opened;
use super::path::{OWN_DIRECTORY, TreePath};
use super::{KeySource, is_everyones};
use crate::error::Result;
use crate::pipeline::Control;

/// Entries that count beside those of the manifest that was opened. Shared by the threads of a reader.
pub(super) struct Recent(Mutex<Known>);

struct Known {
    /// The manifest that was read last.
    manifest: MessageId,
    generation: u64,
    /// The journal on it, as far as it was read.
    past: Option<Past>,
    entries: HashMap<TreePath, Vec<Entry>>,
    /// How manifest and journal looked before they were read.
    stamps: Stamps,
}

/// Inode, length and time of manifest and journal.
pub(super) type Stamps = [Option<(u64, i64, i64, i64)>; 2];

impl Recent {
    /// What the journal says, if it is one of this manifest. `stamps` are from before both were read, so that nothing is
    /// missed between.
    pub(super) fn of((manifest, head): (MessageId, &Head), stamps: Stamps, past: Option<Past>) -> Self {
        let generation = head.generation;
        let mut known = Known { manifest, generation, past: None, entries: HashMap::new(), stamps };
        known.take(past);
        Recent(Mutex::new(known))
    }

    /// The entry for a path whose message has this id.
    pub(super) fn find(&self, path: &TreePath, id: &[u8]) -> Option<Entry> {
        let known = self.known();
        let is_its = |entry: &&Entry| entry.file().is_some_and(|file| *id == file.message_id);
        known.entries.get(path)?.iter().find(is_its).cloned()
    }

    /// All of them.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.known().entries.values().flatten().cloned().collect()
    }

    /// Reads what has come since. `false`: nothing has.
    pub(super) fn look_again(
        &self,
        opened: &Opened,
        keys: &dyn KeySource,
        control: &Control<'_>,
    ) -> Result<bool> {
        let mut known = self.known();
        let stamps = stamps(&opened.root);
        if stamps == known.stamps {
            return Ok(false);
        }
        known.stamps = stamps;
        let looked = known
            .read_manifest(opened, keys, control)
            .and_then(|()| known.read_journal(&opened.root, keys, control));
        match looked {
            Err(error) if is_everyones(&error) => Err(error),
            // what cannot be read names nothing
            _ => Ok(true),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A later manifest of the same tree counts as well as the one that was opened.
    fn read_manifest(&mut self, opened: &Opened, keys: &dyn KeySource, control: &Control<'_>) -> Result<()> {
        if manifest::id(&opened.root)? == Some(self.manifest) {
            return Ok(());
        }
        let mut later = Vec::new();
        let read = manifest::read(&opened.root, keys, control, |entry| {
            if entry.file().is_some() && opened.holds(&entry.path) {
                later.push(entry);
            }
            Ok(More::Wanted)
        })?;
        let Some((id, head)) = read else { return Ok(()) };
        if head.tree == opened.head.tree && head.generation > self.generation {
            (self.manifest, self.generation, self.past) = (id, head.generation, None);
            self.add(later);
        }
        Ok(())
    }

    fn read_journal(&mut self, root: &Beneath, keys: &dyn KeySource, control: &Control<'_>) -> Result<()> {
        let past = journal::read_on(root, self.past.take(), keys, control)?;
        self.take(past);
        Ok(())
    }

    fn take(&mut self, past: Option<Past>) {
        let Some(mut past) = past.filter(|past| past.run.base == Some(self.manifest)) else { return };
        let lines = std::mem::take(&mut past.lines).into_iter();
        self.past = Some(past);
        self.add(lines.filter_map(|line| if let Line::Entry(entry) = line { Some(entry) } else { None }));
    }

    fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let known = self.entries.entry(entry.path.clone()).or_default();
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
    }
}

/// How manifest and journal look now.
pub(super) fn stamps(root: &Beneath) -> Stamps {
    let own = root.directory(OWN_DIRECTORY);
    [manifest::NAME, journal::NAME.as_bytes()].map(|name| {
        let own = own.as_ref().ok()?;
        let stat = rustix::fs::statat(own, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec as i64))
    })
}
