//! Paths inside a tree, and what they are called in its encrypted form.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A path inside a tree: relative, of plain names, any bytes but NUL. It can lead nowhere but beneath its root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Box<[u8]>);

impl TreePath {
    /// Takes a path of one name or more. `None`: it is absolute, or holds an empty name, `.`, `..` or NUL.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Option<TreePath> {
        let bytes = bytes.into();
        let plain = |name: &[u8]| !name.is_empty() && name != b"." && name != b"..";
        let valid = !bytes.contains(&0) && bytes.split(|&byte| byte == b'/').all(plain);
        valid.then_some(TreePath(bytes))
    }

    /// A name in the directory `parent`, which is empty for the root.
    pub(super) fn join(parent: &[u8], name: &[u8]) -> Option<TreePath> {
        match parent.is_empty() {
            true => Self::new(name),
            false => Self::new([parent, b"/", name].concat()),
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory it is in; empty for the root.
    pub fn parent(&self) -> &[u8] {
        split(&self.0).0
    }

    /// Whether it is `directory` or beneath it.
    pub fn is_within(&self, directory: &TreePath) -> bool {
        let rest = self.0.strip_prefix(&*directory.0);
        rest.is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
    }

    /// The path seen from a directory above it.
    pub(super) fn relative_to(&self, directory: &TreePath) -> Option<TreePath> {
        Self::new(self.0.strip_prefix(&*directory.0)?.strip_prefix(b"/")?)
    }

    /// Where the message of the file of this path stands in the encrypted tree.
    pub fn file_output(&self) -> TreePath {
        let (parent, name) = split(&self.0);
        let mut output = directory_output(parent);
        if !output.is_empty() {
            output.push(b'/');
        }
        output.extend_from_slice(name);
        output.extend_from_slice(SUFFIX);
        TreePath(output.into())
    }

    /// Whether this, in the encrypted tree, is where a file's message stands: nothing else is called so.
    pub(super) fn is_file_output(&self) -> bool {
        self.0.ends_with(SUFFIX)
    }

    /// What the directory of this path is called in the encrypted tree.
    pub fn directory_output(&self) -> TreePath {
        TreePath(directory_output(&self.0).into())
    }
}

impl std::fmt::Debug for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", OsStr::from_bytes(&self.0))
    }
}

impl std::fmt::Display for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The directory part of a path, empty for the root, and the last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn directory_output(path: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(path.len());
    for (index, name) in path.split(|&byte| byte == b'/').enumerate() {
        if index > 0 {
            output.push(b'/');
        }
        output.extend_from_slice(name);
        if is_reserved(name) {
            output.push(ESCAPE);
        }
    }
    output
}

/// Whether a directory could be taken for a message or for the tree's own directory, or for one renamed because of that.
fn is_reserved(name: &[u8]) -> bool {
    let escapes = name.iter().rev().take_while(|&&byte| byte == ESCAPE).count();
    let stem = &name[..name.len() - escapes];
    stem.ends_with(SUFFIX) || stem == OWN_DIRECTORY
}

/// The tree's own directory in its encrypted form.
pub(super) const OWN_DIRECTORY: &[u8] = b".strongroom";
const SUFFIX: &[u8] = b".sr";
const ESCAPE: u8 = b'~';

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn only_plain_relative_paths() {
        for hostile in ["", "/", "/etc", "a/../b", "..", ".", "a/.", "a//b", "a/", "a\0b"] {
            assert_eq!(TreePath::new(hostile.as_bytes()), None, "{hostile:?}");
        }
        for plain in ["a", "a/b", "...", "a b\n", ".strongroom"] {
            assert!(TreePath::new(plain.as_bytes()).is_some(), "{plain:?}");
        }
    }

    #[test]
    fn no_two_outputs_are_the_same() {
        let names =
            ["a", "a.sr", "a.sr~", "a.sr~~", "a~", ".strongroom", ".strongroom~", ".sr", ".sr~", "a.sr.sr"];
        let mut outputs = HashSet::from([TreePath::new(OWN_DIRECTORY).unwrap()]);
        for name in names {
            let path = TreePath::new(name.as_bytes()).unwrap();
            assert!(path.file_output().is_file_output() && !path.directory_output().is_file_output());
            assert!(outputs.insert(path.file_output()), "file {name}");
            assert!(outputs.insert(path.directory_output()), "directory {name}");
        }
        let nested = TreePath::new(*b"x.sr/y.sr~/z").unwrap();
        assert_eq!(nested.file_output().as_bytes(), b"x.sr~/y.sr~~/z.sr");
    }

    #[test]
    fn within_is_by_whole_names() {
        let directory = TreePath::new(*b"a").unwrap();
        assert!(TreePath::new(*b"a/b").unwrap().is_within(&directory));
        assert!(directory.is_within(&directory));
        assert!(!TreePath::new(*b"ab").unwrap().is_within(&directory));
    }
}
