//! A secret of fixed length.

use std::fmt;
use std::mem::ManuallyDrop;
use std::slice;

use zeroize::Zeroize;

use crate::arena::Room;
use crate::{Generation, Unavailable};

/// The longest secret, in bytes.
pub const MAX_LEN: usize = 65_472;

/// Secret bytes in locked memory that stays out of core dumps and is zeroed on drop and in forked children.
///
/// It cannot be cloned or compared (see [`ct_eq`](crate::ct_eq)), and its `Debug` shows the length only.
/// A secret of up to 64 bytes costs no system call.
pub struct Secret {
    room: ManuallyDrop<Room>,
    len: usize,
    generation: Generation,
}

impl Secret {
    /// Makes a secret of `len` bytes, 1 … [`MAX_LEN`], where it will live: `fill` gets the memory, zeroed.
    /// If `fill` fails or panics, what it wrote is wiped.
    ///
    /// # Errors
    /// What `fill` says; [`Unavailable`] if no memory can be had or `len` is out of range.
    pub fn fill_with<E: From<Unavailable>>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Secret, E> {
        if !(1..=MAX_LEN).contains(&len) {
            return Err(Unavailable.into());
        }
        let (room, generation) = Room::take(len)?;
        let mut secret = Secret { room: ManuallyDrop::new(room), len, generation };
        fill(secret.bytes_mut())?;
        Ok(secret)
    }

    /// Copies `bytes`, 1 … [`MAX_LEN`] of them. Wiping the source is left to the caller.
    ///
    /// # Errors
    /// [`Unavailable`] if no memory can be had or the length is out of range.
    pub fn copy_from(bytes: &[u8]) -> Result<Secret, Unavailable> {
        Secret::fill_with(bytes.len(), |memory| {
            memory.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// The bytes, after a check that they are still what was written: a wiped secret is never taken for a key
    /// of zeros. Do not fork while holding them; a child would find them zeroed under its hands.
    ///
    /// # Errors
    /// [`Unavailable`] in a forked child.
    #[inline]
    pub fn expose(&self) -> Result<&[u8], Unavailable> {
        if !self.room.page.is_intact() {
            return Err(Unavailable);
        }
        // where the kernel could not wipe, the magic survives a fork and only the generation tells
        self.generation.check()?;
        let start = self.room.page.at(self.room.offset);
        // SAFETY: the room is mapped, initialised, at least `len` long, ours until drop, and written only
        // through `&mut self`; the result borrows `self`.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), self.len) })
    }

    /// The length in bytes; lengths are public.
    #[expect(clippy::len_without_is_empty, reason = "a secret is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let start = self.room.page.at(self.room.offset);
        // SAFETY: as in `expose`, and `&mut self` makes it the only access.
        unsafe { slice::from_raw_parts_mut(start.as_ptr(), self.len) }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // In a forked child this writes zeros over zeros, or wipes what an old kernel left standing.
        self.bytes_mut().zeroize();
        // SAFETY: taken once, here, and `self` is not used again.
        let room = unsafe { ManuallyDrop::take(&mut self.room) };
        room.give_back(self.generation);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.len)
    }
}
