//! `MaterialsCache`: the DEK cache over whatever Python object holds the materials.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::cache::{Cache, Limits, Usage};
use strongroom_core::context::Context;
use strongroom_core::error::Error;
use strongroom_core::primitives::digest::Digester;
use strongroom_core::suite::Hash;

use crate::error::to_py;

/// Materials within their limits of age, messages and bytes; times are nanoseconds of CLOCK_BOOTTIME.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct MaterialsCache(Cache<Py<PyAny>>);

type Retired = (Py<PyAny>, u64, u64);

#[pymethods]
impl MaterialsCache {
    #[new]
    fn new(capacity: usize) -> Self {
        MaterialsCache(Cache::new(capacity))
    }

    /// The materials of this key if they are cached and allow so much more use, which is then counted.
    fn get(&self, py: Python<'_>, key: [u8; 32], now: u64, messages: u64, bytes: u64) -> Option<Py<PyAny>> {
        self.0.get(&key, now, Usage { messages, bytes }).map(|value| value.clone_ref(py))
    }

    /// The same, or what `fetch` returns: (materials, age in ns, messages, bytes). One caller a key fetches.
    fn get_or_fetch(
        &self,
        py: Python<'_>,
        key: [u8; 32],
        now: u64,
        messages: u64,
        bytes: u64,
        fetch: Py<PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let fetched = || {
            Python::attach(|py| {
                let (value, max_age_ns, max_messages, max_bytes) = fetch.call0(py)?.extract(py)?;
                Ok::<_, PyErr>((value, Limits { max_age_ns, max_messages, max_bytes }))
            })
        };
        let value = py.detach(|| self.0.get_or_fetch(&key, now, Usage { messages, bytes }, fetched))?;
        Ok(value.clone_ref(py))
    }

    /// Takes out what is past its age.
    fn expire(&self, py: Python<'_>, now: u64) {
        py.detach(|| self.0.expire(now));
    }

    /// Takes out everything.
    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.0.clear());
    }

    /// What was taken out since the last call, with the messages and bytes it served. Each is given once.
    fn drain_retired(&self, py: Python<'_>) -> Vec<Retired> {
        let retired = self.0.drain_retired();
        retired.into_iter().map(|(value, used)| (value.clone_ref(py), used.messages, used.bytes)).collect()
    }

    fn stats(&self) -> BTreeMap<&'static str, u64> {
        let stats = self.0.stats();
        [
            ("hits", stats.hits),
            ("misses", stats.misses),
            ("refreshes", stats.refreshes),
            ("evictions", stats.evictions),
            ("expirations", stats.expirations),
            ("entries", stats.entries as u64),
            ("capacity", stats.capacity as u64),
            ("distinct_evicted", stats.distinct_evicted as u64),
        ]
        .into()
    }
}

/// The cache key of these strings and this context: a digest, so that no two partitions meet.
#[pyfunction]
pub(crate) fn cache_key<'py>(
    py: Python<'py>,
    parts: Vec<String>,
    context: BTreeMap<String, String>,
) -> PyResult<Bound<'py, PyBytes>> {
    let context = Context::new(context).map_err(to_py)?;
    let mut digester = Digester::new(Hash::Sha256);
    for part in &parts {
        digester.update(&(part.len() as u64).to_be_bytes());
        digester.update(part.as_bytes());
    }
    digester.update(&context.serialize());
    let digest = digester.finish();
    let digest: &[u8; 32] =
        digest.as_ref().try_into().map_err(|_| to_py(Error::Misuse("a digest".into())))?;
    Ok(PyBytes::new(py, digest))
}
