//! The entries and the accounts of their use. Everything here runs under the cache's lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::ThreadId;

use super::{Limits, Stats, Usage};

pub(super) struct Shelf<V> {
    /// Keys that somebody is fetching, and who.
    pub(super) flights: HashMap<Key, ThreadId>,
    /// Values that left, each with its whole use.
    pub(super) retired: Vec<(Arc<V>, Usage)>,
    /// How often entries were retired by decision rather than by limits.
    pub(super) purges: u64,
    pub(super) misses: u64,
    pub(super) refreshes: u64,
    entries: HashMap<Key, Entry<V>>,
    capacity: usize,
    /// Latest time that any caller gave.
    now: u64,
    /// Counts uses, to find the least recent.
    uses: u64,
    hits: u64,
    evictions: u64,
    expirations: u64,
    /// At most `capacity` of the keys that were evicted.
    evicted: HashSet<Key>,
}

type Key = [u8; 32];

/// What the shelf has for a request.
pub(super) enum Served<V> {
    /// An entry with the usage booked on it. In the last tenth of its age only while somebody refreshes it.
    Hit(Arc<V>),
    /// An entry that nobody is refreshing, though it is time; nothing was booked.
    Due,
    /// No usable entry, but somebody is fetching one.
    InFlight,
    /// No usable entry.
    Nothing,
}

struct Entry<V> {
    value: Arc<V>,
    limits: Limits,
    used: Usage,
    expires: u64,
    refresh_from: u64,
    last_use: u64,
}

impl<V> Shelf<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Shelf {
            flights: HashMap::new(),
            retired: Vec::new(),
            purges: 0,
            misses: 0,
            refreshes: 0,
            entries: HashMap::new(),
            capacity,
            now: 0,
            uses: 0,
            hits: 0,
            evictions: 0,
            expirations: 0,
            evicted: HashSet::new(),
        }
    }

    /// Serves a request if an entry can take all of `usage`; retires an entry that has expired.
    pub(super) fn serve(&mut self, key: &Key, now: u64, usage: Usage) -> Served<V> {
        self.now = self.now.max(now);
        let Some(entry) = self.entries.get_mut(key) else { return self.absent(key) };
        if self.now >= entry.expires {
            self.expirations += 1;
            self.retire(key);
            return self.absent(key);
        }
        let Some(used) = entry.limits.after(entry.used, usage) else { return self.absent(key) };
        if self.now >= entry.refresh_from && !self.flights.contains_key(key) {
            return Served::Due;
        }
        self.hits += 1;
        self.uses += 1;
        entry.used = used;
        entry.last_use = self.uses;
        Served::Hit(Arc::clone(&entry.value))
    }

    fn absent(&self, key: &Key) -> Served<V> {
        if self.flights.contains_key(key) { Served::InFlight } else { Served::Nothing }
    }

    /// Whether this thread is fetching something.
    pub(super) fn is_flying(&self, thread: ThreadId) -> bool {
        self.flights.values().any(|&flying| flying == thread)
    }

    /// Shares `value` under `key`, unless its limits leave nothing to share.
    pub(super) fn put(&mut self, key: Key, now: u64, used: Usage, value: V, limits: Limits) -> Arc<V> {
        self.now = self.now.max(now);
        if self.capacity == 0 || limits.max_age_ns == 0 || limits.after(Usage::default(), used).is_none() {
            return self.put_aside(used, value);
        }
        self.retire(&key);
        self.make_room();
        self.uses += 1;
        let value = Arc::new(value);
        let expires = now.saturating_add(limits.max_age_ns);
        let refresh_from = expires - limits.max_age_ns.min(expires - now) / 10;
        let entry =
            Entry { value: Arc::clone(&value), limits, used, expires, refresh_from, last_use: self.uses };
        self.entries.insert(key, entry);
        value
    }

    /// Only accounts for `value`, which one caller uses and nobody shares.
    pub(super) fn put_aside(&mut self, used: Usage, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.retired.push((Arc::clone(&value), used));
        value
    }

    /// After a failed refresh: a provider that is down is not asked at every call.
    pub(super) fn postpone_refresh(&mut self, key: &Key) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.refresh_from = self.now + (entry.expires - self.now).div_ceil(2);
        }
    }

    pub(super) fn retire_if(&mut self, pick: impl Fn(&V) -> bool) {
        self.purges += 1;
        let picked = self.entries.extract_if(|_, entry| pick(&entry.value));
        self.retired.extend(picked.map(|(_, entry)| (entry.value, entry.used)));
    }

    pub(super) fn expire(&mut self, now: u64) {
        self.now = self.now.max(now);
        let before = self.retired.len();
        let expired = self.entries.extract_if(|_, entry| self.now >= entry.expires);
        self.retired.extend(expired.map(|(_, entry)| (entry.value, entry.used)));
        self.expirations += (self.retired.len() - before) as u64;
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            hits: self.hits,
            misses: self.misses,
            refreshes: self.refreshes,
            evictions: self.evictions,
            expirations: self.expirations,
            distinct_evicted: self.evicted.len(),
            entries: self.entries.len(),
            capacity: self.capacity,
        }
    }

    /// Looking through all entries is cheap beside the fetch that brought us here, and leaves a hit nothing to do
    /// but to note its turn.
    fn make_room(&mut self) {
        if self.entries.len() < self.capacity {
            return;
        }
        self.expire(self.now);
        while self.entries.len() >= self.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some((&key, _)) = oldest else { return };
            self.evictions += 1;
            if self.evicted.len() < self.capacity {
                self.evicted.insert(key);
            }
            self.retire(&key);
        }
    }

    fn retire(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.retired.push((entry.value, entry.used));
        }
    }
}

impl Limits {
    /// The use after `more`, or nothing if that is over the limits.
    fn after(&self, used: Usage, more: Usage) -> Option<Usage> {
        let messages = used.messages.checked_add(more.messages)?;
        let bytes = used.bytes.checked_add(more.bytes)?;
        (messages <= self.max_messages && bytes <= self.max_bytes).then_some(Usage { messages, bytes })
    }
}
