//! The crate `hsm` at work, as fast as it goes: a library that `benches/hsm` loads beside its bare loop in C.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use strongroom_hsm::{Fault, Module, Nonce, Scheme, Session};
use strongroom_secmem::Secret;

/// Wraps a second with so many sessions; negative if something fails. Without an HMAC key, which is 0 then, by AES-GCM.
///
/// # Safety
/// `path` is a string of C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wraps(
    path: *const c_char,
    slot: u64,
    aes: u64,
    hmac: u64,
    sessions: i32,
    seconds: f64,
) -> f64 {
    // SAFETY: as the caller says.
    let path = unsafe { CStr::from_ptr(path) };
    let scheme = match hmac {
        0 => Scheme::AesGcm { key: aes },
        mac_key => Scheme::AesCbcHmacSha256 { key: aes, mac_key },
    };
    measured(Path::new(OsStr::from_bytes(path.to_bytes())), slot, scheme, sessions, seconds).unwrap_or(-1.0)
}

fn measured(path: &Path, slot: u64, scheme: Scheme, sessions: i32, seconds: f64) -> Result<f64, Fault> {
    let (module, _) = Module::open(path, None, PATIENCE)?;
    let sessions = (0..sessions)
        .map(|_| Session::open(&module, slot, false, PATIENCE))
        .collect::<Result<Vec<_>, _>>()?;
    let stop = AtomicBool::new(false);
    let ready = Barrier::new(sessions.len() + 1);
    let (count, took) = thread::scope(|scope| {
        let loops: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| wrap_until(&stop, &ready, session, scheme)))
            .collect();
        let begun = Instant::now();
        ready.wait();
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let counts = loops.into_iter().map(|one| one.join().unwrap_or(Err(Fault::Unavailable)));
        let count = counts.sum::<Result<f64, Fault>>();
        (count, begun.elapsed())
    });
    sessions.iter().try_for_each(|session| session.close(PATIENCE))?;
    count.map(|count| count / took.as_secs_f64())
}

fn wrap_until(stop: &AtomicBool, ready: &Barrier, session: &Session, scheme: Scheme) -> Result<f64, Fault> {
    let key = Secret::copy_from(&[1; 32]);
    ready.wait();
    let (key, mut nonce, mut count) = (key?, [3; 16], 0_u32);
    while !stop.load(Ordering::Relaxed) {
        nonce[..4].copy_from_slice(&count.to_le_bytes());
        session.wrap(scheme, &key, Nonce::Given(nonce), &[2; 32], PATIENCE)?;
        count += 1;
    }
    Ok(f64::from(count))
}

const PATIENCE: Duration = Duration::from_secs(10);
