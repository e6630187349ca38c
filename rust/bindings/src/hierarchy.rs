//! The keys of a room, and the secrets that open it.

use std::fs::File;
use std::os::fd::RawFd;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::primitives::argon2::Cost;
use strongroom_core::primitives::rng;
use strongroom_core::wrap;
use strongroom_secmem::{Secret as Locked, forget_calls};
use zeroize::Zeroizing;

use crate::buffer::duplicate;
use crate::control::read_or_signal;
use crate::error::to_py;
use crate::keys::{AesWrappingKey, Closable, locked, not_pickled};
use crate::terminal;

/// A passphrase, key file or recovery kit, read by Rust so that it never is a Python object.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Secret(pub(crate) Closable<Locked>);

#[pymethods]
impl Secret {
    #[staticmethod]
    #[pyo3(signature = (path, *, strip_newline))]
    fn from_file(py: Python<'_>, path: PathBuf, strip_newline: bool) -> PyResult<Self> {
        let path = &path;
        let read = || {
            File::open(path).map_err(Error::io("open", path)).and_then(|file| secret(&file, strip_newline))
        };
        py.detach(read).map(made).map_err(to_py)
    }

    #[staticmethod]
    #[pyo3(signature = (fd, *, strip_newline))]
    fn from_fd(py: Python<'_>, fd: RawFd, strip_newline: bool) -> PyResult<Self> {
        let file = duplicate(fd)?;
        py.detach(|| secret(&file, strip_newline)).map(made).map_err(to_py)
    }

    #[staticmethod]
    fn from_prompt(py: Python<'_>, prompt: &str) -> PyResult<Self> {
        py.detach(|| terminal::ask(prompt)).map(made).map_err(to_py)
    }

    #[staticmethod]
    fn from_caller(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        locked(value).map(made)
    }

    #[staticmethod]
    fn from_recovery_words(words: &str) -> PyResult<Self> {
        let refused = |_| to_py(Error::Misuse("these are not the 24 words of a recovery kit".into()));
        // as they are on paper: people write capitals
        let words = Zeroizing::new(words.to_ascii_lowercase());
        let mnemonic = bip39::Mnemonic::parse(&words[..]).map_err(refused)?;
        let (entropy, len) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        if len != RANDOM_LEN {
            return Err(to_py(Error::Misuse("a recovery kit has 24 words".into())));
        }
        Locked::copy_from(&entropy[..len]).map(made).map_err(|error| to_py(error.into()))
    }

    #[staticmethod]
    fn random() -> PyResult<Self> {
        Locked::fill_with(RANDOM_LEN, rng::fill).map(made).map_err(to_py)
    }

    /// Several random secrets as one: their bytes in ascending order, so that nobody has to remember an order.
    #[staticmethod]
    fn joined(secrets: Vec<PyRef<'_, Secret>>) -> PyResult<Self> {
        join(&secrets).map(made).map_err(to_py)
    }

    /// The 24 words of a random secret. They are a Python string: for showing once.
    fn recovery_words(&self) -> PyResult<String> {
        let words = |secret: &Locked| {
            let refused = || Error::Misuse("24 words hold 32 bytes".into());
            let entropy: &[u8; RANDOM_LEN] = secret.expose()?.try_into().map_err(|_| refused())?;
            bip39::Mnemonic::from_entropy(entropy).map(|words| words.to_string()).map_err(|_| refused())
        };
        self.0.with(words).map_err(to_py)
    }

    /// Writes the secret to a new file that only its owner can read, durably.
    fn write_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        use strongroom_core::job::{AtomicFile, Replace};
        let write = || {
            self.0.with(|secret| {
                let target = AtomicFile::create(&path, Replace::Never)?;
                std::io::Write::write_all(&mut target.file(), secret.expose()?)
                    .map_err(Error::io("write", &path))?;
                target.commit()
            })
        };
        py.detach(write).map_err(to_py)
    }

    /// Whether both hold the same bytes; compared in constant time.
    fn matches(&self, other: &Self) -> PyResult<bool> {
        let matches = |mine: &Locked| {
            other.0.with(|theirs| Ok(strongroom_secmem::ct_eq(mine.expose()?, theirs.expose()?)))
        };
        self.0.with(matches).map_err(to_py)
    }

    fn __len__(&self) -> PyResult<usize> {
        self.0.with(|secret| Ok(secret.len())).map_err(to_py)
    }

    fn close(&self) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        "<Secret>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

fn made(secret: Locked) -> Secret {
    Secret(Closable::new(secret))
}

