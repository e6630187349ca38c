//! Messages in memory, one at a time. `messages` has many.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::buffer::{self, Located};
use strongroom_core::message::{self, Outline};
use strongroom_core::pipeline::{self, Apart};

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
    encrypt_borrowed(py, materials, &Borrowed::new(plaintext)?, control)
}

pub(crate) fn encrypt_borrowed(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintext: &Borrowed,
    control: Option<&Control>,
) -> PyResult<Py<PyBytes>> {
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

/// Bytes of the plaintext, as the message has it; nothing of this is authentic yet.
#[pyfunction]
pub(crate) fn decrypted_size(header: &Header, message: &Bound<'_, PyAny>) -> PyResult<usize> {
    let message = Borrowed::new(message)?;
    Ok(Located::find(&header.0.outline(), message.bytes()).map_err(to_py)?.plaintext_len())
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
    let (header, message) = (header.0.outline(), Borrowed::new(message)?);
    let located = Located::find(&header, message.bytes()).map_err(to_py)?;
    decrypt_borrowed(py, &header, &located, materials, &message, control)
}

pub(crate) fn decrypt_borrowed(
    py: Python<'_>,
    header: &Outline<'_>,
    located: &Located,
    materials: &DecryptionMaterials,
    message: &Borrowed,
    control: Option<&Control>,
) -> PyResult<Py<PyBytes>> {
    let mut plaintext = NewBytes::new(py, located.plaintext_len())?;
    let out = plaintext.output();
    run(py, located.plaintext_len(), control, |control| {
        buffer::decrypt(header, located, &materials.0, message.bytes(), out, control)
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
    let (header, message, mut out) = (header.0.outline(), Borrowed::new(message)?, Borrowed::writable(out)?);
    message.apart_from(&out).map_err(to_py)?;
    let located = Located::find(&header, message.bytes()).map_err(to_py)?;
    let len = located.plaintext_len();
    let out = out.first(len).map_err(to_py)?;
    run(py, len, control, |control| {
        buffer::decrypt(&header, &located, &materials.0, message.bytes(), out, control)
    })?;
    Ok(len)
}

/// Releases the GIL for work that is worth it. Of many messages `bytes` counts the headers too: each costs a derivation.
pub(crate) fn run<T: Send>(
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

/// The same for items that are made with the GIL, before the calling thread lets go of it to take part in the work.
pub(crate) fn run_made(
    py: Python<'_>,
    bytes: usize,
    control: Option<&Control>,
    job: impl FnOnce(&pipeline::Control<'_>, Apart<'_>) -> Result<()>,
) -> PyResult<()> {
    let done = match bytes < KEEP_GIL_BELOW {
        true => at_once(control, |control| job(control, &|work| work())),
        false => with_control(control, |control| job(control, &|work| py.detach(work))),
    };
    done.map_err(to_py)
}

pub(crate) fn message_len(materials: &message::EncryptionMaterials, plaintext_len: usize) -> Result<usize> {
    let len = buffer::encrypted_len(materials, plaintext_len as u64)?;
    usize::try_from(len).map_err(|_| Error::Misuse("a message beyond the address space".into()))
}

const KEEP_GIL_BELOW: usize = 16 << 10;
