//! `MaterialsCache`: data keys within their limits, and one call from a caller's context to the message when one is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use rustix::time::{ClockId, clock_gettime};
use strongroom_core::cache::{Cache, Limits, Usage};
use strongroom_core::error::Error;
use strongroom_core::job::buffer::Located;
use strongroom_core::message::{self as core_message, Outline};
use strongroom_secmem::Generation;

use crate::buffer::Borrowed;
use crate::cache_key::{self, Key};
use crate::control::Control;
use crate::error::to_py;
use crate::header::{Caps, caps};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};
use crate::message;
use crate::messages::{self, Group};

/// Materials within their limits of age, messages and bytes, by the clock that goes on while the machine sleeps.
///
/// Belongs to one process: in a forked child there is nothing in it, and asking it for a key fails.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct MaterialsCache {
    cache: Cache<Kept>,
    generation: Generation,
}

/// Materials, what its user wants back when they are let go, and the name of the key that they depend on.
struct Kept {
    materials: Materials,
    account: Py<PyAny>,
    key_name: Option<String>,
}

#[derive(FromPyObject, IntoPyObjectRef)]
enum Materials {
    Writer(Py<EncryptionMaterials>),
    Reader(Py<DecryptionMaterials>),
}

type Retired = (Py<PyAny>, u64, u64);

#[pymethods]
impl MaterialsCache {
    #[new]
    fn new(capacity: usize) -> Self {
        MaterialsCache { cache: Cache::new(capacity), generation: Generation::current() }
    }

    /// The materials of this key if they are cached and allow so much more use, which is then counted.
    fn get(&self, py: Python<'_>, key: Key, messages: u64, bytes: u64) -> PyResult<Option<Py<PyAny>>> {
        let kept = self.ours()?.get(&key, now(), Usage { messages, bytes });
        kept.map(|kept| object(py, &kept)).transpose()
    }

    /// The same, or what `fetch` returns: (materials, account, name of the key they depend on, age in ns, messages,
    /// bytes). One caller a key fetches.
    fn get_or_fetch(
        &self,
        py: Python<'_>,
        key: Key,
        messages: u64,
        bytes: u64,
        fetch: Py<PyAny>,
    ) -> PyResult<Py<PyAny>> {
        let fetched = || {
            Python::attach(|py| {
                let (materials, account, key_name, max_age_ns, max_messages, max_bytes) =
                    fetch.call0(py)?.extract(py)?;
                let limits = Limits { max_age_ns, max_messages, max_bytes };
                Ok::<_, PyErr>((Kept { materials, account, key_name }, limits))
            })
        };
        let cache = self.ours()?;
        let usage = Usage { messages, bytes };
        let kept = py.detach(|| cache.get_or_fetch(&key, now(), usage, fetched))?;
        object(py, &kept)
    }

    /// Encrypts with the materials of a writer's key; `None` where they are not cached, or cannot be told from here.
    #[pyo3(signature = (parts, context, plaintext, control = None))]
    fn encrypt(
        &self,
        py: Python<'_>,
        parts: &Bound<'_, PyTuple>,
        context: Option<&Bound<'_, PyAny>>,
        plaintext: &Bound<'_, PyAny>,
        control: Option<&Control>,
    ) -> PyResult<Option<Py<PyBytes>>> {
        let plaintext = Borrowed::new(plaintext)?;
        let usage = Usage { messages: 1, bytes: plaintext.len() as u64 };
        let Ok(key) = cache_key::of_writer(parts, context) else { return Ok(None) };
        let Some(kept) = self.ours()?.get(&key, now(), usage) else { return Ok(None) };
        message::encrypt_borrowed(py, kept.writer()?, &plaintext, control).map(Some)
    }

    /// The same for many, under one data key.
    #[pyo3(signature = (parts, context, plaintexts, control = None))]
    fn encrypt_many(
        &self,
        py: Python<'_>,
        parts: &Bound<'_, PyTuple>,
        context: Option<&Bound<'_, PyAny>>,
        plaintexts: &Bound<'_, PyAny>,
        control: Option<&Control>,
    ) -> PyResult<Option<Vec<Py<PyBytes>>>> {
        let plaintexts = messages::borrow(plaintexts)?;
        let bytes = plaintexts.iter().map(|plaintext| plaintext.len() as u64).sum();
        let usage = Usage { messages: plaintexts.len() as u64, bytes };
        let Ok(key) = cache_key::of_writer(parts, context) else { return Ok(None) };
        let Some(kept) = self.ours()?.get(&key, now(), usage) else { return Ok(None) };
        messages::encrypt_each(py, kept.writer()?, &plaintexts, control).map(Some)
    }

    /// Decrypts with the materials of a reader's key; `None` where they are not cached, or cannot be told from here, or
    /// something is wrong that is better told by those who look closer.
    #[pyo3(signature = (parts, context, message, caps = None, control = None))]
    fn decrypt(
        &self,
        py: Python<'_>,
        parts: &Bound<'_, PyTuple>,
        context: Option<&Bound<'_, PyAny>>,
        message: &Bound<'_, PyAny>,
        caps: Option<&Caps>,
        control: Option<&Control>,
    ) -> PyResult<Option<Py<PyBytes>>> {
        let message = Borrowed::new(message)?;
        let usage = Usage { messages: 1, bytes: message.len() as u64 };
        let Ok(header) = Outline::find(message.bytes(), &self::caps(caps)) else { return Ok(None) };
        let Ok(located) = Located::find(&header, message.bytes()) else { return Ok(None) };
        let Ok(key) = cache_key::of_reader(parts, &header, context) else { return Ok(None) };
        let Some(kept) = self.ours()?.get(&key, now(), usage) else { return Ok(None) };
        message::decrypt_borrowed(py, &header, &located, kept.reader()?, &message, control).map(Some)
    }

