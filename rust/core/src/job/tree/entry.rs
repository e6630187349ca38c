//! One entry of a tree, and its line in manifest and journal (docs/spec/tree.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::beneath::SECOND;
use super::path::TreePath;
use crate::error::{Error, Result};

/// The id of a file's message.
pub type MessageId = [u8; 32];

/// One file, directory or link of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Modification time, in nanoseconds since 1970.
    pub mtime: i128,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// Where it points, as it was.
        target: Box<[u8]>,
    },
    /// A regular file.
    File(FileEntry),
}

/// What a tree knows of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry {
    /// Plaintext bytes.
    pub size: u64,
    /// The source's inode number when it was read.
    pub inode: u64,
    /// The message that holds it.
    pub message_id: MessageId,
}

impl Entry {
    /// The file in it, if it is one.
    pub fn file(&self) -> Option<&FileEntry> {
        match &self.kind {
            Kind::File(file) => Some(file),
            _ => None,
        }
    }

    /// What stands for it in the encrypted tree: links have nothing there.
    pub fn output(&self) -> Option<TreePath> {
        match self.kind {
            Kind::Directory => Some(self.path.directory_output()),
            Kind::File(_) => Some(self.path.file_output()),
            Kind::Link { .. } => None,
        }
    }

    /// Whether it was made of a source that looked like this.
    pub(super) fn is_of(&self, facts: &Facts) -> bool {
        self.file()
            .is_some_and(|file| (file.size, file.inode, self.mtime) == (facts.size, facts.inode, facts.mtime))
    }
}

/// What the file system says of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) mode: u32,
    pub(super) mtime: i128,
    pub(super) size: u64,
    pub(super) inode: u64,
}

impl Facts {
    pub(super) fn of(stat: &Stat) -> Self {
        Facts {
            mode: stat.st_mode & 0o7777,
            mtime: i128::from(stat.st_mtime) * SECOND + i128::from(stat.st_mtime_nsec),
            // sizes are never negative
            size: stat.st_size as u64,
            inode: stat.st_ino,
        }
    }

    pub(super) fn entry(&self, path: TreePath, kind: Kind) -> Entry {
        Entry { path, mode: self.mode, mtime: self.mtime, kind }
    }

    pub(super) fn file(&self, path: TreePath, message_id: MessageId) -> Entry {
        let file = FileEntry { size: self.size, inode: self.inode, message_id };
        self.entry(path, Kind::File(file))
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A line of a manifest or a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Entry(Entry),
    /// Only in journals: the source is gone, and the output goes once the next manifest stands.
    Gone(TreePath),
}

impl Line {
    pub(super) fn entry(entry: &Entry) -> Result<Vec<u8>> {
        let (path, path64) = text_or_base64(entry.path.as_bytes());
        let mut raw =
            RawLine { path, path64, mode: Some(entry.mode), mtime: Some(entry.mtime), ..RawLine::default() };
        match &entry.kind {
            Kind::Directory => raw.kind = RawKind::Directory,
            Kind::Link { target } => {
                raw.kind = RawKind::Link;
                (raw.target, raw.target64) = text_or_base64(target);
            }
            Kind::File(file) => {
                raw.size = Some(file.size);
                raw.inode = Some(file.inode);
                raw.id = Some(hex(&file.message_id));
            }
        }
        to_line(&raw)
    }

    pub(super) fn gone(path: &TreePath) -> Result<Vec<u8>> {
        let (path, path64) = text_or_base64(path.as_bytes());
        to_line(&RawLine { path, path64, kind: RawKind::Gone, ..RawLine::default() })
    }

