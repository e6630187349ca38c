//! What Rust parses of a room and of the keys around it: the sealed root, KEKs and MAC keys under it, encrypted data
//! keys of raw keyrings, and PEM. Their containers (`room.json`, `root.json`, the keystore, the audit trail) are read by
//! Python, and `torture room_files` breaks those.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use strongroom_core::context::Context;
use strongroom_core::error::{Error, Result};
use strongroom_core::key::{DataKey, Edk};
use strongroom_core::wrap::{Kdf, MacKey, RawAes, RawEcdh, RootKey};
use strongroom_secmem::Secret;

use crate::edit::{self, apply};
use crate::memory::within;

/// Nothing opens that was edited, and it is refused without detail.
pub fn room(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let kind: u8 = bytes.arbitrary().unwrap();
    let edits = edit::read(&mut bytes).unwrap();
    let edited = |original: &[u8]| {
        let mut edited = original.to_vec();
        apply(&edits, &mut edited);
        edited
    };
    let keys = &*KEYS;
    match kind % 6 {
        0 => judge(&keys.sealed, &edited(&keys.sealed), |it| RootKey::unseal(it, &secret(), &kdf(), AAD)),
        1 => judge(&keys.kek, &edited(&keys.kek), |it| keys.root.unwrap_kek(it, AAD)),
        2 => judge(&keys.mac, &edited(&keys.mac), |it| keys.root.unwrap_mac_key(it, AAD)),
        3 => {
            let edk = Edk { ciphertext: edited(&keys.edk.ciphertext), ..keys.edk.clone() };
            judge(&keys.edk, &edk, |edk| keys.aes.unwrap(edk, "ns", "name", &Context::default()));
        }
        4 => {
            let edk = Edk { provider_info: edited(&keys.edk.provider_info), ..keys.edk.clone() };
            judge(&keys.edk, &edk, |edk| keys.aes.unwrap(edk, "ns", "name", &Context::default()));
        }
        _ => {
            // no writer of these is at hand: whatever the bytes, they are of no key
            let info = edited(&keys.points);
            let edk = Edk { provider_id: "raw-ecdh".into(), provider_info: info, ciphertext: vec![7; 112] };
            let unwrapped = within(FIXED, || keys.ecdh.unwrap(&edk, &Context::default()));
            assert!(matches!(unwrapped, Err(Error::Authentication)), "{unwrapped:?}");
        }
    }
}

fn judge<T: PartialEq, K: std::fmt::Debug>(original: &T, edited: &T, open: impl FnOnce(&T) -> Result<K>) {
    let opened = within(FIXED, || open(edited));
    match (edited == original, opened) {
        (true, Ok(_)) | (false, Err(Error::Authentication)) => {}
        (_, other) => panic!("{other:?}"),
    }
}

struct Keys {
    root: RootKey,
    sealed: Vec<u8>,
    kek: Vec<u8>,
    mac: Vec<u8>,
    aes: RawAes,
    edk: Edk,
    ecdh: RawEcdh,
    points: Vec<u8>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let root = RootKey::generate().unwrap();
    let aes = RawAes::new(secret()).unwrap();
    let data_key = DataKey::new(secret());
    let point: Vec<u8> = [&33_u32.to_be_bytes()[..], &[2], &[0x6B; 32]].concat();
    Keys {
        sealed: root.seal(&secret(), &kdf(), AAD).unwrap(),
        kek: root.wrap_kek(&aes, AAD).unwrap(),
        mac: root.wrap_mac_key(&MacKey::generate().unwrap(), AAD).unwrap(),
        edk: aes.wrap(&data_key, "ns", "name", &Context::default()).unwrap(),
        ecdh: RawEcdh::new(PEM.as_bytes(), None).unwrap(),
        points: [&[1][..], &point, &point].concat(),
        root,
        aes,
    }
});

fn secret() -> Secret {
    Secret::copy_from(&[7; 32]).unwrap()
}

fn kdf() -> Kdf {
    Kdf::HkdfSha256 { salt: vec![9; 16] }
}

const AAD: &[u8] = b"the room and what is in it";
const FIXED: usize = 4096;
/// A P-256 key whose scalar is all ones.
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCABAQEBAQEBAQEBAQEBAQEBAQEBAQEB
AQEBAQEBAQEBAQ==
-----END PRIVATE KEY-----
";
