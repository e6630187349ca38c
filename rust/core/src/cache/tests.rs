use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::{Cache, Limits, Usage};

/// A value that counts, beside the cache's own books, what its users did with it.
struct Value {
    id: u64,
    messages: AtomicU64,
}

impl Value {
    fn new(id: u64) -> Value {
        Value { id, messages: AtomicU64::new(0) }
    }
}

#[test]
fn limits_hold_to_the_message_over_64_threads() {
    let cache = Cache::new(4);
    let limits = Limits { max_messages: 10, ..ROOMY };
    let (fetches, asked) = (AtomicU64::new(0), AtomicU64::new(0));
    let drained = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..64_u64 {
            let (cache, fetches, asked, drained) = (&cache, &fetches, &asked, &drained);
            scope.spawn(move || {
                for round in 0..500 {
                    let usage = Usage { messages: 1 + (thread + round) % 4, bytes: 1 };
                    let key = [(round % 6) as u8; 32];
                    let value = cache.get_or_fetch(&key, 0, usage, || {
                        Ok::<_, Infallible>((Value::new(fetches.fetch_add(1, Ordering::Relaxed)), limits))
                    });
                    value.unwrap().messages.fetch_add(usage.messages, Ordering::Relaxed);
                    asked.fetch_add(usage.messages, Ordering::Relaxed);
                    if round % 50 == 0 {
                        drained.lock().unwrap().extend(cache.drain_retired());
                    }
                }
            });
        }
    });
    cache.clear();
    let mut drained = drained.into_inner().unwrap();
    drained.extend(cache.drain_retired());

    assert_eq!(drained.len() as u64, fetches.into_inner(), "every fetched value comes out once");
    for (value, usage) in &drained {
        assert!(usage.messages <= 10);
        assert_eq!(usage.messages, value.messages.load(Ordering::Relaxed), "the books agree with the users");
    }
    let total: u64 = drained.iter().map(|(_, usage)| usage.messages).sum();
    assert_eq!(total, asked.into_inner());
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses, 64 * 500);
    assert!(stats.hits > 0 && stats.evictions > 0, "positive control: the test shared and evicted");
}

#[test]
fn bytes_are_limited_as_exactly_as_messages() {
    let cache = Cache::new(1);
    let limits = Limits { max_bytes: 100, ..ROOMY };
    let first = cache.insert(KEY, 0, Usage { messages: 1, bytes: 60 }, 1, limits);
    assert!(cache.get(&KEY, 0, Usage { messages: 1, bytes: 41 }).is_none());
    assert_eq!(cache.get(&KEY, 0, Usage { messages: 1, bytes: 40 }).as_deref(), Some(&1));
    assert!(cache.get(&KEY, 0, Usage { messages: 1, bytes: u64::MAX }).is_none());
    assert_eq!(fetched(&cache, 0, 2), Ok(2), "what does not fit is fetched anew");
    assert_eq!(retired(&cache), [(*first, Usage { messages: 2, bytes: 100 })]);
}

#[test]
fn one_flight_serves_all_who_wait() {
    let cache = Cache::new(4);
    let fetches = AtomicUsize::new(0);
    let start = Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                start.wait();
                let value = cache.get_or_fetch(&KEY, 0, ONE, || {
                    thread::sleep(Duration::from_millis(50));
                    Ok::<_, ()>((fetches.fetch_add(1, Ordering::Relaxed), ROOMY))
                });
                assert_eq!(value.as_deref(), Ok(&0));
            });
        }
    });
    assert_eq!(fetches.into_inner(), 1);
}

#[test]
fn a_fetch_of_one_key_does_not_hold_up_another() {
    let cache = Cache::new(4);
    let nested = cache.get_or_fetch(&KEY, 0, ONE, || {
        assert_eq!(cache.get_or_fetch(&[9; 32], 0, ONE, || Ok::<_, ()>((2, ROOMY))).as_deref(), Ok(&2));
        assert!(cache.get(&KEY, 0, ONE).is_none(), "the fast path does not wait");
        Ok::<_, ()>((1, ROOMY))
    });
    assert_eq!(nested.as_deref(), Ok(&1));
}

