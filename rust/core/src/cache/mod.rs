//! A bounded cache for data keys and what belongs to them, without a clock.
//!
//! ```text
//! get_or_fetch ──► shelf: a usable entry? ── yes, and young ──────────────► hit
//!                    │ no                    └ yes, last 10 % of its age ─► first caller fetches, others hit
//!                    ▼
//!                  one flight per key ──► fetch, no lock held ──► shelf ──► waiters look again
//!                    │                         every entry that leaves the shelf ──► drain_retired
//!                    └ asked for from within a fetch ──► fetch apart, shared with nobody
//! ```
//!
//! Time is nanoseconds of the caller's clock (`CLOCK_BOOTTIME`). The latest time that any caller gave counts for
//! all, so a caller that waited is not served by the time at which it came.
//!
//! A cache belongs to one process: build a new one in a forked child.

mod shelf;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use shelf::{Served, Shelf};

/// How long and how much one entry may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nanoseconds, counted from the `now` of the call that fetched the entry; 0 is never shared.
    pub max_age_ns: u64,
    /// Messages, over all callers.
    pub max_messages: u64,
    /// Bytes of plaintext, over all callers.
    pub max_bytes: u64,
}

/// What a request is going to use, or what an entry was used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of plaintext.
    pub bytes: u64,
}

/// What the cache did so far. `hits + misses + refreshes` is the number of calls that reached a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls served by an entry.
    pub hits: u64,
    /// Calls that found no usable entry and fetched one.
    pub misses: u64,
    /// Calls that fetched ahead of an entry's expiry.
    pub refreshes: u64,
    /// Entries pushed out because the cache was full.
    pub evictions: u64,
    /// Entries that reached their age.
    pub expirations: u64,
    /// Different keys pushed out because the cache was full, counted up to the capacity. Well above zero, there
    /// are more distinct contexts than the cache holds.
    pub distinct_evicted: usize,
    /// Entries that can serve now.
    pub entries: usize,
    /// Entries that fit.
    pub capacity: usize,
}

/// A bounded map from a 32-byte key to shared values that expire by age, messages and bytes.
pub struct Cache<V> {
    shelf: Mutex<Shelf<V>>,
    landed: Condvar,
}

