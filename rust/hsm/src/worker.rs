//! A thread that calls a module, and may be abandoned there.
//!
//! Handing a call over and its result back takes two threads that sleep and are woken: some microseconds, and far more where
//! that wakes a processor. So where processors are left over both sides look out for a moment first, as long as that helps.

use std::collections::VecDeque;
use std::fmt;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

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

    /// Whether there is a processor for each side of so many calls more than are inside.
    fn leaves_processors(&self, more: usize) -> bool {
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let all = *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, Into::into));
        2 * (self.all.load(Ordering::Relaxed) + more) <= all
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread of one session. Ends with its last job once this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    desk: Arc<Desk>,
    thread: Thread,
    inside: Arc<Inside>,
    ends: usize,
    generation: Generation,
}

impl Worker {
    pub(crate) fn start(inside: Arc<Inside>) -> Result<Worker, Fault> {
        let desk = Arc::new(Desk::default());
        let (theirs, module) = (Arc::clone(&desk), Arc::clone(&inside));
        let builder = thread::Builder::new().name("strongroom-hsm".into());
        let started = builder.spawn(move || theirs.work(&module)).map_err(|_| Fault::Unavailable)?;
        let ends = inside.ends.load(Ordering::SeqCst);
        Ok(Worker { desk, thread: started.thread().clone(), inside, ends, generation: Generation::current() })
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
        if !self.inside.enter(self.ends) {
            return Err(Fault::Returned { call, code: CKR_CRYPTOKI_NOT_INITIALIZED });
        }
        let answer = Arc::new(Answer::to_this_thread());
        let (inside, theirs) = (Arc::clone(&self.inside), Arc::clone(&answer));
        self.post(Box::new(move || {
            // a panic must not leave anybody waiting
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Unavailable));
            forget_calls();
            inside.leave();
            theirs.give(result, &inside);
        }));
        if self.inside.leaves_processors(0) {
            self.desk.calls.look_out(|| answer.is_there());
        }
        answer.wait(deadline).unwrap_or_else(|| Err(answer.give_up(call, &self.inside)))
    }

    /// Has `work` done without waiting for it.
    pub(crate) fn leave(&self, work: impl FnOnce() + Send + 'static) {
        if self.generation.check().is_err() || !self.inside.enter(self.ends) {
            return;
        }
        let inside = Arc::clone(&self.inside);
        self.post(Box::new(move || {
            work();
            inside.leave();
        }));
    }

    fn post(&self, job: Job) {
        self.desk.jobs().push_back(job);
        self.desk.stir();
        self.thread.unpark();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // no lock is taken: in a forked child a thread that is not there may hold it
        self.desk.closed.store(true, Ordering::Release);
        self.desk.stir();
        self.thread.unpark();
    }
}

/// Where a session's jobs lie until its thread takes them.
#[derive(Default)]
struct Desk {
    jobs: Mutex<VecDeque<Job>>,
    closed: AtomicBool,
    /// Something has come since it was looked at last.
    stirred: AtomicBool,
    calls: Habit,
    pauses: Habit,
}

impl Desk {
    fn work(&self, inside: &Inside) {
        while let Some(job) = self.next(inside) {
            job();
        }
    }

    /// The next job; none once nobody can bring one.
    fn next(&self, inside: &Inside) -> Option<Job> {
        loop {
            // looked at before the jobs: what was left before the end is still done
            let closed = self.closed.load(Ordering::Acquire);
            let job = self.jobs().pop_front();
            if job.is_some() || closed {
                return job;
            }
            let stirred = || self.stirred.swap(false, Ordering::AcqRel);
            if !(inside.leaves_processors(1) && self.pauses.look_out(stirred)) {
                thread::park();
            }
        }
    }

    fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// What came of a call, for the thread that waits for it.
struct Answer<T> {
    result: Mutex<Option<Result<T, Fault>>>,
    progress: AtomicU8,
    asker: Thread,
}

impl<T> Answer<T> {
    fn to_this_thread() -> Self {
        Answer { result: Mutex::new(None), progress: AtomicU8::new(RUNNING), asker: thread::current() }
    }

    fn give(&self, result: Result<T, Fault>, inside: &Inside) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        if self.progress.swap(DONE, Ordering::AcqRel) == LATE {
            inside.late.fetch_sub(1, Ordering::AcqRel);
        }
        self.asker.unpark();
    }

    fn is_there(&self) -> bool {
        self.progress.load(Ordering::Acquire) == DONE
    }

    /// The result, if it comes by the deadline.
    fn wait(&self, deadline: Duration) -> Option<Result<T, Fault>> {
        let begun = Instant::now();
        while !self.is_there() {
            thread::park_timeout(deadline.checked_sub(begun.elapsed())?);
        }
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give_up(&self, call: &'static str, inside: &Inside) -> Fault {
        inside.late.fetch_add(1, Ordering::AcqRel);
        // it may have returned in this very moment
        if self.progress.compare_exchange(RUNNING, LATE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            inside.late.fetch_sub(1, Ordering::AcqRel);
        }
        Fault::Late { call }
    }
}

/// Whether it has been worth while to look out for something: where it was not, that is left for twice as many times.
#[derive(Default)]
struct Habit {
    misses: AtomicU32,
    left_out: AtomicU32,
}

impl Habit {
    /// Looks out for a moment for what is soon `true`, and whether it was. No answer but `true` means anything.
    fn look_out(&self, mut is_there: impl FnMut() -> bool) -> bool {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            self.left_out.store(left_out - 1, Ordering::Relaxed);
            return false;
        }
        let begun = Instant::now();
        while begun.elapsed() < MOMENT {
            // few looks at the clock: the other side may share a core with this one
            for _ in 0..LOOKS {
                if is_there() {
                    self.misses.store(0, Ordering::Relaxed);
                    return true;
                }
                hint::spin_loop();
            }
        }
        let misses = (self.misses.load(Ordering::Relaxed) + 1).min(MOST_MISSES);
        self.misses.store(misses, Ordering::Relaxed);
        self.left_out.store(1 << misses, Ordering::Relaxed);
        false
    }
}

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const LATE: u8 = 2;

/// As long as a token takes that is software; one behind a network takes longer, and is hardly ever looked out for.
const MOMENT: Duration = Duration::from_micros(50);
const LOOKS: u32 = 32;
const MOST_MISSES: u32 = 8;

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
    fn a_panic_keeps_nobody_waiting_and_ends_no_thread() {
        let (worker, inside) = worker();
        let panicked = worker.run("call", EVER, || -> Result<(), Fault> { panic!("as intended") });
        assert_eq!(panicked, Err(Fault::Unavailable));
        assert_eq!(worker.run("call", EVER, || Ok(1)), Ok(1));
        assert!(inside.is_empty());
    }

    #[test]
    fn what_was_left_to_do_is_done_before_the_thread_ends() {
        let (worker, _) = worker();
        let (tell, told) = mpsc::channel();
        for number in 0..3 {
            let tell = tell.clone();
            worker.leave(move || tell.send(number).unwrap());
        }
        drop((worker, tell));
        assert_eq!(told.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn what_is_not_worth_looking_out_for_is_left_out_twice_as_often_each_time() {
        let habit = Habit::default();
        let mut asked = Vec::new();
        for turn in 0..8 {
            habit.look_out(|| {
                asked.push(turn);
                false
            });
        }
        asked.dedup();
        assert_eq!(asked, [0, 3]);
        while !habit.look_out(|| true) {}
        assert_eq!(habit.misses.load(Ordering::Relaxed), 0);
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
