//! Streams: file descriptors, which Rust reads and writes itself, and Python file objects.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyBlockingIOError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::stream::{self, Incoming};
use strongroom_core::job::{DescriptorReader, DescriptorWriter};
use strongroom_core::message;
use strongroom_core::pipeline::Progress;

use crate::buffer::duplicate;
use crate::control::{Control, check_signals};
use crate::error::to_py;
use crate::file::{Done, detached};
use crate::header::{Caps, Header, caps};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};

/// Encrypts a stream. Reader and writer are file descriptors or binary file objects.
#[pyfunction]
#[pyo3(signature = (materials, reader, writer, control = None))]
pub(crate) fn encrypt_stream(
    py: Python<'_>,
    materials: &EncryptionMaterials,
    reader: &Bound<'_, PyAny>,
    writer: &Bound<'_, PyAny>,
    control: Option<&Control>,
) -> PyResult<Done> {
    let control = control.cloned().unwrap_or_default();
    let (reader, writer) = (Reader::of(reader, control.progress())?, Writer::of(writer)?);
    detached(py, Some(&control), |control| {
        stream::encrypt(&materials.0, reader, writer.polling(control.poll), control).map(Done)
    })
}

/// A message that arrives as a stream: its header has been read.
#[pyclass(frozen, module = "strongroom.crypto")]
pub(crate) struct IncomingMessage {
    header: message::Header,
    caps: message::Caps,
    control: Control,
    rest: Mutex<Option<Incoming<Reader>>>,
}

#[pymethods]
impl IncomingMessage {
    #[staticmethod]
    #[pyo3(signature = (reader, caps = None, control = None))]
    fn open(
        py: Python<'_>,
        reader: &Bound<'_, PyAny>,
        caps: Option<&Caps>,
        control: Option<&Control>,
    ) -> PyResult<Self> {
        let control = control.cloned().unwrap_or_default();
        let reader = Reader::of(reader, control.progress())?;
        let caps = self::caps(caps);
        let incoming = py.detach(|| Incoming::open(reader, &caps)).map_err(to_py)?;
        Ok(IncomingMessage {
            header: incoming.header().clone(),
            caps,
            control,
            rest: Mutex::new(Some(incoming)),
        })
    }

    #[getter]
    fn header(&self) -> Header {
        Header(self.header.clone())
    }

    /// Decrypts the rest; without a writer, only verifies. What was written before an error is a prefix of the
    /// plaintext that ends with a frame.
    #[pyo3(signature = (materials, writer = None))]
    fn decrypt(
        &self,
        py: Python<'_>,
        materials: &DecryptionMaterials,
        writer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Done> {
        let writer = writer.map(Writer::of).transpose()?;
        detached(py, Some(&self.control), |control| {
            let incoming = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
            let incoming =
                incoming.ok_or_else(|| Error::Misuse("this stream has been read already".into()))?;
            let done = match writer {
                Some(writer) => {
                    incoming.decrypt(&materials.0, &self.caps, writer.polling(control.poll), control)?
                }
                None => incoming.decrypt(&materials.0, &self.caps, io::sink(), control)?,
            };
            Ok(Done(done))
        })
    }
}

/// Where a stream comes from.
enum Reader {
    Descriptor(DescriptorReader),
    Object(Py<PyAny>),
}

impl Reader {
    fn of(object: &Bound<'_, PyAny>, progress: Arc<Progress>) -> PyResult<Self> {
        match descriptor(object)? {
            Some(file) => Ok(Reader::Descriptor(DescriptorReader::new(file, progress, check_signals))),
            None => Ok(Reader::Object(object.clone().unbind())),
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Reader::Descriptor(reader) => reader.read(buffer),
            Reader::Object(object) => Ok(Python::attach(|py| read_object(object.bind(py), buffer))?),
        }
    }
}

fn read_object(object: &Bound<'_, PyAny>, buffer: &mut [u8]) -> PyResult<usize> {
    let read = object.call_method1("read", (buffer.len().min(MOST),))?;
    if read.is_none() {
        return Err(PyBlockingIOError::new_err("the reader has no data yet; give a blocking one"));
    }
    let bytes = read.cast::<PyBytes>()?.as_bytes();
    let target = buffer.get_mut(..bytes.len());
    target.ok_or_else(|| io::Error::other("the reader gave more than was asked for"))?.copy_from_slice(bytes);
    Ok(bytes.len())
}

/// Where a stream goes.
enum Writer {
    Descriptor(File),
    Object(Py<PyAny>),
}

impl Writer {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match descriptor(object)? {
            Some(file) => Ok(Writer::Descriptor(file)),
            None => Ok(Writer::Object(object.clone().unbind())),
        }
    }

    fn polling<'a>(&'a self, poll: &'a dyn Fn() -> Result<()>) -> Polling<'a> {
        match self {
            Writer::Descriptor(file) => Polling::Descriptor(DescriptorWriter::new(file, poll)),
            Writer::Object(object) => Polling::Object(object),
        }
    }
}

enum Polling<'a> {
    Descriptor(DescriptorWriter<'a>),
    Object(&'a Py<PyAny>),
}

impl Write for Polling<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Polling::Descriptor(writer) => writer.write(bytes),
            Polling::Object(object) => Ok(Python::attach(|py| write_object(object.bind(py), bytes))?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Polling::Descriptor(writer) => writer.flush(),
            Polling::Object(object) => Python::attach(|py| match object.bind(py).hasattr("flush")? {
                true => object.bind(py).call_method0("flush").map(drop),
                false => Ok(()),
            })
            .map_err(io::Error::from),
        }
    }
}

fn write_object(object: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<usize> {
    let bytes = &bytes[..bytes.len().min(MOST)];
    let written = object.call_method1("write", (PyBytes::new(object.py(), bytes),))?;
    match written.extract::<Option<usize>>()? {
        // raw file objects say None when they would block, others when they count nothing
        None if object.hasattr("readinto")? => {
            Err(PyBlockingIOError::new_err("the writer would block; give a blocking one"))
        }
        None => Ok(bytes.len()),
        Some(count) => Ok(count.min(bytes.len())),
    }
}

/// A file descriptor of its own, where an integer was given.
fn descriptor(object: &Bound<'_, PyAny>) -> PyResult<Option<File>> {
    match object.extract::<RawFd>() {
        Ok(fd) => Ok(Some(duplicate(fd)?)),
        Err(_) => Ok(None),
    }
}

/// Bytes of one read or write of a Python object.
const MOST: usize = 1 << 20;
