//! What can go wrong, sorted by blame.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the core. The bindings turn each variant into one class of `strongroom.errors`.
#[derive(Debug)]
pub enum Error {
    /// The caller asked for something that cannot be.
    Misuse(String),
    /// The bytes are not what the format says; nothing was released.
    Malformed {
        /// Where in the input, in bytes from its start.
        offset: u64,
        /// What the format wants there.
        what: &'static str,
    },
    /// The bytes end too early.
    Truncated {
        /// Where in the input they end.
        offset: u64,
    },
    /// A version, suite or content type that this build or this policy does not read.
    Unsupported(String),
    /// A tag, commitment or signature does not match. Deliberately without detail.
    Authentication,
    /// Something in a tree is not what its manifest names: missing, extra, swapped, renamed or replaced.
    Mismatch(String),
    /// Something in a log is not what was written to it.
    Altered(String),
    /// A size or count is above its cap.
    Limit {
        /// What is limited.
        what: &'static str,
        /// The cap in force.
        limit: u64,
        /// What was found or asked for.
        found: u64,
    },
    /// No key at hand unwraps this message's data key.
    KeyNotFound(String),
    /// The key was at hand but is no more: wiped, or left behind by a fork.
    KeyUnavailable,
    /// The source changed while it was read.
    SourceChanged(PathBuf),
    /// The target exists already and nobody said to replace it.
    TargetExists(PathBuf),
    /// A system call failed.
    Io {
        /// What was tried, as in "cannot {op} {path}".
        op: &'static str,
        /// On which object, if it has a name.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// The caller cancelled the job.
    Cancelled,
    /// The caller's own key source, reader or writer failed; passed through untouched.
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// For `map_err`: says what was tried on which path.
    pub fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| of_io(op, Some(path), source)
    }

    /// For `map_err` where the object has no name.
    pub fn io_unnamed(op: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| of_io(op, None, source)
    }
}

/// An error that was carried through a reader or writer comes out as it went in.
fn of_io(op: &'static str, path: Option<PathBuf>, source: io::Error) -> Error {
    source.downcast().unwrap_or_else(|source| Error::Io { op, path, source })
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Misuse(what)
            | Error::Unsupported(what)
            | Error::Mismatch(what)
            | Error::Altered(what)
            | Error::KeyNotFound(what) => f.write_str(what),
            Error::Malformed { offset, what } => write!(f, "malformed at byte {offset}: {what}"),
            Error::Truncated { offset } => write!(f, "ends too early, at byte {offset}"),
            Error::Authentication => f.write_str("authentication failed"),
            Error::Limit { what, limit, found } => write!(f, "{what} is {found}, above the limit of {limit}"),
            Error::KeyUnavailable => f.write_str("the key is no longer in this process"),
            Error::SourceChanged(path) => write!(f, "{} changed while it was read", path.display()),
            Error::TargetExists(path) => write!(f, "{} exists already", path.display()),
            Error::Io { op, path: Some(path), source } => {
                write!(f, "cannot {op} {}: {source}", path.display())
            }
            Error::Io { op, path: None, source } => write!(f, "cannot {op}: {source}"),
            Error::Cancelled => f.write_str("cancelled"),
            Error::Caller(source) => write!(f, "{source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Caller(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<strongroom_secmem::Unavailable> for Error {
    fn from(_: strongroom_secmem::Unavailable) -> Self {
        Error::KeyUnavailable
    }
}
