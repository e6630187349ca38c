//! The same forgeries, as a stream and from a file by ranges: the same verdict as in memory, and nothing released that
//! was not sealed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

use strongroom_core::error::Result;
use strongroom_core::job::SourceFile;
use strongroom_core::job::file::MessageFile;
use strongroom_core::job::ranged::Ranged;
use strongroom_core::message::{Caps, Content, Header, Opener};
use strongroom_core::primitives::output::Output;

use crate::memory::within;
use crate::message::Attempt;
use crate::reading::{materials, on_one_thread, one_shot, streamed};

/// A message is read alike in memory, as a stream and by ranges; a stream that fails has released whole frames of it.
pub fn stream(bytes: &[u8]) {
    let attempt = Attempt::new(bytes);
    let whole = one_shot(&attempt.message);
    attempt.judge(&whole);
    let mut released = Vec::new();
    let outcome = within(allowance(&attempt.message), || streamed(&attempt.message, &mut released));
    assert_eq!(whole.is_ok(), outcome.is_ok(), "{whole:?} {outcome:?}");
    match &whole {
        Ok(plaintext) => assert_eq!(&released, plaintext),
        Err(_) => assert!(attempt.is_mended() || attempt.sealed.starts_with(&released)),
    }
    if let Some(ranged) = by_ranges(&attempt.message) {
        assert_eq!(whole.ok(), ranged.ok());
    }
}

/// Only a header that is authentic is a reason to make room for frames.
fn allowance(message: &[u8]) -> usize {
    let Ok(header) = Header::parse(message, &Caps::default()) else { return FIXED + 4 * message.len() };
    let opener = materials(&header).and_then(|materials| Opener::new(&header.outline(), &materials));
    match (opener, header.frame_length()) {
        (Ok(_), Some(frame_length)) => FIXED + SLOTS * (RUN + 2 * frame_length as usize),
        _ => FIXED + PER_BYTE * message.len(),
    }
}

/// The whole by ranges; `None` where there are none.
fn by_ranges(message: &[u8]) -> Option<Result<Vec<u8>>> {
    static FILE: LazyLock<File> = LazyLock::new(|| tempfile::tempfile().unwrap());
    FILE.set_len(0).unwrap();
    FILE.write_all_at(message, 0).unwrap();
    let source = SourceFile::of(FILE.try_clone().unwrap(), Path::new("message")).unwrap();
    let file = match MessageFile::open(source, &Caps::default()) {
        Ok(file) => file,
        Err(error) => return Some(Err(error)),
    };
    let header = file.header();
    if header.content == Content::Unframed || header.suite.signature.is_some() {
        return None;
    }
    Some(
        materials(header)
            .and_then(|materials| Ranged::open(file, &materials))
            .and_then(|ranged| read(&ranged)),
    )
}

fn read(ranged: &Ranged) -> Result<Vec<u8>> {
    let len = usize::try_from(ranged.plaintext_len()).unwrap();
    let mut plaintext = vec![0; len];
    // two ranges that meet in the middle of a frame
    let (first, rest) = plaintext.split_at_mut(len / 2);
    on_one_thread(|control| {
        ranged.read_at(0, Output::from(first), control)?;
        ranged.read_at(len as u64 / 2, Output::from(rest), control)
    })?;
    Ok(plaintext)
}

/// The first read of a stream, the context, a thread or two.
const FIXED: usize = 64 << 10;
const PER_BYTE: usize = 64;
/// Of the ring: each holds a run of frames before and after.
const SLOTS: usize = 4;
const RUN: usize = 1 << 20;
