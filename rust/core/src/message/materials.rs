//! What one message may use: suite, data key, context. Made by a keyring, used for one message or many.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::header::Header;
use crate::context::{Context, PUBLIC_KEY};
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk};
use crate::primitives::ecdsa::{SigningKey, VerifyingKey};
use crate::suite::{Status, Suite};

/// What a writer may use.
#[derive(Debug)]
pub struct EncryptionMaterials {
    pub(super) suite: &'static Suite,
    pub(super) data_key: Arc<DataKey>,
    pub(super) signing_key: Option<SigningKey>,
    pub(super) frame_length: u32,
    /// Header body with zeros for message id and commitment, then the required context that only the tag covers.
    pub(super) template: Vec<u8>,
    pub(super) body_len: usize,
}

impl EncryptionMaterials {
    /// Materials for messages of a suite that we write.
    ///
    /// `required` names pairs of `context` that are authenticated but left out of the header. A signed suite needs
    /// its signing key, whose public half must already stand in `context` (the data key is wrapped under it).
    pub fn new(
        suite: &'static Suite,
        data_key: Arc<DataKey>,
        edks: &[Edk],
        context: &Context,
        required: &[String],
        frame_length: u32,
        signing_key: Option<SigningKey>,
    ) -> Result<Self> {
        check(suite, edks, context, required, frame_length, signing_key.as_ref())?;
        let (only_required, stored) = context.partition(required);
        let mut template = Vec::new();
        template.push(2);
        template.extend_from_slice(&suite.id.to_be_bytes());
        template.extend_from_slice(&[0; 32]);
        put_field(&mut template, &stored.serialize())?;
        #[expect(clippy::cast_possible_truncation, reason = "`check` bounds the count")]
        template.extend_from_slice(&(edks.len() as u16).to_be_bytes());
        for edk in edks {
            put_field(&mut template, edk.provider_id.as_bytes())?;
            put_field(&mut template, &edk.provider_info)?;
            put_field(&mut template, &edk.ciphertext)?;
        }
        template.push(2);
        template.extend_from_slice(&frame_length.to_be_bytes());
        template.extend_from_slice(&[0; 32]);
        let body_len = template.len();
        template.extend_from_slice(&only_required.serialize());
        Ok(EncryptionMaterials { suite, data_key, signing_key, frame_length, template, body_len })
    }

    /// The suite.
    pub fn suite(&self) -> &'static Suite {
        self.suite
    }

    /// Plaintext bytes of a regular frame.
    pub fn frame_length(&self) -> u32 {
        self.frame_length
    }

    /// Bytes of every header written with these, with its tag.
    pub fn header_len(&self) -> usize {
        self.body_len + crate::key::TAG_LEN
    }
}

/// The public half of a signing key as it stands in the context.
pub fn public_key_value(key: &SigningKey) -> Result<String> {
    Ok(BASE64.encode(key.public_key()?))
}

fn check(
    suite: &Suite,
    edks: &[Edk],
    context: &Context,
    required: &[String],
    frame_length: u32,
    signing_key: Option<&SigningKey>,
) -> Result<()> {
    if suite.status != Status::Recommended {
        return Err(Error::Unsupported(format!("suite 0x{:04x} is read but no longer written", suite.id)));
    }
    if frame_length == 0 || frame_length > MAX_FRAME_LENGTH {
        return Err(Error::Misuse(format!("a frame has 1 to {MAX_FRAME_LENGTH} bytes, not {frame_length}")));
    }
    if edks.is_empty() || edks.len() > usize::from(u16::MAX) {
        return Err(Error::Misuse(format!(
            "a message has 1 to 65535 encrypted data keys, not {}",
            edks.len()
        )));
    }
    if let Some(name) = required.iter().find(|name| context.get(name).is_none()) {
        return Err(Error::Misuse(format!(
            "the required context key '{name}' is not in the encryption context"
        )));
    }
    if suite.signature.is_some() != signing_key.is_some() {
        return Err(Error::Misuse("a signed suite and a signing key go together".into()));
    }
    let public = signing_key.map(public_key_value).transpose()?;
    match context.iter().find(|(key, _)| key.starts_with(RESERVED)) {
        Some((PUBLIC_KEY, value))
            if public.as_deref() == Some(value) && !required.iter().any(|r| r == PUBLIC_KEY) =>
        {
            Ok(())
        }
        Some((key, _)) => Err(Error::Misuse(format!("the context key '{key}' is reserved"))),
        None if public.is_some() => {
            Err(Error::Misuse("the public key of the signature is not in the context".into()))
        }
        None => Ok(()),
    }
}

fn put_field(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let len = u16::try_from(bytes.len()).map_err(|_| Error::Limit {
        what: "a field of the header",
        limit: u64::from(u16::MAX),
        found: bytes.len() as u64,
    })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// What a reader of one message may use.
#[derive(Debug)]
pub struct DecryptionMaterials {
    pub(super) data_key: Arc<DataKey>,
    /// Serialised pairs that the header leaves out and its tag covers.
    pub(super) required: Vec<u8>,
    pub(super) verifying_key: Option<VerifyingKey>,
}

impl DecryptionMaterials {
    /// Materials for the message of this header.
    ///
    /// `required` holds the pairs that the writer left out of the header. Refuses a header whose suite and context
    /// disagree on whether there is a signature: that is how a signature would be stripped.
    pub fn new(header: &Header, data_key: Arc<DataKey>, required: &Context) -> Result<Self> {
        let verifying_key = verifying_key(header)?;
        Ok(DecryptionMaterials { data_key, required: required.serialize(), verifying_key })
    }
}

fn verifying_key(header: &Header) -> Result<Option<VerifyingKey>> {
    let malformed = |what| Error::Malformed { offset: 0, what };
    match (header.suite.signature, header.context.get(PUBLIC_KEY)) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(malformed("an unsigned suite with a public key in its context")),
        (Some(_), None) => Err(malformed("a signed suite without a public key in its context")),
        (Some(signature), Some(value)) => {
            let point = BASE64.decode(value).map_err(|_| malformed("the public key is not base64"))?;
            let key = VerifyingKey::new(signature, &point);
            Ok(Some(key.map_err(|_| malformed("the public key is not a point of its curve"))?))
        }
    }
}

const RESERVED: &str = "aws-crypto-";
const MAX_FRAME_LENGTH: u32 = i32::MAX as u32;
