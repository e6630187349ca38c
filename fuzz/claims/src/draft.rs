//! Messages that a forger who has the key might write.

use arbitrary::{Arbitrary, Result, Unstructured};
use strongroom_core::suite::{SUITES, Suite};

use crate::edit::{self, Edit};

/// What a forger writes. Bytes that are all zero are a message of the default suite with one empty frame.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) suite: &'static Suite,
    pub(crate) framed: bool,
    pub(crate) frame_length: u32,
    pub(crate) message_id: u8,
    /// Bytes of the values of the context.
    pub(crate) values: Vec<u8>,
    pub(crate) edks: u8,
    /// Made before commitment and tag: what comes of them is authentic.
    pub(crate) header_edits: Vec<Edit>,
    pub(crate) frames: Vec<Frame>,
    /// Made after everything: nothing that comes of them is authentic.
    pub(crate) edits: Vec<Edit>,
}

/// One frame, sealed as it claims to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Of the final frame; a regular one is full.
    pub(crate) len: u8,
    pub(crate) quirk: Quirk,
}

/// What a frame has that no frame should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quirk {
    None,
    /// Another nonce than its number, which readers take.
    Nonce(u8),
    /// Another number.
    Number(u32),
    /// Another length.
    Length(u8),
    /// Final where it should be regular, or the other way.
    Kind,
    /// A length in its head that is not that of its plaintext.
    Claim(u32),
    /// A number in its head that is not the one it was sealed as.
    Head(u32),
}

impl Draft {
    /// Whether a reader must take it, if no edit spoils it.
    pub(crate) fn is_plain(&self) -> bool {
        let harmless = |frame: &Frame| matches!(frame.quirk, Quirk::None | Quirk::Nonce(_));
        self.header_edits.is_empty() && self.frames.iter().all(harmless)
    }
}

impl<'a> Arbitrary<'a> for Draft {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let (suite, shape): (u8, u8) = (bytes.arbitrary()?, bytes.arbitrary()?);
        let suite = &SUITES[(DEFAULT + usize::from(suite)) % SUITES.len()];
        let frame_length = match bytes.arbitrary::<u8>()? {
            small @ 0..240 => 1 + u32::from(small % 64),
            large => 1 << (large % 13),
        };
        Ok(Draft {
            suite,
            framed: shape % 8 != 7,
            frame_length,
            message_id: bytes.arbitrary()?,
            values: (0..shape / 8 % 4).map(|_| bytes.arbitrary()).collect::<Result<_>>()?,
            edks: 1 + shape / 32 % 4,
            header_edits: edit::read(bytes)?,
            frames: (0..=bytes.arbitrary::<u8>()? % 8).map(|_| frame(bytes)).collect::<Result<_>>()?,
            edits: edit::read(bytes)?,
        })
    }
}

fn frame(bytes: &mut Unstructured<'_>) -> Result<Frame> {
    let (len, quirk): (u8, u8) = (bytes.arbitrary()?, bytes.arbitrary()?);
    let quirk = match quirk {
        1 => Quirk::Nonce(bytes.arbitrary()?),
        2 => Quirk::Number(bytes.arbitrary()?),
        3 => Quirk::Length(bytes.arbitrary()?),
        4 => Quirk::Kind,
        5 => Quirk::Claim(bytes.arbitrary()?),
        6 => Quirk::Head(bytes.arbitrary()?),
        _ => Quirk::None,
    };
    Ok(Frame { len, quirk })
}

/// Where suite 0x0478 stands in the table.
const DEFAULT: usize = 9;
