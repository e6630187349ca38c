//! Trees there and back, killed, resumed, updated, tampered with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::trees::{Keys, assert_same, decrypt, encrypt, failures, odd_tree, snapshot, verify, write};
use common::with_control;
use strongroom_core::error::Error;
use strongroom_core::job::tree::{
    self, DecryptOptions, EncryptOptions, Existing, Patterns, Selection, TreePath,
};
use strongroom_core::pipeline::{Control, Progress};
use tempfile::TempDir;

struct Place {
    _directory: TempDir,
    source: PathBuf,
    encrypted: PathBuf,
    decrypted: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let at = |name| directory.path().join(name);
    let (source, encrypted, decrypted) = (at("source"), at("encrypted"), at("decrypted"));
    Place { source, encrypted, decrypted, _directory: directory }
}

fn small_tree() -> Place {
    let place = place();
    for name in ["a/one", "a/two", "b/three", "four"] {
        write(&place.source.join(name), name.as_bytes(), 1_600_000_000, 1);
    }
    place
}

fn fresh(place: &Place) {
    let report = encrypt(&place.source, &place.encrypted, Existing::Refuse).unwrap();
    assert_eq!(failures(&report), []);
}

fn names(report: &tree::Report) -> Vec<String> {
    failures(report).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn everything_comes_back() {
    let place = place();
    odd_tree(&place.source);
    let report = encrypt(&place.source, &place.encrypted, Existing::Refuse).unwrap();
    assert_eq!(failures(&report), []);
    assert_eq!((report.links, report.hard_links, report.kept), (4, 1, 0));
    assert_eq!(failures(&verify(&place.encrypted).unwrap()), []);
    let back = decrypt(&place.encrypted, &place.decrypted, Existing::Refuse).unwrap();
    assert_eq!(failures(&back), []);
    assert_eq!((back.files, back.links, back.directories), (report.files, report.links, report.directories));
    assert_eq!(back.plaintext_bytes, report.plaintext_bytes);
    assert_same(&place.source, &place.decrypted);
}

#[test]
fn outputs_are_private_and_nothing_else_is_left() {
    let place = place();
    odd_tree(&place.source);
    fresh(&place);
    for (path, (mode, ..)) in snapshot(&place.encrypted) {
        let is_directory = place.encrypted.join(&path).is_dir();
        assert_eq!(mode & 0o7777, if is_directory { 0o700 } else { 0o600 }, "{path:?}");
        assert!(is_directory || path.extension().is_some_and(|extension| extension == "sr"), "{path:?}");
    }
}

#[test]
fn an_existing_target_is_refused() {
    let place = small_tree();
    fresh(&place);
    let again = encrypt(&place.source, &place.encrypted, Existing::Refuse);
    assert!(matches!(again, Err(Error::TargetExists(_))));
    fs::create_dir(&place.decrypted).unwrap();
    let again = decrypt(&place.encrypted, &place.decrypted, Existing::Refuse);
    assert!(matches!(again, Err(Error::TargetExists(_))));
    // what is not ours is not touched, whatever was asked for
    write(&place.decrypted.join("mine"), b"mine", 1, 1);
    for existing in [Existing::Resume, Existing::Replace] {
        assert!(matches!(encrypt(&place.source, &place.decrypted, existing), Err(Error::Misuse(_))));
    }
    assert_eq!(fs::read(place.decrypted.join("mine")).unwrap(), b"mine");
    let inside = place.source.join("inside");
    assert!(matches!(encrypt(&place.source, &inside, Existing::Refuse), Err(Error::Misuse(_))));
}

#[test]
fn what_is_denied_leaves_no_trace() {
    let place = small_tree();
    let outcome = with_control(|control| {
        let options = EncryptOptions::default();
        tree::encrypt(&place.source, &place.encrypted, &Keys::for_calls(0), &options, control)
    });
    assert!(matches!(outcome, Err(Error::Caller(_))));
    assert!(!place.encrypted.exists());
}

/// Stops at every use of a key there is: before and after each file, each record of the journal, the manifest.
#[test]
fn a_run_that_stops_anywhere_resumes() {
    let mut resumed = 0;
    for calls in 0.. {
        let place = place();
        for i in 0..40 {
            write(&place.source.join(format!("{}/{i}", i % 3)), &[i; 100], 1_600_000_000, u32::from(i));
        }
        let stopped = stop_after(&place, calls, Existing::Refuse);
        if stopped.is_ok() {
            assert!(calls > 40);
            break;
        }
        assert!(place.encrypted.exists() == (calls > 0));
        // some change meanwhile, some go, some come
        write(&place.source.join("1/1"), b"changed", 1_700_000_000, 0);
        fs::remove_file(place.source.join("2/2")).unwrap();
        write(&place.source.join("3/new"), b"new", 1_600_000_000, 0);
        // and the second run is stopped as well
        let _ = stop_after(&place, calls / 2, Existing::Resume);
        let report = encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
        assert_eq!(failures(&report), []);
        resumed += report.kept;
        assert_finished(&place);
    }
    assert!(resumed > 0);
}

fn stop_after(place: &Place, calls: u64, existing: Existing) -> Result<tree::Report, Error> {
    let progress = Progress::default();
    let control = Control { workers: 1, progress: &progress, poll: &|| Ok(()) };
    let options = EncryptOptions { existing, ..EncryptOptions::default() };
    tree::encrypt(&place.source, &place.encrypted, &Keys::for_calls(calls), &options, &control)
}

fn assert_finished(place: &Place) {
    assert_eq!(failures(&verify(&place.encrypted).unwrap()), []);
    assert!(!place.encrypted.join(".strongroom/journal").exists());
    let _ = fs::remove_dir_all(&place.decrypted);
    decrypt(&place.encrypted, &place.decrypted, Existing::Refuse).unwrap();
    assert_same(&place.source, &place.decrypted);
}

/// While an update is stopped half way, readers accept what stands, old or new, and nothing else.
#[test]
fn readers_never_see_a_gap() {
    let place = place();
    for i in 0..40 {
        write(&place.source.join(format!("{i}")), &[i; 100], 1_600_000_000, u32::from(i));
    }
    fresh(&place);
    for calls in (0..80).step_by(5) {
        for i in 0..40 {
            let again = u64::from(i) + calls;
            write(&place.source.join(format!("{i}")), &again.to_be_bytes(), 1_700_000_000 + calls, i);
        }
        let _ = stop_after(&place, calls, Existing::Resume);
        assert_eq!(failures(&verify(&place.encrypted).unwrap()), [], "{calls}");
    }
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
}

/// A crash between a record of the journal and the names of its outputs: what stood there stands there still.
#[test]
fn outputs_that_got_no_names_are_made_again() {
    let place = place();
    let outputs = || (0..40).map(|i| place.encrypted.join(format!("{i}.sr")));
    let change = |seconds: u64| {
        (0..40).for_each(|i| {
            write(&place.source.join(format!("{i}")), &seconds.to_string().into_bytes(), seconds, i)
        });
    };
    change(1_600_000_000);
    assert!(stop_after(&place, 42, Existing::Refuse).is_err());
    outputs().for_each(|output| drop(fs::remove_file(output)));
    assert_eq!(encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap().kept, 0);
    assert_finished(&place);

    let old: Vec<_> = outputs().map(|output| fs::read(output).unwrap()).collect();
    change(1_700_000_000);
    // for manifest, directories, all files and one record
    assert!(stop_after(&place, 43, Existing::Resume).is_err());
    let renewed = outputs().zip(&old).filter(|(output, old)| fs::read(output).unwrap() != **old).count();
    assert!(renewed > 0, "nothing was done before the keys gave out");
    outputs().zip(&old).for_each(|(output, old)| fs::write(output, old).unwrap());
    assert_eq!(failures(&verify(&place.encrypted).unwrap()), []);
    assert_eq!(encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap().kept, 0);
    assert_finished(&place);
}

#[test]
fn resuming_a_finished_tree_updates_it() {
    let place = small_tree();
    fresh(&place);
    let first = snapshot(&place.encrypted);
    write(&place.source.join("a/one"), b"changed", 1_700_000_000, 0);
    fs::remove_dir_all(place.source.join("b")).unwrap();
    write(&place.source.join("four.d/five"), b"five", 1_700_000_000, 0);
    fs::set_permissions(place.source.join("four"), Permissions::from_mode(0o600)).unwrap();
    let report = encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_eq!((report.kept, report.removed, report.files), (2, 2, 4));
    let second = snapshot(&place.encrypted);
    assert!(first[Path::new("a/two.sr")] == second[Path::new("a/two.sr")]);
    assert!(first[Path::new("a/one.sr")] != second[Path::new("a/one.sr")]);
    assert!(!place.encrypted.join("b").exists());
    assert_finished(&place);
    let report = encrypt(&place.source, &place.encrypted, Existing::Replace).unwrap();
    assert_eq!((report.kept, report.removed), (0, 0));
    assert_finished(&place);
}

#[test]
fn a_stale_or_damaged_output_is_not_kept() {
    let place = small_tree();
    fresh(&place);
    let mut damaged = fs::read(place.encrypted.join("a/one.sr")).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(place.encrypted.join("a/one.sr"), damaged).unwrap();
    fs::remove_file(place.encrypted.join("a/two.sr")).unwrap();
    fs::copy(place.encrypted.join("four.sr"), place.encrypted.join("b/three.sr")).unwrap();
    let report = encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_eq!(report.kept, 1);
    assert_finished(&place);
}

#[test]
fn a_torn_or_damaged_journal_costs_work_only() {
    let place = place();
    for i in 0..40 {
        write(&place.source.join(format!("{i}")), &[i; 100], 1_600_000_000, u32::from(i));
    }
    assert!(stop_after(&place, 42, Existing::Refuse).is_err());
    let journal = place.encrypted.join(".strongroom/journal");
    let whole = fs::read(&journal).unwrap();
    for cut in [0, 3, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&journal, &whole[..cut]).unwrap();
        assert!(stop_after(&place, 4, Existing::Resume).is_err());
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&journal, [&flipped[..], &[0; 64]].concat()).unwrap();
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
}

