//! `EncryptionMaterials`, `DecryptionMaterials`, `SigningKey`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use strongroom_core::context::Context;
use strongroom_core::error::Error;
use strongroom_core::message;
use strongroom_core::primitives::ecdsa;
use strongroom_core::suite::Suite;

use crate::error::to_py;
use crate::header::Header;
use crate::keys::{DataKey, Edk, not_pickled};

/// The private half of a message signature; its public half goes into the context before the data key is wrapped.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct SigningKey {
    public_key: String,
    key: Mutex<Option<ecdsa::SigningKey>>,
}

#[pymethods]
impl SigningKey {
    /// `None` for suites without a signature.
    #[staticmethod]
    fn for_suite(suite: u16) -> PyResult<Option<Self>> {
        let Some(signature) = Suite::by_id(suite).map_err(to_py)?.signature else { return Ok(None) };
        let key = ecdsa::SigningKey::generate(signature).map_err(to_py)?;
        let public_key = message::public_key_value(&key).map_err(to_py)?;
        Ok(Some(SigningKey { public_key, key: Mutex::new(Some(key)) }))
    }

    #[getter]
    fn public_key(&self) -> &str {
        &self.public_key
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// What a writer may use.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct EncryptionMaterials(pub(crate) Arc<message::EncryptionMaterials>, Vec<Edk>);

#[pymethods]
impl EncryptionMaterials {
    #[new]
    #[pyo3(signature = (suite, data_key, edks, context, *, frame_length, required = vec![], signing_key = None))]
    fn new(
        suite: u16,
        data_key: &DataKey,
        edks: Vec<PyRef<'_, Edk>>,
        context: BTreeMap<String, String>,
        frame_length: u32,
        required: Vec<String>,
        signing_key: Option<&SigningKey>,
    ) -> PyResult<Self> {
        let suite = Suite::by_id(suite).map_err(to_py)?;
        let given: Vec<_> = edks.iter().map(|edk| Edk::clone(edk)).collect();
        let edks: Vec<_> = given.iter().map(|edk| edk.0.clone()).collect();
        let context = Context::new(context).map_err(to_py)?;
        let signing_key = signing_key.map(take).transpose().map_err(to_py)?;
        let key = data_key.shared().map_err(to_py)?;
        message::EncryptionMaterials::new(suite, key, &edks, &context, &required, frame_length, signing_key)
            .map(|materials| EncryptionMaterials(Arc::new(materials), given))
            .map_err(to_py)
    }

    #[getter]
    fn suite(&self) -> u16 {
        self.0.suite().id
    }

    #[getter]
    fn frame_length(&self) -> u32 {
        self.0.frame_length()
    }

    #[getter]
    fn edks(&self) -> Vec<Edk> {
        self.1.clone()
    }
}

fn take(key: &SigningKey) -> Result<ecdsa::SigningKey, Error> {
    let taken = key.key.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.ok_or_else(|| Error::Misuse("a signing key serves one set of materials".into()))
}

/// What a reader of one message may use.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct DecryptionMaterials(pub(crate) Arc<message::DecryptionMaterials>);

#[pymethods]
impl DecryptionMaterials {
    #[new]
    #[pyo3(signature = (header, data_key, *, required = BTreeMap::new()))]
    fn new(header: &Header, data_key: &DataKey, required: BTreeMap<String, String>) -> PyResult<Self> {
        let required = Context::new(required).map_err(to_py)?;
        let key = data_key.shared().map_err(to_py)?;
        message::DecryptionMaterials::new(&header.0, key, &required)
            .map(|materials| DecryptionMaterials(Arc::new(materials)))
            .map_err(to_py)
    }
}
