//! The threads that call a module, any of which may be abandoned there.
//!
//! As many run as there are processors, each going from call to call without sleeping in between. More are let run while
//! the module is slow (one behind a network is asked many things at a time), while calls that were given up keep some, and
//! for whoever has waited for a moment without being served.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use strongroom_secmem::{Generation, Unavailable};

use crate::Fault;
use crate::inside::Inside;
use crate::line::Line;
use crate::lookout::Lookout;

/// The threads of a module. They end, after what was left to do, once this is dropped.
#[derive(Debug)]
pub(crate) struct Pool {
    board: Arc<Board>,
    pub(crate) inside: Arc<Inside>,
    generation: Generation,
}

impl Pool {
    pub(crate) fn new() -> Arc<Self> {
        let inside = Arc::<Inside>::default();
        let board = Arc::new(Board::new(Arc::clone(&inside)));
        Arc::new(Pool { board, inside, generation: Generation::current() })
    }

    /// Before anything else: in a forked child the threads are not there, and one of them may hold a lock.
    pub(crate) fn check_process(&self) -> Result<(), Unavailable> {
        self.generation.check()
    }

    pub(crate) fn post(&self, line: Arc<Line>) -> Result<(), Fault> {
        self.board.post(line)
    }

    /// For whoever has waited for a while: one thread more, if all are busy.
    pub(crate) fn hurry(&self) {
        let mut roster = self.board.roster();
        if !roster.is_enough() {
            // those who are there will do it if there is no thread to be had
            let _ = Board::call_one(&self.board, &mut roster);
        }
    }
}

#[cfg(test)]
impl Pool {
    pub(crate) fn threads(&self) -> usize {
        self.board.roster().threads
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.check_process().is_ok() {
            self.board.roster().closed = true;
            self.board.called.notify_all();
        }
    }
}

/// Where lines wait until a thread takes them.
struct Board {
    roster: Mutex<Roster>,
    called: Condvar,
    /// How many lines are ready, for those who look out.
    waiting: AtomicUsize,
    lookout: Lookout,
    /// The last call took long, as over a network.
    slow: AtomicBool,
    inside: Arc<Inside>,
}

/// Who does what.
#[derive(Default)]
struct Roster {
    ready: VecDeque<Arc<Line>>,
    threads: usize,
    /// Of the threads, those that sleep and those that look out.
    asleep: usize,
    looking: usize,
    /// Those that shall wake up, and have not yet.
    called: usize,
    closed: bool,
}

impl Roster {
    /// Whether there is a thread, or will be in a moment, for each line.
    fn is_enough(&self) -> bool {
        self.ready.len() <= self.looking + self.called
    }
}

impl Board {
    fn new(inside: Arc<Inside>) -> Self {
        Board {
            roster: Mutex::default(),
            called: Condvar::new(),
            waiting: AtomicUsize::new(0),
            lookout: Lookout::default(),
            slow: AtomicBool::new(false),
            inside,
        }
    }

    fn post(self: &Arc<Self>, line: Arc<Line>) -> Result<(), Fault> {
        let mut roster = self.roster();
        roster.ready.push_back(line);
        self.waiting.store(roster.ready.len(), Ordering::Release);
        if roster.is_enough() || !self.may_call_one(&roster) {
            return Ok(());
        }
        let called = Board::call_one(self, &mut roster);
        if called.is_err() && roster.threads == 0 {
            // no other can be there, since no thread has ever been
            roster.ready.clear();
            self.waiting.store(0, Ordering::Release);
            return called;
        }
        Ok(())
    }

    fn may_call_one(&self, roster: &Roster) -> bool {
        let busy = roster.threads - roster.asleep;
        busy < processors() + self.inside.late() || self.slow.load(Ordering::Relaxed)
    }

    fn call_one(board: &Arc<Self>, roster: &mut Roster) -> Result<(), Fault> {
        if roster.asleep > 0 {
            roster.asleep -= 1;
            roster.called += 1;
            board.called.notify_one();
            return Ok(());
        }
        if roster.threads >= board.inside.all() {
            // one for each call, so whoever waits is served by those that are on their way
            return Ok(());
        }
        let theirs = Arc::clone(board);
        let builder = thread::Builder::new().name("strongroom-hsm".into());
        builder.spawn(move || theirs.serve()).map_err(|_| Fault::Unavailable)?;
        roster.threads += 1;
        Ok(())
    }

    fn serve(&self) {
        while let Some(line) = self.next() {
            let begun = Instant::now();
            line.serve();
            self.slow.store(begun.elapsed() > SLOW, Ordering::Relaxed);
        }
    }

    /// The next line to serve; none once nobody can bring one.
    fn next(&self) -> Option<Arc<Line>> {
        let mut roster = self.roster();
        loop {
            if let Some(line) = roster.ready.pop_front() {
                self.waiting.store(roster.ready.len(), Ordering::Release);
                return Some(line);
            }
            if roster.closed {
                return None;
            }
            roster.looking += 1;
            drop(roster);
            let seen = self.lookout.sees(false, || self.waiting.load(Ordering::Acquire) > 0);
            roster = self.roster();
            roster.looking -= 1;
            if !seen && roster.ready.is_empty() {
                roster = self.sleep(roster);
            }
        }
    }

    fn sleep<'a>(&self, mut roster: MutexGuard<'a, Roster>) -> MutexGuard<'a, Roster> {
        roster.asleep += 1;
        while roster.called == 0 && !roster.closed {
            roster = self.called.wait(roster).unwrap_or_else(PoisonError::into_inner);
        }
        roster.called = roster.called.saturating_sub(1);
        roster
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Board")
    }
}

fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, Into::into))
}

/// Longer than a token takes that is software.
const SLOW: Duration = Duration::from_micros(200);
