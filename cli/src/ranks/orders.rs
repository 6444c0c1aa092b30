//! What rank 0 tells the others to do: one message before each call that all of them make.

use crate::program::Status;
use anyhow::Result;
use std::cell::Cell;
use std::sync::Arc;
use wgpo::collective::{Collective, broadcast};
use wgpo::{Error, Result as WgpoResult};

/// What all ranks do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Make a trainer, of the description that follows.
    Start,
    /// An iteration.
    Iterate,
    /// Bring the state of all together.
    State,
    /// End.
    End,
}

impl Order {
    const ALL: [Self; 4] = [Self::Start, Self::Iterate, Self::State, Self::End];

    /// Rank 0 tells the others.
    pub fn give(self, collective: &dyn Collective) -> WgpoResult<()> {
        broadcast(collective, &[self as u8]).map(drop)
    }

    /// The others hear it.
    pub fn take(collective: &dyn Collective) -> WgpoResult<Self> {
        let code = broadcast(collective, &[])?;
        let known = Self::ALL.into_iter().find(|order| code == [*order as u8]);
        known.ok_or(Error::Internal("rank 0 gave an order that nobody knows"))
    }
}

/// Rank 0's part: whatever becomes of its training, the others are told to end.
pub struct Lead {
    collective: Arc<dyn Collective>,
    ended: Cell<bool>,
}

impl Lead {
    /// Of these ranks.
    pub fn of(collective: Arc<dyn Collective>) -> Self {
        Self { collective, ended: Cell::new(false) }
    }

    /// Ends the others, who wait for an order, unless one of them failed and ends all.
    pub fn end(self, outcome: Result<Status>) -> Result<Status> {
        let failed = |error: &anyhow::Error| matches!(error.downcast_ref::<Error>(), Some(Error::Rank { .. }));
        self.ended.set(outcome.as_ref().is_err_and(failed));
        outcome
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.ended.get() {
            // Who is gone needs no order.
            let _ = Order::End.give(self.collective.as_ref());
        }
    }
}
