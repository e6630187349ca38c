//! What one session asks of its module: one call at a time, in order, on any of the module's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki_sys::CKR_CRYPTOKI_NOT_INITIALIZED;
use strongroom_secmem::forget_calls;

use crate::Fault;
use crate::answer::Answer;
use crate::inside::{Entered, Inside};
use crate::line::{Job, Line};
use crate::lookout::Lookout;
use crate::pool::Pool;

#[derive(Debug)]
pub(crate) struct Strand {
    pool: Arc<Pool>,
    line: Arc<Line>,
    lookout: Lookout,
}

impl Strand {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Strand { pool: Arc::clone(pool), line: Arc::default(), lookout: Lookout::default() }
    }

    /// What `work` gives. It owns all that it needs, so that it can go on alone after the deadline; then its result is
    /// dropped, and with it whatever secret it holds is wiped. If it has not begun by then, it never will.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        call: &'static str,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_in(call, deadline, work, Inside::enter)
    }

    /// The same for the call that ends the module's state, after [`Inside::end`].
    pub(crate) fn run_last<T: Send + 'static>(
        &self,
        call: &'static str,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_in(call, deadline, work, |inside| Some(inside.enter_last()))
    }

    fn run_in<T: Send + 'static>(
        &self,
        call: &'static str,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
        enter: impl FnOnce(&Arc<Inside>) -> Option<Entered>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        self.pool.check_process()?;
        let inside = &self.pool.inside;
        if inside.late() >= MOST_LATE {
            return Err(Fault::Stuck);
        }
        let entered = enter(inside).ok_or(Fault::Returned { call, code: CKR_CRYPTOKI_NOT_INITIALIZED })?;
        let answer = Arc::new(Answer::to_this_thread());
        let (theirs, module) = (Arc::clone(&answer), Arc::clone(inside));
        self.post(Box::new(move || {
            if !theirs.begin(&module) {
                return;
            }
            // a panic must not leave anybody waiting
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Unavailable));
            forget_calls();
            drop(entered);
            theirs.give(result, &module);
        }))?;
        self.lookout.sees(inside.is_crowd(), || answer.is_there());
        self.wait(&answer, begun, deadline).unwrap_or_else(|| Err(answer.give_up(call, inside)))
    }

    fn wait<T>(&self, answer: &Answer<T>, begun: Instant, deadline: Duration) -> Option<Result<T, Fault>> {
        while !answer.is_there() {
            let left = deadline.checked_sub(begun.elapsed())?;
            if answer.has_begun() {
                answer.sleep(left);
            } else {
                answer.sleep(left.min(PATIENCE));
                // again and again: a thread takes what has waited longest, which may be another's call
                if !answer.has_begun() {
                    self.pool.hurry();
                }
            }
        }
        answer.take()
    }

    /// Has `work` done without waiting for it.
    pub(crate) fn leave(&self, work: impl FnOnce() + Send + 'static) {
        if self.pool.check_process().is_err() {
            return;
        }
        let Some(entered) = self.pool.inside.enter() else { return };
        // without a thread nothing can be done, and nothing has begun that would want to be ended
        let _ = self.post(Box::new(move || {
            work();
            drop(entered);
        }));
    }

    fn post(&self, job: Job) -> Result<(), Fault> {
        if !self.line.join(job) {
            return Ok(());
        }
        self.pool.post(Arc::clone(&self.line)).inspect_err(|_| self.line.clear())
    }
}

/// So long a call waits for a thread until one more is called.
const PATIENCE: Duration = Duration::from_millis(1);