fn join(secrets: &[PyRef<'_, Secret>]) -> Result<Locked> {
    let mut pieces = Zeroizing::new(vec![[0; RANDOM_LEN]; secrets.len()]);
    for (piece, secret) in pieces.iter_mut().zip(secrets) {
        secret.0.with(|secret| {
            let bytes = <&[u8; RANDOM_LEN]>::try_from(secret.expose()?)
                .map_err(|_| Error::Misuse("a share of a quorum has 32 bytes".into()))?;
            *piece = *bytes;
            Ok(())
        })?;
    }
    pieces.sort_unstable();
    let joined = Locked::copy_from(pieces.as_flattened())?;
    forget_calls();
    Ok(joined)
}

/// Reads a short secret to its end, without a copy that is not wiped.
fn secret(file: &File, strip_newline: bool) -> Result<Locked> {
    let mut bytes = Zeroizing::new([0; LONGEST + 1]);
    let mut len = 0;
    loop {
        match read_or_signal(file, &mut bytes[len..], Error::io_unnamed("read the secret"))? {
            0 => break,
            count => len += count,
        }
    }
    if strip_newline && len > 0 && bytes[len - 1] == b'\n' {
        len -= 1;
        if len > 0 && bytes[len - 1] == b'\r' {
            len -= 1;
        }
    }
    match len {
        0 => Err(Error::Misuse("the secret is empty".into())),
        _ if len > LONGEST => {
            Err(Error::Limit { what: "a secret", limit: LONGEST as u64, found: len as u64 })
        }
        _ => Ok(Locked::copy_from(&bytes[..len])?),
    }
}

/// How a sealing key comes from a secret.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Kdf(wrap::Kdf);

#[pymethods]
impl Kdf {
    #[staticmethod]
    #[pyo3(signature = (salt, *, memory_kib = 65536, passes = 3, lanes = 4))]
    fn argon2id(salt: Vec<u8>, memory_kib: u32, passes: u32, lanes: u32) -> Self {
        Kdf(wrap::Kdf::Argon2id { salt, cost: Cost { memory_kib, passes, lanes } })
    }

    #[staticmethod]
    fn hkdf_sha256(salt: Vec<u8>) -> Self {
        Kdf(wrap::Kdf::HkdfSha256 { salt })
    }
}

/// The root of a room's hierarchy. Leaves Rust only sealed.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct RootKey(pub(crate) Closable<wrap::RootKey>);

#[pymethods]
impl RootKey {
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        wrap::RootKey::generate().map(|key| RootKey(Closable::new(key))).map_err(to_py)
    }

    fn seal<'py>(
        &self,
        py: Python<'py>,
        secret: &Secret,
        kdf: &Kdf,
        aad: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let seal = || self.0.with(|root| secret.0.with(|secret| root.seal(secret, &kdf.0, aad)));
        py.detach(seal).map(|sealed| PyBytes::new(py, &sealed)).map_err(to_py)
    }

    #[staticmethod]
    fn unseal(py: Python<'_>, sealed: &[u8], secret: &Secret, kdf: &Kdf, aad: &[u8]) -> PyResult<Self> {
        let unseal = || secret.0.with(|secret| wrap::RootKey::unseal(sealed, secret, &kdf.0, aad));
        py.detach(unseal).map(|key| RootKey(Closable::new(key))).map_err(to_py)
    }

    fn wrap_kek<'py>(
        &self,
        py: Python<'py>,
        key: &AesWrappingKey,
        aad: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let wrapped = self.0.with(|root| key.0.with(|key| root.wrap_kek(key, aad)));
        wrapped.map(|wrapped| PyBytes::new(py, &wrapped)).map_err(to_py)
    }

    fn unwrap_kek(&self, wrapped: &[u8], aad: &[u8]) -> PyResult<AesWrappingKey> {
        let key = self.0.with(|root| root.unwrap_kek(wrapped, aad));
        key.map(|key| AesWrappingKey(Closable::new(key))).map_err(to_py)
    }

    fn wrap_mac_key<'py>(&self, py: Python<'py>, key: &MacKey, aad: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let wrapped = self.0.with(|root| key.0.with(|key| root.wrap_mac_key(key, aad)));
        wrapped.map(|wrapped| PyBytes::new(py, &wrapped)).map_err(to_py)
    }

    fn unwrap_mac_key(&self, wrapped: &[u8], aad: &[u8]) -> PyResult<MacKey> {
        let key = self.0.with(|root| root.unwrap_mac_key(wrapped, aad));
        key.map(|key| MacKey(Closable::new(key))).map_err(to_py)
    }

    /// The key that wraps the data keys of backups.
    fn backup_key(&self) -> PyResult<AesWrappingKey> {
        let key = self.0.with(wrap::RootKey::backup_key);
        key.map(|key| AesWrappingKey(Closable::new(key))).map_err(to_py)
    }

    fn close(&self) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        "<RootKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// HMAC-SHA256 over what the keystore says.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct MacKey(Closable<wrap::MacKey>);

#[pymethods]
impl MacKey {
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        wrap::MacKey::generate().map(|key| MacKey(Closable::new(key))).map_err(to_py)
    }

    fn sign<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.0.with(|key| key.sign(data).map(|mac| PyBytes::new(py, mac.as_ref()))).map_err(to_py)
    }

    fn verify(&self, data: &[u8], mac: &[u8]) -> PyResult<()> {
        self.0.with(|key| key.verify(data, mac)).map_err(to_py)
    }

    /// The key that signs the checkpoints of the log which `binding` names.
    fn log_key(&self, binding: &[u8]) -> PyResult<LogKey> {
        self.0.with(|key| key.log_key(binding)).map(|key| LogKey(Closable::new(key))).map_err(to_py)
    }

    fn close(&self) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        "<MacKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

/// An Ed25519 key that signs the checkpoints of one log.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct LogKey(Closable<wrap::LogKey>);

#[pymethods]
impl LogKey {
    fn public_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.with(|key| key.public_key().map(|key| PyBytes::new(py, &key))).map_err(to_py)
    }

    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.0.with(|key| key.sign(message).map(|signature| PyBytes::new(py, &signature))).map_err(to_py)
    }

    fn close(&self) {
        self.0.close();
    }

    fn __repr__(&self) -> &'static str {
        "<LogKey>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        not_pickled()
    }
}

const RANDOM_LEN: usize = 32;
/// Bytes of a passphrase or key file at most.
const LONGEST: usize = 4096;
