//! PKCS#11 modules and sessions: keys go between a module and locked memory, and Python sees handles and wrapped keys only.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::context::Context;
use strongroom_core::error::Error;
use strongroom_core::key;
use strongroom_core::primitives::rng;
use strongroom_core::wrap::{self, token};
use strongroom_hsm::{Fault, Module, Nonce, Scheme, Session};
use strongroom_secmem::{Secret as Locked, ct_eq};

use crate::error::{named, to_py};
use crate::hierarchy::{RootKey, Secret};
use crate::keys::{Closable, DataKey, Edk, not_pickled};

/// A module that is loaded and initialised in this process.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct HsmModule {
    module: Module,
    locks: bool,
}

#[pymethods]
impl HsmModule {
    #[new]
    #[pyo3(signature = (path, *, deadline, reserved = None))]
    fn new(py: Python<'_>, path: PathBuf, deadline: f64, reserved: Option<CString>) -> PyResult<Self> {
        let deadline = seconds(deadline)?;
        let opened = py.detach(|| Module::open(&path, reserved, deadline));
        opened.map(|(module, locks)| HsmModule { module, locks }).map_err(fault)
    }

    /// Whether it was initialised here, with locking, and not by others in the process before.
    #[getter]
    fn locks(&self) -> bool {
        self.locks
    }

    /// Whether no call is inside.
    #[getter]
    fn idle(&self) -> bool {
        self.module.is_idle()
    }

    #[pyo3(signature = (*, deadline))]
    fn finalize(&self, py: Python<'_>, deadline: f64) -> PyResult<()> {
        let deadline = seconds(deadline)?;
        py.detach(|| self.module.finalize(deadline)).map_err(fault)
    }

    #[pyo3(signature = (slot, *, deadline, read_write = false))]
    fn open_session(
        &self,
        py: Python<'_>,
        slot: u64,
        deadline: f64,
        read_write: bool,
    ) -> PyResult<HsmSession> {
        let deadline = seconds(deadline)?;
        let opened = py.detach(|| Session::open(&self.module, slot, read_write, deadline));
        opened.map(HsmSession).map_err(fault)
    }

    fn __repr__(&self) -> &'static str {
        "<HsmModule>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// A session of ours with a token. Thrown away after any fault.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct HsmSession(Session);

#[pymethods]
impl HsmSession {
    #[pyo3(signature = (pin, *, deadline))]
    fn login(&self, py: Python<'_>, pin: &Secret, deadline: f64) -> PyResult<()> {
        let deadline = seconds(deadline)?;
        let login = || pin.0.with(|pin| Ok(self.0.login(pin, deadline)));
        py.detach(login).map_err(to_py)?.map_err(fault)
    }

    #[pyo3(signature = (root, scheme, keys, binding, *, deadline, token_nonce = false))]
    #[expect(clippy::too_many_arguments, reason = "what a wrap depends on, named by its caller")]
    fn wrap_root<'py>(
        &self,
        py: Python<'py>,
        root: &RootKey,
        scheme: &str,
        keys: (u64, Option<u64>),
        binding: &[u8],
        deadline: f64,
        token_nonce: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (scheme, deadline, nonce) = (by_name(scheme, keys)?, seconds(deadline)?, nonce(token_nonce)?);
        let wrap = || root.0.with(|root| Ok(self.0.wrap(scheme, root.secret(), nonce, binding, deadline)));
        let wrapped = py.detach(wrap).map_err(to_py)?.map_err(fault)?;
        Ok(PyBytes::new(py, &wrapped))
    }

    #[pyo3(signature = (wrapped, scheme, keys, binding, *, deadline))]
    fn unwrap_root(
        &self,
        py: Python<'_>,
        wrapped: &[u8],
        scheme: &str,
        keys: (u64, Option<u64>),
        binding: &[u8],
        deadline: f64,
    ) -> PyResult<RootKey> {
        let (scheme, deadline) = (by_name(scheme, keys)?, seconds(deadline)?);
        let secret = py.detach(|| self.0.unwrap(scheme, wrapped, binding, deadline)).map_err(fault)?;
        wrap::RootKey::from_secret(secret).map(|root| RootKey(Closable::new(root))).map_err(to_py)
    }

    #[pyo3(signature = (data_key, scheme, keys, namespace, name, context, *, deadline, token_nonce = false))]
    #[expect(clippy::too_many_arguments, reason = "what a wrap depends on, named by its caller")]
    fn wrap_dek(
        &self,
        py: Python<'_>,
        data_key: &DataKey,
        scheme: &str,
        keys: (u64, Option<u64>),
        namespace: &str,
        name: &str,
        context: BTreeMap<String, String>,
        deadline: f64,
        token_nonce: bool,
    ) -> PyResult<Edk> {
        let (by, deadline, nonce) = (by_name(scheme, keys)?, seconds(deadline)?, nonce(token_nonce)?);
        if data_key.0.len() != KEY_LEN {
            return Err(to_py(Error::Misuse(format!("a token wraps data keys of {KEY_LEN} bytes"))));
        }
        let aad = Context::new(context).map_err(to_py)?.serialize();
        let wrap = || self.0.wrap(by, data_key.0.secret(), nonce, &aad, deadline);
        let wrapped = py.detach(wrap).map_err(fault)?;
        Ok(Edk(token::to_edk(&wrapped, scheme, namespace, name)))
    }

