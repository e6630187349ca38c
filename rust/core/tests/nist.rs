//! NIST's vectors (CAVP) and the RFCs' and RSA Laboratories' that travel with them, from PyPI `cryptography-vectors`.
//!
//! They are looked for in `STRONGROOM_NIST_VECTORS`, then in the workspace's `.venv`; without them the tests say so
//! and pass. A case outside our parameters is refused where it can be asked for, and counted with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Once;

use common::rsp::{self, Labelled, Record};
use common::tally::{Count, Expected, Tally};
use common::{checks, der};
use strongroom_core::error::Result;
use strongroom_core::primitives::ecdh::kbkdf_sha384;
use strongroom_core::primitives::rsa::{Padding, PrivateKey};
use strongroom_core::suite::{Curve, Hash};

const PASSED: &[Count] = &[Count::Passed];
const OUTSIDE: &[Count] = &[Count::Outside];

#[test]
fn aes_gcm() {
    let Some(vectors) = Vectors::find() else { return };
    for bits in [128, 192, 256] {
        let file = format!("ciphers/AES/GCM/gcmEncryptExtIV{bits}.rsp");
        gcm(&vectors, &file, &[Count::Passed, Count::Outside], |case| {
            assert!(case.open()?, "its own ciphertext");
            case.seal()
        });
        let file = format!("ciphers/AES/GCM/gcmDecrypt{bits}.rsp");
        let needed = &[Count::Passed, Count::Refused, Count::Outside];
        gcm(&vectors, &file, needed, |case| case.open());
    }
}