/// Calls that a hung module may keep, each with its thread. From then on it is not asked any more until one of them returns.
const MOST_LATE: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Barrier, Mutex, mpsc};
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);
    const EVER: Duration = Duration::from_secs(60);

    fn strand() -> (Strand, Arc<Inside>) {
        let pool = Pool::new();
        (Strand::new(&pool), Arc::clone(&pool.inside))
    }

    #[test]
    fn results_come_back_in_order() {
        let (strand, inside) = strand();
        for number in 0..100 {
            assert_eq!(strand.run("call", EVER, move || Ok(number)), Ok(number));
        }
        assert!(inside.is_empty());
    }

    #[test]
    fn after_a_state_was_ended_nothing_is_called_and_no_session_opened() {
        let (old, inside) = strand();
        inside.end();
        for one in [&old, &Strand::new(&old.pool)] {
            let refused = one.run("call", EVER, || -> Result<(), Fault> { panic!("called") });
            assert!(matches!(refused, Err(Fault::Returned { code: CKR_CRYPTOKI_NOT_INITIALIZED, .. })));
            one.leave(|| panic!("called"));
        }
        assert!(inside.is_empty());
        inside.go_on();
        assert_eq!(old.run("call", EVER, || Ok(1)), Ok(1));

        inside.end();
        assert_eq!(old.run_last("last", EVER, || Ok(2)), Ok(2));
        inside.go_on();
        assert!(old.run("call", EVER, || Ok(3)).is_err());
        assert!(inside.is_empty());
    }

    #[test]
    fn a_panic_keeps_nobody_waiting_and_ends_no_thread() {
        let (strand, inside) = strand();
        let panicked = strand.run("call", EVER, || -> Result<(), Fault> { panic!("as intended") });
        assert_eq!(panicked, Err(Fault::Unavailable));
        assert_eq!(strand.run("call", EVER, || Ok(1)), Ok(1));
        assert!(inside.is_empty());
    }

    #[test]
    fn what_was_left_to_do_is_done_before_the_threads_end() {
        let (strand, _) = strand();
        let (tell, told) = mpsc::channel();
        for number in 0..3 {
            let tell = tell.clone();
            strand.leave(move || tell.send(number).unwrap());
        }
        drop((strand, tell));
        assert_eq!(told.iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_late_call_is_left_alone_and_counted_until_it_returns() {
        let (strand, inside) = strand();
        let (open, gate) = mpsc::channel::<()>();
        let late = strand.run("call", SOON, move || {
            let _ = gate.recv();
            Ok(())
        });
        assert_eq!(late, Err(Fault::Late { call: "call" }));
        assert_eq!((inside.late(), inside.is_empty()), (1, false));
        open.send(()).unwrap();
        while inside.late() > 0 || !inside.is_empty() {
            thread::yield_now();
        }
        assert_eq!(strand.run("call", EVER, || Ok(1)), Ok(1));
    }

    #[test]
    fn a_module_that_keeps_too_many_threads_is_not_asked_again() {
        let pool = Pool::new();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        thread::scope(|scope| {
            for _ in 0..MOST_LATE {
                let (gate, pool) = (Arc::clone(&gate), &pool);
                let hang = move || {
                    let _ = gate.lock().unwrap().recv();
                    Ok(())
                };
                scope.spawn(move || {
                    assert_eq!(Strand::new(pool).run("call", SOON, hang), Err(Fault::Late { call: "call" }));
                });
            }
        });
        let another = Strand::new(&pool);
        assert_eq!(another.run("call", EVER, || Ok(())), Err(Fault::Stuck));
        open.send(()).unwrap();
        while pool.inside.late() == MOST_LATE {
            thread::yield_now();
        }
        assert_eq!(another.run("call", EVER, || Ok(())), Ok(()));
        drop(open);
    }

    #[test]
    fn what_has_not_begun_by_its_deadline_never_does() {
        let (strand, inside) = strand();
        let (open, gate) = mpsc::channel::<()>();
        let hang = move || {
            let _ = gate.recv();
            Ok(())
        };
        assert_eq!(strand.run("first", SOON, hang), Err(Fault::Late { call: "first" }));
        let second = strand.run("second", SOON, || -> Result<(), Fault> { panic!("called") });
        assert_eq!(second, Err(Fault::Late { call: "second" }));
        assert_eq!(inside.late(), 2);
        open.send(()).unwrap();
        assert_eq!(strand.run("third", EVER, || Ok(3)), Ok(3));
        assert_eq!((inside.late(), inside.is_empty()), (0, true));
    }

    #[test]
    fn more_sessions_than_processors_wait_for_a_slow_module_side_by_side() {
        const SESSIONS: usize = 64;
        let pool = Pool::new();
        let together = Arc::new(Barrier::new(SESSIONS));
        // ends only once all are inside at the same time
        thread::scope(|scope| {
            for _ in 0..SESSIONS {
                let (pool, together) = (&pool, Arc::clone(&together));
                scope.spawn(move || {
                    let met = Strand::new(pool).run("call", EVER, move || {
                        together.wait();
                        Ok(())
                    });
                    assert_eq!(met, Ok(()));
                });
            }
        });
        assert!(pool.inside.is_empty());
        assert!(pool.threads() <= SESSIONS);
    }

    #[test]
    fn calls_of_one_session_never_overlap() {
        let (strand, _) = strand();
        let busy = Arc::new(AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let busy = Arc::clone(&busy);
                        let alone = strand.run("call", EVER, move || {
                            let alone = !busy.swap(true, Ordering::SeqCst);
                            thread::yield_now();
                            busy.store(false, Ordering::SeqCst);
                            Ok(alone)
                        });
                        assert_eq!(alone, Ok(true));
                    }
                });
            }
        });
    }

    #[test]
    fn the_threads_end_with_the_last_session() {
        let (strand, _) = strand();
        let here = Arc::new(());
        let theirs = Arc::clone(&here);
        strand.run("call", EVER, || Ok(())).unwrap();
        strand.leave(move || drop(theirs));
        drop(strand);
        while Arc::strong_count(&here) > 1 {
            thread::yield_now();
        }
    }

    #[test]
    fn a_secret_that_comes_too_late_is_wiped_by_its_drop() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (strand, _) = strand();
        let (dropped, told) = mpsc::channel();
        let late = strand.run("call", SOON, move || {
            thread::sleep(4 * SOON);
            Ok(Told(dropped))
        });
        assert!(matches!(late, Err(Fault::Late { .. })));
        told.recv_timeout(EVER).unwrap();
    }
}
