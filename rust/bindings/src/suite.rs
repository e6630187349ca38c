//! The table of algorithm suites.

use pyo3::prelude::*;
use strongroom_core::suite::{self, Curve, FormatVersion, Hash, Status};

/// What the table says of one suite.
#[pyclass(frozen, get_all, module = "strongroom.crypto")]
pub(crate) struct Suite {
    id: u16,
    name: &'static str,
    version: u8,
    key_length: usize,
    hash: Option<&'static str>,
    curve: Option<&'static str>,
    commits: bool,
    written: bool,
    not_after: Option<u16>,
    replacement: Option<u16>,
}

#[pymethods]
impl Suite {
    fn __repr__(&self) -> String {
        format!("<Suite 0x{:04x}>", self.id)
    }
}

/// Every suite, by identifier.
#[pyfunction]
pub(crate) fn suites() -> Vec<Suite> {
    suite::SUITES.iter().map(Suite::from).collect()
}

impl From<&suite::Suite> for Suite {
    fn from(suite: &suite::Suite) -> Suite {
        Suite {
            id: suite.id,
            name: suite.name,
            version: match suite.version {
                FormatVersion::V1 => 1,
                FormatVersion::V2 => 2,
            },
            key_length: suite.data_key_len(),
            hash: suite.kdf.map(|hash| match hash {
                Hash::Sha256 => "sha256",
                Hash::Sha384 => "sha384",
                Hash::Sha512 => "sha512",
            }),
            curve: suite.signature.map(|signature| match signature.curve {
                Curve::P256 => "p256",
                Curve::P384 => "p384",
                Curve::P521 => "p521",
            }),
            commits: suite.commits,
            written: suite.status == Status::Recommended,
            not_after: suite.not_after,
            replacement: suite.replacement,
        }
    }
}
