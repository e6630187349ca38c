//! A census counts what stands, and says what it could not look at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::trees::{encrypt, set_mtime, write};
use common::with_control;
use strongroom_core::context::Context;
use strongroom_core::job::tree::{Census, Existing, Names, census};
use strongroom_core::key::Edk;
use strongroom_core::message::EncryptionMaterials;
use strongroom_core::suite::Suite;

const NAMES: Names<'_> = Names { namespace: "room", class_key: "class" };

fn taken(path: &Path) -> Census {
    with_control(|control| census(path, NAMES, control)).unwrap()
}

/// A message under these keys, each a provider and a name.
fn message(keys: &[(&str, &str)], class: &str) -> Vec<u8> {
    let edk = |(provider, name): &(&str, &str)| Edk {
        provider_id: (*provider).into(),
        provider_info: [name.as_bytes(), &[0, 0, 0, 128, 0, 0, 0, 12], &[7; 12]].concat(),
        ciphertext: vec![1; 48],
    };
    let edks: Vec<_> = keys.iter().map(edk).collect();
    let context = Context::new([("class".to_owned(), class.to_owned())]).unwrap();
    let suite = Suite::by_id(0x0478).unwrap();
    let materials =
        EncryptionMaterials::new(suite, common::data_key(), &edks, &context, &[], 4096, None).unwrap();
    common::encrypt(&materials, b"plaintext")
}

fn rows(census: &Census) -> Vec<(Option<&str>, Option<&str>, u64, u64)> {
    census
        .counts
        .iter()
        .map(|(under, count)| {
            (under.data_class.as_deref(), under.key.as_deref(), count.messages, count.files)
        })
        .collect()
}

#[test]
fn messages_are_counted_by_class_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (one, two) = (message(&[("room", "key/1")], "a"), message(&[("room", "key/2")], "a"));
    for i in 0..1500 {
        write(&at(&format!("many/{i}")), &one, 1_000_000, 0);
    }
    write(&at("deep/er/b.sr"), &two, 1_000_000, 0);
    write(&at("deep/other"), &message(&[("aws-kms", "arn")], "b"), 86_400 * 3, 0);
    write(&at("both"), &message(&[("aws-kms", "arn"), ("room", "key/1"), ("room", "key/2")], "b"), 1, 0);
    for (name, content) in
        [("empty", &b""[..]), ("text", b"no message"), ("cut", &one[..50]), ("\u{2}", b"\x02")]
    {
        write(&at(name), content, 1, 0);
    }
    symlink(at("both"), at("link")).unwrap();
    symlink(folder.path(), at("deep/loop")).unwrap();
    let census = taken(folder.path());
    assert_eq!(
        rows(&census),
        [
            (Some("a"), Some("key/1"), 1500, 1500),
            (Some("a"), Some("key/2"), 1, 1),
            (Some("b"), None, 1, 1),
            (Some("b"), Some("key/1"), 1, 1),
            (Some("b"), Some("key/2"), 1, 1),
        ]
    );
    assert_eq!((census.messages, census.files, census.others, census.links), (1503, 1503, 4, 2));
    assert!(census.unread.is_empty());
    let (_, of_one) = census.counts.iter().next().unwrap();
    assert_eq!(of_one.bytes, 1500 * one.len() as u64);
    assert_eq!(of_one.days.iter().collect::<Vec<_>>(), [(&11, &(1500, 1500 * one.len() as u64))]);
    let (_, of_kms) = census.counts.iter().nth(2).unwrap();
    assert_eq!(of_kms.days.keys().collect::<Vec<_>>(), [&3]);
}

#[test]
fn a_single_file_and_a_link_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sr");
    write(&path, &message(&[("room", "key/1")], "a"), 0, 0);
    set_mtime(&path, 0, 0);
    symlink(&path, folder.path().join("link")).unwrap();
    for path in [&path, &folder.path().join("link")] {
        assert_eq!(rows(&taken(path)), [(Some("a"), Some("key/1"), 1, 1)]);
    }
    assert!(with_control(|control| census(&folder.path().join("none"), NAMES, control)).is_err());
}

#[test]
fn a_tree_counts_with_its_manifest_and_every_record_of_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (source, tree) = (folder.path().join("source"), folder.path().join("tree"));
    for i in 0..10 {
        write(&source.join(i.to_string()), b"content", 1, 0);
    }
    encrypt(&source, &tree, Existing::Refuse).unwrap();
    assert_eq!(taken(&tree).messages, 11);
    let record = message(&[("room", "key/1")], "a");
    let len = u32::try_from(record.len()).unwrap().to_be_bytes();
    let journal = tree.join(".strongroom/journal");
    // the last one is torn
    fs::write(&journal, [&len[..], &record, &len, &record, &len, &record[..record.len() - 1]].concat())
        .unwrap();
    let census = taken(&tree);
    assert_eq!((census.messages, census.files, census.others), (14, 12, 0));
    assert_eq!(rows(&census)[1], (Some("a"), Some("key/1"), 3, 1));
    assert_eq!(rows(&taken(&journal)), [(Some("a"), Some("key/1"), 3, 1)]);
    fs::write(&journal, b"torn").unwrap();
    assert_eq!((taken(&tree).messages, taken(&tree).others), (11, 1));
}

#[test]
fn a_long_header_is_read_and_one_above_every_cap_is_not_taken_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let long: Vec<_> = (0..200).map(|i| ("other", if i == 150 { "x" } else { "y" })).collect();
    let mut keys = long.clone();
    keys.push(("room", "key/9"));
    write(&folder.path().join("long"), &message(&keys, "a"), 1, 0);
    assert_eq!(rows(&taken(folder.path())), [(Some("a"), Some("key/9"), 1, 1)]);
    // 30 encrypted data keys of 65,535 bytes: more than a header may have
    let mut hostile = vec![2, 4, 0x78];
    hostile.extend([9; 32]);
    hostile.extend([0, 0, 0, 30]);
    for _ in 0..30 {
        hostile.extend([0, 1, b'p', 0, 1, b'i', 0xFF, 0xFF]);
        hostile.extend(vec![1; 65_535]);
    }
    write(&folder.path().join("hostile"), &hostile, 1, 0);
    let census = taken(folder.path());
    assert_eq!((census.messages, census.others, census.unread.len()), (1, 0, 1));
    assert!(census.unread[0].path.ends_with("hostile"));
}
