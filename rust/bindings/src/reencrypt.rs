//! Re-encryption: where messages are to go, and the keys for it, come from a Python object; plaintext never does.

use std::sync::Arc;

use pyo3::prelude::*;
use strongroom_core::cache::Usage;
use strongroom_core::error::Result;
use strongroom_core::job::reencrypt::{self, Moving};
use strongroom_core::job::tree::{self, KeySource as _, ReencryptOptions};
use strongroom_core::message;
use strongroom_core::pipeline::Progress;

use crate::control::Control;
use crate::file::{Done, detached};
use crate::header::Header;
use crate::materials::EncryptionMaterials;
use crate::pace::Pace;
use crate::tree::{FilePath, Keys, TreeReport, caller, one_files, told, too_many};

/// Re-encrypts a message file in its place; `None` where it was settled.
#[pyfunction]
#[pyo3(signature = (path, keys, *, rate = None, control = None))]
pub(crate) fn reencrypt_file(
    py: Python<'_>,
    path: FilePath,
    keys: Py<PyAny>,
    rate: Option<u64>,
    control: Option<&Control>,
) -> PyResult<Option<Done>> {
    let control = control.cloned().unwrap_or_default();
    let mover = Mover::new(keys, rate, &control);
    let done = detached(py, Some(&control), |control| reencrypt::reencrypt_file(&path.0, &mover, control))?;
    Ok(done.map(Done))
}

/// Re-encrypts a tree in its place, or says what would be done.
#[pyfunction]
#[pyo3(signature = (path, keys, *, rate = None, dry_run = false, control = None))]
pub(crate) fn reencrypt_tree(
    py: Python<'_>,
    path: FilePath,
    keys: Py<PyAny>,
    rate: Option<u64>,
    dry_run: bool,
    control: Option<&Control>,
) -> PyResult<TreeReport> {
    let control = control.cloned().unwrap_or_default();
    let mover = Mover::new(keys, rate, &control);
    let options = ReencryptOptions { dry_run };
    let report = detached(py, Some(&control), |control| tree::reencrypt(&path.0, &mover, options, control))?;
    Ok(told(py, report))
}

/// Asks a Python object, under the GIL.
struct Mover {
    keys: Keys,
    pace: Option<Pace>,
    progress: Arc<Progress>,
}

impl Mover {
    fn new(keys: Py<PyAny>, rate: Option<u64>, control: &Control) -> Self {
        Mover { keys: Keys(keys), pace: rate.map(Pace::new), progress: control.progress() }
    }
}

impl Moving for Mover {
    fn is_settled(&self, header: &message::Header) -> Result<bool> {
        Python::attach(|py| {
            let answer = self.keys.0.bind(py).call_method1("is_settled", (Header(header.clone()),));
            answer.and_then(|answer| answer.extract()).map_err(|error| one_files(py, error))
        })
    }

    fn decryption(
        &self,
        header: &message::Header,
        usage: Usage,
    ) -> Result<Arc<message::DecryptionMaterials>> {
        self.keys.decryption(header, usage)
    }

    fn encryption(&self, like: &message::Header, usage: Usage) -> Result<Arc<message::EncryptionMaterials>> {
        Python::attach(|py| {
            let like = Header(like.clone());
            let asked = self.keys.0.bind(py).call_method1("encryption", (like, usage.bytes, usage.messages));
            let materials = asked.map_err(|error| too_many(py, usage, error))?;
            let materials = materials.cast_into::<EncryptionMaterials>();
            Ok(Arc::clone(&materials.map_err(|error| caller(error.into()))?.get().0))
        })
    }

    fn pace(&self, bytes: u64) -> Result<()> {
        self.pace.as_ref().map_or(Ok(()), |pace| pace.wait(bytes, &self.progress))
    }
}
