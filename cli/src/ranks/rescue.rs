//! A save for whom a signal gives no time: mpirun leaves ranks a second after Ctrl-C, and an update may take longer.

use crate::folder::run::Folder;
use crate::program::one_line;
use crate::settings::run_config::RunConfig;
use crate::train::interrupts::{at_once, no_longer};
use std::sync::{Arc, Mutex, PoisonError};
use wgpo::state::TrainerState;

/// The state after the last update of a run, which the first signal saves at once.
pub struct Rescue {
    latest: Arc<Mutex<Option<TrainerState>>>,
}

impl Rescue {
    /// From here on a signal saves what was [kept](Self::keep) in `folder`.
    pub fn of(folder: &Folder, config: &RunConfig, run: u64) -> Self {
        let latest = Arc::new(Mutex::new(None::<TrainerState>));
        let (kept, folder, config) = (latest.clone(), folder.clone(), config.clone());
        at_once(Box::new(move || {
            // Held until it is written, so that no later state is written before it.
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(state) = &*kept else { return };
            if let Err(error) = folder.save_state(&config.policy, &config.settings, state, run) {
                tell!("warning: {}", one_line(&error));
            }
        }));
        Self { latest }
    }

    /// The state to save, from now on.
    pub fn keep(&self, state: TrainerState) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        no_longer();
    }
}
