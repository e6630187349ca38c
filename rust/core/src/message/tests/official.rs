//! Messages of every suite, framed and not, as the official SDK for Python wrote them (tests/vectors).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use strongroom_secmem::Secret;

use super::super::{Caps, Content, DecryptionMaterials, Header, Outline};
use super::{decrypt, refused};
use crate::context::{Context, PUBLIC_KEY};
use crate::error::{Error, Result};
use crate::key::{DataKey, Edk, NONCE_LEN, Nonce, TAG_LEN};
use crate::primitives::aead::AeadKey;
use crate::suite::{Aead, Suite};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "made_by")]
    _made_by: String,
    wrapping_key: String,
    namespace: String,
    name: String,
    context: BTreeMap<String, String>,
    plaintext: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    suite: u16,
    frame_length: u32,
    message: String,
}

impl Vectors {
    fn read() -> Vectors {
        serde_json::from_str(include_str!("../../../../../tests/vectors/sdk-messages.json")).unwrap()
    }

    fn messages(&self) -> impl Iterator<Item = (&Message, Vec<u8>)> {
        self.messages.iter().map(|message| (message, BASE64.decode(&message.message).unwrap()))
    }

    /// The materials that the wrapping key gives for a header.
    fn materials(&self, header: &Header) -> Result<DecryptionMaterials> {
        let key = self.unwrap(&header.edks[0], &header.context).ok_or(Error::Authentication)?;
        let data_key = Arc::new(DataKey::new(Secret::copy_from(&key)?));
        DecryptionMaterials::new(header, data_key, &Context::default())
    }

    fn unwrap(&self, edk: &Edk, context: &Context) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = *edk.provider_info.strip_prefix(self.name.as_bytes())?.last_chunk()?;
        let (key, tag) = edk.ciphertext.split_last_chunk::<TAG_LEN>()?;
        let wrapping = AeadKey::new(Aead::Aes256Gcm, &BASE64.decode(&self.wrapping_key).unwrap()).unwrap();
        let mut key = key.to_vec();
        wrapping.open_in_place(Nonce(nonce), &context.serialize(), &mut key, tag).ok()?;
        (edk.provider_id == self.namespace).then_some(key)
    }
}

#[test]
fn every_suite_is_read() {
    let vectors = Vectors::read();
    let mut seen = HashSet::new();
    for (expected, message) in vectors.messages() {
        let header = Header::parse(&message, &Caps::default()).unwrap();
        let outline = Outline::find(&message, &Caps::default()).unwrap();
        assert_eq!(header.suite.id, expected.suite);
        assert_eq!(header.frame_length(), (expected.frame_length > 0).then_some(expected.frame_length));
        assert_eq!(format!("{:?}", header.outline()), format!("{outline:?}"));
        assert_eq!(header.encoded(), message[..header.len()]);
        for (key, value) in &vectors.context {
            assert_eq!(header.context.get(key), Some(value.as_str()));
        }
        let pairs = vectors.context.len() + usize::from(header.suite.signature.is_some());
        assert_eq!(header.context.len(), pairs);
        assert_eq!(header.context.get(PUBLIC_KEY).is_some(), header.suite.signature.is_some());
        let plaintext = decrypt(&message, vectors.plaintext.len(), |header| vectors.materials(header));
        assert_eq!(plaintext.unwrap(), vectors.plaintext.as_bytes(), "{:#x}", expected.suite);
        seen.insert((header.suite.id, header.content == Content::Unframed));
    }
    assert_eq!(seen.len(), 22);
}

/// A bit of each byte, and truncations.
#[test]
fn nothing_altered_is_accepted() {
    let vectors = Vectors::read();
    let refuse =
        |message: &[u8]| refused(message, vectors.plaintext.len(), |header| vectors.materials(header));
    for (expected, message) in vectors.messages() {
        // its points take long to parse, and what is signed is signed alike
        if expected.frame_length == 0 && Suite::by_id(expected.suite).unwrap().signature.is_some() {
            continue;
        }
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1 << (at % 8);
            refuse(&altered);
        }
        (0..message.len()).step_by(5).for_each(|len| refuse(&message[..len]));
    }
}
