//! Where secrets live: slots of 64 bytes in shared pages for keys, whole pages for anything longer.
//!
//! The books (which slot is taken) stand in ordinary memory, so no bug in a secret's bytes can reach them.
//! Slots are taken lowest page first: under a tight limit the first pages are the locked ones.
//! Pages of slots are kept for reuse; the high-water mark stays mapped.

use std::collections::BTreeSet;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Resource, getrlimit};

use crate::mapping::{Mapping, PAGE, Page};
use crate::{Generation, Unavailable};

/// What the secret memory of this process looks like, for a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Pages of 4,096 bytes that hold or held secrets.
    pub pages: u64,
    /// Bytes that the kernel keeps out of swap.
    pub locked_bytes: u64,
    /// Bytes for which the kernel refused that; raise `RLIMIT_MEMLOCK`.
    pub refused_bytes: u64,
    /// Whether all pages are left out of core dumps.
    pub dont_dump: bool,
    /// Whether the kernel wipes all pages in a forked child. If not, the child still refuses to use them.
    pub wipe_on_fork: bool,
    /// `RLIMIT_MEMLOCK` in bytes; `None` is unlimited.
    pub limit: Option<u64>,
}

/// Measures the secret memory of this process. Maps the first pages if there are none yet, so that the answer
/// is what the kernel did, not what it might do; where it refuses even those, the answer is no pages and no
/// protection.
#[must_use]
pub fn status() -> Status {
    let limit = getrlimit(Resource::Memlock).current;
    measure(limit).unwrap_or(Status {
        pages: 0,
        locked_bytes: 0,
        refused_bytes: 0,
        dont_dump: false,
        wipe_on_fork: false,
        limit,
    })
}

fn measure(limit: Option<u64>) -> Result<Status, Unavailable> {
    let arena = arena()?;
    let mut books = arena.books();
    if books.pages.is_empty() {
        books.grow()?;
    }
    let tally = &books.tally;
    Ok(Status {
        pages: (tally.locked_bytes + tally.refused_bytes) / PAGE as u64,
        locked_bytes: tally.locked_bytes,
        refused_bytes: tally.refused_bytes,
        dont_dump: !tally.dump_refused,
        wipe_on_fork: !tally.wipe_refused,
        limit,
    })
}

/// The home of one secret: where it stands and what must be given back.
pub(crate) struct Room {
    /// The page whose magic speaks for the secret.
    pub(crate) page: Page,
    /// Where in the page the secret starts.
    pub(crate) offset: usize,
    kind: Kind,
}

enum Kind {
    Slot { page: usize, slot: u32 },
    Own(Mapping),
}

impl Room {
    /// Zeroed room for `len` bytes in the current process, and the generation it belongs to.
    pub(crate) fn take(len: usize) -> Result<(Room, Generation), Unavailable> {
        let arena = arena()?;
        let room = if len <= SLOT { arena.books().take_slot()? } else { arena.map_own(len)? };
        Ok((room, arena.generation))
    }

    /// Gives back the room, which the caller has zeroed. In a process other than the one that took it this only
    /// unmaps pages of its own: that process's books are not ours.
    pub(crate) fn give_back(self, generation: Generation) {
        let Ok(arena) = arena() else { return };
        if arena.generation != generation {
            return;
        }
        match self.kind {
            Kind::Slot { page, slot } => arena.books().free_slot(page, slot),
            Kind::Own(mapping) => arena.books().tally.remove(&mapping),
        }
    }
}

/// The arena of this process.
///
/// **Why a fork cannot deadlock here.** A child forked while another thread holds the books' lock inherits that
/// lock locked for ever. But the arena is keyed on the generation, and a child has a new one: it never touches
/// the inherited lock, slots or pages, and builds a fresh arena. The search itself takes no lock. The inherited
/// arena is leaked, which costs a child address space only: its pages are wiped.
fn arena() -> Result<&'static Arena, Unavailable> {
    let generation = Generation::current();
    let found = CURRENT.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from `Box::into_raw` in `replace` and is never freed once published.
    match unsafe { found.as_ref() } {
        Some(arena) if arena.generation == generation => Ok(arena),
        _ => replace(found, generation),
    }
}

