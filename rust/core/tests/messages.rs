//! Messages round every boundary, and through every reader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::io::Read;

use common::{decrypt, decrypt_stream, encrypt, encrypt_stream, is_rejection, materials, opening, plaintext};
use proptest::prelude::*;
use strongroom_core::context;
use strongroom_core::error::Error;
use strongroom_core::message::{Caps, Header, Outline};

#[test]
fn round_trips_at_every_boundary() {
    for suite in [0x0478, 0x0578] {
        for frame_length in [1, 128, 4096, 65_536] {
            let f = frame_length as usize;
            for len in [0, 1, f - 1, f, f + 1, 2 * f, 2 * f + 1, 17 * f + 5] {
                let (materials, plaintext) = (materials(suite, frame_length), plaintext(len));
                let message = encrypt(&materials, &plaintext);
                let streamed = encrypt_stream(&materials, &plaintext);
                assert_eq!(message.len(), streamed.len());
                for message in [&message, &streamed] {
                    assert_eq!(decrypt(message).unwrap(), plaintext, "{suite:x} {frame_length} {len}");
                    let (released, outcome) = decrypt_stream(message);
                    outcome.unwrap();
                    assert_eq!(released, plaintext);
                }
            }
        }
    }
}

#[test]
fn many_runs_and_threads() {
    for suite in [0x0478, 0x0578] {
        let (materials, plaintext) = (materials(suite, 4096), plaintext(9 << 20));
        let message = encrypt(&materials, &plaintext);
        assert!(decrypt(&message).unwrap() == plaintext);
        let (released, outcome) = decrypt_stream(&encrypt_stream(&materials, &plaintext));
        outcome.unwrap();
        assert!(released == plaintext);
    }
}

/// Large enough for a trial of both ways to read it, and changed in a run of each and in one after them.
#[test]
fn a_large_message_is_opened_and_no_change_of_it_is_missed() {
    let plaintext = plaintext((32 << 20) + 77);
    for frame_length in [4096, 65_536] {
        let mut message = encrypt(&materials(0x0478, frame_length), &plaintext);
        assert!(decrypt(&message).unwrap() == plaintext);
        for at in [1 << 19, 3 << 19, 20 << 20, message.len() - 1] {
            message[at] ^= 1;
            assert!(is_rejection(&decrypt(&message).unwrap_err()), "{at}");
            message[at] ^= 1;
        }
    }
}

/// By then every slot has been used before, and holds more than this piece.
#[test]
fn a_stream_that_ends_early_after_many_runs_is_truncated() {
    for suite in [0x0478, 0x0578] {
        let plaintext = plaintext(9 << 20);
        let message = encrypt(&materials(suite, 4096), &plaintext);
        for missing in [1, 20, 103, 104, 150, 4096, 4128, 5000, 900_000, 1 << 20] {
            let (released, outcome) = decrypt_stream(&message[..message.len() - missing]);
            assert!(is_rejection(&outcome.unwrap_err()), "{missing}");
            assert!(released.len() < plaintext.len() && plaintext.starts_with(&released));
        }
    }
}

/// Every bit and every truncation of a message of several frames, one-shot and streamed.
#[test]
fn nothing_altered_is_accepted() {
    for suite in [0x0478, 0x0578] {
        let plaintext = plaintext(5 * 16 + 3);
        let message = encrypt(&materials(suite, 16), &plaintext);
        for bit in 0..message.len() * 8 {
            let mut altered = message.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            refused(&altered, &plaintext, 16);
        }
        for len in 0..message.len() {
            refused(&message[..len], &plaintext, 16);
        }
        refused(&[&message[..], b"x"].concat(), &plaintext, 16);
    }
}

/// An outline is what the parsed header says, and both are refused for the same reasons.
#[test]
fn an_outline_is_the_header() {
    let message = encrypt(&materials(0x0578, 16), b"plaintext");
    let caps = Caps::default();
    let header = Header::parse(&message, &caps).unwrap();
    let outline = Outline::find(&message, &caps).unwrap();
    assert_eq!(format!("{:?}", header.outline()), format!("{outline:?}"));
    assert_eq!(outline.context(), header.context.serialize());
    for (key, value) in header.context.iter() {
        assert_eq!(context::find(outline.context(), key), Some(value.as_bytes()));
    }
    for len in 0..outline.context().len() {
        assert!(context::find(&outline.context()[..len], "zzz").is_none());
    }
    assert_eq!(outline.len(), header.len());
    let reasons = |bytes: &[u8], caps: &Caps| {
        let parsed = Header::parse(bytes, caps).map(|_| ());
        let found = Outline::find(bytes, caps).map(|_| ());
        (format!("{parsed:?}"), format!("{found:?}"))
    };
    for len in 0..header.len() {
        let (parsed, found) = reasons(&message[..len], &caps);
        assert!(parsed == found && found.contains("Truncated"), "{len}: {parsed}, {found}");
    }
    for caps in
        [Caps { header: header.len() - 1, ..caps }, Caps { edks: 0, ..caps }, Caps { frame: 15, ..caps }]
    {
        let (parsed, found) = reasons(&message, &caps);
        assert!(parsed == found && found.contains("Limit"), "{parsed}, {found}");
    }
}

