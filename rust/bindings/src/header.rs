//! `Header` and `Caps`.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::message::{self, CommitmentPolicy};
use strongroom_core::suite::FormatVersion;

use crate::buffer::Borrowed;
use crate::error::to_py;
use crate::keys::Edk;

/// What a reader accepts.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Caps(pub(crate) message::Caps);

#[pymethods]
impl Caps {
    #[new]
    #[pyo3(signature = (*, header = 1 << 20, edks = 64, frame = 16 << 20, unframed = 64 << 20))]
    fn new(header: usize, edks: u16, frame: u32, unframed: u64) -> Self {
        Caps(message::Caps { header, edks, frame, unframed })
    }
}

/// The caps given, or the defaults.
pub(crate) fn caps(given: Option<&Caps>) -> message::Caps {
    given.map_or_else(message::Caps::default, |caps| caps.0)
}

/// A parsed header, of which nothing is authentic yet.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Header(pub(crate) message::Header);

#[pymethods]
impl Header {
    #[staticmethod]
    #[pyo3(signature = (data, caps = None))]
    fn parse(data: &Bound<'_, PyAny>, caps: Option<&Caps>) -> PyResult<Self> {
        let data = Borrowed::new(data)?;
        message::Header::parse(data.bytes(), &self::caps(caps)).map(Header).map_err(to_py)
    }

    fn check_policy(&self, policy: &str) -> PyResult<()> {
        CommitmentPolicy::by_name(policy)
            .and_then(|policy| policy.allows_decrypt(self.0.suite))
            .map_err(to_py)
    }

    #[getter]
    fn version(&self) -> u8 {
        match self.0.suite.version {
            FormatVersion::V1 => 1,
            FormatVersion::V2 => 2,
        }
    }

    #[getter]
    fn suite(&self) -> u16 {
        self.0.suite.id
    }

    #[getter]
    fn suite_name(&self) -> &'static str {
        self.0.suite.name
    }

    #[getter]
    fn signed(&self) -> bool {
        self.0.suite.signature.is_some()
    }

    #[getter]
    fn commits(&self) -> bool {
        self.0.suite.commits
    }

    #[getter]
    fn data_key_length(&self) -> usize {
        self.0.suite.data_key_len()
    }

    #[getter]
    fn message_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.message_id)
    }

    #[getter]
    fn context(&self) -> BTreeMap<&str, &str> {
        self.0.context.iter().collect()
    }

    #[getter]
    fn edks(&self) -> Vec<Edk> {
        self.0.edks.iter().cloned().map(Edk).collect()
    }

    #[getter]
    fn frame_length(&self) -> Option<u32> {
        self.0.frame_length()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<Header suite=0x{:04x} edks={}>", self.0.suite.id, self.0.edks.len())
    }
}
