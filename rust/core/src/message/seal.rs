//! Writing one message.

use super::aad::{FrameAad, Piece, header_aad};
use super::derive::derive;
use super::footer;
use super::id::MessageId;
use super::layout::{FINAL_HEAD, FINAL_MARK, FRAME_HEAD, Run};
use super::materials::EncryptionMaterials;
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::digest::Digester;
use crate::primitives::output::Output;

/// One message being written: its header is made, and its frames can be sealed by many threads in any order.
///
/// Each frame number must be sealed once at most. The callers in `job` take theirs from a grid, each run once.
#[derive(Debug)]
pub struct Sealer {
    message_id: [u8; 32],
    content_key: AeadKey,
}

impl Sealer {
    /// Starts a message with a header of its own memory.
    pub fn new(materials: &EncryptionMaterials) -> Result<(Self, Vec<u8>)> {
        let mut header = vec![0; materials.header_len()];
        let sealer = Self::start(materials, MessageId::generate()?, Output::from(&mut header[..]))?;
        Ok((sealer, header))
    }

    /// Starts a message: derives its content key, and writes the header with its tag, which fills `header`.
    pub fn start(materials: &EncryptionMaterials, id: MessageId, header: Output<'_>) -> Result<Self> {
        let message_id = *id.bytes();
        let derived = derive(materials.suite, &materials.data_key, &message_id)?;
        let commitment =
            derived.commitment.ok_or_else(|| Error::Misuse("a suite without commitment".into()))?;
        let (template, required) = materials.template.split_at(materials.body_len);
        let (body, tag) = header.split_at(template.len());
        let body = body.write(template)?;
        body[MESSAGE_ID_AT..MESSAGE_ID_AT + 32].copy_from_slice(&message_id);
        body[template.len() - 32..].copy_from_slice(&commitment);
        tag.write(&derived.content_key.seal_in_place(
            Nonce([0; NONCE_LEN]),
            &header_aad(body, required),
            &mut [],
        )?)?;
        Ok(Sealer { message_id, content_key: derived.content_key })
    }

    /// The message id.
    pub fn message_id(&self) -> &[u8; 32] {
        &self.message_id
    }

    /// Seals a run of frames out of place: `plaintext` in, the run's body bytes out.
    pub fn seal(&self, run: &Run, plaintext: &[u8], mut out: Output<'_>) -> Result<()> {
        debug_assert_eq!((plaintext.len(), out.len()), (run.plaintext_len, run.body_len));
        let mut frames = Frames::new(&self.message_id, run);
        let mut rest = plaintext;
        for slot in run.slots() {
            let (frame, tail) = rest.split_at(slot.len());
            rest = tail;
            let (head, aad) = frames.next(slot.len());
            let (head_out, after) = out.split_at(head.bytes().len());
            let (ciphertext, after) = after.split_at(slot.len());
            let (tag, after) = after.split_at(TAG_LEN);
            out = after;
            head_out.write(head.bytes())?;
            self.content_key.seal(head.nonce(), aad, frame, ciphertext, tag)?;
        }
        Ok(())
    }

    /// Seals a run of frames in place: the plaintext stands in the slots of `body` already ([`Run::slots`]).
    pub fn seal_in_place(&self, run: &Run, body: &mut [u8]) -> Result<()> {
        debug_assert_eq!(body.len(), run.body_len);
        let mut frames = Frames::new(&self.message_id, run);
        for slot in run.slots() {
            let (head, aad) = frames.next(slot.len());
            let tag = self.content_key.seal_in_place(head.nonce(), aad, &mut body[slot.clone()])?;
            body[slot.start - head.bytes().len()..slot.start].copy_from_slice(head.bytes());
            body[slot.end..slot.end + TAG_LEN].copy_from_slice(&tag);
        }
        Ok(())
    }

    /// The footer of a signed message, of [`SIGNED_FOOTER_LEN`](super::SIGNED_FOOTER_LEN) bytes; `signed` has taken in
    /// header and body.
    pub fn footer(materials: &EncryptionMaterials, signed: &Digester) -> Result<Vec<u8>> {
        match &materials.signing_key {
            Some(key) => footer::write(key, signed),
            None => Err(Error::Misuse("an unsigned suite has no footer".into())),
        }
    }
}

/// The heads and associated data of a run's frames, one after the other.
struct Frames {
    regular: FrameAad,
    last: FrameAad,
    number: u32,
    final_number: Option<u32>,
}

impl Frames {
    fn new(message_id: &[u8], run: &Run) -> Self {
        Frames {
            regular: FrameAad::new(message_id, Piece::Regular),
            last: FrameAad::new(message_id, Piece::Final),
            number: run.first,
            final_number: run.is_last.then(|| run.first + (run.frames - 1)),
        }
    }

    fn next(&mut self, plaintext_len: usize) -> (Head, &[u8]) {
        let number = self.number;
        self.number += 1;
        match self.final_number == Some(number) {
            true => (Head::last(number, plaintext_len), self.last.of(number, plaintext_len)),
            false => (Head::regular(number), self.regular.of(number, plaintext_len)),
        }
    }
}

/// What stands before a frame's ciphertext.
struct Head {
    bytes: [u8; FINAL_HEAD],
    len: usize,
    number: u32,
}

impl Head {
    fn regular(number: u32) -> Self {
        let mut bytes = [0; FINAL_HEAD];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes[4..FRAME_HEAD].copy_from_slice(&nonce(number));
        Head { bytes, len: FRAME_HEAD, number }
    }

    fn last(number: u32, plaintext_len: usize) -> Self {
        let mut bytes = [0; FINAL_HEAD];
        bytes[..4].copy_from_slice(&FINAL_MARK);
        bytes[4..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..20].copy_from_slice(&nonce(number));
        #[expect(clippy::cast_possible_truncation, reason = "a frame's length fits 31 bits")]
        bytes[20..].copy_from_slice(&(plaintext_len as u32).to_be_bytes());
        Head { bytes, len: FINAL_HEAD, number }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn nonce(&self) -> Nonce {
        Nonce(nonce(self.number))
    }
}

/// 8 zero bytes ‖ the frame's number: unique under the content key, as each number is sealed once. The header's is 0.
fn nonce(number: u32) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    nonce
}

const MESSAGE_ID_AT: usize = 3;