#[test]
fn a_source_that_cannot_be_read_keeps_its_earlier_encryption() {
    let place = small_tree();
    fresh(&place);
    // a directory that cannot be listed stands in for one that is denied, as the tests may run as root
    fs::remove_file(place.source.join("a/one")).unwrap();
    symlink("two", place.source.join("a/one")).unwrap();
    write(&place.source.join("four"), b"now", 1_700_000_000, 0);
    let report = encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_eq!((failures(&report), report.links, report.removed), (vec![], 1, 1));
    assert_finished(&place);
}

#[test]
fn special_files_are_skipped_and_told() {
    let place = small_tree();
    let fifo = place.source.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let report = encrypt(&place.source, &place.encrypted, Existing::Refuse).unwrap();
    assert_eq!(report.skipped.len(), 1);
    assert_eq!((report.skipped[0].path.to_string().as_str(), report.skipped[0].why), ("fifo", "a FIFO"));
    assert_eq!(failures(&report), []);
}

#[test]
fn a_name_too_long_fails_alone() {
    let place = small_tree();
    let long = "n".repeat(254);
    write(&place.source.join(&long), b"long", 1, 1);
    let report = encrypt(&place.source, &place.encrypted, Existing::Refuse).unwrap();
    assert_eq!(names(&report), [long]);
    assert_eq!(report.files, 4);
    assert_eq!(failures(&verify(&place.encrypted).unwrap()), []);
}

