//! Finds where a framed body ends, and says what is wrong with one that does not.

use crate::error::{Error, Result};
use crate::message::{Body, FINAL_OVERHEAD, FRAME_OVERHEAD};

/// Bytes at the start of a frame that tell a final one: mark 4 ‖ number 4 ‖ nonce 12 ‖ length 4.
pub(super) const HEAD: usize = 24;

/// The body of an unsigned framed message of `len` bytes, nothing of which is authentic yet.
///
/// The body starts at `start`; `head_at` reads the first bytes of a frame at an offset of the message.
pub(super) fn body_to_end(
    start: u64,
    frame_length: u32,
    len: u64,
    mut head_at: impl FnMut(u64) -> Result<[u8; HEAD]>,
) -> Result<Body> {
    if let Some(body) = Body::of_len(len.saturating_sub(start), frame_length) {
        let head = head_at(start + body.final_at())?;
        if final_len(&head) == Some(body.final_len) {
            return Ok(body);
        }
    }
    let body = walk(start, frame_length, len, head_at)?;
    match start + body.len() {
        end if end == len => Ok(body),
        offset => Err(Error::Malformed { offset, what: "bytes after the end of the message" }),
    }
}

/// The body of a framed message, found frame by frame: for signed messages, and to tell what is wrong.
pub(super) fn walk(
    start: u64,
    frame_length: u32,
    len: u64,
    mut head_at: impl FnMut(u64) -> Result<[u8; HEAD]>,
) -> Result<Body> {
    let stride = u64::from(frame_length) + FRAME_OVERHEAD as u64;
    for regular in 0..u32::MAX {
        let at = start + u64::from(regular) * stride;
        if at + FINAL_OVERHEAD as u64 > len {
            break;
        }
        if let Some(final_len) = final_len(&head_at(at)?) {
            let body = Body { frame_length, regular, final_len };
            return match final_len {
                _ if final_len > frame_length => {
                    Err(Error::Malformed { offset: at + 20, what: "a final frame above the frame length" })
                }
                _ if start + body.len() > len => Err(Error::Truncated { offset: len }),
                _ => Ok(body),
            };
        }
    }
    Err(Error::Truncated { offset: len })
}

/// The length that the head of a final frame gives; `None` for a regular frame's.
pub(super) fn final_len(head: &[u8; HEAD]) -> Option<u32> {
    let (mark, rest) = head.split_at(4);
    let len = [rest[16], rest[17], rest[18], rest[19]];
    (mark == [0xFF; 4]).then(|| u32::from_be_bytes(len))
}
