//! Under what the cache keeps materials: a digest of everything that two uses must have in common to share a data key.
//!
//! ```text
//! side ‖ count of parts ‖ parts ‖ [suite ‖ context and EDKs as the header has them] ‖ context pairs, sorted
//! ```
//! Every field stands behind its length. No part is checked here: whoever makes the materials has checked them, and
//! none are found under a key that nobody made materials for.

use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use strongroom_core::context;
use strongroom_core::error::Error;
use strongroom_core::message::Outline;
use strongroom_core::primitives::digest::sha256;

use crate::error::to_py;
use crate::header::Header;

pub(crate) type Key = [u8; 32];

/// Why there is no key.
#[derive(Debug)]
pub(crate) enum Unkeyed {
    /// The context is no exact dict of str to str, or a part is neither str nor int.
    NotPlain,
    /// The reader knows another context than the message has.
    OtherContext,
}

/// The key for writers: `parts` say for whom and what, `context` is the caller's.
pub(crate) fn of_writer(
    parts: &Bound<'_, PyTuple>,
    context: Option<&Bound<'_, PyAny>>,
) -> Result<Key, Unkeyed> {
    let mut fields = Fields::new(b'w', parts)?;
    if let Some(context) = context {
        fields.put_pairs(context, |_, _| Ok(true))?;
    }
    Ok(sha256(fields.bytes()))
}

/// The key for readers of a header. What the caller knows of the context is checked where it stands in the header, and
/// belongs to the key where it does not.
pub(crate) fn of_reader(
    parts: &Bound<'_, PyTuple>,
    header: &Outline<'_>,
    context: Option<&Bound<'_, PyAny>>,
) -> Result<Key, Unkeyed> {
    let mut fields = Fields::new(b'r', parts)?;
    fields.put_raw(&header.suite.id.to_be_bytes());
    fields.put(header.keys);
    if let Some(context) = context {
        fields.put_pairs(context, |key, value| match context::find(header.context(), key) {
            None => Ok(true),
            Some(stored) if stored == value.as_bytes() => Ok(false),
            Some(_) => Err(Unkeyed::OtherContext),
        })?;
    }
    Ok(sha256(fields.bytes()))
}

/// The cache's key of what a writer uses.
#[pyfunction]
pub(crate) fn writer_key<'py>(
    py: Python<'py>,
    parts: &Bound<'py, PyTuple>,
    context: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyBytes>> {
    of_writer(parts, Some(context.as_any())).map(|key| PyBytes::new(py, &key)).map_err(refused)
}

/// The cache's key of what a reader of this header uses.
#[pyfunction]
pub(crate) fn reader_key<'py>(
    py: Python<'py>,
    parts: &Bound<'py, PyTuple>,
    header: &Header,
    context: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyBytes>> {
    let key = of_reader(parts, &header.0.outline(), Some(context.as_any()));
    key.map(|key| PyBytes::new(py, &key)).map_err(refused)
}

fn refused(why: Unkeyed) -> PyErr {
    to_py(match why {
        Unkeyed::NotPlain => Error::Misuse("an encryption context maps strings to strings".into()),
        Unkeyed::OtherContext => Error::Authentication,
    })
}

/// The bytes under the digest; on the stack while they are few, as they mostly are.
struct Fields {
    near: [u8; NEAR],
    far: Vec<u8>,
    len: usize,
}

impl Fields {
    fn new(side: u8, parts: &Bound<'_, PyTuple>) -> Result<Self, Unkeyed> {
        let mut fields = Fields { near: [0; NEAR], far: Vec::new(), len: 0 };
        fields.put_raw(&[side]);
        fields.put_raw(&(parts.len() as u64).to_be_bytes());
        for part in parts.iter_borrowed() {
            match text(&part) {
                Ok(text) => {
                    fields.put_raw(b"s");
                    fields.put(text.as_bytes());
                }
                Err(_) => {
                    fields.put_raw(b"n");
                    fields.put_raw(&part.extract::<u64>().map_err(|_| Unkeyed::NotPlain)?.to_be_bytes());
                }
            }
        }
        Ok(fields)
    }

    /// The pairs that `keep` picks, in the order of their keys' UTF-8 bytes.
    fn put_pairs(
        &mut self,
        context: &Bound<'_, PyAny>,
        keep: impl Fn(&str, &str) -> Result<bool, Unkeyed>,
    ) -> Result<(), Unkeyed> {
        let context = context.cast_exact::<PyDict>().map_err(|_| Unkeyed::NotPlain)?;
        let start = self.len;
        let mut last: Option<Range<usize>> = None;
        for (key, value) in context {
            let (key, value) = (text(&key)?, text(&value)?);
            if !keep(key, value)? {
                continue;
            }
            if last.is_some_and(|last| self.bytes()[last] > *key.as_bytes()) {
                self.truncate(start);
                return self.put_sorted(context, keep);
            }
            last = Some(self.put(key.as_bytes()));
            self.put(value.as_bytes());
        }
        Ok(())
    }

    #[cold]
    fn put_sorted(
        &mut self,
        context: &Bound<'_, PyDict>,
        keep: impl Fn(&str, &str) -> Result<bool, Unkeyed>,
    ) -> Result<(), Unkeyed> {
        let mut pairs = Vec::with_capacity(context.len());
        for (key, value) in context {
            let (key, value) = (text(&key)?, text(&value)?);
            if keep(key, value)? {
                pairs.push((key.to_owned(), value.to_owned()));
            }
        }
        pairs.sort_unstable();
        for (key, value) in &pairs {
            self.put(key.as_bytes());
            self.put(value.as_bytes());
        }
        Ok(())
    }

    /// A field behind its length; says where it stands.
    fn put(&mut self, field: &[u8]) -> Range<usize> {
        self.put_raw(&(field.len() as u64).to_be_bytes());
        self.put_raw(field);
        self.len - field.len()..self.len
    }

    fn put_raw(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if self.far.is_empty() && end <= NEAR {
            self.near[self.len..end].copy_from_slice(bytes);
        } else {
            if self.far.is_empty() {
                self.far.extend_from_slice(&self.near[..self.len]);
            }
            self.far.extend_from_slice(bytes);
        }
        self.len = end;
    }

    fn truncate(&mut self, len: usize) {
        self.far.truncate(len);
        self.len = len;
    }

    fn bytes(&self) -> &[u8] {
        match self.far.is_empty() {
            true => &self.near[..self.len],
            false => &self.far,
        }
    }
}

fn text<'a>(object: &'a Bound<'_, PyAny>) -> Result<&'a str, Unkeyed> {
    object.cast::<PyString>().ok().and_then(|text| text.to_str().ok()).ok_or(Unkeyed::NotPlain)
}

const NEAR: usize = 640;