#[test]
fn selections_and_dry_runs() {
    let place = small_tree();
    let selection = |include: &[&str], exclude: &[&str]| {
        let owned = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
        Selection::new(Patterns { include: owned(include), exclude: owned(exclude) }).unwrap()
    };
    let dry = EncryptOptions { dry_run: true, selection: selection(&["a"], &["two"]), ..Default::default() };
    let run = |options: &EncryptOptions| {
        with_control(|control| tree::encrypt(&place.source, &place.encrypted, &Keys::new(), options, control))
            .unwrap()
    };
    assert_eq!((run(&dry).files, run(&dry).directories), (1, 1));
    assert!(!place.encrypted.exists());
    assert_eq!(run(&EncryptOptions { dry_run: false, ..dry.clone() }).files, 1);
    let more = EncryptOptions { existing: Existing::Resume, dry_run: true, ..Default::default() };
    let report = run(&more);
    assert_eq!((report.files, report.kept, report.removed), (4, 1, 0));
    run(&EncryptOptions { dry_run: false, ..more });
    let options = DecryptOptions { selection: selection(&["t*"], &["b"]), ..Default::default() };
    let report = with_control(|control| {
        tree::decrypt(&place.encrypted, &place.decrypted, &Keys::new(), &options, control)
    })
    .unwrap();
    assert_eq!((report.files, failures(&report)), (1, vec![]));
    assert_eq!(fs::read(place.decrypted.join("a/two")).unwrap(), b"a/two");
}

