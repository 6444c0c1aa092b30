//! Who is told when a pipeline is compiled.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// A pipeline that is about to be compiled, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiling {
    /// The kernel's stem, then its parts and constants: `env_step env_cartpole`, `mlp_forward ACTIVATION=1`.
    pub pipeline: String,
    /// What it took; `None` before it begins.
    pub took: Option<Duration>,
}

pub(super) type Watcher = Box<dyn Fn(&Compiling) + Send + Sync>;

/// Who is told, if anybody.
#[derive(Default)]
pub(super) struct Watch(OnceLock<Watcher>);

impl Watch {
    /// The first watcher stays; another is not taken.
    pub fn set(&self, watcher: Watcher) {
        _ = self.0.set(watcher);
    }

    /// The watcher, if there is one.
    pub fn get(&self) -> Option<&Watcher> {
        self.0.get()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.get().is_some()).finish()
    }
}