    #[pyo3(signature = (edk, scheme, keys, namespace, name, context, *, deadline))]
    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn unwrap_dek(
        &self,
        py: Python<'_>,
        edk: &Edk,
        scheme: &str,
        keys: (u64, Option<u64>),
        namespace: &str,
        name: &str,
        context: BTreeMap<String, String>,
        deadline: f64,
    ) -> PyResult<DataKey> {
        let (by, deadline) = (by_name(scheme, keys)?, seconds(deadline)?);
        let aad = Context::new(context).map_err(to_py)?.serialize();
        let wrapped = token::from_edk(&edk.0, scheme, namespace, name).map_err(to_py)?;
        let unwrap = || self.0.unwrap(by, &wrapped, &aad, deadline);
        let secret = py.detach(unwrap).map_err(fault)?;
        Ok(DataKey(Arc::new(key::DataKey::new(secret))))
    }

    /// Whether a random key comes back as it was from a wrap and an unwrap under these keys.
    #[pyo3(signature = (scheme, keys, *, deadline, token_nonce = false))]
    fn round_trip(
        &self,
        py: Python<'_>,
        scheme: &str,
        keys: (u64, Option<u64>),
        deadline: f64,
        token_nonce: bool,
    ) -> PyResult<bool> {
        let (scheme, deadline, nonce) = (by_name(scheme, keys)?, seconds(deadline)?, nonce(token_nonce)?);
        let key = Locked::fill_with(KEY_LEN, rng::fill).map_err(to_py)?;
        let trip = || {
            let wrapped = self.0.wrap(scheme, &key, nonce, PROBE, deadline)?;
            let back = self.0.unwrap(scheme, &wrapped, PROBE, deadline)?;
            Ok(ct_eq(key.expose()?, back.expose()?))
        };
        py.detach(trip).map_err(fault)
    }

    /// Has it closed without waiting.
    fn abandon(&self) {
        self.0.abandon();
    }

    #[pyo3(signature = (*, deadline))]
    fn close(&self, py: Python<'_>, deadline: f64) -> PyResult<()> {
        let deadline = seconds(deadline)?;
        py.detach(|| self.0.close(deadline)).map_err(fault)
    }

    fn __repr__(&self) -> &'static str {
        "<HsmSession>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// The Python exception of a fault: what it says, which kind it is, and the code if there is one.
fn fault(fault: Fault) -> PyErr {
    let (reason, code) = match &fault {
        Fault::Returned { code, .. } => ("returned", Some(*code)),
        Fault::Late { .. } => ("late", None),
        Fault::Stuck => ("stuck", None),
        Fault::Unloadable(_) => ("unloadable", None),
        Fault::Corrupt => ("corrupt", None),
        Fault::Nonsense { .. } => ("nonsense", None),
        Fault::Unavailable => return to_py(Error::KeyUnavailable),
    };
    Python::attach(|py| named(py, "TokenFault", (fault.to_string(), reason, code)))
}

/// A scheme by its name, with the handles of its keys. Some want one, some two.
fn by_name(scheme: &str, keys: (u64, Option<u64>)) -> PyResult<Scheme> {
    match (scheme, keys) {
        ("aes-gcm", (key, _)) => Ok(Scheme::AesGcm { key }),
        ("aes-cbc-hmac-sha256", (key, Some(mac_key))) => Ok(Scheme::AesCbcHmacSha256 { key, mac_key }),
        ("rsa-oaep-sha256", (private, public)) => Ok(Scheme::RsaOaepSha256 { private, public }),
        ("aes-cbc-hmac-sha256", (_, None)) => Err(to_py(Error::Misuse("there is no key for the MAC".into()))),
        _ => Err(to_py(Error::Misuse(format!("{scheme:?} is no scheme")))),
    }
}

fn nonce(from_token: bool) -> PyResult<Nonce> {
    if from_token {
        return Ok(Nonce::Token);
    }
    let mut bytes = [0; 16];
    rng::fill(&mut bytes).map_err(to_py)?;
    Ok(Nonce::Given(bytes))
}

fn seconds(deadline: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(deadline)
        .map_err(|_| to_py(Error::Misuse(format!("{deadline} is no time to wait for"))))
}

const KEY_LEN: usize = 32;
const PROBE: &[u8] = b"strongroom/1/probe";
