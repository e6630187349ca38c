//! Messages, sealed and opened by the parts of this room alone: the test knows where a message ends, no job looks for it.

mod headers;
mod materials;
mod official;

use std::sync::Arc;

use strongroom_secmem::Secret;

use super::{
    Body, Caps, DecryptionMaterials, EncryptionMaterials, Header, Opener, Reading, Run, Sealer,
    UNFRAMED_HEAD, public_key_value,
};
use crate::context::{Context, PUBLIC_KEY};
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk, TAG_LEN};
use crate::primitives::digest::Digester;
use crate::primitives::ecdsa::SigningKey;
use crate::primitives::output::Output;
use crate::suite::Suite;

#[test]
fn round_trips_at_every_boundary() {
    for suite in [0x0478, 0x0578] {
        let made = materials(suite, 16);
        for len in [0, 1, 15, 16, 17, 32, 33, 5 * 16, 17 * 16 + 5] {
            let message = encrypt(&made, &plaintext(len));
            assert_eq!(decrypt(&message, len, opening).unwrap(), plaintext(len), "{suite:x} {len}");
        }
    }
}

#[test]
fn nothing_altered_is_accepted() {
    for suite in [0x0478, 0x0578] {
        let message = encrypt(&materials(suite, 16), &plaintext(5 * 16 + 3));
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1 << (at % 8);
            refused(&altered, 5 * 16 + 3, opening);
            refused(&message[..at], 5 * 16 + 3, opening);
        }
    }
}

/// Frames under one key: swapped, and taken from another message.
#[test]
fn frames_stay_where_they_were_put() {
    let made = materials(0x0478, 16);
    let (message, other) = (encrypt(&made, &plaintext(64)), encrypt(&made, &plaintext(64)));
    let at = Header::parse(&message, &Caps::default()).unwrap().len();
    let (first, second) = (at..at + 48, at + 48..at + 96);
    let mut swapped = message.clone();
    swapped.copy_within(first.clone(), second.start);
    swapped[first.clone()].copy_from_slice(&message[second]);
    refused(&swapped, 64, opening);
    let mut spliced = message;
    spliced[first.clone()].copy_from_slice(&other[first]);
    refused(&spliced, 64, opening);
}

#[test]
fn a_message_has_the_id_of_its_header() {
    let (sealer, header) = Sealer::new(&materials(0x0478, 16)).unwrap();
    assert_eq!(header[3..35], *sealer.message_id());
}

/// Of every number there is one nonce, and the header has that of 0.
#[test]
fn each_frame_has_the_nonce_of_its_number() {
    let message = encrypt(&materials(0x0478, 16), &plaintext(64));
    let at = Header::parse(&message, &Caps::default()).unwrap().len();
    for number in 1..=4_u32 {
        let head = &message[at + 48 * (number as usize - 1)..];
        let nonce = [&[0; 8][..], &number.to_be_bytes()].concat();
        let stands_at = if number == 4 { 8 } else { 4 };
        assert_eq!(head[stands_at..stands_at + 12], nonce, "frame {number}");
    }
}

fn data_key() -> Arc<DataKey> {
    Arc::new(DataKey::new(Secret::copy_from(&[7; 32]).unwrap()))
}

fn materials(suite: u16, frame_length: u32) -> EncryptionMaterials {
    let suite = Suite::by_id(suite).unwrap();
    let signing_key = suite.signature.map(|signature| SigningKey::generate(signature).unwrap());
    let mut pairs = vec![("purpose".to_owned(), "test".to_owned())];
    pairs.extend(signing_key.as_ref().map(|key| (PUBLIC_KEY.to_owned(), public_key_value(key).unwrap())));
    let context = Context::new(pairs).unwrap();
    EncryptionMaterials::new(suite, data_key(), &[edk(48)], &context, &[], frame_length, signing_key).unwrap()
}

fn edk(len: usize) -> Edk {
    Edk { provider_id: "test".into(), provider_info: b"key".to_vec(), ciphertext: vec![1; len] }
}

fn opening(header: &Header) -> Result<DecryptionMaterials> {
    DecryptionMaterials::new(header, data_key(), &Context::default())
}

fn plaintext(len: usize) -> Vec<u8> {
    (1..=u8::MAX).cycle().take(len).collect()
}

