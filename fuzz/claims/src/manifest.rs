//! A tree's manifest and journal after decryption, as if whoever wrote them were hostile: no entry leads out of the
//! tree, none stands below a link or a file, no two have the same output, and what is read is what a writer would have
//! written.

use std::collections::{HashMap, HashSet};

use strongroom_core::error::Result;
use strongroom_core::job::tree::fuzzing::{read_manifest, read_record, write_manifest, write_record};
use strongroom_core::job::tree::{Entry, FileEntry, Kind, TreePath};

use crate::header::typed;
use crate::memory::within;

/// A manifest (the first byte is even) or a record of a journal is read, in any pieces, or refused.
pub fn manifest(bytes: &[u8]) {
    let Some((&kind, plaintext)) = bytes.split_first() else { return };
    match kind % 2 {
        0 => of_manifest(plaintext, usize::from(kind)),
        _ => of_journal(plaintext),
    }
}

/// An input of the target: a manifest of some entries, as our writer writes it.
pub fn manifest_of(entries: u8) -> Vec<u8> {
    [&[0][..], &write_manifest(&some_entries(entries)).unwrap()].concat()
}

/// An input of the target: a record of a journal of some entries.
pub fn journal_of(entries: u8) -> Vec<u8> {
    [&[1][..], &write_record(&some_entries(entries)).unwrap()].concat()
}

fn of_manifest(plaintext: &[u8], piece: usize) {
    let read = within(FIXED + PER_BYTE * plaintext.len(), || read_manifest(plaintext, plaintext.len()));
    let pieces = read_manifest(plaintext, 1 + piece);
    assert_eq!(read.as_ref().ok(), pieces.as_ref().ok());
    let Some(entries) = accepted(read, plaintext) else { return };
    confined(&entries);
    assert_eq!(read_manifest(&write_manifest(&entries).unwrap(), 4096).unwrap(), entries);
}

fn of_journal(plaintext: &[u8]) {
    let read = within(FIXED + PER_BYTE * plaintext.len(), || read_record(plaintext));
    let Some((entries, _)) = accepted(read, plaintext) else { return };
    let again = read_record(&write_record(&entries).unwrap()).unwrap();
    assert_eq!(again, (entries, again.1));
}

fn accepted<T>(read: Result<T>, plaintext: &[u8]) -> Option<T> {
    read.inspect_err(|error| typed(error, plaintext)).ok()
}

fn confined(entries: &[Entry]) {
    let kinds: HashMap<&[u8], &Kind> =
        entries.iter().map(|entry| (entry.path.as_bytes(), &entry.kind)).collect();
    assert_eq!(kinds.len(), entries.len(), "a path stands twice");
    let mut outputs = HashSet::new();
    for entry in entries {
        let path = entry.path.as_bytes();
        assert!(path.split(|&byte| byte == b'/').all(|name| !matches!(name, b"" | b"." | b"..")));
        assert!(!path.contains(&0));
        let parents = (0..path.len()).filter(|&at| path[at] == b'/').map(|at| &path[..at]);
        assert!(parents.into_iter().all(|parent| kinds.get(parent) == Some(&&Kind::Directory)));
        if let Some(output) = entry.output() {
            assert!(!output.as_bytes().starts_with(b".strongroom/") && output.as_bytes() != b".strongroom");
            assert!(outputs.insert(output), "two entries have one output");
        }
    }
}

fn some_entries(count: u8) -> Vec<Entry> {
    let file = |number: u8| FileEntry { size: 1 << number, inode: number.into(), message_id: [number; 32] };
    let kind = |number: u8| match number % 4 {
        0 => Kind::Directory,
        1 => Kind::Link { target: b"../\xFF".to_vec().into() },
        _ => Kind::File(file(number)),
    };
    let mut entries: Vec<Entry> = (0..count)
        .map(|number| {
            let name: &[u8] = if number % 3 == 0 { b"\xFFname" } else { b"name.sr" };
            let parent =
                if number % 4 == 0 { vec![] } else { format!("{:03}name.sr/", number & !3).into_bytes() };
            let parent = if number % 12 / 4 == 0 { vec![] } else { parent };
            let path = TreePath::new([&parent, format!("{number:03}").as_bytes(), name].concat()).unwrap();
            Entry { path, mode: 0o644, mtime: i128::from(number) * 1_000_000_007, kind: kind(number) }
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

const FIXED: usize = 4096;
const PER_BYTE: usize = 256;
