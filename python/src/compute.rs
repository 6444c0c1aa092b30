//! Calls that compute: without the interpreter's lock, and with an ear for Ctrl-C.

use crate::errors;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use wgpo::Result;

/// How often a call that waits looks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// Between two looks at what another call is at work on.
const BREATH: Duration = Duration::from_millis(1);

const FAULT: wgpo::Error = wgpo::Error::Internal("an earlier call ended in a fault");

/// Bytes of such a thread's stack: as a main thread's.
const STACK: usize = 8 << 20;

/// How it ended: with the library's answer, or by a panic, which never should be.
enum End<T> {
    Answer(Result<T>),
    Panic,
}

fn caught<T>(compute: impl FnOnce() -> Result<T>) -> End<T> {
    // Whatever it was at work on is behind a lock, which a panic poisons.
    catch_unwind(AssertUnwindSafe(compute)).map_or(End::Panic, End::Answer)
}

fn answer<T>(py: Python<'_>, end: End<T>) -> PyResult<T> {
    match end {
        End::Answer(answer) => answer.map_err(|error| errors::raise(py, &error)),
        End::Panic => Err(errors::internal(
            py,
            "this is a fault of wgpo itself, please report it with the words on standard error; what it was at work on cannot be used any more",
        )),
    }
}

/// Something short.
pub fn short<T: Send>(py: Python<'_>, compute: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let end = py.detach(|| caught(compute));
    answer(py, end)
}

/// Something that may take its time: on a thread of its own, so that Ctrl-C is heard. It ends the waiting, not the work, which ends by itself
/// and leaves everything whole.
pub fn long<T: Send + 'static>(py: Python<'_>, compute: impl FnOnce() -> Result<T> + Send + 'static) -> PyResult<T> {
    heard(py, compute, Err)
}

/// As [`long`], with `hear` for what a handler of signals raises: the waiting ends if it is an error.
pub fn heard<T: Send + 'static>(
    py: Python<'_>,
    compute: impl FnOnce() -> Result<T> + Send + 'static,
    mut hear: impl FnMut(PyErr) -> PyResult<()>,
) -> PyResult<T> {
    let (send, mut receive) = mpsc::sync_channel(1);
    // Nobody listens any more after a Ctrl-C.
    let work = move || drop(send.send(caught(compute)));
    std::thread::Builder::new().name("wgpo".to_owned()).stack_size(STACK).spawn(work)?;
    loop {
        let (came, back) = py.detach(move || (receive.recv_timeout(LOOK), receive));
        receive = back;
        match came {
            Ok(end) => return answer(py, end),
            Err(RecvTimeoutError::Timeout) => py.check_signals().or_else(&mut hear)?,
            Err(RecvTimeoutError::Disconnected) => return answer(py, End::Panic),
        }
    }
}

/// The order in which long calls came: each is at work after those before it, also if Ctrl-C ended the waiting for them.
#[derive(Default)]
struct Turns {
    given: AtomicU64,
    over: Mutex<u64>,
    next: Condvar,
}

impl Turns {
    fn over(&self) -> u64 {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A long call's place in the order; over when dropped.
struct Turn {
    turns: Arc<Turns>,
    number: u64,
}

impl Turn {
    fn new(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), number: turns.given.fetch_add(1, Ordering::SeqCst) }
    }

    /// Returns once all calls before this one are over.
    fn wait(&self) {
        let over = self.turns.over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turns.next.wait_while(over, |over| *over < self.number));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // At once, but for a call whose thread could not be started.
        self.wait();
        *self.turns.over.lock().unwrap_or_else(PoisonError::into_inner) = self.number.saturating_add(1);
        self.turns.next.notify_all();
    }
}

/// Something that several of Python's threads may call, one at a time.
pub struct Shared<T> {
    inner: Arc<Mutex<T>>,
    turns: Arc<Turns>,
    /// What the library took for the latest call.
    nanoseconds: Arc<AtomicU64>,
}

fn timed<A>(nanoseconds: &AtomicU64, compute: impl FnOnce() -> A) -> A {
    let begin = Instant::now();
    let done = compute();
    nanoseconds.store(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    done
}

impl<T: Send + 'static> Shared<T> {
    pub fn new(inner: T) -> Self {
        let nanoseconds = Arc::new(AtomicU64::new(0));
        Self { inner: Arc::new(Mutex::new(inner)), turns: Arc::default(), nanoseconds }
    }

    /// Seconds that the library itself took for the latest call, without what it takes to get there from Python and back.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9
    }

    /// Waits for the long calls that came before, which Ctrl-C may have left to themselves.
    pub fn settle(&self, py: Python<'_>) -> PyResult<()> {
        let given = self.turns.given.load(Ordering::SeqCst);
        while self.turns.over() < given {
            py.detach(|| std::thread::sleep(BREATH));
            py.check_signals()?;
        }
        Ok(())
    }

    /// Something short with what is inside, once nobody else is at work on it.
    pub fn short<A: Send>(&self, py: Python<'_>, compute: impl FnOnce(&mut T) -> Result<A> + Send) -> PyResult<A> {
        self.settle(py)?;
        let mut compute = Some(compute);
        loop {
            // The lock is taken where a panic is caught, so that a panic poisons it.
            let end = py.detach(|| {
                caught(|| match self.inner.try_lock() {
                    Ok(mut inner) => {
                        compute.take().map(|compute| timed(&self.nanoseconds, || compute(&mut inner))).transpose()
                    }
                    // Another thread's call.
                    Err(TryLockError::WouldBlock) => {
                        std::thread::sleep(BREATH);
                        Ok(None)
                    }
                    Err(TryLockError::Poisoned(_)) => Err(FAULT),
                })
            });
            match answer(py, end)? {
                Some(done) => return Ok(done),
                None => py.check_signals()?,
            }
        }
    }

    /// Something that may take its time.
    pub fn long<A: Send + 'static>(
        &self,
        py: Python<'_>,
        compute: impl FnOnce(&mut T) -> Result<A> + Send + 'static,
    ) -> PyResult<A> {
        let (shared, nanoseconds) = (Arc::clone(&self.inner), Arc::clone(&self.nanoseconds));
        let turn = Turn::new(&self.turns);
        long(py, move || {
            turn.wait();
            let done = match shared.lock() {
                Ok(mut inner) => timed(&nanoseconds, || compute(&mut inner)),
                Err(_) => Err(FAULT),
            };
            drop(turn);
            done
        })
    }
}