    /// Reads a line, without its newline. Nothing that a writer would not have written is accepted.
    pub(super) fn parse(line: &[u8]) -> Result<Line> {
        let raw: RawLine =
            serde_json::from_slice(line).map_err(|_| malformed("a line of a tree's manifest"))?;
        let path = bytes(raw.path, raw.path64).and_then(TreePath::new);
        let path = path.ok_or(malformed("a path that is not a plain relative one"))?;
        let kind = match (raw.kind, raw.size, raw.inode, &raw.id, bytes(raw.target, raw.target64)) {
            (RawKind::Gone, None, None, None, None) if raw.mode.is_none() && raw.mtime.is_none() => {
                return Ok(Line::Gone(path));
            }
            (RawKind::Directory, None, None, None, None) => Kind::Directory,
            (RawKind::Link, None, None, None, Some(target)) if is_link_target(&target) => {
                Kind::Link { target: target.into() }
            }
            (RawKind::File, Some(size), Some(inode), Some(id), None) => {
                let message_id = unhex(id).ok_or(malformed("a message id of 64 hexadecimal digits"))?;
                Kind::File(FileEntry { size, inode, message_id })
            }
            _ => return Err(malformed("an entry with the fields of its type")),
        };
        match (raw.mode, raw.mtime) {
            (Some(mode @ 0..=0o7777), Some(mtime)) if is_file_time(mtime) => {
                Ok(Line::Entry(Entry { path, mode, mtime, kind }))
            }
            _ => Err(malformed("an entry with a mode and a time")),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path64: Option<String>,
    #[serde(rename = "type")]
    kind: RawKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<i128>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target64: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    #[default]
    File,
    Directory,
    Link,
    Gone,
}

/// Serialises a line, with its newline.
pub(super) fn to_line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(|error| Error::Misuse(error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

pub(super) fn malformed(what: &'static str) -> Error {
    Error::Malformed { offset: 0, what }
}

fn text_or_base64(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

/// Each path has one spelling: base64 is for those that are not UTF-8.
fn bytes(text: Option<String>, base64: Option<String>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(base64)) => {
            let bytes = BASE64.decode(base64).ok()?;
            std::str::from_utf8(&bytes).is_err().then_some(bytes)
        }
        _ => None,
    }
}

fn is_link_target(target: &[u8]) -> bool {
    !target.is_empty() && !target.contains(&0)
}

pub(super) fn is_file_time(mtime: i128) -> bool {
    i64::try_from(mtime.div_euclid(SECOND)).is_ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let is_hex = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 2 * N || !digits.iter().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths() -> impl Strategy<Value = TreePath> {
        let name = prop::collection::vec(any::<u8>(), 1..12);
        prop::collection::vec(name, 1..5)
            .prop_filter_map("a plain path", |names| TreePath::new(names.join(&b'/')))
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        let target = prop::collection::vec(1..=255u8, 1..40);
        prop_oneof![
            Just(Kind::Directory),
            target.prop_map(|target| Kind::Link { target: target.into() }),
            any::<(u64, u64, MessageId)>()
                .prop_map(|(size, inode, message_id)| { Kind::File(FileEntry { size, inode, message_id }) }),
        ]
    }

    pub(crate) fn entries() -> impl Strategy<Value = Entry> {
        let mtime =
            any::<(i64, u32)>().prop_map(|(s, ns)| i128::from(s) * SECOND + i128::from(ns % 1_000_000_000));
        (paths(), 0..=0o7777u32, mtime, kinds()).prop_map(|(path, mode, mtime, kind)| Entry {
            path,
            mode,
            mtime,
            kind,
        })
    }

    proptest! {
        #[test]
        fn every_entry_survives_its_line(entry in entries()) {
            let line = Line::entry(&entry).unwrap();
            let (newline, body) = line.split_last().unwrap();
            prop_assert_eq!(*newline, b'\n');
            prop_assert!(!body.contains(&b'\n'));
            prop_assert_eq!(Line::parse(body).unwrap(), Line::Entry(entry.clone()));
            let gone = Line::gone(&entry.path).unwrap();
            prop_assert_eq!(Line::parse(&gone[..gone.len() - 1]).unwrap(), Line::Gone(entry.path));
        }

        #[test]
        fn any_bytes_are_a_line_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Line::parse(&bytes);
        }
    }

    #[test]
    fn hostile_lines_are_refused() {
        let id = "00".repeat(32);
        for path in ["/etc/passwd", "../x", "a/../b", "", "a\\u0000b", "a//b", "."] {
            let line = format!(r#"{{"path":"{path}","type":"directory","mode":493,"mtime":0}}"#);
            assert!(Line::parse(line.as_bytes()).is_err(), "{path}");
        }
        for line in [
            r#"{"path64":"YQ==","type":"directory","mode":493,"mtime":0}"#.to_owned(),
            r#"{"path":"a","path64":"/w==","type":"directory","mode":493,"mtime":0}"#.to_owned(),
            r#"{"path":"a","type":"directory","mode":65535,"mtime":0}"#.to_owned(),
            r#"{"path":"a","type":"directory","mode":493,"mtime":0,"more":1}"#.to_owned(),
            r#"{"path":"a","type":"directory","mode":493,"mtime":99999999999999999999999999999}"#.to_owned(),
            r#"{"path":"a","type":"link","mode":493,"mtime":0}"#.to_owned(),
            r#"{"path":"a","type":"link","target":"","mode":493,"mtime":0}"#.to_owned(),
            r#"{"path":"a","type":"fifo","mode":493,"mtime":0}"#.to_owned(),
            r#"{"path":"a","type":"file","mode":420,"mtime":0,"size":1,"inode":1,"id":"00"}"#.to_owned(),
            format!(r#"{{"path":"a","type":"file","mode":420,"mtime":0,"size":-1,"inode":1,"id":"{id}"}}"#),
        ] {
            assert!(Line::parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
