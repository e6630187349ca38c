//! Messages and trees moved to other keys: whole, interrupted, damaged, and read all the while.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use common::trees::{
    Keys, assert_same, decrypt, encrypt, failures, odd_tree, set_mtime, snapshot, verify, write,
};
use common::{materials, plaintext, with_control};
use strongroom_core::cache::Usage;
use strongroom_core::context::{Context, PUBLIC_KEY};
use strongroom_core::error::{Error, Result};
use strongroom_core::job::reencrypt::{Moving, reencrypt_file};
use strongroom_core::job::tree::{self, Existing, KeySource, ReencryptOptions, Report};
use strongroom_core::job::{AtomicFile, Replace, SourceFile, file};
use strongroom_core::key::Edk;
use strongroom_core::message::{Caps, DecryptionMaterials, EncryptionMaterials, Header, public_key_value};
use strongroom_core::primitives::ecdsa::SigningKey;
use strongroom_core::suite::Suite;
use tempfile::TempDir;

/// Moves messages to a key of this name, until so many were asked for.
struct Mover {
    name: &'static [u8],
    suite: u16,
    frame_length: u32,
    left: AtomicU64,
    paced: AtomicU64,
}

fn to(name: &'static [u8]) -> Mover {
    Mover {
        name,
        suite: 0x0478,
        frame_length: 4096,
        left: AtomicU64::new(u64::MAX),
        paced: AtomicU64::new(0),
    }
}

impl Moving for Mover {
    fn is_settled(&self, header: &Header) -> Result<bool> {
        Ok(header.edks[0].provider_info == self.name)
    }

    fn decryption(&self, header: &Header, usage: Usage) -> Result<Arc<DecryptionMaterials>> {
        Keys::new().decryption(header, usage)
    }

