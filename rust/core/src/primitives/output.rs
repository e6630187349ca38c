//! Memory that is about to be overwritten, perhaps never written before.
#![expect(unsafe_code, reason = "the ciphers take plain slices; see each block")]

use std::mem::MaybeUninit;

use crate::error::{Error, Result};

/// Output of a cipher. Can be written and split, never read.
#[derive(Debug)]
pub struct Output<'a>(&'a mut [MaybeUninit<u8>]);

impl<'a> Output<'a> {
    /// Output into memory that need not be initialised.
    pub fn new(memory: &'a mut [MaybeUninit<u8>]) -> Self {
        Output(memory)
    }

    /// Its bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Both sides of a position.
    ///
    /// # Panics
    /// If the position is beyond the end.
    pub fn split_at(self, at: usize) -> (Output<'a>, Output<'a>) {
        let (left, right) = self.0.split_at_mut(at);
        (Output(left), Output(right))
    }

    /// The same output for a shorter while.
    pub fn reborrow(&mut self) -> Output<'_> {
        Output(self.0)
    }

    /// Fills it with these bytes, of which there must be as many.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        if self.len() != bytes.len() {
            return Err(Error::Misuse(format!(
                "{} bytes do not fill an output of {}",
                bytes.len(),
                self.len()
            )));
        }
        self.0.write_copy_of_slice(bytes);
        Ok(())
    }

    /// Fills it with zeros.
    pub fn zero(self) {
        self.0.fill(MaybeUninit::new(0));
    }

    /// For handing to a cipher that writes and does not read.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        let start = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: same place, length and lifetime; any bit pattern is a u8, and the callers in `aead` pass the slice
        // to AWS-LC, which writes it and reads nothing that it has not written
        unsafe { std::slice::from_raw_parts_mut(start, self.0.len()) }
    }
}

impl<'a> From<&'a mut [u8]> for Output<'a> {
    fn from(memory: &'a mut [u8]) -> Self {
        let start = memory.as_mut_ptr().cast::<MaybeUninit<u8>>();
        // SAFETY: same place, length and lifetime; `Output` writes initialised bytes only, so the slice stays valid
        Output(unsafe { std::slice::from_raw_parts_mut(start, memory.len()) })
    }
}
