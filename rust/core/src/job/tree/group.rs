//! How files of a tree reach the disk: in groups, so that one barrier serves many.
//!
//! ```text
//! write unnamed files ──► barrier ──► name them        and one barrier more at the end, for the names
//! ```

use rustix::fs::syncfs;
use rustix::process::{Resource, getrlimit};

use super::beneath::{Beneath, io};
use super::path::TreePath;
use crate::error::{Error, Result};
use crate::job::AtomicFile;

/// Makes files durable.
pub(super) struct Durability<'a> {
    root: &'a Beneath,
    whole: bool,
}

impl<'a> Durability<'a> {
    /// Finds out whether this file system can be synced as a whole, with errors reported.
    pub(super) fn of(root: &'a Beneath) -> Self {
        let known = rustix::fs::fstatfs(root.fd()).is_ok_and(|fs| SYNCED_WHOLE.contains(&(fs.f_type as u64)));
        Durability { root, whole: known && kernel_reports_errors() }
    }

    /// Makes the contents of written files durable, before they get their names.
    pub(super) fn settle(&self, files: &[AtomicFile]) -> Result<()> {
        match files {
            _ if self.whole && files.len() > 1 => self.sync(),
            _ => files
                .iter()
                .try_for_each(|file| file.file().sync_all().map_err(Error::io("sync", file.path()))),
        }
    }

    /// Makes all names durable.
    pub(super) fn finish<'p>(&self, directories: impl Iterator<Item = &'p TreePath>) -> Result<()> {
        if self.whole {
            return self.sync();
        }
        let root: &[u8] = &[];
        for path in std::iter::once(root).chain(directories.map(TreePath::as_bytes)) {
            let synced = self.root.directory(path).and_then(rustix::fs::fsync);
            synced.map_err(|errno| io("sync", &self.root.called(path), errno))?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        syncfs(self.root.fd()).map_err(|errno| io("sync", self.root.path(), errno))
    }
}

/// Cuts a tree's files into groups of small ones, for one worker each, and large ones, of which each takes all workers.
///
/// The small ones go first: what cannot be read is known early, and the run ends on work that all cores can share.
pub(super) fn divide<T>(items: Vec<T>, size: impl Fn(&T) -> u64, workers: usize) -> (Vec<Vec<T>>, Vec<T>) {
    let (small, large): (Vec<T>, Vec<T>) = items.into_iter().partition(|item| size(item) <= LARGE);
    // enough groups that no worker waits long for another
    let per_group = small.len().div_ceil(workers * GROUPS_PER_WORKER).clamp(MIN_GROUP, MAX_GROUP);
    let per_group = per_group.min(open_files_per_worker(workers));
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for item in small {
        let more = size(&item);
        match groups.last_mut() {
            Some(group) if group.len() < per_group && bytes + more <= GROUP_BYTES => {
                bytes += more;
                group.push(item);
            }
            _ => {
                bytes = more;
                groups.push(vec![item]);
            }
        }
    }
    (groups, large)
}

/// A file that waits for its name is open, and so may be the directory it will be in.
fn open_files_per_worker(workers: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 4).unwrap_or(usize::MAX).checked_div(workers).map_or(1, |n| n.max(1))
}

/// Before Linux 5.8, syncfs(2) was silent about failed writes.
fn kernel_reports_errors() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}

/// ext4, XFS, Btrfs, F2FS, tmpfs. Others (FUSE) may take syncfs(2) and do nothing.
const SYNCED_WHOLE: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];
/// From here on, all workers share one file. Below, a file is a few runs of frames, not worth sharing.
const LARGE: u64 = 8 << 20;
const GROUP_BYTES: u64 = 32 << 20;
const GROUPS_PER_WORKER: usize = 4;
const MIN_GROUP: usize = 16;
const MAX_GROUP: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_everything_once_and_in_order() {
        let sizes: Vec<u64> = (0..3000).map(|n| if n % 700 == 0 { LARGE + n } else { n * 40 }).collect();
        let (groups, large) = divide(sizes.clone(), |size| *size, 2);
        assert_eq!(large, sizes.iter().copied().filter(|size| *size > LARGE).collect::<Vec<_>>());
        assert_eq!(groups.concat(), sizes.iter().copied().filter(|size| *size <= LARGE).collect::<Vec<_>>());
        assert!(groups.len() >= 8);
        assert!(groups.iter().all(|group| group.len() == 1 || group.iter().sum::<u64>() <= GROUP_BYTES));
        assert_eq!(divide(Vec::<u64>::new(), |size| *size, 64), (vec![], vec![]));
    }
}
