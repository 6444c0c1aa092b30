//! What has gone wrong with a device that we made: losses and errors that no scope caught, as values.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The reason of the loss, or the first error that no scope caught. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// Of those who wait for the loss.
    wakers: Vec<Waker>,
}

#[derive(Debug, Clone)]
pub(super) enum Fault {
    Lost(String),
    Uncaptured(String),
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has gone wrong, if something has.
    pub fn fault(&self) -> Result<()> {
        match self.state().fault.clone() {
            None => Ok(()),
            Some(Fault::Lost(reason)) => Err(Error::DeviceLost(reason)),
            Some(Fault::Uncaptured(message)) => Err(Error::Wgpu { what: "device".to_owned(), message }),
        }
    }

    /// The first counts, but a loss explains whatever came before it.
    pub fn note(&self, fault: Fault) {
        let mut state = self.state();
        match fault {
            Fault::Lost(_) => {
                state.fault = Some(fault);
                state.wakers.drain(..).for_each(Waker::wake);
            }
            Fault::Uncaptured(_) => _ = state.fault.get_or_insert(fault),
        }
    }

    /// The reason of the loss, else whom to wake then.
    pub fn lost(&self, waker: &Waker) -> Poll<String> {
        let mut state = self.state();
        if let Some(Fault::Lost(reason)) = &state.fault {
            return Poll::Ready(reason.clone());
        }
        if !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_explains_what_came_before_it() {
        let health = Health::default();
        assert!(health.lost(Waker::noop()).is_pending());
        health.note(Fault::Uncaptured("first".into()));
        health.note(Fault::Uncaptured("second".into()));
        assert!(matches!(&health.state().fault, Some(Fault::Uncaptured(words)) if words == "first"));
        assert!(health.lost(Waker::noop()).is_pending());
        health.note(Fault::Lost("gone".into()));
        health.note(Fault::Uncaptured("third".into()));
        assert_eq!(health.lost(Waker::noop()), Poll::Ready("gone".to_owned()));
    }
}