fn gcm(vectors: &Vectors, file: &str, needed: &[Count], check: impl Fn(&checks::Gcm<'_>) -> Result<bool>) {
    let records = vectors.records(file);
    let mut tally = Tally::new(format!("NIST {file}"));
    for (case, record) in records.iter().enumerate() {
        let bytes = |name: &str| record.bytes(name);
        let Ok(nonce) = <[u8; 12]>::try_from(bytes("IV")) else {
            tally.outside("a nonce other than 96 bits");
            continue;
        };
        let failing = record.has("FAIL");
        let plaintext = if failing { Vec::new() } else { bytes("PT") };
        let (key, aad, ciphertext, tag) = (bytes("Key"), bytes("AAD"), bytes("CT"), bytes("Tag"));
        let gcm = checks::Gcm {
            key: &key,
            nonce,
            aad: &aad,
            plaintext: &plaintext,
            ciphertext: &ciphertext,
            tag: &tag,
        };
        if record.parameter("Taglen") == "128" {
            tally.judge(case, valid_unless(failing), check(&gcm));
        } else {
            tally.outside_and_refused(case, "a truncated tag", gcm.open());
        }
    }
    tally.report(records.len(), needed);
}

#[test]
fn hmac() {
    let Some(vectors) = Vectors::find() else { return };
    for (file, hash) in [
        ("HMAC/rfc-4231-sha256.txt", Hash::Sha256),
        ("HMAC/rfc-4231-sha384.txt", Hash::Sha384),
        ("HMAC/rfc-4231-sha512.txt", Hash::Sha512),
    ] {
        let records = vectors.records(file);
        let mut tally = Tally::new(file);
        for (case, record) in records.iter().enumerate() {
            let (key, message, mac) = (record.bytes("Key"), record.bytes("Msg"), record.bytes("MD"));
            tally.judge(case, Expected::Valid, checks::hmac(hash, &key, &message, &mac));
        }
        tally.report(records.len(), PASSED);
    }
}

#[test]
fn hkdf() {
    let Some(vectors) = Vectors::find() else { return };
    for (file, needed) in [
        ("KDF/rfc-5869-HKDF-SHA256.txt", PASSED),
        ("KDF/hkdf-generated.txt", PASSED),
        ("KDF/rfc-5869-HKDF-SHA1.txt", OUTSIDE),
    ] {
        let records = vectors.records(file);
        let mut tally = Tally::new(file);
        for (case, record) in records.iter().enumerate() {
            if record.text("Hash") != "SHA-256" {
                tally.outside("a hash that we do not derive keys with");
                continue;
            }
            let (salt, ikm, info) = (record.bytes("salt"), record.bytes("IKM"), record.bytes("info"));
            let len = record.text("L").parse().unwrap();
            let outcome = checks::hkdf(Hash::Sha256, &salt, &ikm, &info, len, &record.bytes("OKM"));
            tally.judge(case, Expected::Valid, outcome);
        }
        tally.report(records.len(), needed);
    }
}

/// SP 800-108, as raw ECDH keyrings use it.
#[test]
fn kbkdf() {
    let Some(vectors) = Vectors::find() else { return };
    let file = "KDF/nist-800-108-KBKDF-CTR.txt";
    let records = vectors.records(file);
    let mut tally = Tally::new(format!("NIST {file}"));
    for (case, record) in records.iter().enumerate() {
        let parameters = ["PRF", "CTRLOCATION", "RLEN"].map(|name| record.parameter(name));
        if parameters != ["HMAC_SHA384", "BEFORE_FIXED", "32_BITS"] {
            tally.outside("another PRF, or another place or length of the counter");
            continue;
        }
        let mut out = vec![0; record.text("L").parse::<usize>().unwrap() / 8];
        let derived = kbkdf_sha384(&record.bytes("KI"), &record.bytes("FixedInputData"), &mut out);
        tally.judge(case, Expected::Valid, derived.map(|()| out == record.bytes("KO")));
    }
    tally.report(records.len(), &[Count::Passed, Count::Outside]);
}

#[test]
fn ecdsa_verification() {
    let Some(vectors) = Vectors::find() else { return };
    let file = "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp";
    let records = vectors.records(file);
    let mut tally = Tally::new(format!("NIST {file}"));
    for (case, record) in records.iter().enumerate() {
        let (curve, hash, why) = match record.header() {
            "P-256,SHA-256" => (Curve::P256, Hash::Sha256, None),
            "P-384,SHA-384" => (Curve::P384, Hash::Sha384, None),
            "P-256,SHA-512" => (Curve::P256, Hash::Sha512, Some("a hash that is not the curve's")),
            "P-384,SHA-256" => (Curve::P384, Hash::Sha256, Some("a hash that is not the curve's")),
            "P-521,SHA-512" => (Curve::P521, Hash::Sha512, Some("P-521")),
            _ => {
                tally.outside("a curve or hash that we do not offer");
                continue;
            }
        };
        let point = der::point(curve, &record.bytes("Qx"), &record.bytes("Qy"));
        let signature = der::signature(&record.bytes("R"), &record.bytes("S"));
        let outcome = checks::ecdsa(curve, hash, &point, &record.bytes("Msg"), &signature);
        match why {
            Some(why) => tally.outside_and_refused(case, why, outcome),
            None => tally.judge(case, valid_unless(record.text("Result").starts_with('F')), outcome),
        }
    }
    tally.report(records.len(), &[Count::Passed, Count::Refused, Count::Outside]);
}

#[test]
fn ecdh() {
    let Some(vectors) = Vectors::find() else { return };
    for role in ["init", "resp"] {
        let file = format!("asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_{role}.fax");
        let records = vectors.records(&file);
        let mut tally = Tally::new(format!("NIST {file}"));
        for (case, record) in records.iter().enumerate() {
            agreement(&mut tally, case, record);
        }
        tally.report(records.len(), &[Count::Passed, Count::Refused, Count::Outside]);
    }
}

fn agreement(tally: &mut Tally, case: usize, record: &Record) {
    let curve = match record.header() {
        "EC - SHA256" => Curve::P256,
        "ED - SHA384" => Curve::P384,
        "EE - SHA512" => Curve::P521,
        _ => return tally.outside("a curve that we do not offer"),
    };
    let theirs = der::point(curve, &record.bytes("QsCAVSx"), &record.bytes("QsCAVSy"));
    let shared = der::padded(&record.bytes("Z"), curve.coordinate_len());
    let outcome = checks::ecdh(curve, &record.bytes("dsIUT"), &theirs, &shared);
    // "F (1 - CAVS's Static public key X fails …": the number says what was changed
    let changed = record.text("Result").split(['(', ' ']).find_map(|word| word.parse::<u8>().ok());
    match changed.unwrap() {
        5 | 6 => tally.outside("our own public key, which we derive and do not read"),
        // we are told neither the right Z nor the right key: all there is to see is that Z is another
        7 | 8 => {
            assert!(!outcome.unwrap_or(false), "{case}: agreed on what was changed");
            tally.refused();
        }
        _ => tally.judge(case, valid_unless(record.text("Result").starts_with('F')), outcome),
    }
}

#[test]
fn rsa_oaep() {
    let Some(vectors) = Vectors::find() else { return };
    rsa(&vectors, "asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt", "oaep-sha1", None);
    for hash in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
        for mgf in ["sha1", "sha224", "sha256", "sha384", "sha512"] {
            if (hash, mgf) == ("sha1", "sha1") {
                continue;
            }
            let why = match (hash, mgf) {
                ("sha224", _) => Some("a hash that we do not pad with"),
                _ => (hash != mgf).then_some("MGF1 with another hash"),
            };
            let file = format!("asymmetric/RSA/oaep-custom/oaep-{hash}-{mgf}.txt");
            rsa(&vectors, &file, &format!("oaep-{hash}"), why);
        }
    }
}

