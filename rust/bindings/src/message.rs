//! Messages in memory.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::message;
use strongroom_core::pipeline::{self, parallel};

use crate::buffer::{Borrowed, NewBytes};
use crate::control::{Control, at_once, with_control};
use crate::error::to_py;
use crate::header::Header;
use crate::materials::{DecryptionMaterials, EncryptionMaterials};

/// Bytes of the message that these materials make of so many bytes.
#[pyfunction]
pub(crate) fn encrypted_size(materials: &EncryptionMaterials, plaintext_length: u64) -> PyResult<u64> {
    buffer::encrypted_len(&materials.0, plaintext_length).map_err(to_py)
}

/// Encrypts into new bytes.
#[pyfunction]
#[pyo3(signature = (materials, plaintext, control = None))]
pub(crate) fn encrypt(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintext: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<Py<PyBytes>> {
    let plaintext = Borrowed::new(plaintext)?;
    let mut message = NewBytes::new(py, message_len(&materials.0, plaintext.len()).map_err(to_py)?)?;
    let out = message.output();
    run(py, plaintext.len(), control, |control| {
        buffer::encrypt(&materials.0, plaintext.bytes(), out, control)
    })?;
    Ok(message.finish())
}

/// Encrypts into the caller's buffer, and says how many bytes of it are the message.
#[pyfunction]
#[pyo3(signature = (materials, plaintext, out, control = None))]
pub(crate) fn encrypt_into(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintext: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<usize> {
    let (plaintext, mut out) = (Borrowed::new(plaintext)?, Borrowed::writable(out)?);
    plaintext.apart_from(&out).map_err(to_py)?;
    let len = message_len(&materials.0, plaintext.len()).map_err(to_py)?;
    let out = out.first(len).map_err(to_py)?;
    run(py, plaintext.len(), control, |control| {
        buffer::encrypt(&materials.0, plaintext.bytes(), out, control)
    })?;
    Ok(len)
}

/// Encrypts each plaintext into a message of its own; one call, all cores.
#[pyfunction]
#[pyo3(signature = (materials, plaintexts, control = None))]
pub(crate) fn encrypt_many(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintexts: Vec<Bound<'_, PyAny>>,
    control: Option<&Control>,
) -> PyResult<Vec<Py<PyBytes>>> {
    let plaintexts = plaintexts.iter().map(Borrowed::new).collect::<PyResult<Vec<_>>>()?;
    let mut messages = plaintexts
        .iter()
        .map(|plaintext| NewBytes::new(py, message_len(&materials.0, plaintext.len()).map_err(to_py)?))
        .collect::<PyResult<Vec<_>>>()?;
    let total = messages.iter().map(NewBytes::len).sum();
    let items: Vec<_> = plaintexts.iter().zip(&mut messages).collect();
    run(py, total, control, |control| {
        in_batches(control, items, |(plaintext, message), control| {
            buffer::encrypt(&materials.0, plaintext.bytes(), message.output(), control).map(drop)
        })
    })?;
    Ok(messages.into_iter().map(NewBytes::finish).collect())
}

/// Bytes of the plaintext, as the message has it; nothing of this is authentic yet.
#[pyfunction]
pub(crate) fn decrypted_size(header: &Header, message: &Bound<'_, PyAny>) -> PyResult<usize> {
    let message = Borrowed::new(message)?;
    Ok(Located::find(&header.0, message.bytes()).map_err(to_py)?.plaintext_len())
}

/// Decrypts a whole message, header included, into new bytes.
#[pyfunction]
#[pyo3(signature = (header, materials, message, control = None))]
pub(crate) fn decrypt(
    py: Python<'_>,
    header: &Header,
    materials: &DecryptionMaterials,
    message: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<Py<PyBytes>> {
    let message = Borrowed::new(message)?;
    let located = Located::find(&header.0, message.bytes()).map_err(to_py)?;
    let mut plaintext = NewBytes::new(py, located.plaintext_len())?;
    let out = plaintext.output();
    run(py, located.plaintext_len(), control, |control| {
        buffer::decrypt(&header.0, &located, &materials.0, message.bytes(), out, control)
    })?;
    Ok(plaintext.finish())
}

/// Decrypts a whole message into the caller's buffer, which is zeroed on failure; says how many bytes are plaintext.
#[pyfunction]
#[pyo3(signature = (header, materials, message, out, control = None))]
pub(crate) fn decrypt_into(
    py: Python<'_>,
    header: &Header,
    materials: &DecryptionMaterials,
    message: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<usize> {
    let (message, mut out) = (Borrowed::new(message)?, Borrowed::writable(out)?);
    message.apart_from(&out).map_err(to_py)?;
    let located = Located::find(&header.0, message.bytes()).map_err(to_py)?;
    let len = located.plaintext_len();
    let out = out.first(len).map_err(to_py)?;
    run(py, len, control, |control| {
        buffer::decrypt(&header.0, &located, &materials.0, message.bytes(), out, control)
    })?;
    Ok(len)
}

/// Decrypts many messages, each with its own header and materials; one call, all cores, all or nothing.
#[pyfunction]
#[pyo3(signature = (headers, materials, messages, control = None))]
pub(crate) fn decrypt_many(
    py: Python<'_>,
    headers: Vec<PyRef<'_, Header>>,
    materials: Vec<PyRef<'_, DecryptionMaterials>>,
    messages: Vec<Bound<'_, PyAny>>,
    control: Option<&Control>,
) -> PyResult<Vec<Py<PyBytes>>> {
    if headers.len() != messages.len() || materials.len() != messages.len() {
        return Err(to_py(Error::Misuse("as many headers and materials as messages are needed".into())));
    }
    let mut jobs = Vec::with_capacity(messages.len());
    for ((header, materials), message) in headers.iter().zip(&materials).zip(&messages) {
        jobs.push(Opening::new(py, &header.0, &materials.0, message)?);
    }
    let total = jobs.iter().map(|job| job.message.len()).sum();
    run(py, total, control, |control| in_batches(control, jobs.iter_mut().collect(), Opening::run))?;
    Ok(jobs.into_iter().map(|job| job.plaintext.finish()).collect())
}

struct Opening<'a> {
    header: &'a message::Header,
    materials: &'a message::DecryptionMaterials,
    message: Borrowed,
    located: Located,
    plaintext: NewBytes,
}

impl<'a> Opening<'a> {
    fn new(
        py: Python<'_>,
        header: &'a message::Header,
        materials: &'a message::DecryptionMaterials,
        message: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let message = Borrowed::new(message)?;
        let located = Located::find(header, message.bytes()).map_err(to_py)?;
        let plaintext = NewBytes::new(py, located.plaintext_len())?;
        Ok(Opening { header, materials, message, located, plaintext })
    }

    fn run(&mut self, control: &pipeline::Control<'_>) -> Result<()> {
        let out = self.plaintext.output();
        buffer::decrypt(self.header, &self.located, self.materials, self.message.bytes(), out, control)
            .map(drop)
    }
}

/// Small items go to threads in batches, each worth the taking; within one, a message has one thread.
fn in_batches<T: Send>(
    control: &pipeline::Control<'_>,
    mut items: Vec<T>,
    each: impl Fn(T, &pipeline::Control<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let per_batch = items.len().div_ceil(control.workers * BATCHES_PER_WORKER).max(1);
    let mut batches = Vec::with_capacity(items.len().div_ceil(per_batch));
    while !items.is_empty() {
        batches.push(items.split_off(items.len().saturating_sub(per_batch)));
    }
    let workers = if batches.len() > 1 { 1 } else { control.workers };
    let progress = control.progress;
    parallel(
        control,
        batches.into_iter(),
        || Ok(()),
        |(), batch| {
            let inner = pipeline::Control { workers, progress, poll: &|| Ok(()) };
            batch.into_iter().try_for_each(|item| each(item, &inner))
        },
    )
}

/// Releases the GIL for work that is worth it. Of many messages `bytes` counts the headers too: each costs a derivation.
fn run<T: Send>(
    py: Python<'_>,
    bytes: usize,
    control: Option<&Control>,
    job: impl FnOnce(&pipeline::Control<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    let done = match bytes < KEEP_GIL_BELOW {
        true => at_once(control, job),
        false => py.detach(|| with_control(control, job)),
    };
    done.map_err(to_py)
}

fn message_len(materials: &message::EncryptionMaterials, plaintext_len: usize) -> Result<usize> {
    let len = buffer::encrypted_len(materials, plaintext_len as u64)?;
    usize::try_from(len).map_err(|_| Error::Misuse("a message beyond the address space".into()))
}

const KEEP_GIL_BELOW: usize = 16 << 10;
const BATCHES_PER_WORKER: usize = 8;