#[test]
fn one_path_of_a_tree() {
    let place = place();
    odd_tree(&place.source);
    fresh(&place);
    let only = |path: &[u8], target: &Path| {
        let options = DecryptOptions { only: TreePath::new(path), ..Default::default() };
        with_control(|control| {
            tree::decrypt(&place.encrypted, target, &Keys::for_calls(3), &options, control)
        })
    };
    // manifest and message: two keys, however large the tree
    let file = place.decrypted.with_extension("file");
    assert_eq!(only(b"many/017", &file).unwrap().files, 1);
    assert_eq!(fs::read(&file).unwrap(), fs::read(place.source.join("many/017")).unwrap());
    assert_eq!(file.metadata().unwrap().mtime(), 1_600_000_117);
    let link = place.decrypted.with_extension("link");
    assert_eq!(only(b"deep/up", &link).unwrap().links, 1);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../../../../etc/passwd"));
    assert_eq!(only(b"deep", &place.decrypted).unwrap().files, 1);
    assert_same(&place.source.join("deep"), &place.decrypted);
    let nothing = place.decrypted.with_extension("nothing");
    assert!(matches!(only(b"nowhere", &nothing), Err(Error::Misuse(_))));
    assert!(!nothing.exists());
}

#[test]
fn decryption_resumes_and_replaces() {
    let place = place();
    odd_tree(&place.source);
    fresh(&place);
    decrypt(&place.encrypted, &place.decrypted, Existing::Refuse).unwrap();
    fs::write(place.decrypted.join("plain.txt"), b"something else").unwrap();
    fs::remove_file(place.decrypted.join("many/003")).unwrap();
    fs::remove_file(place.decrypted.join("link")).unwrap();
    symlink("elsewhere", place.decrypted.join("link")).unwrap();
    let report = decrypt(&place.encrypted, &place.decrypted, Existing::Resume).unwrap();
    assert_eq!((failures(&report), report.files - report.kept), (vec![], 2));
    assert_same(&place.source, &place.decrypted);
    let report = decrypt(&place.encrypted, &place.decrypted, Existing::Replace).unwrap();
    assert_eq!(report.kept, 0);
    assert_same(&place.source, &place.decrypted);
}

#[test]
fn what_a_killed_decryption_has_left_goes_unless_another_is_at_work() {
    let place = small_tree();
    fresh(&place);
    decrypt(&place.encrypted, &place.decrypted, Existing::Refuse).unwrap();
    let left = place.decrypted.join(".strongroom-0123456789abcdef.tmp");
    let own = place.decrypted.join(".strongroom-notes.tmp");
    fs::write(&left, b"a whole file that did not come to replace another").unwrap();
    fs::write(&own, b"of somebody else").unwrap();
    let other = fs::File::open(&place.decrypted).unwrap();
    other.lock_shared().unwrap();
    decrypt(&place.encrypted, &place.decrypted, Existing::Resume).unwrap();
    assert!(left.exists());
    drop(other);
    decrypt(&place.encrypted, &place.decrypted, Existing::Resume).unwrap();
    assert!(!left.exists() && own.exists());
}