#[test]
fn whoever_asks_from_within_a_fetch_waits_for_nobody() {
    let cache = Cache::new(4);
    let (entered, other_flies) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let cache = &cache;
        let other = scope.spawn(move || {
            cache.get_or_fetch(&[9; 32], 0, ONE, || {
                entered.send(()).unwrap();
                wait.recv().unwrap();
                Ok::<_, ()>((1, ROOMY))
            })
        });
        let outer = cache.get_or_fetch(&KEY, 0, ONE, || {
            other_flies.recv().unwrap();
            assert_eq!(fetched(cache, 0, 3), Ok(3), "its own flight");
            let others = cache.get_or_fetch(&[9; 32], 0, ONE, || Ok::<_, ()>((4, ROOMY)));
            assert_eq!(others.as_deref(), Ok(&4), "the flight of somebody who may wait for us");
            release.send(()).unwrap();
            Ok::<_, ()>((2, ROOMY))
        });
        assert_eq!(outer.as_deref(), Ok(&2));
        assert_eq!(other.join().unwrap().as_deref(), Ok(&1));
    });
    assert_eq!(fetched(&cache, 0, 5), Ok(2), "what was fetched apart is not shared");
    assert_eq!(retired(&cache), [(3, ONE), (4, ONE)]);
    assert_eq!(cache.stats().misses, 4);
}

#[test]
fn after_a_failed_fetch_each_waiter_tries_for_itself() {
    let cache = Cache::<()>::new(4);
    let tries = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let failed = cache.get_or_fetch(&KEY, 0, ONE, || {
                    thread::sleep(Duration::from_millis(5));
                    Err(tries.fetch_add(1, Ordering::Relaxed))
                });
                assert!(failed.is_err());
            });
        }
    });
    assert_eq!(tries.into_inner(), 8);
    assert!(cache.drain_retired().is_empty());
}

#[test]
fn a_panicking_fetch_leaves_nobody_waiting() {
    let cache = Cache::new(4);
    thread::scope(|scope| {
        let (entered, wait) = mpsc::channel();
        let cache = &cache;
        let failing = scope.spawn(move || {
            cache.get_or_fetch::<()>(&KEY, 0, ONE, || {
                entered.send(()).unwrap();
                thread::sleep(Duration::from_millis(20));
                std::panic::resume_unwind(Box::new("the provider's client panicked"))
            })
        });
        wait.recv().unwrap();
        assert_eq!(fetched(cache, 0, 7), Ok(7));
        assert!(failing.join().is_err());
    });
}

#[test]
fn in_the_last_tenth_one_caller_refreshes_and_the_others_hit() {
    let cache = Cache::new(4);
    cache.insert(KEY, 1000, ONE, 1, AGE_100);
    assert_eq!(fetched(&cache, 1089, 2), Ok(1));
    assert_eq!(cache.get(&KEY, 1089, ONE).as_deref(), Some(&1));
    assert!(cache.get(&KEY, 1090, ONE).is_none(), "a refresh is due and nobody is on it");
    let refreshed = cache.get_or_fetch(&KEY, 1090, ONE, || {
        assert_eq!(fetched(&cache, 1091, 3), Ok(1), "others hit meanwhile");
        assert_eq!(cache.get(&KEY, 1092, ONE).as_deref(), Some(&1));
        Ok::<_, ()>((2, AGE_100))
    });
    assert_eq!(refreshed.as_deref(), Ok(&2));
    assert_eq!(fetched(&cache, 1092, 4), Ok(2));
    assert_eq!(retired(&cache), [(1, Usage { messages: 5, bytes: 5 })]);
    assert_eq!((cache.stats().refreshes, cache.stats().misses), (1, 0));
}

