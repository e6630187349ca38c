//! Verifying a tree: every byte is authenticated, nothing is written.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::beneath::Cursor;
use super::entry::Entry;
use super::group::{Divided, divide};
use super::lines::More;
use super::manifest::Counts;
use super::opened::Opened;
use super::small::{Asking, Desk};
use super::{Failure, KeySource, Report, alone, is_everyones};
use crate::error::Result;
use crate::pipeline::{Control, parallel};

/// Authenticates every message of a tree, and names whatever is missing, extra, swapped, renamed or replaced.
pub fn verify(tree: &Path, keys: &dyn KeySource, control: &Control<'_>) -> Result<Report> {
    let opened = Opened::open(tree, keys, control, |_| (true, More::Wanted))?;
    let files: Vec<&Entry> = opened.entries.iter().filter(|entry| entry.file().is_some()).collect();
    announce(&files, control);
    let Divided { small, large } = divide(files, |entry| size(entry), control.workers);
    let found = Mutex::new(Found::default());
    let hands = || Ok((opened.root.cursor(), Desk::new()));
    let asking = Asking { keys, control: &alone(control) };
    parallel(control, small.into_iter(), hands, |(cursor, desk), group| {
        check(&opened, cursor, desk, group, asking, &found)
    })?;
    let (mut cursor, mut desk) = hands()?;
    for entry in large {
        (control.poll)()?;
        check(&opened, &mut cursor, &mut desk, vec![entry], Asking { keys, control }, &found)?;
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
    desk: &mut Desk,
    group: Vec<&Entry>,
    asking: Asking<'_>,
    found: &Mutex<Found>,
) -> Result<()> {
    desk.each(
        group.into_iter(),
        asking,
        |entry| opened.source(cursor, entry),
        |entry, header| opened.fitting(entry, header, asking),
        |entry, message| {
            let outcome = message.and_then(|(fitting, message)| message.decrypt(size(&fitting), None));
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(done) => found.message_bytes += done.message_bytes,
                Err(error) if is_everyones(&error) => return Err(error),
                Err(error) => found.failures.push(Failure { path: entry.path.clone(), error }),
            }
            asking.control.progress.files_done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        },
    )
}
