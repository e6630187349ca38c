//! Which side of a fork are we on?

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::Unavailable;
use crate::mapping::PAGE;

/// The process, counted by forks, in which an object was made. An object that holds key bytes outside of a
/// [`Secret`](crate::Secret) takes one when it is made and checks it at each use; in a forked child that check
/// fails for ever, while objects made in the child work.
///
/// A check is one relaxed load of a word that the kernel zeroes in a forked child.
///
/// **Why a plain counter is unique enough.** An object can only be met in the process that made it and in that
/// process's descendants, so numbers must differ along one line of descent; siblings may share them. The counter
/// stands in ordinary memory, which a child inherits: whatever number a child takes is above every number that
/// any of its ancestors had taken before the fork. Neither randomness nor a clock is needed.
///
/// **Where the kernel cannot wipe on fork** (before Linux 4.14, some sandboxes), the word also carries the pid of
/// its process, and every check pays a `getpid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// The generation of this process.
    ///
    /// If not even one page can be mapped, the answer is a generation that every check refuses.
    #[must_use]
    #[inline]
    pub fn current() -> Generation {
        match witness() {
            Some(witness) => Generation(number(witness)),
            None => Generation(NONE),
        }
    }

    /// Whether this is still the process in which the generation was taken.
    ///
    /// # Errors
    /// [`Unavailable`] in a forked child.
    #[inline]
    pub fn check(&self) -> Result<(), Unavailable> {
        if self.0 != NONE && *self == Generation::current() { Ok(()) } else { Err(Unavailable) }
    }
}

/// The number in `witness`, renewed if it is not this process's own.
#[inline]
fn number(witness: &AtomicU64) -> u64 {
    let number = witness.load(Ordering::Relaxed);
    if is_ours(number) { number } else { arm(witness, number) }
}

fn is_ours(number: u64) -> bool {
    number != NONE && (number & BY_PID == 0 || number & PID_MASK == pid())
}

/// Puts a new number in the place of `stale`. Threads may race here: the first wins and all return its number.
#[cold]
fn arm(witness: &AtomicU64, stale: u64) -> u64 {
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    // The advice comes before the number: a fork between the two leaves a zero, which the child arms for itself.
    let fresh = if wipe_on_fork(witness) { serial } else { BY_PID | (serial & SERIAL_MASK) << 32 | pid() };
    match witness.compare_exchange(stale, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(winner) => winner,
    }
}

fn wipe_on_fork(witness: &AtomicU64) -> bool {
    let page = ptr::from_ref(witness).cast_mut().cast::<c_void>();
    // SAFETY: this advice changes nothing in this process; in a child it zeroes the witness's page, which holds
    // atomics only, for which zero is a valid value. An address that does not begin a page is refused.
    unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.is_ok()
}

fn pid() -> u64 {
    u64::from(rustix::process::getpid().as_raw_nonzero().get().unsigned_abs())
}

/// The witness word, alone in its page. No lock and no `OnceLock`: a child forked while another thread of its
/// parent was in here must not wait for a thread that it does not have.
#[inline]
fn witness() -> Option<&'static AtomicU64> {
    let found = WITNESS.load(Ordering::Acquire);
    // SAFETY: the pointer is null or a page from `map_witness`, aligned, zeroed at birth, never unmapped once
    // published, and only ever accessed as an atomic.
    unsafe { found.as_ref() }.or_else(map_witness)
}

#[cold]
fn map_witness() -> Option<&'static AtomicU64> {
    let flags = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: with a null hint and without MAP_FIXED no existing mapping is touched.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, flags, MapFlags::PRIVATE) }.ok()?;
    let published =
        WITNESS.compare_exchange(ptr::null_mut(), page.cast(), Ordering::AcqRel, Ordering::Acquire);
    let witness = match published {
        Ok(_) => page.cast::<AtomicU64>(),
        Err(winner) => {
            // SAFETY: mapped above with this length, and the lost race means that nobody else has seen it.
            let _ = unsafe { munmap(page, PAGE) };
            winner
        }
    };
    // SAFETY: as in `witness`.
    unsafe { witness.as_ref() }
}

static WITNESS: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What the kernel leaves in a wiped page; never a number.
const NONE: u64 = 0;
/// Marks a number that is ours only under the pid in its low half.
const BY_PID: u64 = 1 << 63;
const SERIAL_MASK: u64 = 0x7fff_ffff;
const PID_MASK: u64 = 0xffff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_the_same_in_one_process() {
        let first = Generation::current();
        let others: Vec<_> = (0..8).map(|_| std::thread::spawn(Generation::current)).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), first);
        }
        assert_eq!(first.check(), Ok(()));
        assert_eq!(Generation(NONE).check(), Err(Unavailable));
        assert_eq!(first.0 & BY_PID, 0, "the kernel wipes, so no check asks for the pid");
    }

    #[test]
    fn without_the_kernels_help_the_pid_tells() {
        #[repr(align(4096))]
        struct Unwiped([AtomicU64; 512]);
        let page = Unwiped(std::array::from_fn(|_| AtomicU64::new(NONE)));
        let witness = &page.0[1]; // not at the start of a page, so the advice is refused
        let ours = number(witness);
        assert_eq!((ours & BY_PID, ours & PID_MASK), (BY_PID, u64::from(std::process::id())));
        assert_eq!(number(witness), ours);

        witness.store(ours ^ 1, Ordering::Relaxed); // as a child sees it: the number of another pid
        let childs = number(witness);
        assert!(childs != ours && childs != ours ^ 1 && is_ours(childs));
    }
}
