//! Trees: keys come from a Python object, everything else stays in Rust.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use strongroom_core::cache::Usage;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::tree::{
    self, DecryptOptions, EncryptOptions, Existing, Failure, Patterns, Report, Selection, TreePath,
};
use strongroom_core::message;

use crate::control::Control;
use crate::error::to_py;
use crate::file::detached;
use crate::header::Header;
use crate::materials::{DecryptionMaterials, EncryptionMaterials};

/// What was done with a tree, or would be.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct TreeReport {
    report: Report,
    failures: Vec<(Vec<u8>, Py<PyAny>)>,
}

#[pymethods]
impl TreeReport {
    #[getter]
    fn tree_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.report.tree)
    }

    #[getter]
    fn files(&self) -> u64 {
        self.report.files
    }

    #[getter]
    fn directories(&self) -> u64 {
        self.report.directories
    }

    #[getter]
    fn links(&self) -> u64 {
        self.report.links
    }

    #[getter]
    fn plaintext_bytes(&self) -> u64 {
        self.report.plaintext_bytes
    }

    #[getter]
    fn message_bytes(&self) -> u64 {
        self.report.message_bytes
    }

    #[getter]
    fn kept(&self) -> u64 {
        self.report.kept
    }

    #[getter]
    fn removed(&self) -> u64 {
        self.report.removed
    }

    #[getter]
    fn hard_links(&self) -> u64 {
        self.report.hard_links
    }

    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, &'static str)> {
        let skipped = self.report.skipped.iter();
        skipped.map(|skipped| (PyBytes::new(py, skipped.path.as_bytes()), skipped.why)).collect()
    }

    #[getter]
    fn failures<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Py<PyAny>)> {
        let failures = self.failures.iter();
        failures.map(|(path, error)| (PyBytes::new(py, path), error.clone_ref(py))).collect()
    }
}

/// Encrypts a tree, one message a file. What fails for one file is in the report; what concerns all is raised.
#[pyfunction]
#[pyo3(signature = (source, target, keys, *, resume = false, force = false, include = vec![], exclude = vec![], dry_run = false, control = None))]
#[expect(clippy::too_many_arguments, reason = "they are named in Python")]
pub(crate) fn encrypt_tree(
    py: Python<'_>,
    source: FilePath,
    target: FilePath,
    keys: Py<PyAny>,
    resume: bool,
    force: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    dry_run: bool,
    control: Option<&Control>,
) -> PyResult<TreeReport> {
    let keys = Keys(keys);
    let report = detached(py, control, |control| {
        let selection = Selection::new(Patterns { include, exclude })?;
        let options = EncryptOptions { existing: existing(resume, force)?, selection, dry_run };
        tree::encrypt(&source.0, &target.0, &keys, &options, control)
    });
    report.map(|report| told(py, report))
}

/// Decrypts a tree, or with `only` one path of it, which then becomes the target itself.
#[pyfunction]
#[pyo3(signature = (source, target, keys, *, resume = false, force = false, include = vec![], exclude = vec![], only = None, control = None))]
#[expect(clippy::too_many_arguments, reason = "they are named in Python")]
pub(crate) fn decrypt_tree(
    py: Python<'_>,
    source: FilePath,
    target: FilePath,
    keys: Py<PyAny>,
    resume: bool,
    force: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    only: Option<FilePath>,
    control: Option<&Control>,
) -> PyResult<TreeReport> {
    let keys = Keys(keys);
    let report = detached(py, control, |control| {
        let selection = Selection::new(Patterns { include, exclude })?;
        let only = only.map(tree_path).transpose()?;
        let options = DecryptOptions { existing: existing(resume, force)?, selection, only };
        tree::decrypt(&source.0, &target.0, &keys, &options, control)
    });
    report.map(|report| told(py, report))
}

/// Authenticates every byte of a tree and writes nothing.
#[pyfunction]
#[pyo3(signature = (source, keys, *, control = None))]
pub(crate) fn verify_tree(
    py: Python<'_>,
    source: FilePath,
    keys: Py<PyAny>,
    control: Option<&Control>,
) -> PyResult<TreeReport> {
    let keys = Keys(keys);
    let report = detached(py, control, |control| tree::verify(&source.0, &keys, control));
    report.map(|report| told(py, report))
}

