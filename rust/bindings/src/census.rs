//! A census: everything is counted in Rust.

use std::os::unix::ffi::OsStrExt;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::job::tree::{self, Day, Names, Unread};

use crate::control::Control;
use crate::error::to_py;
use crate::file::detached;
use crate::tree::FilePath;

/// What was counted beneath a path, from headers alone.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Census {
    census: tree::Census,
    unread: Vec<(Vec<u8>, Py<PyAny>)>,
}

/// Class, key name, suite; messages, bytes, files; and of each day messages and bytes.
type Row = (Option<String>, Option<String>, u16, u64, u64, u64, Vec<(Day, u64, u64)>);

#[pymethods]
impl Census {
    #[getter]
    fn counts(&self) -> Vec<Row> {
        let row = |(under, count): (&tree::Under, &tree::Count)| {
            let days = count.days.iter().map(|(day, (messages, bytes))| (*day, *messages, *bytes)).collect();
            let (data_class, key) = (under.data_class.clone(), under.key.clone());
            (data_class, key, under.suite, count.messages, count.bytes, count.files, days)
        };
        self.census.counts.iter().map(row).collect()
    }

    #[getter]
    fn messages(&self) -> u64 {
        self.census.messages
    }

    #[getter]
    fn bytes(&self) -> u64 {
        self.census.bytes
    }

    #[getter]
    fn files(&self) -> u64 {
        self.census.files
    }

    #[getter]
    fn others(&self) -> u64 {
        self.census.others
    }

    #[getter]
    fn links(&self) -> u64 {
        self.census.links
    }

    #[getter]
    fn unread<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Py<PyAny>)> {
        let unread = self.unread.iter();
        unread.map(|(path, error)| (PyBytes::new(py, path), error.clone_ref(py))).collect()
    }
}

/// Counts the messages of a file, or of all files beneath a directory, by what their headers say.
#[pyfunction]
#[pyo3(signature = (path, *, namespace, class_key, control = None))]
pub(crate) fn census(
    py: Python<'_>,
    path: FilePath,
    namespace: &str,
    class_key: &str,
    control: Option<&Control>,
) -> PyResult<Census> {
    let names = Names { namespace, class_key };
    let mut census = detached(py, control, |control| tree::census(&path.0, names, control))?;
    let unread = std::mem::take(&mut census.unread).into_iter().map(|Unread { path, error }| {
        (path.as_os_str().as_bytes().to_vec(), to_py(error).into_value(py).into_any())
    });
    Ok(Census { unread: unread.collect(), census })
}