/// Frames swapped in pairs, dropped, doubled, and taken from another message of the same key.
#[test]
fn frames_stay_where_they_were_put() {
    let (materials, plaintext) = (materials(0x0478, 16), plaintext(4 * 16));
    let (message, other) = (encrypt(&materials, &plaintext), encrypt(&materials, &plaintext));
    let header = Header::parse(&message, &Caps::default()).unwrap().len();
    let frames = frames_of(&message[header..]);
    let theirs = frames_of(&other[header..]);
    assert_eq!(frames.len(), 4);
    let with = |frames: &[&[u8]]| [&message[..header], &frames.concat()].concat();
    for i in 0..frames.len() {
        for j in 0..frames.len() {
            let mut swapped = frames.clone();
            swapped.swap(i, j);
            if i != j {
                refused(&with(&swapped), &plaintext, 16);
            }
        }
        let mut dropped = frames.clone();
        dropped.remove(i);
        refused(&with(&dropped), &plaintext, 16);
        let mut doubled = frames.clone();
        doubled.insert(i, frames[i]);
        refused(&with(&doubled), &plaintext, 16);
        let mut spliced = frames.clone();
        spliced[i] = theirs[i];
        refused(&with(&spliced), &plaintext, 16);
    }
}

/// Whoever has the data key could otherwise take a signature off by naming a suite that has none.
#[test]
fn suite_and_context_agree_on_a_signature() {
    for (suite, other) in [(0x0578, 0x0478_u16), (0x0478, 0x0578)] {
        let mut message = encrypt(&materials(suite, 16), b"x");
        message[1..3].copy_from_slice(&other.to_be_bytes());
        let header = Header::parse(&message, &Caps::default()).unwrap();
        let refused = opening(&header).map(drop);
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{other:#x}: {refused:?}");
    }
}

/// A nonce that serves twice under one key gives the authentication key away, and no reader would notice.
#[test]
fn each_frame_has_the_nonce_of_its_number() {
    let (materials, plaintext) = (materials(0x0478, 16), plaintext(4 * 16));
    for message in [encrypt(&materials, &plaintext), encrypt_stream(&materials, &plaintext)] {
        let header = Header::parse(&message, &Caps::default()).unwrap().len();
        let frames = frames_of(&message[header..]);
        assert_eq!(frames.len(), 4);
        for (number, frame) in (1_u32..).zip(frames) {
            let nonce = [&[0; 8][..], &number.to_be_bytes()].concat();
            let head = if number == 4 { &frame[8..20] } else { &frame[4..16] };
            assert_eq!(head, nonce, "frame {number}");
        }
    }
}

fn frames_of(body: &[u8]) -> Vec<&[u8]> {
    let mut frames: Vec<_> = body.chunks(48).collect();
    // the final frame is 8 bytes longer than a regular one
    let tail = frames.pop().unwrap();
    let start = body.len() - tail.len() - 48;
    frames.pop();
    frames.push(&body[start..]);
    frames
}

fn refused(message: &[u8], plaintext: &[u8], frame_length: usize) {
    let error = decrypt(message).expect_err("accepted in memory");
    assert!(is_rejection(&error), "{error}");
    let (released, outcome) = decrypt_stream(message);
    let error = outcome.expect_err("accepted as a stream");
    assert!(is_rejection(&error), "{error}");
    assert!(plaintext.starts_with(&released) && released.len() % frame_length == 0);
}

#[test]
fn a_lying_header_allocates_nothing_beyond_the_caps() {
    let message = encrypt(&materials(0x0478, 16), b"x");
    let header = Header::parse(&message, &Caps::default()).unwrap();
    for caps in [
        Caps { header: 64, ..Caps::default() },
        Caps { edks: 0, ..Caps::default() },
        Caps { frame: 15, ..Caps::default() },
    ] {
        assert!(matches!(Header::parse(&message, &caps), Err(strongroom_core::error::Error::Limit { .. })));
    }
    // EDK count 65535 and a frame length of 2^32-1: refused on sight
    let at = 35 + 2 + header.context.serialize().len();
    let mut lying = message.clone();
    lying[at..at + 2].copy_from_slice(&[0xFF; 2]);
    assert!(is_rejection(&decrypt(&lying).unwrap_err()));
}

struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(3);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn a_stream_may_trickle() {
    let (materials, plaintext) = (materials(0x0578, 100), plaintext(1234));
    let mut message = Vec::new();
    common::with_control(|control| {
        strongroom_core::job::stream::encrypt(&materials, Trickle(&plaintext), &mut message, control)
    })
    .unwrap();
    assert_eq!(decrypt(&message).unwrap(), plaintext);
}

proptest! {
    #[test]
    fn any_plaintext_and_frame_length(len in 0..5000_usize, frame_length in 1..700_u32, signed: bool) {
        let materials = materials(if signed { 0x0578 } else { 0x0478 }, frame_length);
        let plaintext = plaintext(len);
        let message = encrypt(&materials, &plaintext);
        prop_assert_eq!(decrypt(&message).unwrap(), plaintext.clone());
        let (released, outcome) = decrypt_stream(&message);
        prop_assert!(outcome.is_ok());
        prop_assert_eq!(released, plaintext);
    }

    #[test]
    fn any_bytes_are_refused_calmly(bytes in proptest::collection::vec(any::<u8>(), 0..400), version in 0..3_u8) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        prop_assert!(decrypt(&bytes).is_err());
        prop_assert!(decrypt_stream(&bytes).1.is_err());
    }
}
