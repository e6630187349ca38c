//! What the kernel and the memory of this process say about secrets.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use strongroom_secmem::{MAX_LEN, Secret, Unavailable, status};

#[test]
fn a_dropped_secret_is_gone_from_memory() {
    for len in [32, 64] {
        let canary = canary(len);
        let secret = Secret::copy_from(&canary).unwrap();
        let address = secret.expose().unwrap().as_ptr() as u64;
        assert_eq!(
            peek(address, len).unwrap(),
            canary,
            "positive control: the canary is found while it lives"
        );
        drop(secret);
        assert_ne!(peek(address, len).unwrap(), canary);
    }
}

#[test]
fn a_dropped_long_secret_is_gone_from_memory() {
    let canary = canary(9000);
    let secret = Secret::copy_from(&canary).unwrap();
    let address = secret.expose().unwrap().as_ptr() as u64;
    assert_eq!(peek(address, 9000).unwrap(), canary, "positive control");
    drop(secret);
    // unmapped, or mapped anew by another test
    assert!(peek(address, 9000).is_none_or(|bytes| bytes != canary));
}

#[test]
fn a_failed_or_panicking_fill_leaves_nothing() {
    let canary = canary(48);
    let mut address = 0;
    let failed = Secret::fill_with(48, |memory| {
        address = memory.as_ptr() as u64;
        memory.copy_from_slice(&canary);
        assert_eq!(peek(address, 48).unwrap(), canary, "positive control");
        Err(Unavailable)
    });
    assert_eq!(failed.err(), Some(Unavailable));
    assert_ne!(peek(address, 48).unwrap(), canary);

    let panicked = std::panic::catch_unwind(|| {
        let _ = Secret::fill_with::<Unavailable>(48, |memory| {
            memory.copy_from_slice(&canary);
            std::panic::resume_unwind(Box::new(memory.as_ptr() as u64));
        });
    });
    let address = *panicked.unwrap_err().downcast::<u64>().unwrap();
    assert_ne!(peek(address, 48).unwrap(), canary);
}

#[test]
fn memory_is_handed_over_zeroed() {
    for _ in 0..3 {
        for len in [1, 64, 65, 5000, MAX_LEN] {
            let secret = Secret::fill_with::<Unavailable>(len, |memory| {
                assert!(memory.iter().all(|&byte| byte == 0));
                memory.fill(0xff);
                Ok(())
            });
            let secret = secret.unwrap();
            assert_eq!((secret.len(), secret.expose().unwrap()), (len, &vec![0xff; len][..]));
        }
    }
}

#[test]
fn the_pages_carry_the_kernels_flags() {
    for len in [32, 5000] {
        let secret = Secret::copy_from(&canary(len)).unwrap();
        let flags = vm_flags(secret.expose().unwrap().as_ptr() as u64);
        for flag in ["dd", "wf", "lo"] {
            assert!(flags.split(' ').any(|found| found == flag), "{flag} is missing in {flags}");
        }
    }
    let stack = [1_u8; 32];
    assert!(
        !vm_flags(stack.as_ptr() as u64).contains("wf"),
        "positive control: plain memory has no such flag"
    );
    let status = status();
    assert!(status.dont_dump && status.wipe_on_fork && status.locked_bytes > 0);
}

#[test]
fn lengths_out_of_range_are_refused() {
    for len in [0, MAX_LEN + 1, usize::MAX] {
        assert_eq!(Secret::fill_with(len, |_| Ok(())).err(), Some(Unavailable));
    }
}

#[test]
fn debug_shows_the_length_only() {
    assert_eq!(format!("{:?}", Secret::copy_from(&[b'x'; 32]).unwrap()), "Secret(32 bytes)");
}

#[test]
fn eight_threads_never_share_a_slot() {
    thread::scope(|scope| {
        for tag in 1..=8_u8 {
            scope.spawn(move || {
                let mut live = Vec::new();
                for i in 0..20_000_usize {
                    live.push(Secret::copy_from(&vec![tag; 1 + i % 64]).unwrap());
                    if live.len() == 100 {
                        let old = live.swap_remove(i * 7919 % 100);
                        assert!(old.expose().unwrap().iter().all(|&byte| byte == tag));
                    }
                }
                assert!(live.iter().all(|secret| secret.expose().unwrap().iter().all(|&byte| byte == tag)));
            });
        }
    });
}

#[test]
fn a_hundred_thousand_secrets_fit_in_eight_mebibytes() {
    let before = status().pages;
    let secrets: Vec<_> = (0..100_000_u32).map(|i| Secret::copy_from(&i.to_le_bytes()).unwrap()).collect();
    for (i, secret) in (0_u32..).zip(&secrets) {
        assert_eq!(secret.expose().unwrap(), i.to_le_bytes());
    }
    let after = status();
    assert!(after.pages - before < 1700, "{} pages", after.pages - before);
    assert!(after.locked_bytes + after.refused_bytes < 8 << 20);
}

/// Bytes that stand nowhere in the binary and differ from call to call.
fn canary(len: usize) -> Vec<u8> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let seed = std::process::id() ^ CALLS.fetch_add(1, Ordering::Relaxed) << 24;
    (0_u32..).map(|i| (i ^ seed).wrapping_mul(0x9e37_79b1).to_be_bytes()[0] | 1).take(len).collect()
}

/// Reads this process's memory past the compiler's back; `None` where nothing is mapped.
fn peek(address: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, address).ok()?;
    Some(bytes)
}

fn vm_flags(address: u64) -> String {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        let range = line.split(' ').next().and_then(|first| first.split_once('-'));
        if let Some((start, end)) = range
            && let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        {
            inside = (start..end).contains(&address);
        }
        if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags: ")) {
            return flags.to_owned();
        }
    }
    panic!("nothing is mapped at {address:x}");
}
