//! Keys as opaque objects: their bytes never become Python's.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::context::Context;
use strongroom_core::error::{Error, Result};
use strongroom_core::key;
use strongroom_core::primitives::rng;
use strongroom_core::primitives::rsa::Padding;
use strongroom_core::wrap::{RawAes, RawEcdh, RawRsa};
use strongroom_secmem::{MAX_LEN, Secret as Locked, ct_eq};

use crate::buffer::Borrowed;
use crate::error::to_py;

/// A plaintext DEK in locked memory.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct DataKey(pub(crate) Arc<key::DataKey>);

impl DataKey {
    pub(crate) fn shared(&self) -> Result<Arc<key::DataKey>> {
        Ok(Arc::clone(&self.0))
    }
}

#[pymethods]
impl DataKey {
    #[staticmethod]
    #[pyo3(signature = (length = 32))]
    fn generate(length: usize) -> PyResult<Self> {
        check_length(length)?;
        let secret = Locked::fill_with(length, rng::fill).map_err(to_py)?;
        Ok(DataKey(Arc::new(key::DataKey::new(secret))))
    }

    #[staticmethod]
    fn from_caller(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(DataKey(Arc::new(key::DataKey::new(locked(key)?))))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __eq__(&self, other: &Self) -> PyResult<bool> {
        Ok(ct_eq(self.0.expose().map_err(to_py)?, other.0.expose().map_err(to_py)?))
    }

    fn __repr__(&self) -> String {
        format!("<DataKey {} bytes>", self.0.len())
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// Whether both are the same bytes; compared in constant time.
#[pyfunction]
#[pyo3(name = "ct_eq")]
pub(crate) fn same_bytes(mac: &[u8], other: &[u8]) -> bool {
    ct_eq(mac, other)
}

/// A wrapped DEK as it stands in a header.
#[pyclass(frozen, eq, module = "strongroom.crypto")]
#[derive(Clone, PartialEq)]
pub(crate) struct Edk(pub(crate) key::Edk);

#[pymethods]
impl Edk {
    #[new]
    fn new(provider_id: String, provider_info: Vec<u8>, ciphertext: Vec<u8>) -> Self {
        Edk(key::Edk { provider_id, provider_info, ciphertext })
    }

    #[getter]
    fn provider_id(&self) -> &str {
        &self.0.provider_id
    }

    #[getter]
    fn provider_info<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.provider_info)
    }

    #[getter]
    fn ciphertext<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.ciphertext)
    }

    fn key_name(&self, namespace: &str) -> Option<&str> {
        self.0.key_name(namespace)
    }

    fn __repr__(&self) -> String {
        format!("<Edk provider={:?}>", self.0.provider_id)
    }
}

/// A raw AES key that wraps DEKs: a KEK of a room, or the key of a raw AES keyring.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct AesWrappingKey(pub(crate) Closable<RawAes>);

#[pymethods]
impl AesWrappingKey {
    #[new]
    fn new(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        let key = RawAes::new(locked(key)?).map_err(to_py)?;
        Ok(AesWrappingKey(Closable::new(key)))
    }

    #[staticmethod]
    fn generate() -> PyResult<Self> {
        let key = Locked::fill_with(32, rng::fill).and_then(RawAes::new).map_err(to_py)?;
        Ok(AesWrappingKey(Closable::new(key)))
    }

    fn wrap(
        &self,
        data_key: &DataKey,
        namespace: &str,
        name: &str,
        context: BTreeMap<String, String>,
    ) -> PyResult<Edk> {
        let wrap = |key: &RawAes| key.wrap(&data_key.0, namespace, name, &Context::new(context)?);
        self.0.with(wrap).map(Edk).map_err(to_py)
    }

    fn unwrap(
        &self,
        edk: &Edk,
        namespace: &str,
        name: &str,
        context: BTreeMap<String, String>,
    ) -> PyResult<DataKey> {
        let unwrap = |key: &RawAes| key.unwrap(&edk.0, namespace, name, &Context::new(context)?);
        self.0.with(unwrap).map(|key| DataKey(Arc::new(key))).map_err(to_py)
    }

