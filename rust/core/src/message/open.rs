//! Reading one message.

use std::hint::black_box;

use super::aad::{FrameAad, Piece, header_aad};
use super::derive::derive;
use super::footer;
use super::header::Outline;
use super::layout::{FINAL_HEAD, FINAL_MARK, FRAME_HEAD, FRAME_OVERHEAD, Run};
use super::materials::DecryptionMaterials;
use crate::error::{Error, Result};
use crate::key::{NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::primitives::digest::Digester;
use crate::primitives::output::Output;
use strongroom_secmem::ct_eq;

/// One message being read: commitment and header are verified, its frames can be opened in any order.
#[derive(Debug)]
pub struct Opener {
    /// What the associated data of every frame begins with; in version 1 the id has 16 bytes.
    message_id: [u8; 32],
    message_id_len: usize,
    content_key: AeadKey,
}

impl Opener {
    /// Verifies commitment and header tag. Whatever does not match is an authentication failure without detail.
    pub fn new(header: &Outline<'_>, materials: &DecryptionMaterials) -> Result<Self> {
        // 1. content key and commitment; the latter compared before the key is used. Whoever wrapped the data key, perhaps
        //    with nothing but a public key, chose its length
        if materials.data_key.len() != header.suite.data_key_len() {
            return Err(Error::Authentication);
        }
        let derived = derive(header.suite, &materials.data_key, header.message_id)?;
        if let (Some(commitment), Some(stated)) = (derived.commitment, header.commitment)
            && !ct_eq(&commitment, stated)
        {
            return Err(Error::Authentication);
        }
        // 2. header tag over body ‖ required-only context
        let aad = header_aad(header.body, &materials.required);
        derived.content_key.open_in_place(Nonce(header.nonce), &aad, &mut [], &header.tag)?;
        let message_id_len = header.message_id.len();
        let mut message_id = [0; 32];
        message_id[..message_id_len].copy_from_slice(header.message_id);
        Ok(Opener { message_id, message_id_len, content_key: derived.content_key })
    }

    fn message_id(&self) -> &[u8] {
        &self.message_id[..self.message_id_len]
    }

    /// Opens a run of frames out of place. On failure `out` holds no plaintext.
    pub fn open(&self, run: &Run, body: &[u8], mut out: Output<'_>, reading: Reading) -> Result<()> {
        let opened = self.open_frames(run, body, out.reborrow(), reading);
        if opened.is_err() {
            out.zero();
        }
        opened
    }

    fn open_frames(&self, run: &Run, body: &[u8], mut out: Output<'_>, reading: Reading) -> Result<()> {
        debug_assert_eq!((body.len(), out.len()), (run.body_len, run.plaintext_len));
        let mut frames = Frames::new(self.message_id(), run);
        reading.frame(run, body);
        for slot in run.slots() {
            reading.frame(run, &body[slot.end + TAG_LEN..]);
            let (nonce, aad) = frames.next(body, &slot)?;
            let (plaintext, after) = out.split_at(slot.len());
            out = after;
            let tag = &body[slot.end..slot.end + TAG_LEN];
            self.content_key.open(nonce, aad, &body[slot], tag, plaintext)?;
        }
        Ok(())
    }

    /// Opens a run of frames in place: afterwards the plaintext stands in the slots ([`Run::slots`]).
    pub fn open_in_place(&self, run: &Run, body: &mut [u8]) -> Result<()> {
        debug_assert_eq!(body.len(), run.body_len);
        let mut frames = Frames::new(self.message_id(), run);
        for slot in run.slots() {
            let (nonce, aad) = frames.next(body, &slot)?;
            let (ciphertext, rest) = body[slot.start..].split_at_mut(slot.len());
            self.content_key.open_in_place(nonce, aad, ciphertext, &rest[..TAG_LEN])?;
        }
        Ok(())
    }

    /// Opens a non-framed body: nonce 12 ‖ length 8 ‖ ciphertext ‖ tag 16, of which `body` is the whole.
    pub fn open_unframed(&self, body: &[u8], out: Output<'_>) -> Result<()> {
        let (head, rest) = body.split_at(UNFRAMED_HEAD);
        let (ciphertext, tag) = rest.split_at(rest.len() - TAG_LEN);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&head[..NONCE_LEN]);
        let mut aad = FrameAad::new(self.message_id(), Piece::SingleBlock);
        self.content_key.open(Nonce(nonce), aad.of(1, ciphertext.len()), ciphertext, tag, out)
    }

    /// Verifies the footer, whole in `footer`, over what `signed` has taken in.
    pub fn verify(
        materials: &DecryptionMaterials,
        signed: Digester,
        footer: &[u8],
        offset: u64,
    ) -> Result<()> {
        match &materials.verifying_key {
            Some(key) => key.verify(signed, footer::read(footer, offset)?),
            None => Err(Error::Misuse("this message has no signature".into())),
        }
    }
}

