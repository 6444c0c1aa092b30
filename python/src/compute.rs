//! Calls that compute: without the interpreter's lock, and with an ear for Ctrl-C.

use crate::errors;
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};
use wgpo::Result;

/// How often a call that waits looks for signals.
const LOOK: Duration = Duration::from_millis(50);

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
    let (send, mut receive) = mpsc::sync_channel(1);
    // Nobody listens any more after a Ctrl-C.
    let work = move || drop(send.send(caught(compute)));
    std::thread::Builder::new().name("wgpo".to_owned()).spawn(work)?;
    loop {
        let (came, back) = py.detach(move || (receive.recv_timeout(LOOK), receive));
        receive = back;
        match came {
            Ok(end) => return answer(py, end),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => return answer(py, End::Panic),
        }
    }
}

/// Something that several of Python's threads may call, one at a time.
pub struct Shared<T> {
    inner: Arc<Mutex<T>>,
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
        Self { inner: Arc::new(Mutex::new(inner)), nanoseconds: Arc::new(AtomicU64::new(0)) }
    }

    /// Seconds that the library itself took for the latest call, without what it takes to get there from Python and back.
    pub fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 * 1e-9
    }

    /// Something short with what is inside, once nobody else is at work on it.
    pub fn short<A: Send>(&self, py: Python<'_>, compute: impl FnOnce(&mut T) -> Result<A> + Send) -> PyResult<A> {
        let mut compute = Some(compute);
        loop {
            let end = py.detach(|| match self.inner.try_lock() {
                Ok(mut inner) => {
                    compute.take().map(|compute| caught(|| timed(&self.nanoseconds, || compute(&mut inner))))
                }
                // An update that Ctrl-C left to itself, or another thread's.
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(1));
                    None
                }
                Err(TryLockError::Poisoned(_)) => Some(End::Panic),
            });
            match end {
                Some(end) => return answer(py, end),
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
        long(py, move || match shared.lock() {
            Ok(mut inner) => timed(&nanoseconds, || compute(&mut inner)),
            Err(_) => Err(wgpo::Error::Internal("an earlier call ended in a fault")),
        })
    }
}