#[test]
fn links_planted_in_the_target_are_not_followed() {
    let place = small_tree();
    fresh(&place);
    let outside = place.decrypted.with_extension("outside");
    fs::create_dir(&outside).unwrap();
    write(&outside.join("victim"), b"untouched", 1, 1);
    fs::create_dir(&place.decrypted).unwrap();
    symlink(&outside, place.decrypted.join("a")).unwrap();
    symlink(outside.join("victim"), place.decrypted.join("four")).unwrap();
    let before = snapshot(&outside);
    let report = decrypt(&place.encrypted, &place.decrypted, Existing::Replace).unwrap();
    assert_eq!(names(&report), ["a", "a/one", "a/two"]);
    assert_eq!(before, snapshot(&outside));
    assert_eq!(fs::read(place.decrypted.join("four")).unwrap(), b"four");
    assert!(!place.decrypted.join("four").is_symlink());
}

/// Every way to tamper with a tree from outside, each named, by verification and by decryption.
#[test]
fn tampering_is_named() {
    type Tamper = fn(&Path, &Path);
    let cases: [(&str, Tamper, &[&str]); 9] = [
        ("swapped", |tree, _| swap(&tree.join("a/one.sr"), &tree.join("four.sr")), &["a/one", "four"]),
        ("dropped", |tree, _| fs::remove_file(tree.join("a/one.sr")).unwrap(), &["a/one"]),
        ("added", |tree, _| drop(fs::copy(tree.join("four.sr"), tree.join("b/new.sr"))), &["b/new.sr"]),
        ("foreign", |tree, _| write(&tree.join("b/note"), b"x", 1, 1), &["b/note"]),
        ("directory", |tree, _| fs::create_dir(tree.join("b/c")).unwrap(), &["b/c"]),
        ("older", |tree, older| drop(fs::copy(older.join("four.sr"), tree.join("four.sr"))), &["four"]),
        (
            "renamed",
            |tree, _| fs::rename(tree.join("four.sr"), tree.join("five.sr")).unwrap(),
            &["five.sr", "four"],
        ),
        (
            "truncated",
            |tree, _| drop(fs::File::options().write(true).open(tree.join("four.sr")).unwrap().set_len(300)),
            &["four"],
        ),
        (
            "link",
            |tree, older| {
                fs::remove_file(tree.join("four.sr")).unwrap();
                symlink(older.join("four.sr"), tree.join("four.sr")).unwrap();
            },
            &["four", "four.sr"],
        ),
    ];
    for (what, tamper, expected) in cases {
        let place = small_tree();
        fresh(&place);
        let older = place.encrypted.with_extension("older");
        fs::rename(&place.encrypted, &older).unwrap();
        fresh(&place);
        tamper(&place.encrypted, &older);
        let before = snapshot(&place.encrypted);
        let verified = verify(&place.encrypted).unwrap();
        assert_eq!(names(&verified), expected, "{what}: {:?}", failures(&verified));
        assert_eq!(before, snapshot(&place.encrypted));
        let decrypted = decrypt(&place.encrypted, &place.decrypted, Existing::Refuse).unwrap();
        assert_eq!(failures(&decrypted), failures(&verified), "{what}");
        for name in expected {
            assert!(!place.decrypted.join(name).exists(), "{what}: {name}");
        }
        assert_eq!(fs::read(place.decrypted.join("a/two")).unwrap(), b"a/two", "{what}");
    }
}

fn swap(a: &Path, b: &Path) {
    let aside = a.with_extension("aside");
    fs::rename(a, &aside).unwrap();
    fs::rename(b, a).unwrap();
    fs::rename(aside, b).unwrap();
}

