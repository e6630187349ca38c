//! Message files, whole and by range, and the two file objects.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::file::{self, MessageFile as CoreMessageFile};
use strongroom_core::job::{self, AtomicFile, Replace, SourceFile, ranged};
use strongroom_core::message;
use strongroom_core::pipeline::available_workers;
use strongroom_core::primitives::output::Output;

use crate::buffer::{Borrowed, NewBytes};
use crate::control::{Control, with_control};
use crate::error::to_py;
use crate::header::{Caps, Header, caps};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};

/// What a job did.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct Done(pub(crate) job::Done);

#[pymethods]
impl Done {
    #[getter]
    fn plaintext_bytes(&self) -> u64 {
        self.0.plaintext_bytes
    }

    #[getter]
    fn message_bytes(&self) -> u64 {
        self.0.message_bytes
    }

    #[getter]
    fn frames(&self) -> u32 {
        self.0.frames
    }

    #[getter]
    fn message_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.message_id)
    }
}

/// Encrypts a regular file into a new file, which appears whole or not at all.
#[pyfunction]
#[pyo3(signature = (materials, source, target, *, force = false, control = None))]
pub(crate) fn encrypt_file(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    source: PathBuf,
    target: PathBuf,
    force: bool,
    control: Option<&Control>,
) -> PyResult<Done> {
    detached(py, control, |control| {
        let source = SourceFile::open(&source)?;
        let target = AtomicFile::create(&target, replace(force))?;
        let done = file::encrypt(&materials.0, &source, &target, control)?;
        target.commit()?;
        Ok(Done(done))
    })
}

/// A file that starts with a header.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct MessageFile {
    message: CoreMessageFile,
    caps: message::Caps,
}

#[pymethods]
impl MessageFile {
    #[staticmethod]
    #[pyo3(signature = (path, caps = None))]
    fn open(py: Python<'_>, path: PathBuf, caps: Option<&Caps>) -> PyResult<Self> {
        let caps = self::caps(caps);
        let open = || CoreMessageFile::open(SourceFile::open(&path)?, &caps);
        Ok(MessageFile { message: py.detach(open).map_err(to_py)?, caps })
    }

    #[getter]
    fn header(&self) -> Header {
        Header(self.message.header().clone())
    }

    /// Bytes of the file.
    fn __len__(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a file's length fits the address space of the supported machines"
        )]
        let len = self.message.source().len() as usize;
        len
    }

    /// Frames and plaintext bytes as the length tells them; only for unsigned framed messages, and not authentic.
    fn layout(&self, py: Python<'_>) -> PyResult<Option<(u32, u64)>> {
        match (self.message.header().frame_length(), self.message.header().suite.signature) {
            (Some(frame_length), None) => {
                // where the length does not fit, every frame is looked at
                let body = py.detach(|| self.message.body(frame_length)).map_err(to_py)?;
                Ok(Some((body.frames(), body.plaintext_len())))
            }
            _ => Ok(None),
        }
    }

    /// Decrypts into a new file, which appears whole or not at all.
    #[pyo3(signature = (materials, target, *, force = false, control = None))]
    fn decrypt(
        &self,
        py: Python<'_>,
        materials: &DecryptionMaterials,
        target: PathBuf,
        force: bool,
        control: Option<&Control>,
    ) -> PyResult<Done> {
        detached(py, control, |control| {
            let target = AtomicFile::create(&target, replace(force))?;
            let done = self.message.decrypt(&materials.0, &self.caps, Some(&target), control)?;
            target.commit()?;
            Ok(Done(done))
        })
    }

    /// Authenticates every byte and writes nothing.
    #[pyo3(signature = (materials, control = None))]
    fn verify(
        &self,
        py: Python<'_>,
        materials: &DecryptionMaterials,
        control: Option<&Control>,
    ) -> PyResult<Done> {
        detached(py, control, |control| {
            self.message.decrypt(&materials.0, &self.caps, None, control).map(Done)
        })
    }
}

/// A message file open for reading at any position. Thread-safe; has no position of its own.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct RangedReader {
    ranged: ranged::Ranged,
}

