//! Any bytes give a header or a typed error; a header that parses says how long it is, and stands for the bytes it had.
//! Its outline is found in the same bytes, and nothing but looking into context and data keys can keep it from parsing.

use strongroom_core::context::Context;
use strongroom_core::error::Error;
use strongroom_core::message::{Caps, Header, Outline};

use crate::memory::within;

/// Any bytes are a header or a typed error, in memory that follows their number.
pub fn header(bytes: &[u8]) {
    let caps = Caps::default();
    let outline = within(ERROR_TEXT, || Outline::find(bytes, &caps));
    match within(ERROR_TEXT + PER_BYTE * bytes.len(), || Header::parse(bytes, &caps)) {
        Ok(header) => stands_for(&header, &outline.expect("an outline of a header"), bytes),
        Err(error) => {
            typed(&error, bytes);
            if let Ok(outline) = outline {
                let _ = outline.context();
            }
        }
    }
}

fn stands_for(header: &Header, outline: &Outline<'_>, bytes: &[u8]) {
    let len = header.len();
    assert_eq!(header.encoded(), &bytes[..len]);
    assert_eq!((outline.len(), outline.suite, outline.content), (len, header.suite, header.content));
    assert_eq!(outline.message_id, header.message_id);
    assert_eq!(outline.keys, header.outline().keys);
    assert_eq!(Context::parse(outline.context(), 0).unwrap(), header.context);
    assert_eq!(Context::parse(&header.context.serialize(), 0).unwrap(), header.context);
    let shorter = Header::parse(&bytes[..len - 1], &Caps::default());
    assert!(matches!(shorter, Err(Error::Truncated { .. })), "{shorter:?}");
}

/// What is wrong with bytes is never the caller's fault, or a file's.
pub(crate) fn typed(error: &Error, bytes: &[u8]) {
    match error {
        Error::Malformed { offset, .. } | Error::Truncated { offset } => {
            assert!(*offset <= bytes.len() as u64, "{error:?}");
        }
        Error::Unsupported(_) | Error::Limit { .. } => {}
        other => panic!("{other:?}"),
    }
}

const ERROR_TEXT: usize = 256;
/// An empty pair of the context has four bytes, and a node of a map holds two strings.
const PER_BYTE: usize = 64;
