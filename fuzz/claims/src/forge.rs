//! A writer that has the key and keeps none of the rules: whatever it writes is authentic, however malformed.

use std::sync::{Arc, LazyLock};

use strongroom_core::context::{Context, PUBLIC_KEY};
use strongroom_core::key::{DataKey, NONCE_LEN, Nonce, TAG_LEN};
use strongroom_core::message::{Caps, Outline, public_key_value};
use strongroom_core::primitives::aead::AeadKey;
use strongroom_core::primitives::digest::Digester;
use strongroom_core::primitives::ecdsa::SigningKey;
use strongroom_core::primitives::hkdf::Prk;
use strongroom_core::suite::{Curve, FormatVersion, SUITES, Suite};
use strongroom_secmem::Secret;

use crate::draft::{Draft, Frame, Quirk};
use crate::edit::apply;

/// A message that was forged.
#[derive(Debug)]
pub(crate) struct Forged {
    pub(crate) message: Vec<u8>,
    /// What was sealed in it, frame after frame.
    pub(crate) plaintext: Vec<u8>,
}

/// Writes what the draft says, but for its last edits.
pub(crate) fn forge(draft: &Draft) -> Forged {
    let mut body = header_body(draft);
    apply(&draft.header_edits, &mut body);
    let mut message = body;
    let (suite, id, key) = seal_header(&mut message, draft);
    let mut plaintext = Vec::new();
    let writer = Writer { key: &key, id: &id };
    match draft.framed {
        true => frames(draft, &writer, &mut message, &mut plaintext),
        false => writer.unframed(draft.frames[0], &mut message, &mut plaintext),
    }
    sign(suite, &mut message);
    Forged { message, plaintext }
}

/// The data key of everything that is forged here.
pub(crate) fn data_key(suite: &Suite) -> Arc<DataKey> {
    static KEYS: LazyLock<[Arc<DataKey>; 3]> = LazyLock::new(|| {
        [16, 24, 32].map(|len| Arc::new(DataKey::new(Secret::copy_from(&KEY[..len]).unwrap())))
    });
    Arc::clone(&KEYS[suite.data_key_len() / 8 - 2])
}

/// A header up to its tag, as a writer who keeps the rules would write it, with zeros for the commitment.
pub(crate) fn header_body(draft: &Draft) -> Vec<u8> {
    let suite = draft.suite;
    let mut body = match suite.version {
        FormatVersion::V1 => vec![1, 0x80],
        FormatVersion::V2 => vec![2],
    };
    body.extend(suite.id.to_be_bytes());
    body.resize(body.len() + suite.message_id_len(), draft.message_id);
    field(&mut body, &context(draft));
    body.extend([0, draft.edks]);
    for _ in 0..draft.edks {
        for part in [&b"fuzz"[..], b"key", b"wrapped"] {
            field(&mut body, part);
        }
    }
    body.push(if draft.framed { 2 } else { 1 });
    if suite.version == FormatVersion::V1 {
        body.extend([0, 0, 0, 0, 12]);
    }
    body.extend(if draft.framed { draft.frame_length } else { 0 }.to_be_bytes());
    if suite.version == FormatVersion::V2 {
        body.extend([0; COMMITMENT]);
    }
    body
}

fn context(draft: &Draft) -> Vec<u8> {
    let pairs = draft.values.iter().enumerate();
    let pairs = pairs.map(|(index, &len)| (format!("key-{index}"), "v".repeat(usize::from(len))));
    let public = signing_key(draft.suite).map(|(_, value)| (PUBLIC_KEY.to_owned(), value.clone()));
    Context::new(pairs.chain(public)).unwrap().serialize()
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}

/// Makes the header authentic for whoever finds one in it, and gives suite, message id and content key.
fn seal_header(header: &mut Vec<u8>, draft: &Draft) -> (&'static Suite, Vec<u8>, AeadKey) {
    let nonce = |suite: &Suite| if suite.version == FormatVersion::V1 { NONCE_LEN } else { 0 };
    header.resize(header.len() + nonce(draft.suite) + TAG_LEN, 0);
    let found = Outline::find(header, &Caps::default()).ok();
    let found = found.map(|outline| (outline.suite, outline.message_id.to_vec(), outline.len()));
    let Some((suite, id, len)) = found else {
        let id = vec![0; draft.suite.message_id_len()];
        let (key, _) = derive(draft.suite, &id);
        return (draft.suite, id, key);
    };
    let (key, commitment) = derive(suite, &id);
    let body = len - TAG_LEN - nonce(suite);
    if suite.commits {
        header[body - COMMITMENT..body].copy_from_slice(&commitment);
    }
    let mut bytes = [0; NONCE_LEN];
    bytes[..nonce(suite)].copy_from_slice(&header[body..body + nonce(suite)]);
    let tag = key.seal_in_place(Nonce(bytes), &header[..body], &mut []).unwrap();
    header[len - TAG_LEN..len].copy_from_slice(&tag);
    (suite, id, key)
}