#[pymethods]
impl RangedReader {
    #[staticmethod]
    #[pyo3(signature = (path, header, materials, caps = None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        header: &Header,
        materials: &DecryptionMaterials,
        caps: Option<&Caps>,
    ) -> PyResult<Self> {
        let caps = self::caps(caps);
        let open = || {
            let message = CoreMessageFile::open(SourceFile::open(&path)?, &caps)?;
            match message.header().message_id == header.0.message_id {
                true => ranged::Ranged::open(message, &materials.0),
                false => Err(Error::SourceChanged(path.clone())),
            }
        };
        let ranged = py.detach(open).map_err(to_py)?;
        Ok(RangedReader { ranged })
    }

    /// Bytes of the plaintext, authenticated.
    fn __len__(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a file's length fits the address space of the supported machines"
        )]
        let len = self.ranged.plaintext_len() as usize;
        len
    }

    /// Bytes of a regular frame.
    #[getter]
    fn frame_length(&self) -> u32 {
        self.ranged.frame_length()
    }

    /// Reads into the first `most` bytes of a buffer, or all of it, from a position on; says how many bytes.
    #[pyo3(signature = (at, out, most = None, control = None))]
    fn read_into(
        &self,
        py: Python<'_>,
        at: u64,
        out: &Bound<'_, PyAny>,
        most: Option<usize>,
        control: Option<&Control>,
    ) -> PyResult<usize> {
        let mut out = Borrowed::writable(out)?;
        let most = most.unwrap_or(usize::MAX).min(out.len());
        let (out, _) = out.output().split_at(most);
        self.read_at(py, at, out, control)
    }

    /// Reads at most `length` bytes from a position on.
    #[pyo3(signature = (at, length, control = None))]
    fn read(&self, py: Python<'_>, at: u64, length: u64, control: Option<&Control>) -> PyResult<Py<PyBytes>> {
        let left = self.ranged.plaintext_len().saturating_sub(at);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a file's length fits the address space of the supported machines"
        )]
        let length = length.min(left) as usize;
        let mut bytes = NewBytes::new(py, length)?;
        let out = bytes.output();
        self.read_at(py, at, out, control)?;
        Ok(bytes.finish())
    }
}

impl RangedReader {
    fn read_at(
        &self,
        py: Python<'_>,
        at: u64,
        out: Output<'_>,
        control: Option<&Control>,
    ) -> PyResult<usize> {
        let read = || with_control(control, |control| self.ranged.read_at(at, out, control));
        py.detach(read).map_err(to_py)
    }
}

/// A message file that is written piece by piece. Until `finish` there is no file; after `abort` there never is.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct MessageWriter {
    writer: Mutex<Option<job::Writer>>,
    /// The thread that has it locked.
    user: Mutex<Option<ThreadId>>,
}

#[pymethods]
impl MessageWriter {
    #[new]
    #[pyo3(signature = (materials, target, *, force = false))]
    fn new(materials: &EncryptionMaterials, target: PathBuf, force: bool) -> PyResult<Self> {
        let writer = AtomicFile::create(&target, replace(force))
            .and_then(|target| job::Writer::new(materials.0.clone(), target, available_workers()));
        Ok(MessageWriter { writer: Mutex::new(Some(writer.map_err(to_py)?)), user: Mutex::default() })
    }

    #[pyo3(signature = (plaintext, control = None))]
    fn write(
        &self,
        py: Python<'_>,
        plaintext: &Bound<'_, PyAny>,
        control: Option<&Control>,
    ) -> PyResult<usize> {
        let plaintext = Borrowed::new(plaintext)?;
        let write = |held: &mut Option<job::Writer>| {
            let mut writer = held.take().ok_or_else(closed)?;
            // a writer that failed is not put back: what it has written is not a message
            with_control(control, |control| writer.write(plaintext.bytes(), control))?;
            *held = Some(writer);
            Ok(plaintext.len())
        };
        py.detach(|| self.with(write)).map_err(to_py)
    }

    // a writing thread holds the lock while it asks for the GIL, so nobody may wait for the lock with the GIL held
    fn tell(&self, py: Python<'_>) -> PyResult<u64> {
        let tell =
            |held: &mut Option<job::Writer>| held.as_ref().map(job::Writer::position).ok_or_else(closed);
        py.detach(|| self.with(tell)).map_err(to_py)
    }

    #[pyo3(signature = (control = None))]
    fn finish(&self, py: Python<'_>, control: Option<&Control>) -> PyResult<Done> {
        detached(py, control, |control| {
            let writer = self.with(|held| held.take().ok_or_else(closed))?;
            writer.finish(control).map(Done)
        })
    }

    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.with(|held| Ok(held.take())).map(drop)).map_err(to_py)
    }
}

impl MessageWriter {
    /// One thread at a time. A signal handler runs in the thread that it interrupts, which would wait for itself.
    fn with<T>(&self, job: impl FnOnce(&mut Option<job::Writer>) -> Result<T>) -> Result<T> {
        let user = || self.user.lock().unwrap_or_else(PoisonError::into_inner);
        let me = thread::current().id();
        if *user() == Some(me) {
            return Err(Error::Misuse("a signal handler cannot use the writer that it interrupts".into()));
        }
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        *user() = Some(me);
        let outcome = job(&mut held);
        *user() = None;
        outcome
    }
}

fn closed() -> Error {
    Error::Misuse("this writer is closed, or failed before".into())
}

pub(crate) fn replace(force: bool) -> Replace {
    match force {
        true => Replace::Existing,
        false => Replace::Never,
    }
}

/// Runs a job without the GIL.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    control: Option<&Control>,
    job: impl FnOnce(&strongroom_core::pipeline::Control<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    py.detach(|| with_control(control, job)).map_err(to_py)
}
