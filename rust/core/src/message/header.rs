//! The header: parsed totally, whatever the bytes.

use std::ops::Range;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::key::{Edk, NONCE_LEN, TAG_LEN};
use crate::suite::{FormatVersion, Suite};

/// What a reader accepts. A hostile header can claim gigabytes; nothing is allocated beyond these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of the header.
    pub header: usize,
    /// Encrypted data keys.
    pub edks: u16,
    /// Plaintext bytes of a frame.
    pub frame: u32,
    /// Plaintext bytes of a non-framed body, where it must be held whole.
    pub unframed: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { header: 1 << 20, edks: 64, frame: 16 << 20, unframed: 64 << 20 }
    }
}

/// How the body is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Into frames of this many plaintext bytes.
    Framed(u32),
    /// Not at all (read only).
    Unframed,
}

/// A parsed header. Nothing in it is authentic until [`Opener::new`](super::Opener::new) has verified its tag.
#[derive(Debug, Clone)]
pub struct Header {
    /// The algorithm suite.
    pub suite: &'static Suite,
    /// The message id: 32 bytes, or 16 in version 1.
    pub message_id: Vec<u8>,
    /// The encryption context as it stands in the header.
    pub context: Context,
    /// The encrypted data keys.
    pub edks: Vec<Edk>,
    /// How the body is cut.
    pub content: Content,
    /// The key commitment of version 2 suites.
    pub commitment: Option<[u8; 32]>,
    keys: Range<usize>,
    body: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    tag: [u8; TAG_LEN],
    len: usize,
}

impl Header {
    /// Parses the header at the start of `bytes`.
    ///
    /// Returns [`Error::Truncated`] if there may be a header but more bytes are needed; a reader with more of them
    /// may try again.
    pub fn parse(bytes: &[u8], caps: &Caps) -> Result<Header> {
        let (outline, (context, edks)) =
            read(bytes, caps, |cursor| Ok((context(cursor)?, edks(cursor, caps)?)))?;
        Ok(Header {
            suite: outline.suite,
            message_id: outline.message_id.to_vec(),
            context,
            edks,
            content: outline.content,
            commitment: outline.commitment.copied(),
            keys: outline.keys_at..outline.keys_at + outline.keys.len(),
            body: outline.body.to_vec(),
            nonce: outline.nonce,
            tag: outline.tag,
            len: outline.len,
        })
    }

    /// The same header, with its parts where they stand.
    pub fn outline(&self) -> Outline<'_> {
        Outline {
            suite: self.suite,
            message_id: &self.message_id,
            keys: &self.body[self.keys.clone()],
            keys_at: self.keys.start,
            content: self.content,
            commitment: self.commitment.as_ref(),
            body: &self.body,
            nonce: self.nonce,
            tag: self.tag,
            len: self.len,
        }
    }

    /// Bytes of the header with its tag: where the body starts.
    #[allow(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The header as it stood in the message, with its tag.
    pub fn encoded(&self) -> Vec<u8> {
        let nonce = match self.suite.version {
            FormatVersion::V1 => &self.nonce[..],
            FormatVersion::V2 => &[],
        };
        [&self.body, nonce, &self.tag].concat()
    }

    /// The plaintext bytes of a frame; `None` in a non-framed message.
    pub fn frame_length(&self) -> Option<u32> {
        match self.content {
            Content::Framed(length) => Some(length),
            Content::Unframed => None,
        }
    }
}

/// Where the parts of a header stand in a message: enough to open it with materials that were made for another message
/// of the same suite and [`keys`](Self::keys).
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// The algorithm suite.
    pub suite: &'static Suite,
    /// The message id: 32 bytes, or 16 in version 1.
    pub message_id: &'a [u8],
    /// Encryption context and encrypted data keys, serialised. Only [`Header::parse`] looks into them.
    pub keys: &'a [u8],
    /// How the body is cut.
    pub content: Content,
    pub(super) commitment: Option<&'a [u8; 32]>,
    pub(super) body: &'a [u8],
    pub(super) nonce: [u8; NONCE_LEN],
    pub(super) tag: [u8; TAG_LEN],
    keys_at: usize,
    len: usize,
}

impl<'a> Outline<'a> {
    /// Finds the header at the start of `bytes`, within the same caps as [`Header::parse`], and allocates nothing.
    pub fn find(bytes: &'a [u8], caps: &Caps) -> Result<Outline<'a>> {
        read(bytes, caps, |cursor| skip_keys(cursor, caps)).map(|(outline, ())| outline)
    }

    /// Bytes of the header with its tag: where the body starts.
    #[allow(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The encryption context, serialised.
    pub fn context(&self) -> &'a [u8] {
        // the keys begin with it and its length, or they would not have been found
        let (len, rest) = self.keys.split_at(2);
        &rest[..usize::from(u16::from_be_bytes([len[0], len[1]]))]
    }
}

