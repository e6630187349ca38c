//! Positioned reads and writes of whole pieces, however the kernel cuts them.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};

use rustix::io::{Errno, preadv, pwritev};

/// Fills all slices from `offset` on. `false`: the file ends before.
pub(super) fn read_all(file: &File, mut slices: &mut [IoSliceMut<'_>], mut offset: u64) -> io::Result<bool> {
    IoSliceMut::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match preadv(file, slices, offset) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                IoSliceMut::advance_slices(&mut slices, count);
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Writes all slices from `offset` on.
pub(super) fn write_all(file: &File, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match pwritev(file, slices, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                IoSlice::advance_slices(&mut slices, count);
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The parts of `bytes` at these ascending ranges, for one vectored read.
pub(super) fn slots_mut(
    bytes: &mut [u8],
    ranges: impl Iterator<Item = std::ops::Range<usize>>,
) -> Vec<IoSliceMut<'_>> {
    let mut rest = bytes;
    let mut at = 0;
    let cut = |range: std::ops::Range<usize>| {
        let (slot, after) =
            std::mem::take(&mut rest).split_at_mut(range.start - at).1.split_at_mut(range.len());
        at = range.end;
        rest = after;
        IoSliceMut::new(slot)
    };
    ranges.map(cut).collect()
}

/// The parts of `bytes` at these ranges, for one vectored write.
pub(super) fn slots(bytes: &[u8], ranges: impl Iterator<Item = std::ops::Range<usize>>) -> Vec<IoSlice<'_>> {
    ranges.map(|range| IoSlice::new(&bytes[range])).collect()
}

/// A reused buffer that starts on a page, and is wiped when it goes: it has held plaintext.
#[derive(Default)]
pub(super) struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl PageBuffer {
    pub(super) fn new(len: usize) -> Self {
        let bytes = vec![0; len + PAGE];
        // a reference to bytes can always be aligned to a page by moving less than a page
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        PageBuffer { bytes, start }
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(PAGE)
    }

    pub(super) fn first(&mut self, len: usize) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + len]
    }
}

impl Drop for PageBuffer {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.bytes[..]);
    }
}

const PAGE: usize = 4096;
