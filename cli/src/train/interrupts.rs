//! Ctrl-C, and the signals that end a program.

use crate::program::INTERRUPTED;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Who hears the signals of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ears {
    Nobody,
    /// A handler of the program's own, which a process sets once.
    Program,
    /// The process that the program runs in, which calls [`interrupt`].
    Host,
}

static EARS: Mutex<Ears> = Mutex::new(Ears::Nobody);

/// Flags of the trainings that run.
static TRAININGS: Mutex<Vec<Weak<AtomicBool>>> = Mutex::new(Vec::new());

/// What the first signal does at once.
type AtOnce = Box<dyn Fn() + Send>;

static AT_ONCE: Mutex<Option<AtOnce>> = Mutex::new(None);

/// From now on the first signal does this, while the update goes on.
pub fn at_once(work: AtOnce) {
    *AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
}

/// And from now on it does not.
pub fn no_longer() {
    *AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// From now on the caller hears this process' signals and tells of them by [`interrupt`]; trainings set no handler.
pub fn host_signals() {
    *EARS.lock().unwrap_or_else(PoisonError::into_inner) = Ears::Host;
}

/// Asks all trainings of this process to end after their update. False if none runs that was not asked before.
pub fn interrupt() -> bool {
    let mut trainings = TRAININGS.lock().unwrap_or_else(PoisonError::into_inner);
    trainings.retain(|flag| flag.strong_count() > 0);
    // Each of them, so no `any`.
    let asked = trainings.iter().filter_map(Weak::upgrade).filter(|flag| !flag.swap(true, Ordering::SeqCst)).count();
    if asked > 0 {
        tell!("\nstopping after this update; press Ctrl-C again to stop at once");
        if let Some(work) = &*AT_ONCE.lock().unwrap_or_else(PoisonError::into_inner) {
            work();
        }
    }
    asked > 0
}

/// Leaves signals to another process, which hears them, too: the first is nothing, the second ends this one.
pub fn leave_interrupts() -> Result<()> {
    let heard = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if heard.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot watch for Ctrl-C")
}

/// A flag that the first Ctrl-C sets; the second ends the program at once, which is safe: files are renamed into place.
pub fn watch_interrupts() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    TRAININGS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&flag));
    let mut ears = EARS.lock().unwrap_or_else(PoisonError::into_inner);
    if *ears == Ears::Nobody {
        ctrlc::set_handler(|| {
            if !interrupt() {
                std::process::exit(INTERRUPTED.into());
            }
        })
        .context("cannot watch for Ctrl-C")?;
        *ears = Ears::Program;
    }
    drop(ears);
    Ok(flag)
}
