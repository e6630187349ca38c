//! Memory that is about to be overwritten, perhaps never written before.
#![expect(unsafe_code, reason = "the ciphers take plain slices; see each block")]

use std::mem::MaybeUninit;

use rustix::mm::Advice;

use crate::error::{Error, Result};

/// Output of a cipher. Can be written and split, never read.
#[derive(Debug)]
pub struct Output<'a> {
    memory: &'a mut [MaybeUninit<u8>],
    /// Whether no pages stand behind it yet.
    fresh: bool,
}

impl<'a> Output<'a> {
    /// Output into memory that need not be initialised.
    pub fn new(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Output { memory, fresh: false }
    }

    /// Output into memory that was never touched.
    pub fn fresh(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Output { memory, fresh: true }
    }

    /// Asks for the pages behind fresh memory in one call, rather than fault for each as it is written.
    pub fn populate(&mut self) {
        let skip = self.memory.as_ptr().align_offset(PAGE);
        let whole = self.len().saturating_sub(skip) / PAGE * PAGE;
        if !self.fresh || whole == 0 {
            return;
        }
        let start = self.memory[skip..].as_mut_ptr();
        // SAFETY: whole pages within memory that is ours to write; this gives them backing and changes no byte that
        // was ever written
        let asked = unsafe { rustix::mm::madvise(start.cast(), whole, Advice::LinuxPopulateWrite) };
        // before Linux 5.14 the faults come one by one
        let _ = asked;
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Both sides of a position.
    ///
    /// # Panics
    /// If the position is beyond the end.
    pub fn split_at(self, at: usize) -> (Output<'a>, Output<'a>) {
        let (left, right) = self.memory.split_at_mut(at);
        (Output { memory: left, fresh: self.fresh }, Output { memory: right, fresh: self.fresh })
    }

    /// The same output for a shorter while.
    pub fn reborrow(&mut self) -> Output<'_> {
        Output { memory: self.memory, fresh: self.fresh }
    }

    /// Fills it with these bytes, of which there must be as many; now that they are written they can be changed.
    pub fn write(self, bytes: &[u8]) -> Result<&'a mut [u8]> {
        if self.len() != bytes.len() {
            return Err(Error::Misuse(format!(
                "{} bytes do not fill an output of {}",
                bytes.len(),
                self.len()
            )));
        }
        Ok(self.memory.write_copy_of_slice(bytes))
    }

    /// Fills it with zeros.
    pub fn zero(self) {
        self.memory.fill(MaybeUninit::new(0));
    }

    /// For handing to a cipher that writes and does not read.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        let start = self.memory.as_mut_ptr().cast::<u8>();
        // SAFETY: same place, length and lifetime; any bit pattern is a u8, and the callers in `aead` pass the slice
        // to AWS-LC, which writes it and reads nothing that it has not written
        unsafe { std::slice::from_raw_parts_mut(start, self.memory.len()) }
    }
}

impl<'a> From<&'a mut [u8]> for Output<'a> {
    fn from(memory: &'a mut [u8]) -> Self {
        let start = memory.as_mut_ptr().cast::<MaybeUninit<u8>>();
        // SAFETY: same place, length and lifetime; `Output` writes initialised bytes only, so the slice stays valid
        Output::new(unsafe { std::slice::from_raw_parts_mut(start, memory.len()) })
    }
}

const PAGE: usize = 4096;
