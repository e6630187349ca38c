//! A thread that calls a module, and may be abandoned there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use cryptoki_sys::CKR_CRYPTOKI_NOT_INITIALIZED;
use strongroom_secmem::{Generation, forget_calls};

use crate::Fault;

/// How many calls are inside a module, and how many of them nobody waits for any more.
///
/// `ends` counts how often the module's state was ended. A session that was opened before an end is never used, nor closed,
/// after it: its handle may be that of another session by now.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    all: AtomicUsize,
    late: AtomicUsize,
    ends: AtomicUsize,
}

impl Inside {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.load(Ordering::SeqCst) == 0
    }

    /// From now on no call of an earlier session begins.
    pub(crate) fn end(&self) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a call in, unless its session is of a state that was ended. Whoever ends a state raises `ends` before looking
    /// whether anyone is inside, so one of the two sees the other.
    fn enter(&self, ends: usize) -> bool {
        self.all.fetch_add(1, Ordering::SeqCst);
        let may = self.ends.load(Ordering::SeqCst) == ends;
        if !may {
            self.leave();
        }
        may
    }

    fn leave(&self) {
        self.all.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn late(&self) -> usize {
        self.late.load(Ordering::Acquire)
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread of one session. Ends with its last job once this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: Sender<Job>,
    inside: Arc<Inside>,
    ends: usize,
    generation: Generation,
}

impl Worker {
    pub(crate) fn start(inside: Arc<Inside>) -> Result<Worker, Fault> {
        let (jobs, todo) = channel::<Job>();
        let work = move || todo.into_iter().for_each(|job| job());
        thread::Builder::new().name("strongroom-hsm".into()).spawn(work).map_err(|_| Fault::Unavailable)?;
        let ends = inside.ends.load(Ordering::SeqCst);
        Ok(Worker { jobs, inside, ends, generation: Generation::current() })
    }

    /// What `work` gives. It owns all that it needs, so that it can go on alone after the deadline; then its result is
    /// dropped, and with it whatever secret it holds is wiped.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        call: &'static str,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.generation.check()?;
        if self.inside.late() >= MOST_LATE {
            return Err(Fault::Stuck);
        }
        let (answer, waiting) = sync_channel(1);
        let progress = Arc::new(AtomicU8::new(RUNNING));
        let (inside, fate) = (Arc::clone(&self.inside), Arc::clone(&progress));
        if !self.inside.enter(self.ends) {
            return Err(Fault::Returned { call, code: CKR_CRYPTOKI_NOT_INITIALIZED });
        }
        let job = move || {
            let result = work();
            forget_calls();
            if fate.swap(DONE, Ordering::AcqRel) == LATE {
                inside.late.fetch_sub(1, Ordering::AcqRel);
            }
            inside.leave();
            // nobody may be waiting
            let _ = answer.send(result);
        };
        self.jobs.send(Box::new(job)).map_err(|_| self.gone())?;
        match waiting.recv_timeout(deadline) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(self.give_up(call, &progress)),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }

    /// Has `work` done without waiting for it.
    pub(crate) fn leave(&self, work: impl FnOnce() + Send + 'static) {
        if self.generation.check().is_err() || !self.inside.enter(self.ends) {
            return;
        }
        let inside = Arc::clone(&self.inside);
        let job = move || {
            work();
            inside.leave();
        };
        if self.jobs.send(Box::new(job)).is_err() {
            self.gone();
        }
    }

    fn give_up(&self, call: &'static str, progress: &AtomicU8) -> Fault {
        self.inside.late.fetch_add(1, Ordering::AcqRel);
        // it may have returned in this very moment
        if progress.compare_exchange(RUNNING, LATE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.inside.late.fetch_sub(1, Ordering::AcqRel);
        }
        Fault::Late { call }
    }

    fn gone(&self) -> Fault {
        self.inside.leave();
        Fault::Unavailable
    }
}

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const LATE: u8 = 2;

/// Threads that a hung module may keep. From then on it is not asked any more until one of them returns.
const MOST_LATE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SOON: Duration = Duration::from_millis(20);
    const EVER: Duration = Duration::from_secs(60);

    fn worker() -> (Worker, Arc<Inside>) {
        let inside = Arc::new(Inside::default());
        (Worker::start(Arc::clone(&inside)).unwrap(), inside)
    }

    #[test]
    fn results_come_back_in_order() {
        let (worker, inside) = worker();
        for number in 0..100 {
            assert_eq!(worker.run("call", EVER, move || Ok(number)), Ok(number));
        }
        assert!(inside.is_empty());
    }

    #[test]
    fn a_session_of_a_state_that_was_ended_calls_nothing() {
        let (old, inside) = worker();
        inside.end();
        let refused = old.run("call", EVER, || -> Result<(), Fault> { panic!("called") });
        assert!(matches!(refused, Err(Fault::Returned { code: CKR_CRYPTOKI_NOT_INITIALIZED, .. })));
        old.leave(|| panic!("called"));
        assert!(inside.is_empty());
        assert_eq!(Worker::start(inside).unwrap().run("call", EVER, || Ok(1)), Ok(1));
    }

    #[test]
    fn a_late_call_is_left_alone_and_counted_until_it_returns() {
        let (worker, inside) = worker();
        let (open, gate) = mpsc::channel::<()>();
        let late = worker.run("call", SOON, move || {
            let _ = gate.recv();
            Ok(())
        });
        assert_eq!(late, Err(Fault::Late { call: "call" }));
        assert_eq!((inside.late(), inside.is_empty()), (1, false));
        open.send(()).unwrap();
        while inside.late() > 0 || !inside.is_empty() {
            thread::yield_now();
        }
        assert_eq!(worker.run("call", EVER, || Ok(1)), Ok(1));
    }

    #[test]
    fn a_module_that_keeps_too_many_threads_is_not_asked_again() {
        let inside = Arc::new(Inside::default());
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        for _ in 0..MOST_LATE {
            let gate = Arc::clone(&gate);
            let worker = Worker::start(Arc::clone(&inside)).unwrap();
            let hang = move || {
                let _ = gate.lock().unwrap().recv();
                Ok(())
            };
            assert_eq!(worker.run("call", SOON, hang), Err(Fault::Late { call: "call" }));
        }
        let another = Worker::start(Arc::clone(&inside)).unwrap();
        assert_eq!(another.run("call", EVER, || Ok(())), Err(Fault::Stuck));
        open.send(()).unwrap();
        while inside.late() == MOST_LATE {
            thread::yield_now();
        }
        assert_eq!(another.run("call", EVER, || Ok(())), Ok(()));
        drop(open);
    }

    #[test]
    fn a_secret_that_comes_too_late_is_wiped_by_its_drop() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (worker, _) = worker();
        let (dropped, told) = mpsc::channel();
        let late = worker.run("call", SOON, move || {
            thread::sleep(4 * SOON);
            Ok(Told(dropped))
        });
        assert!(matches!(late, Err(Fault::Late { .. })));
        told.recv_timeout(EVER).unwrap();
    }
}
