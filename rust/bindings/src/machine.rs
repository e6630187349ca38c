//! Facts about this build and machine, and the process's own protection.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pyo3::prelude::*;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use strongroom_core::job::{AtomicFile, Replace, SourceFile, limit};
use strongroom_core::primitives::module;

use crate::buffer::Borrowed;
use crate::error::to_py;

/// How key memory is protected in this process: bytes and yes or no.
#[pyfunction]
pub(crate) fn memory_status() -> BTreeMap<&'static str, u64> {
    let status = strongroom_secmem::status();
    let mut facts = BTreeMap::from([
        ("pages", status.pages as u64),
        ("locked_bytes", status.locked_bytes as u64),
        ("refused_bytes", status.refused_bytes as u64),
        ("dont_dump", u64::from(status.dont_dump)),
        ("wipe_on_fork", u64::from(status.wipe_on_fork)),
    ]);
    facts.extend(status.limit.map(|limit| ("limit", limit)));
    facts
}

/// What this extension was built from, and whether its cryptographic module passes its own tests now.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> BTreeMap<&'static str, &'static str> {
    let passes = py.detach(module::self_test).is_ok();
    BTreeMap::from([
        ("core", env!("CARGO_PKG_VERSION")),
        ("crypto_library", module::NAME),
        ("crypto_version", module::version()),
        ("fips_mode", if module::is_fips() { "on" } else { "off" }),
        ("self_test", if passes { "passed" } else { "failed" }),
        ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
    ])
}

/// No core dumps of this process, and no debugger of the same user: for commands, before they read a secret.
#[pyfunction]
pub(crate) fn disable_core_dumps() -> PyResult<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(std::io::Error::from)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(std::io::Error::from)?;
    Ok(())
}

/// Seconds that the bare cipher takes for so many bytes, `rounds` times: the limit that our own paths are measured
/// against.
#[pyfunction]
#[pyo3(signature = (frame_length, total_bytes, workers, *, decrypt = false, rounds = 1))]
pub(crate) fn bench_limit(
    py: Python<'_>,
    frame_length: usize,
    total_bytes: usize,
    workers: usize,
    decrypt: bool,
    rounds: usize,
) -> PyResult<f64> {
    let side = if decrypt { limit::Side::Open } else { limit::Side::Seal };
    let time = py.detach(|| limit::measure_buffers(frame_length, total_bytes, workers, rounds, side));
    time.map(|time| time.as_secs_f64()).map_err(to_py)
}

/// The same in buffers of the caller, so that the limit and what is measured against it share their memory. With `opened`
/// it times opening what it sealed.
#[pyfunction]
#[pyo3(signature = (frame_length, plaintext, sealed, workers, *, opened = None, rounds = 1))]
pub(crate) fn bench_limit_in(
    py: Python<'_>,
    frame_length: usize,
    plaintext: &Bound<'_, PyAny>,
    sealed: &Bound<'_, PyAny>,
    workers: usize,
    opened: Option<&Bound<'_, PyAny>>,
    rounds: usize,
) -> PyResult<f64> {
    let (plaintext, mut sealed) = (Borrowed::new(plaintext)?, Borrowed::writable(sealed)?);
    let mut opened = opened.map(Borrowed::writable).transpose()?;
    let measure = || {
        plaintext.apart_from(&sealed)?;
        let len = limit::sealed_len(frame_length.max(1), plaintext.len());
        let seal_rounds = if opened.is_some() { 1 } else { rounds };
        let sealed_bytes = sealed.first(len)?;
        let sealing =
            limit::measure_sealing(frame_length, workers, seal_rounds, plaintext.bytes(), sealed_bytes)?;
        let Some(opened) = &mut opened else { return Ok(sealing) };
        sealed.apart_from(opened)?;
        let bytes = opened.first(plaintext.len())?;
        limit::measure_opening(frame_length, workers, rounds, &sealed.bytes()[..len], bytes)
    };
    py.detach(measure).map(|time| time.as_secs_f64()).map_err(to_py)
}

/// Seconds that the crypto library alone takes for so many messages of so many bytes: the floor of small messages.
#[pyfunction]
#[pyo3(signature = (count, size, workers, *, decrypt = false))]
pub(crate) fn bench_messages(
    py: Python<'_>,
    count: usize,
    size: usize,
    workers: usize,
    decrypt: bool,
) -> PyResult<f64> {
    let side = if decrypt { limit::Side::Open } else { limit::Side::Seal };
    let time = py.detach(|| limit::measure_messages(count, size, workers, side));
    time.map(|time| time.as_secs_f64()).map_err(to_py)
}

/// Seconds that the reads and writes of a file job take without a cipher: the floor of files.
#[pyfunction]
pub(crate) fn bench_copy(py: Python<'_>, source: PathBuf, target: PathBuf, workers: usize) -> PyResult<f64> {
    let copy = || {
        let source = SourceFile::open(&source)?;
        let target = AtomicFile::create(&target, Replace::Existing)?;
        let time = limit::measure_copy(&source, &target, workers)?;
        target.commit()?;
        Ok(time.as_secs_f64())
    };
    py.detach(copy).map_err(to_py)
}

/// Seconds that so many positioned reads of one frame take, each with one frame under the bare cipher: the floor of
/// random reads.
#[pyfunction]
pub(crate) fn bench_ranged(py: Python<'_>, path: PathBuf, frame_bytes: usize, reads: u32) -> PyResult<f64> {
    let read = || limit::measure_ranged(&SourceFile::open(&path)?, frame_bytes, reads);
    py.detach(read).map(|time| time.as_secs_f64()).map_err(to_py)
}
