//! What Python owns and Rust uses without the GIL: buffers, new results that are not zeroed first, descriptors.
//!
//! The one file of this crate with `unsafe`. Its promise leans on one that callers must keep (docs: "do not change a
//! buffer during a call"): the buffer protocol keeps the memory in place, but not still.
#![expect(unsafe_code, reason = "memory that Python owns, used without the GIL; see each block")]

use std::ffi::c_char;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::mm::Advice;
use strongroom_core::error::Error;
use strongroom_core::primitives::output::Output;

use crate::pages::huge_pages_pay;

/// Memory of any C-contiguous buffer, held until dropped.
pub(crate) struct Borrowed {
    start: *const u8,
    len: usize,
    readonly: bool,
    _owner: Owner,
}

#[expect(dead_code, reason = "held, not used")]
enum Owner {
    /// As most are: its memory is found without asking for a buffer.
    Bytes(Py<PyBytes>),
    Other(PyUntypedBuffer),
}

// SAFETY: the owner keeps memory and length fixed while it is held (`bytes` never change, others promise it by the
// buffer protocol), and the accessors below only touch that memory; letting go needs the GIL, which owners see to.
unsafe impl Send for Borrowed {}
// SAFETY: as above
unsafe impl Sync for Borrowed {}

impl Borrowed {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(object) = object.cast_exact::<PyBytes>() {
            let bytes = object.as_bytes();
            let owner = Owner::Bytes(object.clone().unbind());
            return Ok(Borrowed { start: bytes.as_ptr(), len: bytes.len(), readonly: true, _owner: owner });
        }
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not contiguous"));
        }
        let (start, len, readonly) =
            (buffer.buf_ptr().cast_const().cast(), buffer.len_bytes(), buffer.readonly());
        Ok(Borrowed { start, len, readonly, _owner: Owner::Other(buffer) })
    }

    /// The same, for a buffer that will be written.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let borrowed = Self::new(object)?;
        match borrowed.readonly {
            false => Ok(borrowed),
            true => Err(PyBufferError::new_err("the buffer is read-only")),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: contiguous memory of that many bytes, kept in place while `self` lives; callers keep it still
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// All of a writable buffer.
    pub(crate) fn output(&mut self) -> Output<'_> {
        Output::new(slice(self.start.cast_mut(), self.len))
    }

    /// The first bytes of a writable buffer that has that many.
    pub(crate) fn first(&mut self, len: usize) -> Result<Output<'_>, Error> {
        match self.len() {
            have if have < len => {
                Err(Error::Misuse(format!("the output buffer has {have} bytes, and {len} are needed")))
            }
            _ => Ok(self.output().split_at(len).0),
        }
    }

    /// Refuses memory that both share: neither can be written from the other.
    pub(crate) fn apart_from(&self, other: &Borrowed) -> Result<(), Error> {
        let (a, b) = (self.bytes().as_ptr_range(), other.bytes().as_ptr_range());
        match a.start < b.end && b.start < a.end {
            true => Err(Error::Misuse("input and output share memory".into())),
            false => Ok(()),
        }
    }
}

/// A `bytes` object that is being written: not zeroed first, and not given to anyone before it is whole.
pub(crate) struct NewBytes {
    object: Py<PyBytes>,
    start: *mut u8,
    len: usize,
}

// SAFETY: the object has one owner, this; its memory does not move
unsafe impl Send for NewBytes {}
// SAFETY: as above, and shared references give no access to the memory
unsafe impl Sync for NewBytes {}

impl NewBytes {
    pub(crate) fn new(py: Python<'_>, len: usize) -> PyResult<Self> {
        let size =
            isize::try_from(len).map_err(|_| PyMemoryError::new_err("a result beyond the address space"))?;
        // SAFETY: a null pointer asks for uninitialised memory of that size, for the creator to fill
        let raw = unsafe { ffi::PyBytes_FromStringAndSize(ptr::null::<c_char>(), size) };
        // SAFETY: a new reference, or null with an exception set
        let object = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        // SAFETY: `object` is a bytes object
        let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
        let object = object.cast_into::<PyBytes>()?.unbind();
        ask_for_huge_pages(start.cast(), len);
        Ok(NewBytes { object, start: start.cast(), len })
    }

    pub(crate) fn output(&mut self) -> Output<'_> {
        let memory = slice(self.start, self.len);
        match self.len > MAPPED_FROM {
            true => Output::fresh(memory),
            false => Output::new(memory),
        }
    }

    /// Gives the object away; every byte has been written.
    pub(crate) fn finish(self) -> Py<PyBytes> {
        self.object
    }
}

/// Fresh memory costs a page fault for every 4 KiB, more than the cipher does; huge pages make it one for 2 MiB.
fn ask_for_huge_pages(start: *mut u8, len: usize) {
    let skip = start.align_offset(HUGE_PAGE);
    let whole = len.saturating_sub(skip) / HUGE_PAGE * HUGE_PAGE;
    if whole >= HUGE_FROM && huge_pages_pay() {
        // SAFETY: within memory that the caller owns; it changes how it is backed and not what is in it
        let asked =
            unsafe { rustix::mm::madvise(start.wrapping_add(skip).cast(), whole, Advice::LinuxHugepage) };
        // where there are none, ordinary pages serve
        let _ = asked;
    }
}

/// A descriptor of our own for the open file that the caller's number stands for.
pub(crate) fn duplicate(descriptor: RawFd) -> io::Result<File> {
    if descriptor < 0 {
        return Err(io::Error::from_raw_os_error(rustix::io::Errno::BADF.raw_os_error()));
    }
    // SAFETY: not -1; used for one call, which says EBADF if it is not open
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?))
}

fn slice<'a>(start: *mut u8, len: usize) -> &'a mut [MaybeUninit<u8>] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: both callers own that much writable memory for as long as the borrow that they return lasts
    unsafe { std::slice::from_raw_parts_mut(start.cast(), len) }
}

const HUGE_PAGE: usize = 2 << 20;
/// Below this, malloc may share the memory with other objects.
const HUGE_FROM: usize = 8 << 20;
/// Above this, malloc always maps memory anew.
const MAPPED_FROM: usize = 32 << 20;
