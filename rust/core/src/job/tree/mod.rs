//! Trees of files: one message a file, and a manifest that binds them (docs/spec/tree.md).
//!
//! ```text
//! encrypt:  walk the source ─► known? keep : encrypt ─► barrier, journal, name ─► … ─► manifest ─► remove what is gone
//! decrypt:  manifest ─► directories ─► open, compare ids, decrypt ─► barrier, name ─► … ─► links ─► modes and times
//! ```
//! Nothing that has its final name is ever incomplete. What fails for one file is told and does not stop the others;
//! what concerns all of them (a full disk, a key that is denied, cancelling) stops the run.

mod beneath;
mod census;
mod decrypt;
mod encrypt;
mod entry;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
mod journal;
mod keys;
mod lines;
mod manifest;
mod opened;
mod path;
mod recent;
mod reencrypt;
mod restore;
mod select;
mod site;
mod small;
mod standing;
mod survey;
mod sweep;
mod verify;
mod walk;
mod work;

use std::sync::Arc;

pub use census::{Census, Count, Day, Names, Under, Unread, census};
pub use decrypt::decrypt;
pub use encrypt::encrypt;
pub use entry::{Entry, FileEntry, Kind, MessageId};
pub use manifest::TreeId;
pub use path::TreePath;
pub use reencrypt::{ReencryptOptions, reencrypt};
pub use select::{Patterns, Selection};
pub use verify::verify;

use crate::cache::Usage;
use crate::error::{Error, Result};
use crate::message::{DecryptionMaterials, EncryptionMaterials, Header};
use crate::pipeline::{Control, Progress};

/// Where a tree's keys come from: asked by any thread, once for many small messages.
pub trait KeySource: Sync {
    /// Materials for so many messages of so many plaintext bytes in all. [`Error::Limit`]: for no so many at once.
    fn encryption(&self, usage: Usage) -> Result<Arc<EncryptionMaterials>>;
    /// Materials for so many messages that have data keys and context of this header, of so many bytes in all.
    fn decryption(&self, header: &Header, usage: Usage) -> Result<Arc<DecryptionMaterials>>;
}

/// What to do about a target that exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    #[default]
    Refuse,
    /// Keep what stands and is still right; do the rest.
    Resume,
    /// Do everything again, over what stands.
    Replace,
}

/// How to encrypt a tree.
#[derive(Debug, Clone, Default)]
pub struct EncryptOptions {
    /// About a target that exists.
    pub existing: Existing,
    /// What of the source is meant.
    pub selection: Selection,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// How to decrypt a tree.
#[derive(Debug, Clone, Default)]
pub struct DecryptOptions {
    /// About a target that exists.
    pub existing: Existing,
    /// What of the tree is meant.
    pub selection: Selection,
    /// Only this path: a file or link becomes the target itself; a directory is decrypted as a tree.
    pub only: Option<TreePath>,
}

/// What was done with a tree, or would be.
#[derive(Debug, Default)]
pub struct Report {
    /// The tree's id; zero in a dry run of a tree that is not there yet.
    pub tree: TreeId,
    /// Regular files, the kept ones included.
    pub files: u64,
    /// Directories, without the root.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Plaintext bytes of the files.
    pub plaintext_bytes: u64,
    /// Bytes of the messages written or read in this run.
    pub message_bytes: u64,
    /// Files that an earlier run had done and that were kept.
    pub kept: u64,
    /// Outputs removed because their source is gone.
    pub removed: u64,
    /// Files that are hard links to another one in the tree, and have become copies.
    pub hard_links: u64,
    /// What is no file, directory or link, and was left out.
    pub skipped: Vec<Skipped>,
    /// What went wrong, by path.
    pub failures: Vec<Failure>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub why: &'static str,
}

/// What went wrong with one path.
#[derive(Debug)]
pub struct Failure {
    /// Where: in the source tree, or, of something extra, in the encrypted one.
    pub path: TreePath,
    /// What.
    pub error: Error,
}

/// Whether an error concerns the whole run, whatever file it met first.
fn is_everyones(error: &Error) -> bool {
    matches!(error, Error::Caller(_) | Error::Cancelled | Error::KeyUnavailable)
}

fn mismatch(what: &str) -> Error {
    Error::Mismatch(what.to_owned())
}

/// Runs a job whose bytes are nobody's progress, such as a manifest's. It can still be cancelled.
fn quietly<T>(control: &Control<'_>, job: impl FnOnce(&Control<'_>) -> Result<T>) -> Result<T> {
    let progress = Progress::default();
    let poll = || {
        control.check()?;
        (control.poll)()
    };
    job(&Control { workers: control.workers, progress: &progress, poll: &poll })
}

/// One message of this many bytes.
fn one_message(bytes: u64) -> Usage {
    Usage { messages: 1, bytes }
}

/// For work inside a group: one thread does it, and signals are looked for between groups.
fn alone<'a>(control: &Control<'a>) -> Control<'a> {
    Control { workers: 1, progress: control.progress, poll: &|| Ok(()) }
}