    /// Decrypts many, all or nothing. `fetch` is called with a header and a message's length where no materials are cached.
    #[pyo3(signature = (parts, context, messages, fetch, caps = None, control = None))]
    #[expect(clippy::too_many_arguments, reason = "what `decrypt` takes, and where materials come from")]
    fn decrypt_many(
        &self,
        py: Python<'_>,
        parts: &Bound<'_, PyTuple>,
        context: Option<&Bound<'_, PyAny>>,
        messages: &Bound<'_, PyAny>,
        fetch: &Bound<'_, PyAny>,
        caps: Option<&Caps>,
        control: Option<&Control>,
    ) -> PyResult<Vec<Py<PyBytes>>> {
        let (messages, caps) = (messages::borrow(messages)?, self::caps(caps));
        messages::decrypt_each(py, &messages, &caps, control, |group| {
            let key = cache_key::of_reader(parts, &group.outline(&caps)?, context).ok();
            self.reserve(key, &group, |length| {
                let materials = fetch.call1((group.parse(&caps)?, length))?;
                Ok(materials.extract::<PyRef<'_, DecryptionMaterials>>()?.0.clone())
            })
        })
    }

    /// Takes out what is past its age.
    fn expire(&self, py: Python<'_>) {
        if let Ok(cache) = self.ours() {
            py.detach(|| cache.expire(now()));
        }
    }

    /// Takes out what depends on the key of this name; what is being fetched meanwhile is shared with nobody.
    fn drop_key(&self, py: Python<'_>, key_name: &str) {
        if let Ok(cache) = self.ours() {
            py.detach(|| cache.retire_if(|kept| kept.key_name.as_deref() == Some(key_name)));
        }
    }

    /// Takes out everything.
    fn clear(&self, py: Python<'_>) {
        if let Ok(cache) = self.ours() {
            py.detach(|| cache.clear());
        }
    }

    /// The accounts of what was taken out since the last call, with the messages and bytes it served. Each is given once.
    fn drain_retired(&self, py: Python<'_>) -> Vec<Retired> {
        let retired = self.ours().map(Cache::drain_retired).unwrap_or_default();
        retired
            .into_iter()
            .map(|(kept, used)| (kept.account.clone_ref(py), used.messages, used.bytes))
            .collect()
    }

    fn stats(&self) -> PyResult<BTreeMap<&'static str, u64>> {
        let stats = self.ours()?.stats();
        Ok([
            ("hits", stats.hits),
            ("misses", stats.misses),
            ("refreshes", stats.refreshes),
            ("evictions", stats.evictions),
            ("expirations", stats.expirations),
            ("entries", stats.entries as u64),
            ("capacity", stats.capacity as u64),
            ("distinct_evicted", stats.distinct_evicted as u64),
        ]
        .into())
    }
}

impl MaterialsCache {
    /// Materials that may open all messages of a group, whose use is counted: at once where the limits allow it, and
    /// otherwise one by one until they do, each that is not covered fetching.
    fn reserve(
        &self,
        key: Option<Key>,
        group: &Group<'_>,
        fetch: impl Fn(u64) -> PyResult<Arc<core_message::DecryptionMaterials>>,
    ) -> PyResult<Arc<core_message::DecryptionMaterials>> {
        let mut left = &group.lengths[..];
        loop {
            let usage = Usage { messages: left.len() as u64, bytes: left.iter().sum() };
            let kept =
                key.map(|key| Ok::<_, PyErr>(self.ours()?.get(&key, now(), usage))).transpose()?.flatten();
            if let Some(kept) = kept {
                return Ok(Arc::clone(&kept.reader()?.0));
            }
            let fetched = fetch(left[0])?;
            left = &left[1..];
            if left.is_empty() {
                return Ok(fetched);
            }
        }
    }

    /// Checked before any lock: a forked child may have inherited it locked.
    fn ours(&self) -> PyResult<&Cache<Kept>> {
        self.generation.check().map_err(|gone| to_py(gone.into()))?;
        Ok(&self.cache)
    }
}

impl Kept {
    fn writer(&self) -> PyResult<&EncryptionMaterials> {
        match &self.materials {
            Materials::Writer(materials) => Ok(materials.get()),
            Materials::Reader(_) => Err(to_py(Error::Misuse("these materials are a reader's".into()))),
        }
    }

    fn reader(&self) -> PyResult<&DecryptionMaterials> {
        match &self.materials {
            Materials::Reader(materials) => Ok(materials.get()),
            Materials::Writer(_) => Err(to_py(Error::Misuse("these materials are a writer's".into()))),
        }
    }
}

fn object(py: Python<'_>, kept: &Kept) -> PyResult<Py<PyAny>> {
    Ok((&kept.materials).into_pyobject(py)?.into_any().unbind())
}

/// Nanoseconds of CLOCK_BOOTTIME.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0));
    u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX)
}