impl<V: Send + Sync> Cache<V> {
    /// An empty cache for `capacity` entries; 0 caches nothing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Cache { shelf: Mutex::new(Shelf::new(capacity)), landed: Condvar::new() }
    }

    /// The value under `key`, with `usage` reserved on it, so that limits hold to the message over all threads.
    ///
    /// Without an entry that is young enough and has room for the whole `usage`, one caller per key runs `fetch`,
    /// with no lock held; others of the same key wait, then look again, and if the fetch failed one of them
    /// fetches next. Within the last tenth of an entry's age one caller fetches while the others keep hitting;
    /// if that fails, the entry serves on and the next try comes after half of the time that is left.
    ///
    /// A request that exceeds the limits all by itself gets a value of its own, never shared: split requests of
    /// many messages beforehand. A value with `max_age_ns` 0 is not shared either, and callers of its key fetch
    /// one after the other: better not to come here with it.
    ///
    /// Whoever asks from within a `fetch`, as a signal handler does that interrupts one, waits for nobody: the flight
    /// might be its own, or wait for something that the interrupted one holds. It fetches apart.
    ///
    /// # Errors
    /// What `fetch` says, if no entry can serve. At expiry nothing stale is served, whatever `fetch` says.
    pub fn get_or_fetch<E>(
        &self,
        key: &[u8; 32],
        now: u64,
        usage: Usage,
        fetch: impl FnOnce() -> Result<(V, Limits), E>,
    ) -> Result<Arc<V>, E> {
        match self.hit_or_lead(key, now, usage) {
            Turn::Hit(value) => Ok(value),
            Turn::Lead(flight) => {
                let fetched = fetch();
                flight.land(fetched)
            }
            Turn::Apart => {
                let (value, _) = fetch()?;
                let mut shelf = self.shelf();
                shelf.misses += 1;
                Ok(shelf.put_aside(usage, value))
            }
        }
    }

    /// The value under `key` with `usage` reserved, if that takes neither a fetch nor a wait for one.
    ///
    /// `None` too when the entry should be refreshed and nobody is doing it: then go on to
    /// [`Cache::get_or_fetch`], which refreshes or serves it.
    pub fn get(&self, key: &[u8; 32], now: u64, usage: Usage) -> Option<Arc<V>> {
        match self.shelf().serve(key, now, usage) {
            Served::Hit(value) => Some(value),
            Served::Due | Served::InFlight | Served::Nothing => None,
        }
    }

    /// Puts a value under `key` with `usage` reserved on it, and retires the entry that was there.
    /// It is not shared if `usage` exceeds `limits`.
    pub fn insert(&self, key: [u8; 32], now: u64, usage: Usage, value: V, limits: Limits) -> Arc<V> {
        self.shelf().put(key, now, usage, value, limits)
    }

    /// Retires the entries that `f` picks, as when their key version was rotated or compromised. What is being
    /// fetched meanwhile reaches its caller but is not shared. `f` must not use this cache.
    pub fn retire_if(&self, f: impl Fn(&V) -> bool) {
        self.shelf().retire_if(f);
    }

    /// Retires every entry. What is being fetched meanwhile reaches its caller but is not shared.
    pub fn clear(&self) {
        self.retire_if(|_| true);
    }

    /// Retires the entries that have reached their age. Expired entries never serve; this is for closing their
    /// leases and wiping their keys on time rather than when they are next asked for or crowded out.
    pub fn expire(&self, now: u64) {
        self.shelf().expire(now);
    }

    /// The values that left the cache since the last call, with what each was used for in total.
    ///
    /// Every value that was ever fetched or inserted comes out here exactly once, so the list grows by at most one
    /// entry a fetch until it is drained, and is not bounded otherwise: losing one would lose an account of use.
    /// A retired value stays in memory until drained; drain after every fetch.
    pub fn drain_retired(&self) -> Vec<(Arc<V>, Usage)> {
        std::mem::take(&mut self.shelf().retired)
    }

    /// What the cache did so far.
    pub fn stats(&self) -> Stats {
        self.shelf().stats()
    }

    /// Waits while somebody else fetches what we want; ends with a hit or with the turn to fetch.
    fn hit_or_lead(&self, key: &[u8; 32], now: u64, usage: Usage) -> Turn<'_, V> {
        let mut shelf = self.shelf();
        loop {
            let ahead = match shelf.serve(key, now, usage) {
                Served::Hit(value) => return Turn::Hit(value),
                Served::InFlight if shelf.is_flying(thread::current().id()) => return Turn::Apart,
                Served::InFlight => {
                    shelf = self.landed.wait(shelf).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                Served::Due => true,
                Served::Nothing => false,
            };
            shelf.flights.insert(*key, thread::current().id());
            let purges = shelf.purges;
            return Turn::Lead(Flight { cache: self, key: *key, now, usage, purges, ahead });
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<V>> {
        lock(&self.shelf)
    }
}

/// The only foreign code under the lock is the pick of `retire_if`, whose panic leaves a whole shelf behind.
fn lock<V>(shelf: &Mutex<Shelf<V>>) -> MutexGuard<'_, Shelf<V>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Turn<'a, V> {
    Hit(Arc<V>),
    Lead(Flight<'a, V>),
    Apart,
}

/// The right and duty to fetch one key. It ends on drop, so a panic in `fetch` leaves nobody waiting.
struct Flight<'a, V> {
    cache: &'a Cache<V>,
    key: [u8; 32],
    now: u64,
    usage: Usage,
    /// Number of purges when the flight began.
    purges: u64,
    /// Whether an entry was still good at that time.
    ahead: bool,
}

impl<V> Flight<'_, V> {
    fn land<E>(self, fetched: Result<(V, Limits), E>) -> Result<Arc<V>, E> {
        let mut shelf = lock(&self.cache.shelf);
        match fetched {
            Ok((value, limits)) => {
                *if self.ahead { &mut shelf.refreshes } else { &mut shelf.misses } += 1;
                if shelf.purges == self.purges {
                    Ok(shelf.put(self.key, self.now, self.usage, value, limits))
                } else {
                    // whatever the purge was meant for, it may be true of this value
                    Ok(shelf.put_aside(self.usage, value))
                }
            }
            // an entry that was still good then, or that somebody else has put there meanwhile
            Err(error) => match shelf.serve(&self.key, self.now, self.usage) {
                Served::Hit(value) => {
                    shelf.postpone_refresh(&self.key);
                    Ok(value)
                }
                Served::Due | Served::InFlight | Served::Nothing => Err(error),
            },
        }
    }
}

impl<V> Drop for Flight<'_, V> {
    fn drop(&mut self) {
        lock(&self.cache.shelf).flights.remove(&self.key);
        self.cache.landed.notify_all();
    }
}