#[test]
fn a_failed_refresh_serves_the_entry_and_waits_before_the_next() {
    let cache = Cache::new(4);
    cache.insert(KEY, 0, ONE, 1, AGE_100);
    assert_eq!(failing(&cache, 90), (Ok(1), true));
    assert_eq!(failing(&cache, 94), (Ok(1), false), "no new try before half of the rest");
    assert_eq!(failing(&cache, 95), (Ok(1), true));
    assert_eq!(failing(&cache, 99), (Ok(1), true));
    assert_eq!(failing(&cache, 100), (Err("down"), true), "nothing stale");
    assert_eq!(retired(&cache), [(1, Usage { messages: 5, bytes: 5 })]);
}

#[test]
fn a_refresh_that_fails_after_expiry_serves_nothing() {
    let cache = Cache::new(4);
    cache.insert(KEY, 0, ONE, 1, AGE_100);
    let slow = cache.get_or_fetch(&KEY, 95, ONE, || {
        assert!(cache.get(&[9; 32], 101, ONE).is_none(), "another caller knows how late it is");
        Err("down")
    });
    assert_eq!(slow, Err("down"));
}

#[test]
fn time_does_not_run_backwards() {
    let cache = Cache::new(4);
    cache.insert(KEY, 0, ONE, 1, AGE_100);
    assert!(cache.get(&[9; 32], 100, ONE).is_none());
    assert!(cache.get(&KEY, 50, ONE).is_none());
}

#[test]
fn the_least_recently_used_entry_makes_room() {
    let cache = Cache::new(3);
    for name in 1..=3 {
        cache.insert([name; 32], 0, ONE, name, ROOMY);
    }
    assert!(cache.get(&[1; 32], 0, ONE).is_some());
    cache.insert([4; 32], 0, ONE, 4, ROOMY);
    assert_eq!(retired(&cache), [(2, ONE)]);
    for name in 5..=20 {
        cache.insert([name; 32], 0, ONE, name, ROOMY);
    }
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.evictions, stats.distinct_evicted), (3, 17, 3));
}

/// Several caches, since one alone may guess right.
#[test]
fn the_oldest_makes_room_whether_it_was_put_or_hit_then() {
    for _ in 0..10 {
        let cache = Cache::new(8);
        (1..=8).for_each(|name| drop(cache.insert([name; 32], 0, ONE, name, ROOMY)));
        cache.insert([9; 32], 0, ONE, 9, ROOMY);
        assert_eq!(retired(&cache), [(1, ONE)], "put first");
        for name in 2..=8 {
            assert!(cache.get(&[name; 32], 0, ONE).is_some());
        }
        cache.insert([10; 32], 0, ONE, 10, ROOMY);
        assert_eq!(retired(&cache), [(9, ONE)], "put last, and hit by nobody");
    }
}

#[test]
fn expirations_are_counted_wherever_they_are_noticed() {
    let cache = Cache::new(4);
    for name in 1..=3 {
        cache.insert([name; 32], 0, ONE, name, Limits { max_age_ns: u64::from(name), ..ROOMY });
    }
    assert!(cache.get(&[1; 32], 1, ONE).is_none());
    assert_eq!(cache.stats().expirations, 1, "by whoever asks");
    cache.expire(2);
    cache.expire(3);
    assert_eq!((cache.stats().expirations, cache.stats().entries), (3, 0), "by the clock");
}

#[test]
fn only_a_full_cache_looks_for_what_has_expired() {
    let cache = Cache::new(2);
    cache.insert([1; 32], 0, ONE, 1, AGE_100);
    cache.insert([2; 32], 200, ONE, 2, ROOMY);
    assert_eq!((retired(&cache), cache.stats().entries), (vec![], 2));
    cache.insert([3; 32], 200, ONE, 3, ROOMY);
    assert_eq!(retired(&cache), [(1, ONE)]);
}

