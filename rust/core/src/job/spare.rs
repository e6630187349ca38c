//! Buffers that outlive a call, so that the next one need not allocate, fault in and wipe its own.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::vectored::PageBuffer;

/// Buffers that nobody uses at the moment: [`KEPT`] bytes at most. They may hold plaintext; each is wiped when it goes.
#[derive(Default)]
pub(super) struct Spare(Mutex<Vec<PageBuffer>>);

impl Spare {
    /// A buffer of at least this many bytes, which comes back when it is dropped.
    pub(super) fn lend(&self, len: usize) -> Lent<'_> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = kept.filter(|buffer| buffer.len() >= len).unwrap_or_else(|| PageBuffer::new(len));
        Lent { spare: self, buffer }
    }

    fn keep(&self, buffer: PageBuffer) {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.iter().map(PageBuffer::len).sum::<usize>() + buffer.len() <= KEPT {
            buffers.push(buffer);
        }
    }
}

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spare")
    }
}

/// A buffer in use.
pub(super) struct Lent<'a> {
    spare: &'a Spare,
    buffer: PageBuffer,
}

impl Deref for Lent<'_> {
    type Target = PageBuffer;

    fn deref(&self) -> &PageBuffer {
        &self.buffer
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut PageBuffer {
        &mut self.buffer
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.spare.keep(std::mem::take(&mut self.buffer));
    }
}

/// Bytes that stay between calls.
const KEPT: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_serves_again() {
        let spare = Spare::default();
        let first = spare.lend(100_000).first(1).as_ptr();
        assert_eq!(spare.lend(50_000).first(1).as_ptr(), first);
        assert!(spare.lend(200_000).len() >= 200_000);
        assert!(spare.lend(150_000).len() >= 200_000);
    }

    #[test]
    fn no_more_than_so_many_bytes_are_kept() {
        let spare = Spare::default();
        drop(spare.lend(KEPT + 1));
        assert!(spare.0.lock().unwrap().is_empty());
        let lent: Vec<_> = (0..9).map(|_| spare.lend(KEPT / 4)).collect();
        drop(lent);
        assert_eq!(spare.0.lock().unwrap().len(), 4);
    }
}
