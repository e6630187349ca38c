//! One anonymous mapping for secrets, with every protection that the kernel grants.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};

use crate::Unavailable;

/// The unit of the books, in bytes. On kernels with larger pages a mapping is rounded up, never down.
pub(crate) const PAGE: usize = 4096;

/// Zeroed pages of this process alone, unmapped on drop.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    granted: Granted,
}

/// What the kernel said to each wish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    pub(crate) locked: bool,
    pub(crate) dont_dump: bool,
    pub(crate) wipe_on_fork: bool,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: through a shared mapping one can only learn addresses, read the magic and stamp it, which is atomic.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `pages` pages. A protection that is refused does not stop it; see [`Mapping::granted`].
    pub(crate) fn new(pages: usize) -> Result<Mapping, Unavailable> {
        let len = pages * PAGE;
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: with a null hint and without MAP_FIXED no existing mapping is touched.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len, flags, MapFlags::PRIVATE) };
        let base = NonNull::new(base.map_err(|_| Unavailable)?.cast()).ok_or(Unavailable)?;
        Ok(Mapping { base, len, granted: protect(base, len) })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn granted(&self) -> Granted {
        self.granted
    }

    /// Page number `index`, with its magic set.
    pub(crate) fn stamped_page(&self, index: usize) -> Page {
        assert!(index < self.len / PAGE, "a page outside of its mapping");
        let page = Page(self.base.map_addr(|start| start.saturating_add(index * PAGE)));
        page.magic().store(MAGIC, Ordering::Relaxed);
        page
    }
}

/// The wipe comes first: from then on whatever is written here stays out of forked children.
fn protect(base: NonNull<u8>, len: usize) -> Granted {
    let start: *mut c_void = base.as_ptr().cast();
    // SAFETY: the range was just mapped and nothing else refers to it; the advice changes what a child sees.
    let wipe_on_fork = unsafe { madvise(start, len, Advice::LinuxWipeOnFork) }.is_ok();
    // SAFETY: as above; the advice changes what a core dump holds.
    let dont_dump = unsafe { madvise(start, len, Advice::LinuxDontDump) }.is_ok();
    // SAFETY: as above; locking changes no content.
    let locked = unsafe { mlock(start, len) }.is_ok();
    Granted { locked, dont_dump, wipe_on_fork }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; whoever holds pages of it holds the mapping too.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The first page of a run that holds secrets. It begins with the magic; secrets start at [`Page::HEADER`].
///
/// One magic speaks for a run of several pages, since the kernel wipes a mapping whole.
#[derive(Clone, Copy)]
pub(crate) struct Page(NonNull<u8>);

// SAFETY: an address; who may read or write behind it is the affair of the secret that holds it.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Bytes before the first secret: the magic, padded to a cache line.
    pub(crate) const HEADER: usize = 64;

    /// Whether the page still holds what was written to it. A page wiped by a fork does not.
    #[inline]
    pub(crate) fn is_intact(self) -> bool {
        self.magic().load(Ordering::Relaxed) == MAGIC
    }

    /// The address `offset` bytes into the page.
    #[inline]
    pub(crate) fn at(self, offset: usize) -> NonNull<u8> {
        self.0.map_addr(|start| start.saturating_add(offset))
    }

    #[inline]
    fn magic(&self) -> &AtomicU64 {
        // SAFETY: a page is aligned, at least eight bytes long, mapped as long as its holder lives, and these
        // eight bytes are only ever accessed as this atomic.
        unsafe { AtomicU64::from_ptr(self.0.as_ptr().cast()) }
    }
}

/// Anything but zero would do.
const MAGIC: u64 = u64::from_le_bytes(*b"strongrm");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_intact_until_it_is_wiped() {
        let mapping = Mapping::new(2).unwrap();
        assert_eq!(mapping.len(), 2 * PAGE);
        for page in [mapping.stamped_page(0), mapping.stamped_page(1)] {
            assert!(page.is_intact());
            page.magic().store(0, Ordering::Relaxed);
            assert!(!page.is_intact());
        }
    }

    #[test]
    #[should_panic(expected = "a page outside of its mapping")]
    fn a_page_behind_the_last_one_is_refused() {
        Mapping::new(2).unwrap().stamped_page(2);
    }
}
