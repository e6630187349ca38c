//! Core errors as the classes of `strongroom.errors`.

use std::io;
use std::path::PathBuf;

use pyo3::exceptions::{PyBrokenPipeError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use strongroom_core::error::Error;

/// The Python exception that an error of the core becomes.
pub(crate) fn to_py(error: Error) -> PyErr {
    Python::attach(|py| match error {
        Error::Io { op, path, source } => os_error(py, op, path, source),
        Error::Caller(source) => match source.downcast::<PyErr>() {
            Ok(error) => *error,
            Err(source) => named(py, "InternalError", (source.to_string(),)),
        },
        Error::Malformed { offset, .. } => named(py, "MalformedMessage", (error.to_string(), offset)),
        error => named(py, class(&error), (error.to_string(),)),
    })
}

/// The class of `strongroom.errors` for each error; a test compares this list with the classes.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Misuse(_) => "Misuse",
        Error::Malformed { .. } => "MalformedMessage",
        Error::Truncated { .. } => "TruncatedMessage",
        Error::Unsupported(_) => "UnsupportedFormat",
        Error::Authentication => "AuthenticationFailed",
        Error::Mismatch(_) => "TreeMismatch",
        Error::Altered(_) => "AuditTampered",
        Error::Limit { .. } => "LimitExceeded",
        Error::KeyNotFound(_) => "KeyNotFound",
        Error::KeyUnavailable => "KeyUnavailable",
        Error::SourceChanged(_) => "SourceChanged",
        Error::TargetExists(_) => "TargetExists",
        Error::Cancelled => "Cancelled",
        Error::Io { .. } | Error::Caller(_) => "InternalError",
    }
}

pub(crate) fn named<'py>(py: Python<'py>, class: &str, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyErr {
    let made = || {
        let class = py.import("strongroom.errors")?.getattr(class)?.cast_into::<PyType>()?;
        Ok::<_, PyErr>(PyErr::from_value(class.call1(arguments)?))
    };
    made().unwrap_or_else(|error| error)
}

/// An `OSError` of the right subclass; what a caller's own reader or writer raised is passed through untouched.
fn os_error(py: Python<'_>, op: &str, path: Option<PathBuf>, source: io::Error) -> PyErr {
    let source = match source.downcast::<PyErr>() {
        Ok(error) => return error,
        Err(source) => source,
    };
    let source = match source.downcast::<Error>() {
        Ok(error) => return to_py(error),
        Err(source) => source,
    };
    match (source.raw_os_error().or_else(|| errno_of(source.kind())), path) {
        (Some(errno), path) => {
            let text = format!("cannot {op}: {}", io::Error::from_raw_os_error(errno))
                .split(" (os error")
                .next()
                .unwrap_or(op)
                .to_owned();
            let made = py.get_type::<PyOSError>().call1((errno, text, path.map(PathBuf::into_os_string)));
            made.map_or_else(|error| error, PyErr::from_value)
        }
        (None, _) if source.kind() == io::ErrorKind::BrokenPipe => {
            PyBrokenPipeError::new_err(source.to_string())
        }
        (None, _) => PyOSError::new_err(format!("cannot {op}: {source}")),
    }
}

fn errno_of(kind: io::ErrorKind) -> Option<i32> {
    use rustix::io::Errno;
    let errno = match kind {
        io::ErrorKind::IsADirectory => Errno::ISDIR,
        io::ErrorKind::AlreadyExists => Errno::EXIST,
        io::ErrorKind::WriteZero => Errno::NOSPC,
        _ => return None,
    };
    Some(errno.raw_os_error())
}
