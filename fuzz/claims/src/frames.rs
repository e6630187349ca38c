//! Where frames stand in a body of any bytes. Nothing is authentic yet: what is found must lie within the message, and
//! a body that reads frame by frame as the specification says must be found.

use strongroom_core::job::buffer::Located;
use strongroom_core::message::{Body, Caps, FINAL_OVERHEAD, FRAME_OVERHEAD, Outline};

use crate::draft::Draft;
use crate::forge::header_body;
use crate::header::typed;
use crate::memory::within;

/// A body is found where it is one, without any memory.
pub fn frames(bytes: &[u8]) {
    let Some((&[signed, shape], body)) = bytes.split_first_chunk() else { return };
    let frame_length = 1 + u32::from(shape);
    with_header(signed % 4 == 0, frame_length, body, |message, header_len| {
        let header = Outline::find(message, &Caps::default()).unwrap();
        let found = within(0, || Located::find(&header, message));
        let walked = walk(body, frame_length as usize);
        let is_signed = header.suite.signature.is_some();
        match found {
            Ok(found) => {
                let plaintext = found.plaintext_len() as u64;
                let regular = found.frames() - 1;
                let final_len = plaintext - u64::from(regular) * u64::from(frame_length);
                let final_len = u32::try_from(final_len).unwrap();
                let len = Body { frame_length, regular, final_len }.len();
                assert!(final_len <= frame_length);
                assert!(header_len as u64 + len <= message.len() as u64);
                assert!(is_signed || header_len as u64 + len == message.len() as u64);
            }
            Err(error) => {
                typed(&error, message);
                let ends_there = walked.is_some_and(|end| is_signed || end == body.len());
                assert!(!ends_there, "{error:?}");
            }
        }
    });
}

/// The specification's own way: frame after frame until one says that it is the final one. Gives where that ends.
fn walk(body: &[u8], frame_length: usize) -> Option<usize> {
    let mut at = 0;
    while body.get(at..at + 4)? != [0xFF; 4] {
        at += frame_length + FRAME_OVERHEAD;
    }
    let len = body.get(at + 20..at + 24)?;
    let len = u32::from_be_bytes([len[0], len[1], len[2], len[3]]) as usize;
    let end = at.checked_add(FINAL_OVERHEAD)?.checked_add(len)?;
    (len <= frame_length && end <= body.len()).then_some(end)
}

/// The body behind a header of a suite, in a buffer that is kept from one call to the next.
fn with_header(signed: bool, frame_length: u32, body: &[u8], work: impl FnOnce(&[u8], usize)) {
    thread_local! {
        static MESSAGES: std::cell::RefCell<[(Vec<u8>, usize, usize); 2]> =
            std::cell::RefCell::new([false, true].map(header));
    }
    MESSAGES.with_borrow_mut(|messages| {
        let (message, frame_length_at, len) = &mut messages[usize::from(signed)];
        message[*frame_length_at..*frame_length_at + 4].copy_from_slice(&frame_length.to_be_bytes());
        message.truncate(*len);
        message.extend_from_slice(body);
        work(message, *len);
    });
}

/// A header, where its frame length stands, and where it ends.
fn header(signed: bool) -> (Vec<u8>, usize, usize) {
    let mut draft: Draft = arbitrary::Unstructured::new(&[u8::from(signed)]).arbitrary().unwrap();
    draft.frame_length = 1;
    let mut header = header_body(&draft);
    let at = header.len() - 36;
    header.extend([0; 16]);
    let len = header.len();
    (header, at, len)
}