    fn close(&self) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        "<AesWrappingKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// A raw RSA key pair, or half of one.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct RsaWrappingKey(RawRsa);

#[pymethods]
impl RsaWrappingKey {
    #[new]
    #[pyo3(signature = (*, private_pem, public_pem, padding))]
    fn new(
        private_pem: Option<&Bound<'_, PyAny>>,
        public_pem: Option<&Bound<'_, PyAny>>,
        padding: &str,
    ) -> PyResult<Self> {
        let private_pem = private_pem.map(Borrowed::new).transpose()?;
        let public_pem = public_pem.map(Borrowed::new).transpose()?;
        let documents = (private_pem.as_ref().map(Borrowed::bytes), public_pem.as_ref().map(Borrowed::bytes));
        let key =
            Padding::by_name(padding).and_then(|padding| RawRsa::new(documents.0, documents.1, padding));
        key.map(RsaWrappingKey).map_err(to_py)
    }

    fn wrap(&self, py: Python<'_>, data_key: &DataKey, namespace: &str, name: &str) -> PyResult<Edk> {
        py.detach(|| self.0.wrap(&data_key.0, namespace, name)).map(Edk).map_err(to_py)
    }

    fn unwrap(&self, py: Python<'_>, edk: &Edk, namespace: &str, name: &str) -> PyResult<DataKey> {
        let key = py.detach(|| self.0.unwrap(&edk.0, namespace, name));
        key.map(|key| DataKey(Arc::new(key))).map_err(to_py)
    }

    fn __repr__(&self) -> &'static str {
        "<RsaWrappingKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// Our half of a raw ECDH agreement.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct EcdhWrappingKey(RawEcdh);

#[pymethods]
impl EcdhWrappingKey {
    #[new]
    #[pyo3(signature = (*, private_pem, public_pem))]
    fn new(private_pem: &Bound<'_, PyAny>, public_pem: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let private_pem = Borrowed::new(private_pem)?;
        let public_pem = public_pem.map(Borrowed::new).transpose()?;
        let key = RawEcdh::new(private_pem.bytes(), public_pem.as_ref().map(Borrowed::bytes));
        key.map(EcdhWrappingKey).map_err(to_py)
    }

    fn unwrap(&self, edk: &Edk, context: BTreeMap<String, String>) -> PyResult<DataKey> {
        let key = Context::new(context).and_then(|context| self.0.unwrap(&edk.0, &context));
        key.map(|key| DataKey(Arc::new(key))).map_err(to_py)
    }

    fn __repr__(&self) -> &'static str {
        "<EcdhWrappingKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// A key that can be wiped before its object goes.
pub(crate) struct Closable<K>(RwLock<Option<K>>);

impl<K> Closable<K> {
    pub(crate) fn new(key: K) -> Self {
        Closable(RwLock::new(Some(key)))
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&K) -> Result<T>) -> Result<T> {
        let held = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.as_ref().ok_or(Error::KeyUnavailable).and_then(f)
    }

    pub(crate) fn close(&self) {
        drop(self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

/// For `__reduce__`: copies would escape the one place where a key is wiped.
pub(crate) fn not_pickled() -> PyResult<()> {
    Err(PyTypeError::new_err("keys are not pickled"))
}

/// A copy of the caller's bytes in locked memory.
pub(crate) fn locked(key: &Bound<'_, PyAny>) -> PyResult<Locked> {
    let key = Borrowed::new(key)?;
    check_length(key.len())?;
    Locked::copy_from(key.bytes()).map_err(|error| to_py(error.into()))
}

fn check_length(len: usize) -> PyResult<()> {
    match len {
        0 => Err(to_py(Error::Misuse("an empty key".into()))),
        1..=MAX_LEN => Ok(()),
        _ => Err(to_py(Error::Limit { what: "a key in bytes", limit: MAX_LEN as u64, found: len as u64 })),
    }
}