#[cold]
fn replace(stale: *mut Arena, generation: Generation) -> Result<&'static Arena, Unavailable> {
    generation.check()?;
    let fresh = Box::into_raw(Box::new(Arena { generation, books: Mutex::default() }));
    let current = match CURRENT.compare_exchange(stale, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(winner) => {
            // SAFETY: made above, and the lost race means that nobody else has seen it.
            drop(unsafe { Box::from_raw(fresh) });
            winner
        }
    };
    // SAFETY: not null, and published arenas are never freed. The winner of a race is a thread of this process,
    // so its arena has our generation: that only changes in a fork, and a forked child has one thread.
    Ok(unsafe { &*current })
}

struct Arena {
    generation: Generation,
    books: Mutex<Books>,
}

impl Arena {
    /// No caller's code runs under this lock, so a poisoned one still guards whole books.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn map_own(&self, len: usize) -> Result<Room, Unavailable> {
        let mapping = Mapping::new((Page::HEADER + len).div_ceil(PAGE))?;
        self.books().tally.add(&mapping);
        Ok(Room { page: mapping.stamped_page(0), offset: Page::HEADER, kind: Kind::Own(mapping) })
    }
}

#[derive(Default)]
struct Books {
    /// Kept so that their pages stay mapped.
    chunks: Vec<Mapping>,
    pages: Vec<SlotPage>,
    /// Numbers of the pages that have a free slot.
    open: BTreeSet<usize>,
    tally: Tally,
}

struct SlotPage {
    page: Page,
    /// Bit i is set while slot i is taken.
    taken: u64,
}

impl Books {
    fn take_slot(&mut self) -> Result<Room, Unavailable> {
        if self.open.is_empty() {
            self.grow()?;
        }
        let number = *self.open.first().ok_or(Unavailable)?;
        let page = &mut self.pages[number];
        let slot = page.taken.trailing_ones();
        page.taken |= 1 << slot;
        if page.taken == FULL {
            self.open.remove(&number);
        }
        let offset = Page::HEADER + slot as usize * SLOT;
        Ok(Room { page: page.page, offset, kind: Kind::Slot { page: number, slot } })
    }

    fn free_slot(&mut self, number: usize, slot: u32) {
        let page = &mut self.pages[number];
        let was_full = page.taken == FULL;
        page.taken &= !(1 << slot);
        if was_full {
            self.open.insert(number);
        }
    }

    /// Maps several pages at once, so that a key costs a five-hundredth of the system calls.
    fn grow(&mut self) -> Result<(), Unavailable> {
        let chunk = Mapping::new(CHUNK_PAGES)?;
        for index in 0..CHUNK_PAGES {
            self.open.insert(self.pages.len());
            self.pages.push(SlotPage { page: chunk.stamped_page(index), taken: 0 });
        }
        self.tally.add(&chunk);
        self.chunks.push(chunk);
        Ok(())
    }
}

#[derive(Default)]
struct Tally {
    locked_bytes: u64,
    refused_bytes: u64,
    dump_refused: bool,
    wipe_refused: bool,
}

impl Tally {
    fn add(&mut self, mapping: &Mapping) {
        *self.bytes(mapping) += mapping.len() as u64;
        self.dump_refused |= !mapping.granted().dont_dump;
        self.wipe_refused |= !mapping.granted().wipe_on_fork;
    }

    fn remove(&mut self, mapping: &Mapping) {
        *self.bytes(mapping) -= mapping.len() as u64;
    }

    fn bytes(&mut self, mapping: &Mapping) -> &mut u64 {
        if mapping.granted().locked { &mut self.locked_bytes } else { &mut self.refused_bytes }
    }
}

static CURRENT: AtomicPtr<Arena> = AtomicPtr::new(ptr::null_mut());

/// Fits every symmetric key, digest and curve scalar in use.
const SLOT: usize = 64;
const SLOTS: usize = (PAGE - Page::HEADER) / SLOT;
const FULL: u64 = (1 << SLOTS) - 1;
const CHUNK_PAGES: usize = 8;
