//! What a header may be: each refusal, where in the input it is, and each cap to the byte.

use super::super::{Caps, Header, Outline, Sealer};
use super::materials;
use crate::error::Error;

/// The header of a message that we write, where everything stands at a known place.
struct Parts {
    bytes: Vec<u8>,
    context_at: usize,
    edks_at: usize,
    content_at: usize,
}

impl Parts {
    /// Version 2: version, suite, message id 32, context, data keys, content type, frame length, commitment 32, tag 16.
    fn v2() -> Parts {
        let (_, bytes) = Sealer::new(&materials(0x0478, 100)).unwrap();
        Parts::of(bytes, 35, 1 + 4 + 32 + 16)
    }

    /// The same in version 1: version, type, suite, message id 16, then as above, 0 0 0 0, the length of nonces, frame
    /// length, nonce 12, tag 16.
    fn v1() -> Parts {
        let v2 = Parts::v2();
        let before = [&[1, 0x80, 0, 0x14][..], &[9; 16], &v2.bytes[v2.context_at..v2.content_at]].concat();
        let after = [&[2, 0, 0, 0, 0, 12][..], &100_u32.to_be_bytes(), &[0; 12 + 16]].concat();
        Parts::of([before, after].concat(), 20, 1 + 4 + 1 + 4 + 12 + 16)
    }

    fn of(bytes: Vec<u8>, context_at: usize, after_keys: usize) -> Parts {
        let context = 2 + usize::from(u16::from_be_bytes([bytes[context_at], bytes[context_at + 1]]));
        let content_at = bytes.len() - after_keys;
        Parts { bytes, context_at, edks_at: context_at + context, content_at }
    }

    fn with(&self, at: usize, new: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    }
}

#[test]
fn each_refusal_says_where() {
    let (v1, v2) = (Parts::v1(), Parts::v2());
    let provider_at = v1.edks_at + 2 + 2;
    for (parts, at, new, offset, says) in [
        (&v1, 0, &[3][..], 0, "not a message"),
        (&v1, 1, &[0x81], 1, "message type"),
        (&v1, 2, &[0x04, 0x78], 2, "another message version"),
        (&v2, 1, &[0x00, 0x14], 1, "another message version"),
        (&v1, v1.edks_at, &[0, 0], v1.edks_at, "no encrypted data key"),
        (&v1, provider_at, &[0xFF], provider_at, "not UTF-8"),
        (&v1, v1.content_at, &[3], v1.content_at, "unknown content type"),
        (&v2, v2.content_at, &[0], v2.content_at, "unknown content type"),
        (&v1, v1.content_at + 1, &[0, 0, 0, 1], v1.content_at + 1, "reserved"),
        (&v1, v1.content_at + 5, &[11], v1.content_at + 5, "length of nonces"),
        (&v1, v1.content_at + 6, &[0; 4], v1.content_at + 6, "frame length is zero"),
        (&v2, v2.content_at + 1, &[0; 4], v2.content_at + 1, "frame length is zero"),
        (&v2, v2.content_at, &[1], v2.content_at + 1, "has a frame length"),
    ] {
        match Header::parse(&parts.with(at, new), &Caps::default()) {
            Err(Error::Malformed { offset: found, what }) => {
                assert_eq!(found, offset as u64, "{what}");
                assert!(what.contains(says), "{what}");
            }
            other => panic!("{says}: {other:?}"),
        }
    }
}

#[test]
fn both_versions_say_what_stands_in_them() {
    for (parts, version) in [(Parts::v1(), 1), (Parts::v2(), 2)] {
        let header = Header::parse(&parts.bytes, &Caps::default()).unwrap();
        let outline = Outline::find(&parts.bytes, &Caps::default()).unwrap();
        assert_eq!((header.len(), outline.len()), (parts.bytes.len(), parts.bytes.len()));
        assert_eq!(header.encoded(), parts.bytes);
        assert_eq!(header.frame_length(), Some(100));
        assert_eq!(header.context.get("purpose"), Some("test"));
        assert_eq!(outline.context(), header.context.serialize());
        assert_eq!(header.edks[0].provider_id, "test");
        assert_eq!(header.message_id.len(), 16 * version);
        assert_eq!(header.commitment.is_some(), version == 2);
    }
}

#[test]
fn caps_hold_to_the_byte() {
    let v2 = Parts::v2();
    let exact = Caps { header: v2.bytes.len(), edks: 1, frame: 100, unframed: 0 };
    assert!(Header::parse(&v2.bytes, &exact).is_ok() && Outline::find(&v2.bytes, &exact).is_ok());
    for (caps, limit, found) in [
        (Caps { header: v2.bytes.len() - 1, ..exact }, v2.bytes.len() - 1, v2.bytes.len()),
        (Caps { edks: 0, ..exact }, 0, 1),
        (Caps { frame: 99, ..exact }, 99, 100),
    ] {
        match Header::parse(&v2.bytes, &caps) {
            Err(Error::Limit { limit: of, found: was, .. }) => {
                assert_eq!((of, was), (limit as u64, found as u64));
            }
            other => panic!("{other:?}"),
        }
    }
}