#[test]
fn a_manifest_dropped_damaged_or_from_another_run_is_told() {
    let place = small_tree();
    fresh(&place);
    let older = place.encrypted.with_extension("older");
    fs::rename(&place.encrypted, &older).unwrap();
    fresh(&place);
    let manifest = place.encrypted.join(".strongroom/manifest.sr");
    let whole = fs::read(&manifest).unwrap();
    fs::copy(older.join(".strongroom/manifest.sr"), &manifest).unwrap();
    assert_eq!(names(&verify(&place.encrypted).unwrap()), ["a/one", "a/two", "b/three", "four"]);
    for at in [40, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&manifest, damaged).unwrap();
        assert!(verify(&place.encrypted).is_err());
    }
    fs::write(&manifest, &whole[..whole.len() - 50]).unwrap();
    assert!(verify(&place.encrypted).is_err());
    fs::remove_file(&manifest).unwrap();
    assert!(matches!(verify(&place.encrypted), Err(Error::Mismatch(_))));
    // everything again gets over a manifest that cannot be read
    fs::write(&manifest, b"rubbish").unwrap();
    assert!(encrypt(&place.source, &place.encrypted, Existing::Resume).is_err());
    encrypt(&place.source, &place.encrypted, Existing::Replace).unwrap();
    assert_finished(&place);
}

/// A journal put back from an earlier run does not make its outputs acceptable again.
#[test]
fn an_older_journal_is_not_believed() {
    let place = small_tree();
    assert!(stop_after(&place, 6, Existing::Refuse).is_err());
    let journal = place.encrypted.join(".strongroom/journal");
    let older = fs::read(&journal).unwrap();
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    let old_message = fs::read(place.encrypted.join("four.sr")).unwrap();
    write(&place.source.join("four"), b"changed", 1_700_000_000, 0);
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    fs::write(&journal, older).unwrap();
    fs::write(place.encrypted.join("four.sr"), old_message).unwrap();
    assert_eq!(names(&verify(&place.encrypted).unwrap()), ["four"]);
}

/// Killed between the manifest and the removal of what is gone: nobody reports what is left, and nobody reads it.
#[test]
fn what_a_killed_run_had_yet_to_remove_is_not_reported() {
    let (place, left) = killed_before_removing();
    assert!(place.encrypted.join("b/three.sr").exists() && place.encrypted.join("four.sr").exists());
    assert_eq!(failures(&verify(&place.encrypted).unwrap()), []);
    // names are all that is accepted, and each for what it was
    fs::write(place.encrypted.join("four.sr"), b"anything").unwrap();
    write(&place.encrypted.join("b/else.sr"), b"a stranger", 1, 1);
    fs::create_dir(place.encrypted.join("c")).unwrap();
    assert_eq!(names(&verify(&place.encrypted).unwrap()), ["b/else.sr", "c"]);
    let report = decrypt(&place.encrypted, &place.decrypted, Existing::Replace).unwrap();
    assert_eq!(names(&report), ["b/else.sr", "c"]);
    assert_same(&place.source, &place.decrypted);
    fs::remove_file(place.encrypted.join("four.sr")).unwrap();
    fs::create_dir(place.encrypted.join("four.sr")).unwrap();
    fs::remove_dir_all(place.encrypted.join("b")).unwrap();
    fs::write(place.encrypted.join("b"), b"a file in place of a directory").unwrap();
    assert_eq!(names(&verify(&place.encrypted).unwrap()), ["b", "c", "four.sr"]);
    // the next run does what is left to do
    ["b", "c", "four.sr"].iter().for_each(|name| remove(&place.encrypted.join(name)));
    left.put_back(&place.encrypted);
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
}

#[test]
fn what_was_left_is_reported_once_another_run_has_ended_or_in_another_tree() {
    let (place, left) = killed_before_removing();
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
    left.put_back(&place.encrypted);
    assert_eq!(names(&verify(&place.encrypted).unwrap()), ["b", "four.sr"]);
    let (other, _) = killed_before_removing();
    assert_eq!(failures(&verify(&other.encrypted).unwrap()), []);
    left.put_back(&other.encrypted);
    assert_eq!(names(&verify(&other.encrypted).unwrap()), ["b", "four.sr"]);
    // nor is it removed: only its own tree's journal says that it may be
    encrypt(&other.source, &other.encrypted, Existing::Resume).unwrap();
    assert_eq!(names(&verify(&other.encrypted).unwrap()), ["b", "four.sr"]);
}