/// Reads a header; what `keys` makes of context and encrypted data keys comes beside it.
fn read<'a, K>(
    bytes: &'a [u8],
    caps: &Caps,
    keys: impl FnOnce(&mut Cursor<'a>) -> Result<K>,
) -> Result<(Outline<'a>, K)> {
    let mut cursor = Cursor { bytes, at: 0, cap: caps.header };
    let cursor = &mut cursor;
    let version = version(cursor)?;
    let suite = suite(cursor, version)?;
    let message_id = cursor.take(suite.message_id_len())?;
    let keys_at = cursor.at;
    let made = keys(cursor)?;
    let keys = &bytes[keys_at..cursor.at];
    let is_framed = is_framed(cursor)?;
    if version == FormatVersion::V1 {
        check_v1(cursor)?;
    }
    let content = content(cursor, is_framed, caps)?;
    let commitment = match version {
        FormatVersion::V1 => None,
        FormatVersion::V2 => Some(cursor.array_ref()?),
    };
    let body = cursor.taken();
    let nonce = match version {
        FormatVersion::V1 => cursor.array()?,
        FormatVersion::V2 => [0; NONCE_LEN],
    };
    let tag = cursor.array()?;
    let len = cursor.at;
    Ok((Outline { suite, message_id, keys, content, commitment, body, nonce, tag, keys_at, len }, made))
}

fn version(cursor: &mut Cursor<'_>) -> Result<FormatVersion> {
    match cursor.u8()? {
        1 if cursor.u8()? == 0x80 => Ok(FormatVersion::V1),
        1 => Err(cursor.malformed_before(1, "the message type is not customer authenticated encrypted data")),
        2 => Ok(FormatVersion::V2),
        _ => Err(Error::Malformed { offset: 0, what: "not a message of the AWS Encryption SDK format" }),
    }
}

fn check_v1(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.array::<4>()? != [0; 4] {
        return Err(cursor.malformed_before(4, "the reserved bytes are not zero"));
    }
    if usize::from(cursor.u8()?) != NONCE_LEN {
        return Err(cursor.malformed_before(1, "the length of nonces is not 12"));
    }
    Ok(())
}

fn suite(cursor: &mut Cursor<'_>, version: FormatVersion) -> Result<&'static Suite> {
    let suite = Suite::by_id(cursor.u16()?)?;
    match suite.version == version {
        true => Ok(suite),
        false => Err(cursor.malformed_before(2, "the algorithm suite belongs to another message version")),
    }
}

fn context(cursor: &mut Cursor<'_>) -> Result<Context> {
    let len = usize::from(cursor.u16()?);
    let at = cursor.at as u64;
    Context::parse(cursor.take(len)?, at)
}

fn edks(cursor: &mut Cursor<'_>, caps: &Caps) -> Result<Vec<Edk>> {
    (0..edk_count(cursor, caps)?).map(|_| edk(cursor)).collect()
}

fn edk_count(cursor: &mut Cursor<'_>, caps: &Caps) -> Result<u16> {
    let count = cursor.u16()?;
    if count == 0 {
        return Err(cursor.malformed_before(2, "there is no encrypted data key"));
    }
    if count > caps.edks {
        return Err(Error::Limit {
            what: "the number of encrypted data keys",
            limit: u64::from(caps.edks),
            found: u64::from(count),
        });
    }
    Ok(count)
}

fn edk(cursor: &mut Cursor<'_>) -> Result<Edk> {
    let provider_id = cursor.field()?.to_vec();
    let provider_id = String::from_utf8(provider_id).map_err(|error| {
        cursor.malformed_before(error.as_bytes().len(), "a key provider's id is not UTF-8")
    })?;
    let provider_info = cursor.field()?.to_vec();
    let ciphertext = cursor.field()?.to_vec();
    Ok(Edk { provider_id, provider_info, ciphertext })
}

fn skip_keys(cursor: &mut Cursor<'_>, caps: &Caps) -> Result<()> {
    cursor.field()?;
    for _ in 0..edk_count(cursor, caps)? {
        cursor.field()?;
        cursor.field()?;
        cursor.field()?;
    }
    Ok(())
}

fn is_framed(cursor: &mut Cursor<'_>) -> Result<bool> {
    match cursor.u8()? {
        1 => Ok(false),
        2 => Ok(true),
        _ => Err(cursor.malformed_before(1, "unknown content type")),
    }
}

fn content(cursor: &mut Cursor<'_>, is_framed: bool, caps: &Caps) -> Result<Content> {
    match (is_framed, cursor.u32()?) {
        (false, 0) => Ok(Content::Unframed),
        (false, _) => Err(cursor.malformed_before(4, "a non-framed message has a frame length")),
        (true, 0) => Err(cursor.malformed_before(4, "the frame length is zero")),
        (true, length) if length > caps.frame => Err(Error::Limit {
            what: "the frame length",
            limit: u64::from(caps.frame),
            found: u64::from(length),
        }),
        (true, length) => Ok(Content::Framed(length)),
    }
}

/// Reads forward. Every length is checked against the cap before the bytes are asked for.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    cap: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at + len;
        if end > self.cap {
            return Err(Error::Limit { what: "the header", limit: self.cap as u64, found: end as u64 });
        }
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.truncated())?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.array_ref().copied()
    }

    fn array_ref<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        // `take` gives as many as were asked for
        self.take(N)?.first_chunk().ok_or_else(|| self.truncated())
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn field(&mut self) -> Result<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    fn taken(&self) -> &'a [u8] {
        &self.bytes[..self.at]
    }

    fn truncated(&self) -> Error {
        Error::Truncated { offset: self.bytes.len() as u64 }
    }

    fn malformed_before(&self, bytes: usize, what: &'static str) -> Error {
        Error::Malformed { offset: (self.at - bytes) as u64, what }
    }
}
