//! What everything that walks the kernels knows of each: the form of a row of [`registry`](super::registry).

use super::case::Case;
use super::size::Size;
use super::work::Work;
use crate::gpu::KernelDef;

/// What is known of one kernel.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its definition.
    pub def: &'static KernelDef,
    /// What it computes, in a few words: its row in docs/kernels.md.
    pub about: &'static str,
    /// Path of the function or type of [`crate::reference`] that says what the right answer is.
    pub oracle: &'static str,
    /// Its case at the size of a benchmark; `None` where the kernel does not take that size.
    pub at_size: fn(&Size) -> Option<Case>,
    /// Which sizes a benchmark runs it at.
    pub sweep: Sweep,
    /// What a benchmark times of the calls that the case submits.
    pub timed: Timed,
    /// What there is to do at a size, by formula, from the kernel's own buffers.
    pub work: fn(&Size) -> Work,
}

/// Which sizes a kernel is timed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// The widest layer of each net, and the first and last of some.
    Layers,
    /// The same without first layers: nobody needs the gradient of observations.
    LaterLayers,
    /// Rows and head, or parameters, of each net.
    Nets,
    /// The windows that the kernel is chosen for.
    Windows {
        /// Whether those are the ones that are long and narrow.
        chunked: bool,
    },
    /// The rollout of the table, or the first window.
    Rollout,
    /// A few rows of very many choices, whatever the nets.
    Wide,
}

/// Which submissions of a case are timed. Of those, only the kernel's own calls are; what comes along (the clip before an
/// optimiser) is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// The last one.
    Last,
    /// So many from the first on.
    First(usize),
    /// All: phases that belong together.
    All,
}

/// Kernels that share a file of cases.
pub(super) struct Family {
    /// All cases of the file, in the order in which they are checked.
    pub cases: fn() -> Vec<Case>,
    /// Its kernels.
    pub rows: &'static [Entry],
}

/// The path of an item of the reference, which the compiler looks up.
macro_rules! oracle {
    ($($segment:ident)::+) => {{
        #[allow(unused_imports, reason = "named so that the path is known to be right")]
        use crate::reference::$($segment)::+;
        concat!("reference", $("::", stringify!($segment)),+)
    }};
}
pub(super) use oracle;
