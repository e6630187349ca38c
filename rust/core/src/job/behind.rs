//! Write-behind: the disk begins while there is still something to write, and not at the last sync.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::AtomicFile;
use crate::error::{Error, Result};

/// Runs a job that writes `expected` bytes to `target`, and tells [`Behind`] of them. Meanwhile a thread of its own has
/// what is written go to the disk, one step at a time.
///
/// An error of the disk is told to whoever syncs first, and to nobody again, so it ends the job.
pub(super) fn write_behind(
    target: &AtomicFile,
    expected: u64,
    job: impl FnOnce(&Behind) -> Result<()>,
) -> Result<()> {
    if expected < 2 * STEP {
        return job(&Behind { written: AtomicU64::new(0), tell: None });
    }
    let (tell, told) = bounded(1);
    thread::scope(|scope| {
        // where no thread can be had, the last sync does it all
        let syncing = thread::Builder::new().spawn_scoped(scope, || sync_when_told(target, told)).ok();
        let outcome = job(&Behind { written: AtomicU64::new(0), tell: Some(tell) });
        let synced =
            syncing.map_or(Ok(()), |thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        outcome.and(synced)
    })
}

/// How much has been written.
pub(super) struct Behind {
    written: AtomicU64,
    tell: Option<Sender<()>>,
}

impl Behind {
    /// So many bytes more are written. Waits while the disk is more than two steps behind, so that whoever cancels need
    /// not wait for gigabytes to be synced that nobody wants.
    pub(super) fn wrote(&self, bytes: usize) {
        let before = self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(tell) = &self.tell
            && before / STEP != (before + bytes as u64) / STEP
        {
            // nobody hears it where there is no thread, or the disk failed: then the job's end tells
            let _ = tell.send(());
        }
    }
}

fn sync_when_told(target: &AtomicFile, told: Receiver<()>) -> Result<()> {
    for () in told {
        rustix::fs::fdatasync(target.file())
            .map_err(|errno| Error::io("sync", target.path())(errno.into()))?;
    }
    Ok(())
}

/// Bytes between syncs: far more than what a sync costs by itself.
const STEP: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::job::Replace;

    fn target() -> (tempfile::TempDir, AtomicFile) {
        let folder = tempfile::tempdir().unwrap();
        let target = AtomicFile::create(&folder.path().join("target"), Replace::Never).unwrap();
        (folder, target)
    }

    #[test]
    fn a_job_is_done_and_its_error_told() {
        let (_folder, target) = target();
        for expected in [0, 5 * STEP] {
            let write = |behind: &Behind| {
                for _ in 0..5 {
                    target.file().write_all(b"some").unwrap();
                    behind.wrote(usize::try_from(STEP).unwrap());
                }
                Ok(())
            };
            write_behind(&target, expected, write).unwrap();
            let failing = |_: &Behind| Err(Error::Cancelled);
            assert!(matches!(write_behind(&target, expected, failing), Err(Error::Cancelled)));
        }
        assert_eq!(target.file().metadata().unwrap().len(), 40);
    }
}
