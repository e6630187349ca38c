//! What a forked child sees.
#![expect(clippy::cast_possible_truncation, reason = "numbers of pages")]

mod common;

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::in_child;
use rustix::process::{Resource, Rlimit, setrlimit};
use strongroom_secmem::{Generation, Secret, Unavailable, status};

#[test]
fn the_child_refuses_old_secrets_and_makes_new_ones() {
    let small = Secret::copy_from(&[7; 32]).unwrap();
    let large = Secret::copy_from(&[9; 3000]).unwrap();
    let generation = Generation::current();
    in_child(|| {
        assert_eq!(small.expose(), Err(Unavailable));
        assert_eq!(large.expose(), Err(Unavailable));
        assert_eq!(generation.check(), Err(Unavailable));
        let own = Secret::copy_from(&[1; 32]).unwrap();
        let other = Secret::copy_from(&[2; 3000]).unwrap();
        assert_eq!(own.expose().unwrap(), [1; 32]);
        assert_eq!(other.expose().unwrap(), [2; 3000]);
        assert_eq!(small.expose(), Err(Unavailable), "a new page in the child must not revive an old secret");
        assert_eq!(Generation::current().check(), Ok(()));
        let status = status();
        assert!(status.wipe_on_fork && status.dont_dump);
    });
    assert_eq!(small.expose().unwrap(), [7; 32]);
    assert_eq!(large.expose().unwrap(), [9; 3000]);
    assert_eq!(generation.check(), Ok(()));
}

#[test]
fn the_childs_memory_holds_zeros_where_the_secret_stood() {
    let secret = Secret::copy_from(b"a secret that must not cross it.").unwrap();
    let bytes = secret.expose().unwrap().as_ptr();
    in_child(|| {
        for i in 0..32 {
            // SAFETY: the page is mapped in the child too: `secret` is alive here.
            let byte = unsafe { bytes.wrapping_add(i).read_volatile() };
            assert_eq!(byte, 0);
        }
    });
}

#[test]
fn the_child_may_drop_what_it_inherited() {
    let inherited: Vec<_> =
        (0..200).map(|i| Secret::copy_from(&[7; 40].repeat(1 + i % 3)).unwrap()).collect();
    in_child(move || {
        let own: Vec<_> = (0..200).map(|_| Secret::copy_from(&[1; 32]).unwrap()).collect();
        drop(inherited);
        let more: Vec<_> = (0..200).map(|_| Secret::copy_from(&[2; 32]).unwrap()).collect();
        assert!(own.iter().all(|secret| secret.expose().unwrap() == [1; 32]));
        assert!(more.iter().all(|secret| secret.expose().unwrap() == [2; 32]));
    });
}

#[test]
fn generations_differ_along_a_line_of_descent() {
    let first = Generation::current();
    in_child(|| {
        let second = Generation::current();
        in_child(|| {
            let third = Generation::current();
            assert!(third != second && third != first && second != first);
            assert_eq!(
                (first.check(), second.check(), third.check()),
                (Err(Unavailable), Err(Unavailable), Ok(()))
            );
        });
        assert_eq!(second.check(), Ok(()));
    });
    // a child that never asked for its own number must not give its child ours
    in_child(|| in_child(|| assert!(Generation::current() != first)));
}

#[test]
fn forking_while_other_threads_hold_the_lock_does_not_deadlock() {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(Secret::copy_from(&[3; 32]).unwrap());
                }
            });
        }
        let outcome = catch_unwind(|| {
            for _ in 0..200 {
                in_child(|| assert_eq!(Secret::copy_from(&[4; 32]).unwrap().expose().unwrap(), [4; 32]));
            }
        });
        stop.store(true, Ordering::Relaxed); // before a failure is reported: the scope waits for its threads
        outcome.unwrap();
    });
}

/// In a process of its own, where no other test takes or gives back anything.
#[test]
fn what_was_given_back_is_used_again() {
    in_child(|| {
        let slots = status().pages as usize * (4096 / 64 - 1);
        let mut all: Vec<_> = (0..slots).map(|_| Secret::copy_from(&[1; 64]).unwrap()).collect();
        let full = status();
        for place in [0, slots / 2, slots - 1] {
            drop(all.swap_remove(place));
            all.push(Secret::copy_from(&[2; 64]).unwrap());
            assert_eq!(status(), full, "one was free");
        }
        all.clear();
        all.extend((0..slots).map(|_| Secret::copy_from(&[3; 64]).unwrap()));
        assert_eq!(status(), full, "all were free");
        all.push(Secret::copy_from(&[4; 64]).unwrap());
        assert_eq!(status().pages, 2 * full.pages, "positive control: none was free");
    });
}

#[test]
fn a_long_secret_has_pages_of_its_own_and_gives_them_back() {
    in_child(|| {
        let before = status();
        for (len, pages) in [(65, 1), (4096 - 64, 1), (4096 - 63, 2), (9000, 3)] {
            let secret = Secret::copy_from(&vec![1; len]).unwrap();
            let address = secret.expose().unwrap().as_ptr();
            assert_eq!(status().pages - before.pages, pages, "{len}");
            assert!(is_mapped(address), "positive control");
            drop(secret);
            assert_eq!(status(), before);
            assert!(!is_mapped(address));
        }
    });
}

fn is_mapped(address: *const u8) -> bool {
    let page = address.map_addr(|address| address & !4095);
    // SAFETY: whatever is at the address, this asks for nothing that is not under way already.
    unsafe { libc::msync(page.cast_mut().cast(), 1, libc::MS_ASYNC) == 0 }
}

#[test]
fn a_refused_lock_is_counted_and_the_secret_still_works() {
    in_child(|| {
        if rustix::process::geteuid().is_root() {
            // SAFETY: a child of its own, with one thread; it needs root no more.
            assert_eq!(unsafe { libc::setuid(65534) }, 0, "root ignores the limit");
        }
        let page = Some(64 * 1024);
        setrlimit(Resource::Memlock, Rlimit { current: page, maximum: page }).unwrap();
        let secrets: Vec<_> = (0..2000).map(|_| Secret::copy_from(&[5; 64]).unwrap()).collect();
        assert!(secrets.iter().all(|secret| secret.expose().unwrap() == [5; 64]));
        let status = status();
        assert_eq!(status.limit, page);
        assert_eq!(status.locked_bytes, 64 * 1024);
        assert_eq!(status.refused_bytes, 64 * 1024);
        assert_eq!(status.pages, 32);
    });
}