/// How frames come out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As the cipher asks for them. Only a frame's head, which has the nonce that the cipher begins with, is read while the
    /// frame before it still has to be opened.
    Straight,
    /// Whole frames are read so. Some processors open data that are in none of their caches half as fast again then; data
    /// that are lose a little.
    Ahead,
}

impl Reading {
    /// Brings the frame at the start of `body` into the cache, as much of it as is to be read now.
    fn frame(self, run: &Run, body: &[u8]) {
        match self {
            Reading::Straight => {
                // where its nonce ends
                black_box(body.get(FRAME_HEAD - 1).copied());
            }
            Reading::Ahead => read(&body[..body.len().min(run.frame_length + FRAME_OVERHEAD)]),
        }
    }
}

/// A byte of each cache line, which brings all of it.
#[inline(never)]
fn read(bytes: &[u8]) {
    black_box(bytes.chunks(CACHE_LINE).fold(0, |all, line| all ^ line[0]));
}

const CACHE_LINE: usize = 64;

/// Checks the heads of a run's frames, one after the other, and gives their nonces and associated data.
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

    /// A frame that is not the one that must stand here is a forgery, and told as little as any other.
    fn next(&mut self, body: &[u8], slot: &std::ops::Range<usize>) -> Result<(Nonce, &[u8])> {
        let number = self.number;
        self.number += 1;
        let is_final = self.final_number == Some(number);
        let head = &body[slot.start - if is_final { FINAL_HEAD } else { FRAME_HEAD }..slot.start];
        let expected = number.to_be_bytes();
        let (matches, nonce, aad) = match is_final {
            true => {
                #[expect(clippy::cast_possible_truncation, reason = "a frame's length fits 31 bits")]
                let len = (slot.len() as u32).to_be_bytes();
                let matches = head[..4] == FINAL_MARK && head[4..8] == expected && head[20..] == len;
                (matches, &head[8..20], &mut self.last)
            }
            false => (head[..4] == expected, &head[4..], &mut self.regular),
        };
        let mut bytes = [0; NONCE_LEN];
        bytes.copy_from_slice(nonce);
        match matches {
            true => Ok((Nonce(bytes), aad.of(number, slot.len()))),
            false => Err(Error::Authentication),
        }
    }
}

/// Bytes of a non-framed body before its ciphertext.
pub(crate) const UNFRAMED_HEAD: usize = NONCE_LEN + 8;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use strongroom_secmem::Secret;

    use super::super::{Caps, EncryptionMaterials, Header, Sealer};
    use super::*;
    use crate::context::Context;
    use crate::key::{DataKey, Edk};
    use crate::suite::Suite;

    /// By whoever has the data key: its tag is right, and only the commitment is that of another key.
    #[test]
    fn a_header_that_commits_to_another_key_is_refused() {
        let data_key = Arc::new(DataKey::new(Secret::copy_from(&[7; 32]).unwrap()));
        let edk = Edk { provider_id: String::new(), provider_info: Vec::new(), ciphertext: Vec::new() };
        let context = Context::default();
        let suite = Suite::by_id(0x0478).unwrap();
        let sealing =
            EncryptionMaterials::new(suite, Arc::clone(&data_key), &[edk], &context, &[], 16, None).unwrap();
        let (_, bytes) = Sealer::new(&sealing).unwrap();
        let header = Header::parse(&bytes, &Caps::default()).unwrap();
        let opening = DecryptionMaterials::new(&header, Arc::clone(&data_key), &context).unwrap();
        for flipped in [0, 1 << 7] {
            let (mut body, mut outline) = (header.outline().body.to_vec(), header.outline());
            let commitment = body.last_chunk_mut::<32>().unwrap();
            commitment[31] ^= flipped;
            let stated = *commitment;
            let content_key = derive(suite, &data_key, outline.message_id).unwrap().content_key;
            outline.tag = content_key.seal_in_place(Nonce([0; NONCE_LEN]), &body, &mut []).unwrap();
            (outline.body, outline.commitment) = (&body, Some(&stated));
            let opened = Opener::new(&outline, &opening).map(drop);
            assert_eq!(opened.is_ok(), flipped == 0, "{opened:?}");
            assert!(matches!(opened, Ok(()) | Err(Error::Authentication)));
        }
    }
}