    fn encryption(&self, like: &Header, usage: Usage) -> Result<Arc<EncryptionMaterials>> {
        let less = |left: u64| left.checked_sub(usage.messages);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Ok(Arc::new(self.materials(like))),
            Err(limit) if usage.messages > 1 => {
                Err(Error::Limit { what: "messages", limit, found: usage.messages })
            }
            Err(_) => Err(Error::Caller("the keys have given out".into())),
        }
    }

    fn pace(&self, bytes: u64) -> Result<()> {
        self.paced.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Mover {
    fn materials(&self, like: &Header) -> EncryptionMaterials {
        let suite = Suite::by_id(self.suite).unwrap();
        let signing_key = suite.signature.map(|signature| SigningKey::generate(signature).unwrap());
        let own = like.context.iter().filter(|(key, _)| *key != PUBLIC_KEY);
        let mut pairs: Vec<_> = own.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        pairs.extend(signing_key.as_ref().map(|key| (PUBLIC_KEY.to_owned(), public_key_value(key).unwrap())));
        let edk =
            Edk { provider_id: "test".into(), provider_info: self.name.to_vec(), ciphertext: vec![2; 48] };
        let context = Context::new(pairs).unwrap();
        let key = common::data_key();
        EncryptionMaterials::new(suite, key, &[edk], &context, &[], self.frame_length, signing_key).unwrap()
    }
}

fn moved(tree: &Path, keys: &Mover) -> Result<Report> {
    with_control(|control| tree::reencrypt(tree, keys, ReencryptOptions::default(), control))
}

struct Place {
    _directory: TempDir,
    source: PathBuf,
    tree: PathBuf,
    decrypted: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let at = |name| directory.path().join(name);
    let (source, tree, decrypted) = (at("source"), at("tree"), at("decrypted"));
    Place { source, tree, decrypted, _directory: directory }
}

fn some_tree(files: usize) -> Place {
    let place = place();
    for i in 0..files {
        write(&place.source.join(format!("{}/{i}", i % 5)), &plaintext(i * 37), 1_600_000_000, 1);
    }
    encrypt(&place.source, &place.tree, Existing::Refuse).unwrap();
    place
}

fn header(path: &Path) -> Header {
    Header::parse(&fs::read(path).unwrap(), &Caps::default()).unwrap()
}

/// Every message of a tree stands under this key, and it holds what the source does.
fn assert_settled(place: &Place, name: &[u8]) {
    for (path, (mode, ..)) in snapshot(&place.tree) {
        if mode & 0o170_000 == 0o100_000 {
            assert_eq!(header(&place.tree.join(&path)).edks[0].provider_info, name, "{path:?}");
        }
    }
    assert_eq!(failures(&verify(&place.tree).unwrap()), []);
    fs::remove_dir_all(&place.decrypted).ok();
    decrypt(&place.tree, &place.decrypted, Existing::Refuse).unwrap();
    assert_same(&place.source, &place.decrypted);
}

#[test]
fn a_tree_holds_the_same_under_another_key() {
    let place = place();
    odd_tree(&place.source);
    encrypt(&place.source, &place.tree, Existing::Refuse).unwrap();
    set_mtime(&place.tree.join("many/003.sr"), 1_000, 7);
    fs::set_permissions(place.tree.join("many/003.sr"), Permissions::from_mode(0o640)).unwrap();
    let before = snapshot(&place.tree);
    let keys = to(b"new");
    let report = moved(&place.tree, &keys).unwrap();
    assert_eq!(failures(&report), []);
    assert_eq!((report.kept, keys.paced.into_inner()), (0, report.plaintext_bytes));
    for (path, (mode, seconds, nanoseconds, content)) in snapshot(&place.tree) {
        let old = &before[&path];
        assert_eq!(mode, old.0, "{path:?}");
        if mode & 0o170_000 == 0o100_000 {
            assert!(content != old.3, "{path:?}");
            let is_manifest = path.starts_with(".strongroom");
            assert!(is_manifest || (seconds, nanoseconds) == (old.1, old.2), "{path:?}");
        }
    }
    assert_settled(&place, b"new");
    // nothing is left to do, and nothing is done
    let before = snapshot(&place.tree);
    let report = moved(&place.tree, &to(b"new")).unwrap();
    assert_eq!((report.kept, report.message_bytes), (report.files, 0));
    assert!(snapshot(&place.tree) == before);
    // an update goes on with what it finds
    write(&place.source.join("plain.txt"), b"changed", 1_600_000_000, 1);
    let report = encrypt(&place.source, &place.tree, Existing::Resume).unwrap();
    assert_eq!((report.files - report.kept, report.failures.len()), (2, 0), "it has a hard link");
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let place = some_tree(30);
    let before = snapshot(&place.tree);
    let dry = |keys: &Mover| {
        with_control(|control| {
            tree::reencrypt(&place.tree, keys, ReencryptOptions { dry_run: true }, control)
        })
        .unwrap()
    };
    let planned = dry(&to(b"new"));
    assert!(snapshot(&place.tree) == before);
    let done = moved(&place.tree, &to(b"new")).unwrap();
    assert_eq!((planned.files, planned.kept, planned.plaintext_bytes), (done.files, 0, done.plaintext_bytes));
    assert_eq!((dry(&to(b"new")).kept, dry(&to(b"new")).plaintext_bytes), (30, 0));
}

/// Stops at every use of a key there is; whatever was done by then, readers find every file.
#[test]
fn a_run_that_stops_anywhere_leaves_a_whole_tree_and_goes_on() {
    let mut stopped = 0;
    for calls in (0..).step_by(3) {
        let place = some_tree(60);
        let keys = Mover { left: AtomicU64::new(calls), ..to(b"new") };
        match moved(&place.tree, &keys) {
            Err(Error::Caller(_)) => stopped += 1,
            outcome => {
                assert_eq!(failures(&outcome.unwrap()), []);
                break;
            }
        }
        assert_eq!(failures(&verify(&place.tree).unwrap()), [], "after {calls} calls");
        let report = moved(&place.tree, &to(b"new")).unwrap();
        assert_eq!((report.files, failures(&report)), (60, vec![]));
        assert!(!place.tree.join(".strongroom/journal").exists());
        assert_settled(&place, b"new");
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn a_third_key_takes_over_from_a_run_that_was_stopped() {
    let place = some_tree(60);
    let stopped = moved(&place.tree, &Mover { left: AtomicU64::new(20), ..to(b"new") });
    assert!(matches!(stopped, Err(Error::Caller(_))));
    let report = moved(&place.tree, &to(b"newest")).unwrap();
    assert_eq!((report.files, report.kept), (60, 0));
    assert_settled(&place, b"newest");
}

/// An update that was stopped is not lost, and goes on afterwards.
#[test]
fn what_an_interrupted_update_has_done_is_moved_as_well() {
    let place = some_tree(60);
    for i in 0..80 {
        write(&place.source.join(format!("{}/{i}", i % 5)), &plaintext(i * 41 + 1), 1_700_000_000, 1);
    }
    let stopped = with_control(|control| {
        let options = tree::EncryptOptions { existing: Existing::Resume, ..tree::EncryptOptions::default() };
        tree::encrypt(&place.source, &place.tree, &Keys::for_calls(60), &options, control)
    });
    assert!(stopped.is_err());
    let journal = place.tree.join(".strongroom/journal");
    assert!(journal.exists());
    assert_eq!(failures(&moved(&place.tree, &to(b"new")).unwrap()), []);
    assert_eq!(failures(&verify(&place.tree).unwrap()), []);
    let report = encrypt(&place.source, &place.tree, Existing::Resume).unwrap();
    assert_eq!((report.files, failures(&report)), (80, vec![]));
    decrypt(&place.tree, &place.decrypted, Existing::Refuse).unwrap();
    assert_same(&place.source, &place.decrypted);
}

#[test]
fn what_cannot_be_read_stays_as_it_is_and_is_named() {
    let place = some_tree(30);
    let damaged = place.tree.join("1/21.sr");
    let file = File::options().write(true).read(true).open(&damaged).unwrap();
    let end = file.metadata().unwrap().len() - 1;
    let mut last = [0];
    file.read_exact_at(&mut last, end).unwrap();
    file.write_all_at(&[last[0] ^ 1], end).unwrap();
    fs::remove_file(place.tree.join("2/12.sr")).unwrap();
    fs::copy(place.tree.join("3/3.sr"), place.tree.join("3/13.sr")).unwrap();
    let bytes = fs::read(&damaged).unwrap();
    let named = |report: &Report| failures(report).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    let report = moved(&place.tree, &to(b"new")).unwrap();
    assert_eq!(named(&report), ["1/21", "2/12", "3/13"]);
    assert_eq!(fs::read(&damaged).unwrap(), bytes);
    assert_eq!(named(&verify(&place.tree).unwrap()), ["1/21", "2/12", "3/13"]);
    assert_eq!(header(&place.tree.join("4/4.sr")).edks[0].provider_info, b"new");
    // and again: the others are settled
    let again = moved(&place.tree, &to(b"new")).unwrap();
    assert_eq!((named(&again).len(), again.kept), (3, 27));
}

#[test]
fn what_is_no_finished_tree_is_refused() {
    let place = some_tree(3);
    fs::remove_file(place.tree.join(".strongroom/manifest.sr")).unwrap();
    assert!(matches!(moved(&place.tree, &to(b"new")), Err(Error::Mismatch(_))));
    assert!(matches!(moved(&place.source, &to(b"new")), Err(Error::Mismatch(_) | Error::Io { .. })));
    assert!(!place.source.join(".strongroom").exists());
}

/// Readers begin before a file is moved, and meet it afterwards; or read on while the manifest is replaced.
#[test]
fn readers_never_see_a_gap() {
    let place = some_tree(400);
    let done = AtomicBool::new(false);
    let names: [&'static [u8]; 2] = [b"one", b"two"];
    let reads = thread::scope(|scope| {
        let verifying = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(failures(&verify(&place.tree).unwrap()), [], "after {reads} reads");
                reads += 1;
            }
            reads
        });
        let decrypting = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let back = tempfile::tempdir().unwrap();
                let report = decrypt(&place.tree, &back.path().join("back"), Existing::Refuse).unwrap();
                assert_eq!(failures(&report), []);
            }
        });
        for round in 0..24 {
            assert_eq!(failures(&moved(&place.tree, &to(names[round % 2])).unwrap()), []);
        }
        done.store(true, Ordering::Relaxed);
        decrypting.join().unwrap();
        verifying.join().unwrap()
    });
    assert!(reads > 2, "{reads}");
    assert_settled(&place, b"two");
}

