//! Many messages in memory, one call.

use std::iter;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use strongroom_core::error::{Error, Result};
use strongroom_core::job::buffer::Located;
use strongroom_core::job::many::{self, Groups, Item};
use strongroom_core::message::{self, Caps, Outline};
use strongroom_core::primitives::output::Output;

use crate::buffer::{Borrowed, NewBytes};
use crate::control::Control;
use crate::error::to_py;
use crate::header::{self, Header};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};
use crate::message::{message_len, run_made};

/// Encrypts each plaintext into a message of its own; one call, all cores.
#[pyfunction]
#[pyo3(signature = (materials, plaintexts, control = None))]
pub(crate) fn encrypt_many(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintexts: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<Vec<Py<PyBytes>>> {
    encrypt_each(py, materials, &borrow(plaintexts)?, control)
}

/// The memory of each buffer in a sequence.
pub(crate) fn borrow(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Borrowed>> {
    match objects.cast_exact::<PyList>() {
        Ok(objects) => objects.iter().map(|object| Borrowed::new(&object)).collect(),
        Err(_) => objects.extract::<Vec<_>>()?.iter().map(Borrowed::new).collect(),
    }
}

pub(crate) fn encrypt_each(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    plaintexts: &[Borrowed],
    control: Option<&Control>,
) -> PyResult<Vec<Py<PyBytes>>> {
    let total = plaintexts.iter().map(|plaintext| plaintext.len() + materials.0.header_len()).sum();
    let mut messages = nothing_yet(plaintexts.len());
    let items = plaintexts.iter().zip(&mut messages).map(|(plaintext, message)| {
        let len = message_len(&materials.0, plaintext.len())?;
        Ok(Item { input: plaintext.bytes(), out: new_bytes(py, len, message)? })
    });
    run_made(py, total, control, |control, apart| many::encrypt(&materials.0, items, apart, control))?;
    Ok(messages.into_iter().flatten().map(NewBytes::finish).collect())
}

fn nothing_yet(count: usize) -> Vec<Option<NewBytes>> {
    iter::repeat_with(|| None).take(count).collect()
}

/// Makes new bytes in their place.
fn new_bytes<'a>(py: Python<'_>, len: usize, place: &'a mut Option<NewBytes>) -> Result<Output<'a>> {
    let new = NewBytes::new(py, len).map_err(|error| Error::Caller(Box::new(error)))?;
    Ok(place.insert(new).output())
}

/// Decrypts many messages; one call, all cores, all or nothing. `materials_for` is asked once for all messages that have
/// the same suite, context and encrypted data keys.
#[pyfunction]
#[pyo3(signature = (messages, materials_for, caps = None, control = None))]
pub(crate) fn decrypt_many(
    py: Python<'_>,
    messages: &Bound<'_, PyAny>,
    materials_for: &Bound<'_, PyAny>,
    caps: Option<&header::Caps>,
    control: Option<&Control>,
) -> PyResult<Vec<Py<PyBytes>>> {
    let (messages, caps) = (borrow(messages)?, header::caps(caps));
    decrypt_each(py, &messages, &caps, control, |group| {
        let header = group.parse(&caps)?;
        let materials: PyRef<'_, DecryptionMaterials> = materials_for.call1((header,))?.extract()?;
        Ok(Arc::clone(&materials.0))
    })
}

/// Messages that the same materials open.
pub(crate) struct Group<'a> {
    first: &'a Borrowed,
    /// Their lengths.
    pub(crate) lengths: Vec<u64>,
}

impl Group<'_> {
    /// Where the parts of the first one's header stand, which speaks for all.
    pub(crate) fn outline(&self, caps: &Caps) -> PyResult<Outline<'_>> {
        Outline::find(self.first.bytes(), caps).map_err(to_py)
    }

    /// The same header, parsed.
    pub(crate) fn parse(&self, caps: &Caps) -> PyResult<Header> {
        message::Header::parse(self.first.bytes(), caps).map(Header).map_err(to_py)
    }
}

pub(crate) fn decrypt_each(
    py: Python<'_>,
    messages: &[Borrowed],
    caps: &Caps,
    control: Option<&Control>,
    mut materials_for: impl FnMut(Group<'_>) -> PyResult<Arc<message::DecryptionMaterials>>,
) -> PyResult<Vec<Py<PyBytes>>> {
    let mut groups = Groups::default();
    let mut lengths = Vec::with_capacity(messages.len());
    for message in messages {
        let header = Outline::find(message.bytes(), caps).map_err(to_py)?;
        let located = Located::find(&header, message.bytes()).map_err(to_py)?;
        lengths.push(located.plaintext_len());
        groups.add(&header);
    }
    let group = |members: &Vec<usize>| Group {
        first: &messages[members[0]],
        lengths: members.iter().map(|&member| messages[member].len() as u64).collect(),
    };
    let materials = groups.members.iter().map(|members| materials_for(group(members)));
    let materials = materials.collect::<PyResult<Vec<_>>>()?;
    let total = messages.iter().map(Borrowed::len).sum();
    let mut plaintexts = nothing_yet(messages.len());
    let inputs = messages.iter().zip(lengths).zip(&groups.of);
    let items = inputs.zip(&mut plaintexts).map(|(((message, len), &group), plaintext)| {
        let item = Item { input: message.bytes(), out: new_bytes(py, len, plaintext)? };
        Ok((item, &*materials[group]))
    });
    run_made(py, total, control, |control, apart| many::decrypt(items, caps, apart, control))?;
    Ok(plaintexts.into_iter().flatten().map(NewBytes::finish).collect())
}
