//! Jobs that fail midway: what they leave behind, and that they end at all.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{materials, plaintext};
use strongroom_core::error::Error;
use strongroom_core::job::{AtomicFile, Replace, Writer};
use strongroom_core::pipeline::{Control, Progress};

/// A frame that was sealed as a regular one before the failure must not be sealed again as the final one: that would
/// be one nonce for two sets of associated data, which gives the authentication key away.
#[test]
fn a_writer_that_failed_seals_nothing_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("message");
    let progress = Progress::default();
    let control = Control { workers: 1, progress: &progress, poll: &|| Ok(()) };
    let stopped = Progress::default();
    stopped.cancel();
    let refusing = Control { workers: 1, progress: &stopped, poll: &|| Ok(()) };

    let target = AtomicFile::create(&path, Replace::Never).unwrap();
    let mut writer = Writer::new(Arc::new(materials(0x0478, 4096)), target, 1).unwrap();
    assert!(matches!(writer.write(&plaintext(3 << 20), &refusing), Err(Error::Cancelled)));
    assert!(matches!(writer.write(b"more", &control), Err(Error::Misuse(_))));
    assert!(matches!(writer.finish(&control), Err(Error::Misuse(_))));
    assert!(!path.exists());
}
