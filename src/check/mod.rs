//! Every kernel against the f64 reference, on any adapter: one table of cases that the tests and the program walk.
//! [`registry`] has a row for each kernel.
//!
//! A case makes seeded inputs, runs one kernel (or the short chain that it belongs to) and compares what it wrote with
//! [`crate::reference`] in f64 on the same f32 inputs. Each buffer lies between guard words that must not change, and each output
//! begins full of a mark that must be gone where the kernel writes and still there where it does not.
//!
//! error = |got − want| / max(|want|, scale), where scale is the size of the terms that were added up. A tolerance follows
//! from the number of roundings and from the accuracy that devices give for `exp`, `log` and division; its reason is
//! kept beside it.

mod accuracy;
mod advantage;
mod advantage_normalize;
mod advantage_return;
mod batch;
mod case;
mod cg;
mod entry;
mod env;
mod epsilon;
mod head;
mod head_accuracy;
mod line_search;
mod loss;
mod loss_fused;
mod loss_kl;
mod loss_q;
mod loss_statistics;
#[cfg(not(target_arch = "wasm32"))] // threads, and waiting
mod many;
mod mlp;
mod normalize;
mod optim;
mod policy_squash;
mod polyak;
mod recorded;
mod reduce;
mod registry;
mod replay;
mod rollout_fused;
mod row;
mod size;
mod support;
mod tail;
mod trust_region;
mod update;
mod valid;
mod vtrace;
mod wide;
mod wide_loss;
mod work;

use crate::gpu::Gpu;
pub(crate) use advantage::sizes as advantage_sizes;
pub use case::Case;
pub use entry::{Entry, Sweep, Timed};
#[cfg(not(target_arch = "wasm32"))]
pub use many::{check_on, compile_all};
pub use recorded::{RecordedRatio, RecordedRow, recorded_ratio};
pub use registry::{cases, registry};
pub use row::{CheckReport, CheckRow, SLACK_LIMIT};
pub use size::Size;
pub(crate) use support::{EPS, Report, Submitted};
pub use work::Work;

/// A quick and representative part of [`cases`], run on `gpu`. Wrong numbers are rows with `passed` false, and so is a case that
/// could not be run: its fault is the error.
pub fn check(gpu: &Gpu) -> Vec<CheckRow> {
    cases().iter().filter(|case| case.quick).map(|case| case.row(gpu)).collect()
}

/// [`check`] without blocking, as a browser has to. `seen` gets each row as soon as it is there; whoever wants to choose when to go on runs the
/// [`cases`] one by one ([`Case::row_async`]).
pub async fn check_async(gpu: &Gpu, mut seen: impl FnMut(&CheckRow)) -> Vec<CheckRow> {
    let mut rows = Vec::new();
    for case in cases().iter().filter(|case| case.quick) {
        let row = case.row_async(gpu).await;
        seen(&row);
        rows.push(row);
    }
    rows
}