fn message(path: &Path, suite: u16, frame_length: u32, plaintext: &[u8]) {
    let source = path.with_extension("plain");
    fs::write(&source, plaintext).unwrap();
    with_control(|control| {
        let target = AtomicFile::create(path, Replace::Existing)?;
        let source = SourceFile::open(&source)?;
        file::encrypt(&materials(suite, frame_length), &source, &target, control)?;
        target.commit()
    })
    .unwrap();
}

#[test]
fn any_message_becomes_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.sr");
    for (old, new) in [(0x0478, 0x0478), (0x0478, 0x0578), (0x0578, 0x0478), (0x0578, 0x0578)] {
        for (old_frame, new_frame) in [(4096, 4096), (65536, 4096), (100, 65536)] {
            for len in [0, 1, 4096, 65536, 3_000_001] {
                if old_frame == 100 && len > 1_000_000 {
                    continue;
                }
                message(&path, old, old_frame, &plaintext(len));
                let keys = Mover { suite: new, frame_length: new_frame, ..to(b"new") };
                let done = with_control(|control| reencrypt_file(&path, &keys, control)).unwrap().unwrap();
                assert_eq!(done.plaintext_bytes, len as u64);
                let bytes = fs::read(&path).unwrap();
                assert!(
                    common::decrypt(&bytes).unwrap() == plaintext(len),
                    "{old:x} {new:x} {old_frame} {len}"
                );
                let header = header(&path);
                assert_eq!((header.suite.id, header.frame_length()), (new, Some(new_frame)));
                assert_eq!(done.message_id, header.message_id);
                let again = with_control(|control| reencrypt_file(&path, &keys, control)).unwrap();
                assert!(again.is_none());
                assert_eq!(fs::read(&path).unwrap(), bytes);
            }
        }
    }
}

#[test]
fn a_message_keeps_mode_and_times_and_a_damaged_one_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message.sr");
    for suite in [0x0478, 0x0578] {
        message(&path, suite, 4096, &plaintext(2_500_000));
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        set_mtime(&path, 1_234_567, 89);
        with_control(|control| reencrypt_file(&path, &to(b"new"), control)).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(
            (metadata.mode() & 0o7777, metadata.mtime(), metadata.mtime_nsec()),
            (0o604, 1_234_567, 89)
        );
        message(&path, suite, 4096, &plaintext(2_500_000));
        let mut bytes = fs::read(&path).unwrap();
        for at in [400_000, 2_400_000] {
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let outcome = with_control(|control| reencrypt_file(&path, &to(b"new"), control));
            assert!(matches!(outcome, Err(Error::Authentication)), "{outcome:?}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
            bytes[at] ^= 1;
        }
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