/// A whole message, its frames sealed in runs, in place and not.
fn encrypt(materials: &EncryptionMaterials, plaintext: &[u8]) -> Vec<u8> {
    let (sealer, mut message) = Sealer::new(materials).unwrap();
    let body = Body::of_plaintext(plaintext.len() as u64, materials.frame_length()).unwrap();
    for (run, plaintext_at, _) in runs(&body) {
        let plaintext = &plaintext[plaintext_at..plaintext_at + run.plaintext_len];
        let (mut sealed, mut in_place) = (vec![0; run.body_len], vec![0; run.body_len]);
        sealer.seal(&run, plaintext, Output::from(&mut sealed[..])).unwrap();
        let mut rest = plaintext.iter();
        run.slots().flatten().for_each(|at| in_place[at] = *rest.next().unwrap());
        sealer.seal_in_place(&run, &mut in_place).unwrap();
        assert_eq!(in_place, sealed);
        message.extend(sealed);
    }
    if let Some(signature) = materials.suite().signature {
        let mut signed = Digester::new(signature.hash);
        signed.update(&message);
        message.extend(Sealer::footer(materials, &signed).unwrap());
    }
    message
}

/// The plaintext of a message, of which the test knows how much there is.
fn decrypt(
    message: &[u8],
    len: usize,
    opening: impl FnOnce(&Header) -> Result<DecryptionMaterials>,
) -> Result<Vec<u8>> {
    let header = Header::parse(message, &Caps::default())?;
    let materials = opening(&header)?;
    let opener = Opener::new(&header.outline(), &materials)?;
    let (plaintext, end) = match header.frame_length() {
        Some(frame_length) => {
            let body = Body::of_plaintext(len as u64, frame_length)?;
            let end = header.len() + usize::try_from(body.len()).unwrap();
            (open_framed(&opener, &body, part(message, header.len(), end)?)?, end)
        }
        None => {
            let end = header.len() + UNFRAMED_HEAD + len + TAG_LEN;
            let mut plaintext = vec![0; len];
            let body = part(message, header.len(), end)?;
            // what stands there for the length only says where the message ends
            if body[12..UNFRAMED_HEAD] != (len as u64).to_be_bytes() {
                return Err(Error::Malformed { offset: header.len() as u64 + 12, what: "another length" });
            }
            opener.open_unframed(body, Output::from(&mut plaintext[..]))?;
            (plaintext, end)
        }
    };
    match header.suite.signature {
        Some(signature) => {
            let mut signed = Digester::new(signature.hash);
            signed.update(&message[..end]);
            Opener::verify(&materials, signed, &message[end..], end as u64)?;
        }
        None => assert_eq!(message.len(), end, "the test says where a message ends"),
    }
    Ok(plaintext)
}

fn part(message: &[u8], from: usize, to: usize) -> Result<&[u8]> {
    message.get(from..to).ok_or(Error::Truncated { offset: message.len() as u64 })
}

/// In place and not, which must come to the same; what is refused leaves nothing.
fn open_framed(opener: &Opener, body: &Body, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plaintext = Vec::new();
    for (run, _, at) in runs(body) {
        let mut in_place = bytes[at..at + run.body_len].to_vec();
        let mut out = vec![0xAA; run.plaintext_len];
        let opened = opener.open(&run, &in_place, Output::from(&mut out[..]), Reading::Straight);
        let mut ahead = vec![0xAA; run.plaintext_len];
        let same = opener.open(&run, &in_place, Output::from(&mut ahead[..]), Reading::Ahead);
        assert_eq!((same.is_ok(), &ahead), (opened.is_ok(), &out));
        assert_eq!(opener.open_in_place(&run, &mut in_place).is_ok(), opened.is_ok());
        if opened.is_err() {
            assert!(out.iter().all(|&byte| byte == 0), "plaintext was released");
        }
        opened?;
        assert!(run.slots().flatten().map(|at| &in_place[at]).eq(&out));
        plaintext.extend(out);
    }
    Ok(plaintext)
}

/// Runs of two frames, with where they stand in plaintext and body.
fn runs(body: &Body) -> impl Iterator<Item = (Run, usize, usize)> {
    let grid = body.grid(2 * (body.frame_length as usize + super::FRAME_OVERHEAD));
    (0..grid.runs()).map(move |index| {
        let run = grid.run(index);
        (run, usize::try_from(run.plaintext_at).unwrap(), usize::try_from(run.body_at).unwrap())
    })
}

fn refused(message: &[u8], len: usize, opening: impl FnOnce(&Header) -> Result<DecryptionMaterials>) {
    let error = decrypt(message, len, opening).expect_err("accepted");
    assert!(!matches!(error, Error::Misuse(_) | Error::Io { .. }), "{error}");
}
