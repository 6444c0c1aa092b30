//! Ranks that are threads of one process.

use super::line::Collective;
use crate::error::{Error, Result};
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A rank of several that are threads of this process, for tests: what MPI does between processes, without it.
///
/// A rank that is dropped before the others have ended is gone for them, and their calls are errors.
pub struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

struct Shared {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What each rank brought to the present call.
    brought: Vec<Option<Vec<u8>>>,
    /// Ranks that took the result of the present call.
    taken: usize,
    /// The first rank that cannot go on, and its words.
    failed: Option<(usize, String)>,
}

impl Threads {
    /// `size` ranks, in order, each for a thread of its own.
    pub fn new(size: usize) -> Vec<Self> {
        let state = Mutex::new(State { brought: vec![None; size], taken: 0, failed: None });
        let shared = Arc::new(Shared { size, state, changed: Condvar::new() });
        (0..size).map(|rank| Self { rank, shared: shared.clone() }).collect()
    }

    /// Waits until `ready`.
    fn wait<'a>(&'a self, ready: impl Fn(&State) -> bool) -> Result<MutexGuard<'a, State>> {
        let mut state = self.shared.lock();
        loop {
            // First, as a rank may have ended after the call that this one is about to leave.
            if ready(&state) {
                return Ok(state);
            }
            if let Some((rank, message)) = &state.failed {
                return Err(Error::Rank { rank: *rank, message: message.clone() });
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        // The results of the call before were all taken when the places are empty again.
        self.wait(|state| state.brought[self.rank].is_none() && state.taken == 0)?.brought[self.rank] =
            Some(own.to_vec());
        self.shared.changed.notify_all();
        let mut state = self.wait(|state| state.brought.iter().all(Option::is_some))?;
        for (rank, brought) in state.brought.iter().enumerate() {
            let brought = brought.as_deref().unwrap_or_default();
            let place = all.get_mut(rank * own.len()..(rank + 1) * own.len());
            let Some(place) = place.filter(|place| place.len() == brought.len()) else {
                let message = format!("sent {} bytes, rank {} sent {}", brought.len(), self.rank, own.len());
                return Err(Error::Rank { rank, message });
            };
            place.copy_from_slice(brought);
        }
        state.taken += 1;
        if state.taken == self.shared.size {
            state.brought.fill(None);
            state.taken = 0;
            self.shared.changed.notify_all();
        }
        drop(state);
        drop(self.wait(|state| state.taken == 0)?);
        Ok(())
    }

    fn fail(&self, message: &str) {
        self.shared.lock().failed.get_or_insert_with(|| (self.rank, message.to_owned()));
        self.shared.changed.notify_all();
    }
}

impl Drop for Threads {
    /// The others learn of it in their next call, or in the one that they wait in.
    fn drop(&mut self) {
        self.fail("is gone");
    }
}

impl Debug for Threads {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Threads(rank {} of {})", self.rank, self.shared.size)
    }
}