#[test]
fn expired_entries_go_before_used_ones_do() {
    let cache = Cache::new(2);
    cache.insert([1; 32], 0, ONE, 1, ROOMY);
    cache.insert([2; 32], 0, ONE, 2, AGE_100);
    cache.insert([3; 32], 100, ONE, 3, ROOMY);
    assert_eq!(retired(&cache), [(2, ONE)]);
    assert_eq!((cache.stats().evictions, cache.stats().expirations), (0, 1));
    cache.insert([2; 32], 100, ONE, 4, AGE_100);
    cache.expire(199);
    assert_eq!(retired(&cache), [(1, ONE)], "evicted: the cache was full");
    cache.expire(200);
    assert_eq!(retired(&cache), [(4, ONE)]);
}

#[test]
fn what_is_in_flight_during_a_purge_is_not_shared() {
    let cache = Cache::new(4);
    for purge in [Cache::clear as fn(&Cache<u64>), |cache| cache.retire_if(|&value| value == 77)] {
        let fetched_value = cache.get_or_fetch(&KEY, 0, ONE, || {
            purge(&cache);
            Ok::<_, ()>((1, ROOMY))
        });
        assert_eq!(fetched_value.as_deref(), Ok(&1));
        assert!(cache.get(&KEY, 0, ONE).is_none());
        assert_eq!(retired(&cache), [(1, ONE)]);
    }
}

#[test]
fn retire_if_takes_what_it_picks() {
    let cache = Cache::new(4);
    for name in 1..=4_u8 {
        cache.insert([name; 32], 0, ONE, name, ROOMY);
    }
    cache.retire_if(|value| value % 2 == 0);
    let mut picked = retired(&cache);
    picked.sort_unstable_by_key(|(value, _)| *value);
    assert_eq!(picked, [(2, ONE), (4, ONE)]);
    assert_eq!(cache.stats().entries, 2);
}

#[test]
fn what_cannot_be_shared_is_only_accounted_for() {
    let big = Usage { messages: 11, bytes: 0 };
    let ten = Limits { max_messages: 10, ..ROOMY };
    let cache = Cache::new(4);
    cache.insert(KEY, 0, ONE, 1, ten);
    assert_eq!(cache.get_or_fetch(&KEY, 0, big, || Ok::<_, ()>((2, ten))).as_deref(), Ok(&2));
    assert_eq!(retired(&cache), [(2, big)]);
    assert_eq!(fetched(&cache, 0, 3), Ok(1), "the entry of the others stays");

    cache.insert([9; 32], 0, ONE, 4, Limits { max_age_ns: 0, ..ROOMY });
    assert!(cache.get(&[9; 32], 0, ONE).is_none());
    let none = Cache::new(0);
    assert_eq!(fetched(&none, 0, 5), Ok(5));
    assert_eq!(retired(&none), [(5, ONE)]);
}

#[derive(Debug, Clone)]
enum Step {
    Get { key: u8, messages: u64 },
    Fetch { key: u8, messages: u64, fails: bool },
    Insert { key: u8, messages: u64 },
    Pass(u64),
    RetireOdd,
    Clear,
    Expire,
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let (key, messages) = (0..5_u8, 0..7_u64);
    prop_oneof![
        4 => (key.clone(), messages.clone()).prop_map(|(key, messages)| Step::Get { key, messages }),
        8 => (key.clone(), messages.clone(), prop::bool::weighted(0.2))
            .prop_map(|(key, messages, fails)| Step::Fetch { key, messages, fails }),
        1 => (key, messages).prop_map(|(key, messages)| Step::Insert { key, messages }),
        6 => (1..60_u64).prop_map(Step::Pass),
        1 => Just(Step::RetireOdd),
        1 => Just(Step::Clear),
        1 => Just(Step::Expire),
        2 => Just(Step::Drain),
    ]
}

