//! The associated data of a header: its body ‖ the pairs that only its tag covers.
//! The associated data of a frame: message id ‖ what it is ‖ its number ‖ its plaintext length.

use std::borrow::Cow;

/// What a header's tag covers.
pub(super) fn header_aad<'a>(body: &'a [u8], required: &[u8]) -> Cow<'a, [u8]> {
    match required.is_empty() {
        true => Cow::Borrowed(body),
        false => Cow::Owned([body, required].concat()),
    }
}

/// What a piece of the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Regular,
    Final,
    SingleBlock,
}

impl Piece {
    const fn name(self) -> &'static [u8] {
        match self {
            Piece::Regular => b"AWSKMSEncryptionClient Frame",
            Piece::Final => b"AWSKMSEncryptionClient Final Frame",
            Piece::SingleBlock => b"AWSKMSEncryptionClient Single Block",
        }
    }
}

/// The associated data of frames of one message; only number and length change between two of a kind.
#[derive(Debug)]
pub(super) struct FrameAad {
    bytes: [u8; MAX],
    prefix: usize,
}

impl FrameAad {
    pub(super) fn new(message_id: &[u8], piece: Piece) -> Self {
        let name = piece.name();
        let prefix = message_id.len() + name.len();
        let mut bytes = [0; MAX];
        bytes[..message_id.len()].copy_from_slice(message_id);
        bytes[message_id.len()..prefix].copy_from_slice(name);
        FrameAad { bytes, prefix }
    }

    pub(super) fn of(&mut self, number: u32, plaintext_len: usize) -> &[u8] {
        let tail = &mut self.bytes[self.prefix..self.prefix + 12];
        tail[..4].copy_from_slice(&number.to_be_bytes());
        tail[4..].copy_from_slice(&(plaintext_len as u64).to_be_bytes());
        &self.bytes[..self.prefix + 12]
    }
}

const MAX: usize = 32 + 35 + 12;
