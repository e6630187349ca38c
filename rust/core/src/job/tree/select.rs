//! Which paths of a tree are meant.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::path::TreePath;
use crate::error::{Error, Result};

/// Include and exclude patterns.
///
/// A pattern without `/` matches a name at any depth, one with `/` a whole path; `*` and `?` stop at `/`, `**` does not.
/// What matches a directory matches everything in it. Nothing included means everything; an exclusion wins.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    include: GlobSet,
    exclude: GlobSet,
    patterns: Patterns,
}

/// The patterns as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    /// What is meant; nothing here means everything.
    pub include: Vec<String>,
    /// What is not.
    pub exclude: Vec<String>,
}

impl Selection {
    /// Compiles the patterns.
    pub fn new(patterns: Patterns) -> Result<Self> {
        Ok(Selection { include: compile(&patterns.include)?, exclude: compile(&patterns.exclude)?, patterns })
    }

    /// The patterns as they were given.
    pub fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether files and links are named, so that directories matter only for what is in them.
    pub(super) fn names_some(&self) -> bool {
        !self.include.is_empty()
    }

    /// Whether a path, or a directory above it, is excluded.
    pub(super) fn excludes(&self, path: &TreePath) -> bool {
        matches(&self.exclude, path)
    }

    /// Whether a file or link is meant.
    pub(super) fn picks(&self, path: &TreePath) -> bool {
        (self.include.is_empty() || matches(&self.include, path)) && !self.excludes(path)
    }
}

fn compile(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let trimmed = pattern.trim_end_matches('/');
        let whole = match trimmed.strip_prefix('/') {
            Some(anchored) => anchored.to_owned(),
            None if trimmed.contains('/') => trimmed.to_owned(),
            None => format!("**/{trimmed}"),
        };
        let glob = GlobBuilder::new(&whole).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| Error::Misuse(format!("the pattern '{pattern}': {error}")))?);
    }
    set.build().map_err(|error| Error::Misuse(format!("the patterns: {error}")))
}

fn matches(set: &GlobSet, path: &TreePath) -> bool {
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    !set.is_empty()
        && ends.chain([bytes.len()]).any(|end| set.is_match(Path::new(OsStr::from_bytes(&bytes[..end]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(include: &[&str], exclude: &[&str], path: &[u8]) -> bool {
        let owned = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
        let patterns = Patterns { include: owned(include), exclude: owned(exclude) };
        Selection::new(patterns).unwrap().picks(&TreePath::new(path).unwrap())
    }

    #[test]
    fn names_match_at_any_depth_and_paths_whole() {
        assert!(picks(&[], &[], b"a"));
        assert!(picks(&["*.txt"], &[], b"a/b/c.txt"));
        assert!(picks(&["*.txt"], &[], b"c.txt"));
        assert!(!picks(&["*.txt"], &[], b"c.txt.gz"));
        assert!(picks(&["a/*.txt"], &[], b"a/c.txt"));
        assert!(!picks(&["a/*.txt"], &[], b"a/b/c.txt"));
        assert!(picks(&["a/**/*.txt"], &[], b"a/b/c.txt"));
        assert!(!picks(&["/c.txt"], &[], b"a/c.txt"));
        assert!(picks(&["*.txt"], &[], b"\xff\xfe.txt"));
    }

    #[test]
    fn directories_stand_for_what_is_in_them_and_exclusion_wins() {
        assert!(picks(&["docs"], &[], b"docs/a/b"));
        assert!(!picks(&[], &["cache/"], b"x/cache/y"));
        assert!(!picks(&["*.txt"], &["secret*"], b"secret.txt"));
        assert!(Selection::new(Patterns { include: vec!["[".into()], exclude: vec![] }).is_err());
    }
}
