//! How files of a tree reach the disk: in groups, so that one barrier serves many.
//!
//! ```text
//! workers: write unnamed files ─┐                       ┌─► workers: name them      and at the end one barrier more,
//!                               └─► a thread: barrier ──┘                           for the names
//! ```

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rustix::fs::syncfs;
use rustix::process::{Resource, getrlimit};

use super::alone;
use super::beneath::{Beneath, io};
use super::path::TreePath;
use crate::error::{Error, Result};
use crate::job::AtomicFile;
use crate::pipeline::{Control, parallel_then};

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

    /// What can be done for written files right away: to sync each, where they cannot be synced together.
    pub(super) fn prepare<'f>(&self, mut files: impl Iterator<Item = &'f AtomicFile>) -> Result<()> {
        match self.whole {
            true => Ok(()),
            false => files.try_for_each(sync_file),
        }
    }

    /// Makes the contents of prepared files durable, before they get their names.
    pub(super) fn settle<'f>(&self, mut files: impl Iterator<Item = &'f AtomicFile>) -> Result<()> {
        if !self.whole {
            return Ok(());
        }
        match (files.next(), files.next()) {
            (Some(_), Some(_)) => self.sync(),
            // whatever else the file system has to write need not be waited for
            (Some(one), _) => sync_file(one),
            _ => Ok(()),
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

fn sync_file(file: &AtomicFile) -> Result<()> {
    file.file().sync_all().map_err(Error::io("sync", file.path()))
}

/// What is done with each group of files.
pub(super) trait Course: Sync {
    /// A file, as it comes.
    type Item: Send;
    /// What one thread works with.
    type Hands;
    /// A group whose files are written.
    type Written: Send;

    fn hands(&self) -> Result<Self::Hands>;
    /// The directory that a file is in, as a path.
    fn directory<'i>(&self, file: &'i Self::Item) -> &'i [u8];
    /// Writes the files of a group, and gives them no names. One thread does, or all that `control` allows for one file.
    fn write(
        &self,
        hands: &mut Self::Hands,
        group: Vec<Self::Item>,
        control: &Control<'_>,
    ) -> Result<Self::Written>;
    /// Makes groups durable, all at once.
    fn settle(&self, groups: &[&Self::Written], control: &Control<'_>) -> Result<()>;
    /// Gives the files of a durable group their names.
    fn name(&self, group: Self::Written) -> Result<()>;
}

/// Takes all files through their course. No worker waits for the disk: while some groups settle, the next are written.
///
/// The large files begin as soon as no group of small ones is left for the calling thread.
pub(super) fn run<C: Course>(course: &C, files: Divided<C::Item>, control: &Control<'_>) -> Result<()> {
    let (written_in, written_out) = bounded(control.workers * WAITING_PER_WORKER);
    let (settled_in, settled_out) = unbounded();
    let budget = Budget::new(most_open());
    thread::scope(|scope| {
        let settling = move || settle(course, written_out, settled_in, control);
        let Ok(settler) = thread::Builder::new().spawn_scoped(scope, settling) else {
            return write_all(files, course, control, |hands, group, control| {
                let written = course.write(hands, group, control)?;
                course.settle(&[&written], &alone(control))?;
                course.name(written)
            });
        };
        let name = |group: Open<C::Written>| {
            course.name(group.written)?;
            budget.give(group.opens);
            Ok(())
        };
        let worked = write_all(files, course, control, |hands, group, control| {
            let opens = opens(course, &group);
            while !budget.take(opens) {
                match settled_out.recv_timeout(PAUSE) {
                    Ok(group) => name(group)?,
                    Err(RecvTimeoutError::Timeout) => control.check()?,
                    // whoever settles no more says why
                    Err(RecvTimeoutError::Disconnected) => return Err(Error::Cancelled),
                }
            }
            let written = course.write(hands, group, control)?;
            written_in.send(Open { written, opens }).map_err(|_| Error::Cancelled)?;
            settled_out.try_iter().try_for_each(name)
        });
        drop(written_in);
        let settled = settler.join().unwrap_or_else(|panic| resume_unwind(panic));
        // even if something failed: these are done, and need not be done again
        let named = settled_out.try_iter().try_for_each(name);
        settled.and(worked).and(named)
    })
}

fn write_all<C: Course>(
    files: Divided<C::Item>,
    course: &C,
    control: &Control<'_>,
    each: impl Fn(&mut C::Hands, Vec<C::Item>, &Control<'_>) -> Result<()> + Sync,
) -> Result<()> {
    parallel_then(
        control,
        files.small.into_iter(),
        || course.hands(),
        |hands, group| each(hands, group, &alone(control)),
        |hands, control| {
            files.large.into_iter().try_for_each(|file| {
                (control.poll)()?;
                each(hands, vec![file], control)
            })
        },
    )
}

/// A group that has no names yet, and how many descriptors it holds.
struct Open<W> {
    written: W,
    opens: usize,
}

/// Its files, and the directories that they will be in.
fn opens<C: Course>(course: &C, group: &[C::Item]) -> usize {
    let directories = group.chunk_by(|a, b| course.directory(a) == course.directory(b)).count();
    group.len() + directories
}

/// Descriptors that groups may hold all together.
struct Budget(Mutex<usize>);

impl Budget {
    fn new(most: usize) -> Self {
        Budget(Mutex::new(most))
    }

    fn take(&self, count: usize) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = left.checked_sub(count);
        *left = enough.unwrap_or(*left);
        enough.is_some()
    }

    fn give(&self, count: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += count;
    }
}

fn settle<C: Course>(
    course: &C,
    written: Receiver<Open<C::Written>>,
    settled: Sender<Open<C::Written>>,
    control: &Control<'_>,
) -> Result<()> {
    while let Ok(first) = written.recv() {
        let groups: Vec<_> = std::iter::once(first).chain(written.try_iter()).collect();
        let all: Vec<_> = groups.iter().map(|group| &group.written).collect();
        course.settle(&all, &alone(control))?;
        for group in groups {
            // taken by whoever is free next
            let _ = settled.send(group);
        }
    }
    Ok(())
}

/// A tree's files, cut into groups of small ones, for one worker each, and large ones, of which each takes all workers.
pub(super) struct Divided<T> {
    pub(super) small: Vec<Vec<T>>,
    pub(super) large: Vec<T>,
}

/// Cuts a tree's files into groups of small ones, for one worker each, and large ones, of which each takes all workers.
///
/// The small ones go first: what cannot be read is known early, and the run ends on work that all cores can share.
pub(super) fn divide<T>(items: Vec<T>, size: impl Fn(&T) -> u64, workers: usize) -> Divided<T> {
    let (small, large): (Vec<T>, Vec<T>) = items.into_iter().partition(|item| size(item) <= LARGE);
    // enough groups that no worker waits long for another
    let per_group = small.len().div_ceil(workers * GROUPS_PER_WORKER).clamp(MIN_GROUP, MAX_GROUP);
    // each worker can write one while as many settle, even if each file is in a directory of its own
    let per_group = per_group.min((most_open() / (2 * workers + 2)).max(1));
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
    Divided { small: groups, large }
}

/// A file that waits for its name is open, and so is the directory that it will be in.
fn most_open() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 8 * 5).unwrap_or(usize::MAX).max(2)
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
/// Groups that wait for the disk: the more there are, the fewer barriers a slow one takes.
const WAITING_PER_WORKER: usize = 3;
/// How long a worker waits at a time while too many files are open.
const PAUSE: Duration = Duration::from_millis(1);
const MIN_GROUP: usize = 16;
const MAX_GROUP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Progress;

    /// Remembers what was done with each file, in order; fails at one step of one file.
    #[derive(Default)]
    struct Fake {
        done: Mutex<Vec<(&'static str, u64)>>,
        fails: Option<(&'static str, u64)>,
    }

    impl Fake {
        fn step(&self, step: &'static str, files: &[u64]) -> Result<()> {
            let mut done = self.done.lock().unwrap();
            for &file in files {
                if self.fails == Some((step, file)) {
                    return Err(Error::Misuse(step.into()));
                }
                done.push((step, file));
            }
            Ok(())
        }

        fn steps_of(&self, file: u64) -> Vec<&'static str> {
            let done = self.done.lock().unwrap();
            done.iter().filter(|(_, of)| *of == file).map(|(step, _)| *step).collect()
        }
    }

    impl Course for Fake {
        type Item = u64;
        type Hands = ();
        type Written = Vec<u64>;

        fn hands(&self) -> Result<()> {
            Ok(())
        }

        fn write(&self, (): &mut (), group: Vec<u64>, _: &Control<'_>) -> Result<Vec<u64>> {
            self.step("write", &group).map(|()| group)
        }

        fn directory<'i>(&self, _: &'i u64) -> &'i [u8] {
            b"all in one"
        }

        fn settle(&self, groups: &[&Vec<u64>], _: &Control<'_>) -> Result<()> {
            groups.iter().try_for_each(|group| self.step("settle", group))
        }

        fn name(&self, group: Vec<u64>) -> Result<()> {
            self.step("name", &group)
        }
    }

    fn run_fake(fails: Option<(&'static str, u64)>) -> (Fake, Result<()>) {
        let fake = Fake { fails, ..Fake::default() };
        let files = Divided { small: (0..40).map(|n| vec![2 * n, 2 * n + 1]).collect(), large: vec![80, 81] };
        let progress = Progress::default();
        let outcome = run(&fake, files, &Control { workers: 3, progress: &progress, poll: &|| Ok(()) });
        (fake, outcome)
    }

    #[test]
    fn every_file_is_written_then_settled_then_named() {
        let (fake, outcome) = run_fake(None);
        assert!(outcome.is_ok());
        (0..82).for_each(|file| assert_eq!(fake.steps_of(file), ["write", "settle", "name"], "{file}"));
    }

    #[test]
    fn what_fails_is_told_and_nothing_is_named_before_it_settled() {
        for step in ["write", "settle", "name"] {
            for file in [0, 41, 79, 81] {
                let (fake, outcome) = run_fake(Some((step, file)));
                assert!(matches!(outcome, Err(Error::Misuse(what)) if what == step), "{step} {file}");
                for file in 0..82 {
                    let steps = fake.steps_of(file);
                    assert_eq!(steps, ["write", "settle", "name"][..steps.len()], "{file}");
                }
                // what was settled before is named, so that nobody has to do it again
                if step == "write" {
                    (0..82).for_each(|file| assert_ne!(fake.steps_of(file).len(), 2, "{file}"));
                }
            }
        }
    }

    #[test]
    fn groups_hold_everything_once_and_in_order() {
        let sizes: Vec<u64> = (0..3000).map(|n| if n % 700 == 0 { LARGE + n } else { n * 40 }).collect();
        let Divided { small: groups, large } = divide(sizes.clone(), |size| *size, 2);
        assert_eq!(large, sizes.iter().copied().filter(|size| *size > LARGE).collect::<Vec<_>>());
        assert_eq!(groups.concat(), sizes.iter().copied().filter(|size| *size <= LARGE).collect::<Vec<_>>());
        assert!(groups.len() >= 8);
        assert!(groups.iter().all(|group| group.len() == 1 || group.iter().sum::<u64>() <= GROUP_BYTES));
        let nothing = divide(Vec::<u64>::new(), |size| *size, 64);
        assert!(nothing.small.is_empty() && nothing.large.is_empty());
    }
}
