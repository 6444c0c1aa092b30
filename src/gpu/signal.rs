//! Something that happens once, on the device, and is awaited on the host.

use super::Gpu;
use crate::error::{Error, Result};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Resolves when its callback has been called. All clones are the same one; the outcome goes to the first that sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Signal(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Signal {
    /// It has happened.
    pub fn set(&self, outcome: Result<()>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.outcome = Some(outcome);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Future for Signal {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Gpu {
    /// The blocking shell of everything that ends in `_async`: runs `future`, and polls the device until it is done whenever that has to
    /// wait for it.
    ///
    /// # Errors
    /// Those of `future`; a lost device. In a browser, where nothing may block, [`Error::Waits`]: `future` is dropped before it has begun.
    pub fn block_on<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        #[cfg(target_arch = "wasm32")]
        {
            drop(future);
            Err(Error::Waits)
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            let mut future = std::pin::pin!(future);
            let mut context = Context::from_waker(Waker::noop());
            loop {
                if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
                    return outcome;
                }
                // Whatever is awaited is called back by the device's poll, at the latest by the one that finds the device lost.
                self.poll_all()?;
            }
        }
    }

    /// Waits until everything submitted so far has run.
    ///
    /// # Errors
    /// A lost device; [`Error::Waits`] in a browser.
    pub fn wait(&self) -> Result<()> {
        #[cfg(target_arch = "wasm32")]
        return Err(Error::Waits);
        #[cfg(not(target_arch = "wasm32"))]
        self.poll_all().and_then(|()| self.healthy())
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn poll_all(&self) -> Result<()> {
        let polled = self.device().poll(wgpu::PollType::wait_indefinitely());
        polled.map(|_| ()).map_err(|error| Error::DeviceLost(error.to_string()))
    }

    /// [`wait`](Self::wait) without blocking. Someone must poll the device meanwhile; a browser does so by itself.
    ///
    /// # Errors
    /// A lost device.
    pub async fn wait_async(&self) -> Result<()> {
        let done = Signal::default();
        let signal = done.clone();
        self.queue().on_submitted_work_done(move || signal.set(Ok(())));
        done.await?;
        self.healthy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_wakes_who_waits_for_it() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let flag = Arc::new(Flag(false.into()));
        let waker = Waker::from(Arc::clone(&flag));
        let signal = Signal::default();
        let mut waiting = signal.clone();
        let mut poll = || Pin::new(&mut waiting).poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending() && !flag.0.load(std::sync::atomic::Ordering::Relaxed));
        signal.set(Err(Error::DeviceLost("words".into())));
        assert!(flag.0.load(std::sync::atomic::Ordering::Relaxed));
        assert!(matches!(poll(), Poll::Ready(Err(Error::DeviceLost(words))) if words == "words"));
    }
}