/// Watches every value from birth to retirement.
struct Observer {
    cache: Cache<Value>,
    now: u64,
    born: HashMap<u64, u64>,
    drained: HashMap<u64, u64>,
}

impl Observer {
    fn birth(born: &mut HashMap<u64, u64>, now: u64) -> Value {
        let id = born.len() as u64;
        born.insert(id, now);
        Value::new(id)
    }

    fn run(&mut self, step: &Step) {
        let limits = Limits { max_age_ns: 100, max_messages: 5, max_bytes: u64::MAX };
        let usage = |messages| Usage { messages, bytes: 0 };
        let Observer { cache, now, born, .. } = self;
        let served = match *step {
            Step::Get { key, messages } => {
                cache.get(&[key; 32], *now, usage(messages)).map(|v| (v, messages))
            }
            Step::Fetch { key, messages, fails } => {
                let fetch = || if fails { Err(()) } else { Ok((Self::birth(born, *now), limits)) };
                cache.get_or_fetch(&[key; 32], *now, usage(messages), fetch).ok().map(|v| (v, messages))
            }
            Step::Insert { key, messages } => {
                let value = Self::birth(born, *now);
                Some((cache.insert([key; 32], *now, usage(messages), value, limits), messages))
            }
            Step::Pass(time) => {
                *now += time;
                None
            }
            Step::RetireOdd => {
                cache.retire_if(|value| value.id % 2 == 1);
                None
            }
            Step::Clear => {
                cache.clear();
                None
            }
            Step::Expire => {
                cache.expire(*now);
                None
            }
            Step::Drain => {
                self.drain();
                None
            }
        };
        if let Some((value, messages)) = served {
            assert!(self.now - self.born[&value.id] < 100, "nothing stale");
            let before = value.messages.fetch_add(messages, Ordering::Relaxed);
            assert!(before == 0 || before + messages <= 5, "shared within its limits");
            assert!(!self.drained.contains_key(&value.id), "retired for good");
        }
        assert!(self.cache.stats().entries <= 3);
    }

    fn drain(&mut self) {
        for (value, usage) in self.cache.drain_retired() {
            assert_eq!(usage.messages, value.messages.load(Ordering::Relaxed));
            assert_eq!(self.drained.insert(value.id, usage.messages), None, "comes out once");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_calls_breaks_a_promise(steps in prop::collection::vec(step(), 1..80)) {
        let mut observer =
            Observer { cache: Cache::new(3), now: 0, born: HashMap::new(), drained: HashMap::new() };
        for step in &steps {
            observer.run(step);
        }
        observer.cache.clear();
        observer.drain();
        prop_assert_eq!(observer.drained.len(), observer.born.len());
    }
}

fn fetched(cache: &Cache<u64>, now: u64, value: u64) -> Result<u64, ()> {
    cache.get_or_fetch(&KEY, now, ONE, || Ok((value, AGE_100))).map(|value| *value)
}

/// Asks with a provider that is down; also says whether it was asked.
fn failing(cache: &Cache<u64>, now: u64) -> (Result<u64, &'static str>, bool) {
    let mut asked = false;
    let answer = cache.get_or_fetch(&KEY, now, ONE, || {
        asked = true;
        Err("down")
    });
    (answer.map(|value| *value), asked)
}

fn retired<V: Copy + Send + Sync>(cache: &Cache<V>) -> Vec<(V, Usage)> {
    cache.drain_retired().into_iter().map(|(value, usage): (Arc<V>, Usage)| (*value, usage)).collect()
}

const KEY: [u8; 32] = [7; 32];
const ONE: Usage = Usage { messages: 1, bytes: 1 };
const ROOMY: Limits = Limits { max_age_ns: u64::MAX, max_messages: u64::MAX, max_bytes: u64::MAX };
const AGE_100: Limits = Limits { max_age_ns: 100, ..ROOMY };
