//! Verifying a tree: every byte is authenticated, nothing is written.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::beneath::Cursor;
use super::entry::Entry;
use super::group::divide;
use super::lines::More;
use super::manifest::Counts;
use super::opened::{self, Opened};
use super::{Failure, KeySource, Report, alone, is_everyones};
use crate::error::Result;
use crate::message::Caps;
use crate::pipeline::{Control, parallel};

/// Authenticates every message of a tree, and names whatever is missing, extra, swapped, renamed or replaced.
pub fn verify(tree: &Path, keys: &dyn KeySource, control: &Control<'_>) -> Result<Report> {
    let opened = Opened::open(tree, keys, control, |_| (true, More::Wanted))?;
    let files: Vec<&Entry> = opened.entries.iter().filter(|entry| entry.file().is_some()).collect();
    announce(&files, control);
    let (small, large) = divide(files, |entry| size(entry), control.workers);
    let found = Mutex::new(Found::default());
    parallel(
        control,
        small.into_iter(),
        || Ok(opened.root.cursor()),
        |cursor, group| {
            for entry in group {
                control.check()?;
                check(&opened, cursor, entry, keys, &found, &alone(control))?;
            }
            Ok(())
        },
    )?;
    let mut cursor = opened.root.cursor();
    for entry in large {
        (control.poll)()?;
        check(&opened, &mut cursor, entry, keys, &found, control)?;
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.failures.extend(opened.extras(control)?);
    found.failures.sort_by(|a, b| a.path.cmp(&b.path));
    let counts = Counts::of(opened.entries.iter());
    Ok(Report {
        tree: opened.head.tree,
        files: counts.files,
        directories: counts.directories,
        links: counts.links,
        plaintext_bytes: counts.plaintext_bytes,
        message_bytes: found.message_bytes,
        failures: found.failures,
        ..Report::default()
    })
}

/// Tells progress what is to come.
pub(super) fn announce(files: &[&Entry], control: &Control<'_>) {
    let bytes = files.iter().map(|entry| size(entry)).sum();
    control.progress.bytes_total.store(bytes, Ordering::Relaxed);
    control.progress.files_total.store(files.len() as u64, Ordering::Relaxed);
}

/// Plaintext bytes of an entry.
pub(super) fn size(entry: &Entry) -> u64 {
    entry.file().map_or(0, |file| file.size)
}

#[derive(Default)]
struct Found {
    failures: Vec<Failure>,
    message_bytes: u64,
}

fn check(
    opened: &Opened,
    cursor: &mut Cursor<'_>,
    entry: &Entry,
    keys: &dyn KeySource,
    found: &Mutex<Found>,
    control: &Control<'_>,
) -> Result<()> {
    let outcome = opened
        .message(cursor, entry, &Caps::default())
        .and_then(|(message, fitting)| opened::decrypt(&message, fitting, keys, None, control));
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(done) => found.message_bytes += done.message_bytes,
        Err(error) if is_everyones(&error) => return Err(error),
        Err(error) => found.failures.push(Failure { path: entry.path.clone(), error }),
    }
    control.progress.files_done.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