/// A tree of which two outputs and a directory were to go, as SIGKILL leaves it when the manifest stands, and what is left.
fn killed_before_removing() -> (Place, Left) {
    let place = stopped_before_its_manifest();
    let left = Left(LEFT.map(|name| fs::read(place.encrypted.join(name)).unwrap()));
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
    left.put_back(&place.encrypted);
    (place, left)
}

/// The run's last key is for the manifest, so the one that has a key less has done all before.
fn stopped_before_its_manifest() -> Place {
    let mut stopped = None;
    for calls in 0.. {
        let place = small_tree();
        fresh(&place);
        fs::remove_dir_all(place.source.join("b")).unwrap();
        fs::remove_file(place.source.join("four")).unwrap();
        match stop_after(&place, calls, Existing::Resume) {
            Err(_) => stopped = Some(place),
            Ok(_) => break,
        }
    }
    stopped.unwrap()
}

/// The content of `LEFT`.
struct Left([Vec<u8>; 3]);

impl Left {
    fn put_back(&self, tree: &Path) {
        LEFT.iter().zip(&self.0).for_each(|(name, content)| write(&tree.join(name), content, 1, 1));
    }
}

const LEFT: [&str; 3] = [".strongroom/journal", "b/three.sr", "four.sr"];

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

#[test]
fn two_runs_at_once_are_refused() {
    let place = small_tree();
    fresh(&place);
    let own = fs::File::open(place.encrypted.join(".strongroom")).unwrap();
    rustix::fs::flock(&own, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(encrypt(&place.source, &place.encrypted, Existing::Resume), Err(Error::Misuse(_))));
    drop(own);
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
}

#[test]
fn cancelling_leaves_a_tree_to_resume() {
    let place = small_tree();
    let progress = Progress::default();
    progress.cancel();
    let control = Control { workers: 2, progress: &progress, poll: &|| Ok(()) };
    let options = EncryptOptions::default();
    let outcome = tree::encrypt(&place.source, &place.encrypted, &Keys::new(), &options, &control);
    assert!(matches!(outcome, Err(Error::Cancelled)));
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
}

/// Kills a process that encrypts, at instants spread over its run, and insists that what has a name is whole.
#[test]
fn killed_runs_resume() {
    let place = place();
    for i in 0..400u32 {
        write(&place.source.join(format!("{}/{i}", i % 7)), &vec![1; (i * 37) as usize], 1_600_000_000, i);
    }
    let start = Instant::now();
    assert!(child(&place, "measured").wait().unwrap().success());
    let whole_run = start.elapsed();
    let mut killed = 0;
    for round in 0..25u32 {
        for i in 0..100 {
            let path = place.source.join(format!("{}/{}", (i * 4) % 7, i * 4));
            write(&path, &vec![2; (i * 99) as usize], 1_700_000_000 + u64::from(round), i);
        }
        let mut child = child(&place, "encrypted");
        std::thread::sleep(whole_run * round / 40);
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        if !place.encrypted.exists() {
            continue;
        }
        for (path, (.., content)) in snapshot(&place.encrypted) {
            if path.extension().is_some_and(|extension| extension == "sr") && !content.is_empty() {
                let message = fs::read(place.encrypted.join(&path)).unwrap();
                common::decrypt(&message).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            }
        }
    }
    // where a process starts slower than it encrypts, this shows nothing; a killed run is what it is about
    assert!(killed > 5, "only {killed} of 25 runs were killed");
    encrypt(&place.source, &place.encrypted, Existing::Resume).unwrap();
    assert_finished(&place);
}

fn child(place: &Place, target: &str) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "child_that_is_killed"])
        .env("STRONGROOM_TEST_SOURCE", &place.source)
        .env("STRONGROOM_TEST_TARGET", place.source.with_file_name(target))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "run by killed_runs_resume"]
fn child_that_is_killed() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    if let (Some(source), Some(target)) = (path("STRONGROOM_TEST_SOURCE"), path("STRONGROOM_TEST_TARGET")) {
        encrypt(&source, &target, Existing::Resume).unwrap();
    }
}
