//! Jobs that fail midway: what they leave behind, and that they end at all.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may panic")]

mod common;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use common::{data_key, materials, plaintext};
use strongroom_core::context::Context;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::stream::{self, Incoming};
use strongroom_core::job::{AtomicFile, DescriptorReader, Replace, SourceFile, Writer};
use strongroom_core::key::DataKey;
use strongroom_core::message::{Caps, DecryptionMaterials, Header, Opener};
use strongroom_core::pipeline::{Control, Progress, ordered};
use strongroom_secmem::Secret;

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

/// A header of more than 128 KiB, so that much of the body has been read with it; the body is not framed.
fn long_unframed_header() -> Vec<u8> {
    let mut header = [&[2, 4, 0x78][..], &[9; 32], &[0, 0, 0, 3]].concat();
    for _ in 0..3 {
        header.extend([&[0, 0, 0, 0, 0xFF, 0xFF][..], &vec![1; 0xFFFF]].concat());
    }
    header.extend([&[1, 0, 0, 0, 0][..], &[0; 48]].concat());
    header
}

fn read_unframed(caps: &Caps, body: impl io::Read + Send) -> Result<()> {
    let header = long_unframed_header();
    let incoming = Incoming::open(io::Read::chain(&header[..], body), caps)?;
    let materials = DecryptionMaterials::new(incoming.header(), data_key(), &Context::default())?;
    common::with_control(|control| incoming.decrypt(&materials, caps, io::sink(), control)).map(drop)
}

#[test]
fn caps_hold_at_their_extremes() {
    let least = Caps { unframed: 0, ..Caps::default() };
    let most = Caps { unframed: u64::MAX, header: usize::MAX, ..Caps::default() };
    // what claims no byte of plaintext goes on for ever, or is as long as it says and not authentic
    let endless = read_unframed(&least, io::repeat(0));
    assert!(matches!(endless, Err(Error::Malformed { .. })), "{endless:?}");
    let forged = read_unframed(&most, &[0; 36][..]);
    assert!(matches!(forged, Err(Error::Authentication)), "{forged:?}");
}

/// Whoever knows a public key can wrap one; that the reader's key unwraps it does not make it a mistake of the reader.
#[test]
fn a_data_key_of_another_suites_length_is_not_authentic() {
    let message = common::encrypt(&materials(0x0478, 4096), b"x");
    let header = Header::parse(&message, &Caps::default()).unwrap();
    let short = Arc::new(DataKey::new(Secret::copy_from(&[7; 16]).unwrap()));
    let materials = DecryptionMaterials::new(&header, short, &Context::default()).unwrap();
    assert!(matches!(Opener::new(&header.outline(), &materials), Err(Error::Authentication)));
}

/// Runs it on a thread of its own; a panic there comes back as `None`.
fn within_ten_seconds<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, waiting) = channel();
    thread::spawn(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        let _ = done.send(outcome.ok());
    });
    waiting.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// As a panic, never as the end of the stream, and whatever the other threads wait for.
#[test]
fn a_panic_in_any_part_of_a_ring_ends_it() {
    for workers in [1, 2, 5] {
        for part in ["read", "work", "write"] {
            let ended = within_ten_seconds(move || {
                let progress = Progress::default();
                let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
                let fail = |at: &str, unit: u32| assert!(at != part || unit != 3, "on purpose");
                let mut next = 0;
                ordered::<u32>(
                    &control,
                    |stage| {
                        next += 1;
                        stage.unit = next;
                        fail("read", next);
                        Ok(next < 1000)
                    },
                    |stage| {
                        fail("work", stage.unit);
                        Ok(())
                    },
                    |stage| {
                        fail("write", stage.unit);
                        Ok(())
                    },
                )
            });
            assert!(ended.is_none(), "{workers} workers, {part}: {ended:?}");
        }
    }
}

/// A pipe to which nobody writes, and its other end, which keeps it open.
fn silent_pipe() -> (File, impl Drop) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    (File::from(reader), writer)
}

#[test]
fn a_cancelled_reader_says_so() {
    let (silent, _open) = silent_pipe();
    let progress = Arc::new(Progress::default());
    progress.cancel();
    let reader = DescriptorReader::new(silent, Arc::clone(&progress), || Ok(()));
    let header = Incoming::open(reader, &Caps::default());
    assert!(matches!(header, Err(Error::Cancelled)), "{header:?}");
}

#[test]
fn a_reader_that_waits_lets_signals_stop_it() {
    let (silent, _open) = silent_pipe();
    let interrupted = || Err(Error::Caller("interrupted".into()));
    let reader = DescriptorReader::new(silent, Arc::default(), interrupted);
    let materials = materials(0x0478, 4096);
    let outcome = common::with_control(|control| stream::encrypt(&materials, reader, io::sink(), control));
    assert!(matches!(outcome, Err(Error::Caller(_))), "{outcome:?}");
}

#[test]
fn a_fifo_is_refused_rather_than_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let opened = within_ten_seconds(move || SourceFile::open(&path).map(drop)).unwrap();
    assert!(matches!(opened, Err(Error::Misuse(_))), "{opened:?}");
}
