//! The reads and writes of a file job with no cipher between them.

use std::io::{IoSlice, IoSliceMut};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::vectored::{PageBuffer, read_all, write_all};
use crate::job::{AtomicFile, RUN_BYTES, SourceFile};
use crate::pipeline::{Control, Progress, parallel};

/// Time for copying a file in runs, as a job reads and writes it, with nothing in between.
pub fn measure(source: &SourceFile, target: &AtomicFile, workers: usize) -> Result<Duration> {
    let progress = Progress::default();
    let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
    // a file's runs are counted in 32 bits, as its frames are
    let runs = u32::try_from(source.len().div_ceil(RUN_BYTES as u64)).unwrap_or(u32::MAX);
    let longest = usize::try_from(source.len()).unwrap_or(RUN_BYTES).min(RUN_BYTES);
    let start = Instant::now();
    parallel(
        &control,
        0..runs,
        || Ok(PageBuffer::new(longest)),
        |buffer, run| {
            let at = u64::from(run) * RUN_BYTES as u64;
            let len = usize::try_from(source.len() - at).unwrap_or(RUN_BYTES).min(RUN_BYTES);
            let bytes = buffer.first(len);
            read_all(source.file(), &mut [IoSliceMut::new(bytes)], at)
                .map_err(Error::io("read", source.path()))?;
            write_all(target.file(), &mut [IoSlice::new(bytes)], at)
                .map_err(Error::io("write", target.path()))
        },
    )?;
    Ok(start.elapsed())
}
