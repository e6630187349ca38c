//! What a writer may ask for, and what a reader makes of the pair of suite and context.

use std::sync::Arc;

use strongroom_secmem::Secret;

use super::super::{
    Caps, CommitmentPolicy, DecryptionMaterials, EncryptionMaterials, Header, Opener, Sealer,
    public_key_value,
};
use super::{data_key, decrypt, edk, encrypt, materials, opening};
use crate::context::{Context, PUBLIC_KEY};
use crate::error::{Error, Result};
use crate::key::DataKey;
use crate::primitives::digest::Digester;
use crate::primitives::ecdsa::SigningKey;
use crate::suite::{Hash, SUITES, Suite};

#[test]
fn what_a_writer_may_not_ask_for_is_refused() {
    let (plain, empty) = (context(&[("a", "b")]), Context::default());
    for (says, suite, edks, context, required, frame_length) in [
        ("no longer written", 0x0178, 1, &plain, "", 16),
        ("1 to 2147483647 bytes", 0x0478, 1, &plain, "", 0),
        ("1 to 2147483647 bytes", 0x0478, 1, &plain, "", 1 << 31),
        ("1 to 65535 encrypted data keys", 0x0478, 0, &plain, "", 16),
        ("1 to 65535 encrypted data keys", 0x0478, 65_536, &plain, "", 16),
        ("required context key 'c'", 0x0478, 1, &plain, "c", 16),
        ("required context key 'a'", 0x0478, 1, &empty, "a", 16),
        ("a signing key go together", 0x0578, 1, &plain, "", 16),
        ("'aws-crypto-public-key' is reserved", 0x0478, 1, &context(&[(PUBLIC_KEY, "b")]), "", 16),
        ("'aws-crypto-' is reserved", 0x0478, 1, &context(&[("aws-crypto-", "b")]), "", 16),
    ] {
        let required: Vec<_> =
            [required].into_iter().filter(|key| !key.is_empty()).map(str::to_owned).collect();
        let suite = Suite::by_id(suite).unwrap();
        let made = EncryptionMaterials::new(
            suite,
            data_key(),
            &vec![edk(48); edks],
            context,
            &required,
            frame_length,
            None,
        );
        let error = made.map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn what_a_writer_may_just_ask_for_is_written() {
    for (edks, frame_length) in [(1, i32::MAX as u32), (65_535, 1), (3, 16)] {
        let suite = Suite::by_id(0x0478).unwrap();
        let context = context(&[("a", "b")]);
        let edks = vec![edk(48); edks];
        let made =
            EncryptionMaterials::new(suite, data_key(), &edks, &context, &[], frame_length, None).unwrap();
        assert_eq!((made.suite().id, made.frame_length()), (0x0478, frame_length));
        let (_, header) = Sealer::new(&made).unwrap();
        assert_eq!(header.len(), made.header_len());
        let caps = Caps { header: header.len(), edks: u16::MAX, frame: u32::MAX, unframed: 0 };
        let read = Header::parse(&header, &caps).unwrap();
        assert_eq!((read.frame_length(), read.edks), (Some(frame_length), edks));
    }
}

#[test]
fn a_field_of_the_header_has_a_length_of_two_bytes() {
    let suite = Suite::by_id(0x0478).unwrap();
    let made = |len| {
        EncryptionMaterials::new(suite, data_key(), &[edk(len)], &Context::default(), &[], 16, None).map(drop)
    };
    made(65_535).unwrap();
    assert!(matches!(made(65_536), Err(Error::Limit { limit: 65_535, found: 65_536, .. })));
}

#[test]
fn a_signing_key_and_its_public_half_go_together() {
    let signed = Suite::by_id(0x0578).unwrap();
    let unsigned = Suite::by_id(0x0478).unwrap();
    let key = || SigningKey::generate(signed.signature.unwrap()).unwrap();
    let made = |suite, key, context: &Context, required: &[String]| {
        let made = EncryptionMaterials::new(suite, data_key(), &[edk(48)], context, required, 16, Some(key))
            .map(drop);
        made.map_err(|error| error.to_string())
    };
    let (plain, ours) = (context(&[("a", "b")]), key());
    let public = public_key_value(&ours).unwrap();
    let with = context(&[("a", "b"), (PUBLIC_KEY, &public)]);
    for (says, made) in [
        ("go together", made(unsigned, key(), &plain, &[])),
        ("is not in the context", made(signed, key(), &plain, &[])),
        ("'aws-crypto-public-key' is reserved", made(signed, key(), &with, &[])),
    ] {
        assert!(made.as_ref().unwrap_err().contains(says), "{says}: {made:?}");
    }
    let hidden = made(signed, ours, &with, &[PUBLIC_KEY.to_owned()]);
    assert!(hidden.unwrap_err().contains("'aws-crypto-public-key' is reserved"));
}

/// What is required is not in the header, and the header's tag covers it.
#[test]
fn pairs_that_are_only_required_must_be_given_again() {
    let suite = Suite::by_id(0x0478).unwrap();
    let whole = context(&[("a", "b"), ("tenant", "acme")]);
    let required = ["tenant".to_owned()];
    let made = EncryptionMaterials::new(suite, data_key(), &[edk(48)], &whole, &required, 16, None).unwrap();
    let message = encrypt(&made, b"plaintext");
    assert_eq!(Header::parse(&message, &Caps::default()).unwrap().context, context(&[("a", "b")]));
    let with =
        |given: &Context| decrypt(&message, 9, |header| DecryptionMaterials::new(header, data_key(), given));
    assert_eq!(with(&context(&[("tenant", "acme")])).unwrap(), b"plaintext");
    for wrong in [Context::default(), context(&[("tenant", "acmd")]), whole] {
        assert!(matches!(with(&wrong), Err(Error::Authentication)));
    }
}

#[test]
fn a_public_key_that_is_none_is_malformed() {
    let message = encrypt(&materials(0x0578, 16), b"x");
    let mut header = Header::parse(&message, &Caps::default()).unwrap();
    let value = header.context.get(PUBLIC_KEY).unwrap().to_owned();
    opening(&header).unwrap();
    for (says, value) in [("not base64", "?".to_owned()), ("not a point", value.replace(&value[..2], "BA"))] {
        header.context = context(&[(PUBLIC_KEY, &value)]);
        match opening(&header) {
            Err(Error::Malformed { what, .. }) => assert!(what.contains(says), "{what}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

/// Whoever wrapped it chose its length; a writer of our own is told.
#[test]
fn a_data_key_of_another_length_opens_nothing() {
    let message = encrypt(&materials(0x0478, 16), b"x");
    let header = Header::parse(&message, &Caps::default()).unwrap();
    let short = || Arc::new(DataKey::new(Secret::copy_from(&[7; 31]).unwrap()));
    let opened =
        decrypt(&message, 1, |header| DecryptionMaterials::new(header, short(), &Context::default()));
    assert!(matches!(opened, Err(Error::Authentication)), "{opened:?}");
    let made =
        EncryptionMaterials::new(header.suite, short(), &[edk(48)], &Context::default(), &[], 16, None);
    assert!(matches!(Sealer::new(&made.unwrap()), Err(Error::Misuse(_))));
}

#[test]
fn only_a_signed_message_has_a_footer() {
    let message = encrypt(&materials(0x0478, 16), b"x");
    let header = Header::parse(&message, &Caps::default()).unwrap();
    let signed = || Digester::new(Hash::Sha384);
    let verified = Opener::verify(&opening(&header).unwrap(), signed(), &[], 0);
    assert!(matches!(verified, Err(Error::Misuse(_))), "{verified:?}");
    let footer = Sealer::footer(&materials(0x0478, 16), &signed());
    assert!(matches!(footer, Err(Error::Misuse(_))), "{footer:?}");
}

#[test]
fn a_policy_refuses_what_does_not_commit() {
    for (name, refuses) in [
        ("forbid-encrypt-allow-decrypt", false),
        ("require-encrypt-allow-decrypt", false),
        ("require-encrypt-require-decrypt", true),
    ] {
        let policy = CommitmentPolicy::by_name(name).unwrap();
        for suite in &SUITES {
            let allowed: Result<()> = policy.allows_decrypt(suite);
            assert_eq!(allowed.is_err(), refuses && !suite.commits, "{name} {:#x}", suite.id);
        }
    }
    assert_eq!(CommitmentPolicy::default(), CommitmentPolicy::RequireEncryptRequireDecrypt);
    assert!(CommitmentPolicy::by_name("require").is_err());
    let names: Vec<_> = ["forbid-encrypt-allow-decrypt", "require-encrypt-allow-decrypt"]
        .iter()
        .map(|name| CommitmentPolicy::by_name(name).unwrap())
        .collect();
    assert_ne!(names[0], names[1]);
}

fn context(pairs: &[(&str, &str)]) -> Context {
    Context::new(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()))).unwrap()
}