/// A path as str, bytes or anything with `__fspath__`.
pub(crate) struct FilePath(pub(crate) PathBuf);

impl<'a, 'py> FromPyObject<'a, 'py> for FilePath {
    type Error = PyErr;

    fn extract(path: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let bytes = path.py().import("os")?.call_method1("fsencode", (path,))?;
        let bytes = bytes.cast_into::<PyBytes>()?;
        Ok(FilePath(PathBuf::from(OsStr::from_bytes(bytes.as_bytes()))))
    }
}

fn tree_path(path: FilePath) -> Result<TreePath> {
    let bytes = path.0.as_os_str().as_bytes();
    let trimmed = bytes.strip_suffix(b"/").unwrap_or(bytes);
    TreePath::new(trimmed).ok_or_else(|| {
        Error::Misuse(format!("'{}' is not a plain path relative to the tree", path.0.display()))
    })
}

fn existing(resume: bool, force: bool) -> Result<Existing> {
    match (resume, force) {
        (false, false) => Ok(Existing::Refuse),
        (true, false) => Ok(Existing::Resume),
        (false, true) => Ok(Existing::Replace),
        (true, true) => Err(Error::Misuse("resume keeps what is done, force does it again: not both".into())),
    }
}

pub(crate) fn told(py: Python<'_>, mut report: Report) -> TreeReport {
    let failures = std::mem::take(&mut report.failures).into_iter();
    let tell =
        |failure: Failure| (failure.path.as_bytes().to_vec(), to_py(failure.error).into_value(py).into_any());
    TreeReport { failures: failures.map(tell).collect(), report }
}

/// Keys from a Python object, asked under the GIL.
pub(crate) struct Keys(pub(crate) Py<PyAny>);

impl tree::KeySource for Keys {
    fn encryption(&self, usage: Usage) -> Result<Arc<message::EncryptionMaterials>> {
        Python::attach(|py| {
            let materials = self.0.bind(py).call_method1("encryption", (usage.bytes, usage.messages));
            let materials = materials.map_err(|error| too_many(py, usage, error))?;
            let materials = materials.cast_into::<EncryptionMaterials>();
            Ok(Arc::clone(&materials.map_err(|error| caller(error.into()))?.get().0))
        })
    }

    fn decryption(
        &self,
        header: &message::Header,
        usage: Usage,
    ) -> Result<Arc<message::DecryptionMaterials>> {
        Python::attach(|py| {
            let header = Header(header.clone());
            let materials = self.0.bind(py).call_method1("decryption", (header, usage.bytes, usage.messages));
            let materials = materials.map_err(|error| one_files(py, error))?;
            let materials = materials.cast_into::<DecryptionMaterials>();
            Ok(Arc::clone(&materials.map_err(|error| caller(error.into()))?.get().0))
        })
    }
}

pub(crate) fn caller(error: PyErr) -> Error {
    Error::Caller(Box::new(error))
}

/// What is too much for one data key may not be when it is asked for in parts.
pub(crate) fn too_many(py: Python<'_>, usage: Usage, error: PyErr) -> Error {
    match usage.messages {
        found @ 2.. if is_a(py, &error, "LimitExceeded") => {
            Error::Limit { what: "messages under one data key", limit: found - 1, found }
        }
        _ => caller(error),
    }
}

/// A header that no key opens is the fault of one file; a key that is denied or does not answer stops the run.
pub(crate) fn one_files(py: Python<'_>, error: PyErr) -> Error {
    let is = |class| is_a(py, &error, class);
    match () {
        () if is("AuthenticationFailed") => Error::Authentication,
        () if is("KeyNotFound") => Error::KeyNotFound(error.value(py).to_string()),
        () if is("FormatError") => Error::Unsupported(error.value(py).to_string()),
        () => caller(error),
    }
}

fn is_a(py: Python<'_>, error: &PyErr, class: &str) -> bool {
    let class = py.import("strongroom.errors").and_then(|errors| errors.getattr(class));
    class.and_then(|class| Ok(class.cast_into::<PyType>()?)).is_ok_and(|class| error.is_instance(py, &class))
}