#[test]
fn rsa_pkcs1() {
    let Some(vectors) = Vectors::find() else { return };
    rsa(&vectors, "asymmetric/RSA/pkcs1v15crypt-vectors.txt", "pkcs1", None);
}

fn rsa(vectors: &Vectors, file: &str, padding: &str, outside: Option<&'static str>) {
    let cases = rsp::encryptions(&vectors.read(file));
    let mut tally = Tally::new(format!("RSA Laboratories {file}"));
    for (number, case) in cases.iter().enumerate() {
        let outcome = opens(case, padding);
        let small = case.bytes("Modulus").len() < 256;
        match outside.or(small.then_some("a key below 2048 bits")) {
            Some(why) => tally.outside_and_refused(number, why, outcome),
            None => tally.judge(number, Expected::Valid, outcome),
        }
    }
    tally.report(cases.len(), if outside.is_some() { OUTSIDE } else { PASSED });
}

fn opens(case: &Labelled, padding: &str) -> Result<bool> {
    let components = COMPONENTS.map(|label| case.bytes(label));
    let key = PrivateKey::from_pkcs8(&der::rsa_pkcs8(components.each_ref().map(Vec::as_slice)))?;
    let secret = key.decrypt(Padding::by_name(padding)?, &case.bytes("Encryption"))?;
    Ok(secret.as_slice() == case.bytes("Message"))
}

/// `Exponent` is said twice: the public one for the public key, then the private one.
const COMPONENTS: [&str; 8] = [
    "Modulus",
    "Public exponent",
    "Exponent",
    "Prime 1",
    "Prime 2",
    "Prime exponent 1",
    "Prime exponent 2",
    "Coefficient",
];

fn valid_unless(failing: bool) -> Expected {
    if failing { Expected::Invalid } else { Expected::Valid }
}

/// The folder of vectors.
struct Vectors(PathBuf);

impl Vectors {
    /// Finds it, or says that there is none.
    fn find() -> Option<Self> {
        let named = std::env::var_os("STRONGROOM_NIST_VECTORS").map(PathBuf::from);
        let found = named.or_else(|| in_venv(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib")));
        if found.is_none() {
            static SAID: Once = Once::new();
            let skipped = "NIST vectors skipped: neither STRONGROOM_NIST_VECTORS nor a .venv has them";
            SAID.call_once(|| writeln!(std::io::stdout().lock(), "{skipped}").unwrap());
        }
        found.map(Vectors)
    }

    fn records(&self, file: &str) -> Vec<Record> {
        rsp::records(&self.read(file))
    }

    fn read(&self, file: &str) -> String {
        let path = self.0.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

fn in_venv(lib: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(lib).ok()?.flatten();
    let mut packages = pythons.map(|python| python.path().join("site-packages/cryptography_vectors"));
    packages.find(|package| package.is_dir())
}