/// Content key and commitment, as the algorithm suites of the specification say.
fn derive(suite: &Suite, id: &[u8]) -> (AeadKey, [u8; COMMITMENT]) {
    let secret = &KEY[..suite.data_key_len()];
    let (mut key, mut commitment) = ([0; 32], [0; COMMITMENT]);
    let key = &mut key[..suite.aead.key_len()];
    match (suite.kdf, suite.commits) {
        (None, _) => key.copy_from_slice(secret),
        (Some(hash), false) => {
            let prk = Prk::extract(hash, &[0; 64][..hash.len()], secret);
            prk.expand(&[&suite.id.to_be_bytes(), id], key).unwrap();
        }
        (Some(hash), true) => {
            let prk = Prk::extract(hash, id, secret);
            prk.expand(&[&suite.id.to_be_bytes(), b"DERIVEKEY"], key).unwrap();
            prk.expand(&[b"COMMITKEY"], &mut commitment).unwrap();
        }
    }
    (AeadKey::new(suite.aead, key).unwrap(), commitment)
}

fn frames(draft: &Draft, writer: &Writer<'_>, message: &mut Vec<u8>, plaintext: &mut Vec<u8>) {
    for (number, frame) in (1..).zip(&draft.frames) {
        let is_last = number as usize == draft.frames.len();
        writer.frame(*frame, draft.frame_length, number, is_last, message, plaintext);
    }
}

struct Writer<'a> {
    key: &'a AeadKey,
    id: &'a [u8],
}

impl Writer<'_> {
    fn frame(
        &self,
        frame: Frame,
        frame_length: u32,
        number: u32,
        is_last: bool,
        message: &mut Vec<u8>,
        plaintext: &mut Vec<u8>,
    ) {
        let quirk = frame.quirk;
        let is_final = is_last != (quirk == Quirk::Kind);
        let number = if let Quirk::Number(other) = quirk { other } else { number };
        let len = match quirk {
            Quirk::Length(other) => u32::from(other),
            _ if is_final => u32::from(frame.len) % (frame_length + 1),
            _ => frame_length,
        };
        let head = if let Quirk::Head(other) = quirk { other } else { number };
        let nonce = nonce(number, quirk);
        if is_final {
            message.extend([0xFF; 4]);
        }
        message.extend(head.to_be_bytes());
        message.extend(nonce);
        if is_final {
            message.extend(if let Quirk::Claim(other) = quirk { other } else { len }.to_be_bytes());
        }
        let kind: &[u8] =
            if is_final { b"AWSKMSEncryptionClient Final Frame" } else { b"AWSKMSEncryptionClient Frame" };
        self.seal(nonce, kind, number, len, message, plaintext);
    }

    fn unframed(&self, frame: Frame, message: &mut Vec<u8>, plaintext: &mut Vec<u8>) {
        let len = u32::from(frame.len);
        let claim = match frame.quirk {
            Quirk::Claim(other) => u64::from(other) << (other % 33),
            _ => u64::from(len),
        };
        let nonce = nonce(1, frame.quirk);
        message.extend(nonce);
        message.extend(claim.to_be_bytes());
        let number = if let Quirk::Number(other) = frame.quirk { other } else { 1 };
        self.seal(nonce, b"AWSKMSEncryptionClient Single Block", number, len, message, plaintext);
    }

    fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        kind: &[u8],
        number: u32,
        len: u32,
        message: &mut Vec<u8>,
        plaintext: &mut Vec<u8>,
    ) {
        let aad = [self.id, kind, &number.to_be_bytes(), &u64::from(len).to_be_bytes()].concat();
        let at = message.len();
        message.extend((0..len).map(|index| (index ^ number).to_le_bytes()[0]));
        plaintext.extend_from_slice(&message[at..]);
        let tag = self.key.seal_in_place(Nonce(nonce), &aad, &mut message[at..]).unwrap();
        message.extend(tag);
    }
}

fn nonce(number: u32, quirk: Quirk) -> [u8; NONCE_LEN] {
    let first = if let Quirk::Nonce(other) = quirk { other } else { 0 };
    let mut nonce = [first; NONCE_LEN];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    nonce
}

fn sign(suite: &Suite, message: &mut Vec<u8>) {
    if let (Some(signature), Some((key, _))) = (suite.signature, signing_key(suite)) {
        let mut signed = Digester::new(signature.hash);
        signed.update(message);
        field(message, &key.sign(signed).unwrap());
    }
}

/// The key that signs, and what the context says of it. Random: the seeds hold nothing of it.
fn signing_key(suite: &Suite) -> Option<&'static (SigningKey, String)> {
    static KEYS: LazyLock<[(SigningKey, String); 2]> = LazyLock::new(|| {
        [0x0214, 0x0578].map(|id| {
            let suite = SUITES.iter().find(|suite| suite.id == id).unwrap();
            let key = SigningKey::generate(suite.signature.unwrap()).unwrap();
            let value = public_key_value(&key).unwrap();
            (key, value)
        })
    });
    suite.signature.map(|signature| &KEYS[usize::from(signature.curve == Curve::P384)])
}

const KEY: [u8; 32] = [7; 32];
const COMMITMENT: usize = 32;
