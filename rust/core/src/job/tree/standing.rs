//! What stands in a target from earlier runs.

use std::collections::{BTreeMap, HashSet};

use super::beneath::Beneath;
use super::entry::{Entry, Kind, Line, MessageId};
use super::journal::{self, Past};
use super::lines::More;
use super::manifest::{self, Head};
use super::path::TreePath;
use super::{Existing, KeySource, is_everyones};
use crate::error::{Error, Result};
use crate::message::{Caps, Header};
use crate::pipeline::Control;

/// What stands: a manifest, the journal of a run that was killed, both, or nothing.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) manifest: Option<(MessageId, Head)>,
    /// A journal to go on with: its run began on the manifest that stands.
    pub(super) past: Option<Past>,
    /// By path, all that may stand there, the latest last.
    known: BTreeMap<TreePath, Vec<Entry>>,
    /// Those of them that the manifest does not name.
    planned: HashSet<TreePath>,
    /// Outputs that nothing will name once the next manifest stands.
    gone: Vec<TreePath>,
}

impl Standing {
    /// Reads manifest and journal.
    ///
    /// Where everything is to be replaced, it does not matter that what stands cannot be read; but then nobody knows
    /// what in it is ours, and so nothing of it is removed.
    pub(super) fn read(
        root: &Beneath,
        existing: Existing,
        keys: &dyn KeySource,
        control: &Control<'_>,
    ) -> Result<Self> {
        match Self::read_all(root, keys, control) {
            Err(error) if existing == Existing::Replace && !is_everyones(&error) => {
                Ok(Standing { manifest: unreadable(root), ..Standing::default() })
            }
            outcome => outcome,
        }
    }

    fn read_all(root: &Beneath, keys: &dyn KeySource, control: &Control<'_>) -> Result<Self> {
        let mut standing = Standing::default();
        let known = &mut standing.known;
        standing.manifest = manifest::read(root, keys, control, |entry| {
            known.insert(entry.path.clone(), vec![entry]);
            Ok(More::Wanted)
        })?;
        let (base, tree) = standing.manifest.as_ref().map(|(id, head)| (*id, head.tree)).unzip();
        match journal::read(root, keys, control)? {
            Some(mut past) if past.run.base == base => {
                standing.learn(std::mem::take(&mut past.lines));
                standing.past = Some(past);
            }
            // its run got as far as its manifest, and was killed while it removed what was gone
            Some(past) if tree.is_none_or(|tree| past.run.tree == tree) => {
                standing.gone.extend(past.lines.into_iter().filter_map(output));
            }
            _ => {}
        }
        Ok(standing)
    }

    fn learn(&mut self, lines: Vec<Line>) {
        for line in lines {
            match line {
                Line::Entry(entry) => {
                    let entries = self.known.entry(entry.path.clone()).or_default();
                    if entries.is_empty() {
                        self.planned.insert(entry.path.clone());
                    }
                    entries.push(entry);
                }
                Line::Gone(output) => self.gone.push(output),
            }
        }
    }

    /// What may stand for a path, the latest first.
    pub(super) fn of(&self, path: &TreePath) -> impl Iterator<Item = &Entry> {
        self.known.get(path).into_iter().flat_map(|entries| entries.iter().rev())
    }

    /// What may stand for a directory and everything beneath it, the latest of each.
    pub(super) fn within(&self, directory: &TreePath) -> impl Iterator<Item = &Entry> {
        let from = self.known.range(directory.clone()..);
        let near = from.take_while(|(path, _)| path.as_bytes().starts_with(directory.as_bytes()));
        near.filter(|(path, _)| path.is_within(directory)).filter_map(|(_, entries)| entries.last())
    }

    /// Every path, with all that may stand there, the latest last. They are known here no more.
    pub(super) fn take(&mut self) -> Vec<(TreePath, Vec<Entry>)> {
        std::mem::take(&mut self.known).into_iter().collect()
    }

    /// Whether only a journal names this path: its output may have no name yet.
    pub(super) fn is_planned(&self, path: &TreePath) -> bool {
        self.planned.contains(path)
    }

    /// All outputs that an earlier run may have made.
    pub(super) fn outputs(&self) -> impl Iterator<Item = TreePath> {
        let known = self.known.values().flatten().filter_map(Entry::output);
        known.chain(self.gone.iter().cloned())
    }

    /// The directories among what may stand.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Entry> {
        self.known.values().flatten().filter(|entry| entry.kind == Kind::Directory)
    }

    /// What a run that was killed after its manifest had yet to remove.
    pub(super) fn left_over(&self) -> Vec<TreePath> {
        let named: HashSet<TreePath> = self.known.values().flatten().filter_map(Entry::output).collect();
        self.gone.iter().filter(|output| !named.contains(output)).cloned().collect()
    }
}

fn output(line: Line) -> Option<TreePath> {
    match line {
        Line::Entry(entry) => entry.output(),
        Line::Gone(output) => Some(output),
    }
}

/// The id of a manifest that we cannot read, so that the new run's journal is bound to it.
fn unreadable(root: &Beneath) -> Option<(MessageId, Head)> {
    use std::io::Read as _;
    let caps = Caps::default();
    let mut bytes = Vec::new();
    let file = manifest::open(root).ok()??;
    file.take(caps.header as u64).read_to_end(&mut bytes).ok()?;
    let id = manifest::message_id(&Header::parse(&bytes, &caps).ok()?.message_id).ok()?;
    let mut tree = [0; 16];
    crate::primitives::rng::fill(&mut tree).ok()?;
    Some((id, Head::empty(tree)))
}

/// Says that what stands is no encrypted tree, unless it is one or empty.
pub(super) fn refuse_foreign(root: &Beneath) -> Result<()> {
    let listed = root.list(&[]).map_err(|errno| super::beneath::io("read", root.path(), errno))?;
    match listed.1.is_empty() || listed.1.iter().any(|(name, _)| name == super::path::OWN_DIRECTORY) {
        true => Ok(()),
        false => Err(Error::Misuse(format!(
            "{} is neither empty nor an encrypted tree, so nothing in it is replaced",
            root.path().display()
        ))),
    }
}
