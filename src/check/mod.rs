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

use crate::error::Result;
use crate::gpu::Gpu;
pub(crate) use advantage::sizes as advantage_sizes;
pub use case::Case;
pub use entry::{Entry, Sweep, Timed};
pub use recorded::{RecordedRatio, RecordedRow, recorded_ratio};
pub use registry::{cases, registry};
pub use row::{CheckRow, SLACK_LIMIT};
pub use size::Size;
#[cfg(not(target_arch = "wasm32"))]
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
pub(crate) use support::{EPS, Report, Submitted};
pub use work::Work;

/// A quick and representative part of [`cases`], run on `gpu`. Wrong numbers are rows with `passed` false, and so is a case that
/// could not be run: its fault is the error.
pub fn check(gpu: &Gpu) -> Vec<CheckRow> {
    cases().iter().filter(|case| case.quick).map(|case| run(case, gpu)).collect()
}

/// [`check`] on several devices of one adapter at once, a thread each, since most drivers compile on the thread, or for the device,
/// that asks. Rows are the same and `seen` gets them in the same order, each as soon as it and those before it are there, with
/// how many are done by then and of how many. Without a device nothing runs: no rows come back, and that is no pass.
#[cfg(not(target_arch = "wasm32"))]
pub fn check_on(gpus: &[Gpu], mut seen: impl FnMut(&[CheckRow], [usize; 2])) -> Vec<CheckRow> {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.quick).collect();
    // Cases of a kernel have pipelines in common: they go to one device.
    let groups: Vec<_> = cases.chunk_by(|a, b| a.kernel == b.kernel).collect();
    let starts: Vec<_> = groups
        .iter()
        .scan(0, |next, group| {
            let start = *next;
            *next += group.len();
            Some(start)
        })
        .collect();
    // The first device takes them from the front, so that rows come early; others from the back, where whole updates are, which
    // compile the most.
    let left = Mutex::new((0..groups.len()).collect::<VecDeque<_>>());
    let mut waiting: Vec<Option<CheckRow>> = cases.iter().map(|_| None).collect();
    let mut rows = Vec::with_capacity(cases.len());
    let mut done = 0;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for (device, gpu) in gpus.iter().enumerate() {
            let (sender, left, groups, starts) = (sender.clone(), &left, &groups, &starts);
            scope.spawn(move || {
                loop {
                    // A thread that panicked left the list whole.
                    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                    let taken = if device == 0 { left.pop_front() } else { left.pop_back() };
                    drop(left);
                    let Some((group, start)) = taken.and_then(|i| Some((groups.get(i)?, starts.get(i)?))) else {
                        return;
                    };
                    for (index, case) in (*start..).zip(*group) {
                        // Nobody listens any more: the caller panicked.
                        if sender.send((index, run(case, gpu))).is_err() {
                            return;
                        }
                    }
                }
            });
        }
        drop(sender);
        for (index, row) in receiver {
            waiting[index] = Some(row);
            done += 1;
            let before = rows.len();
            rows.extend(waiting[before..].iter_mut().map_while(Option::take));
            seen(&rows[before..], [done, cases.len()]);
        }
    });
    rows
}

/// Compiles every kernel with every part that it may be composed of, by the heaviest choices, and runs none: for
/// [`Gpu::watch_compiling`].
///
/// # Errors
/// What the device says against a kernel.
#[cfg(not(target_arch = "wasm32"))]
pub fn compile_all(gpu: &Gpu) -> Result<()> {
    let heavy = f64::from(crate::policy::Activation::GeluErf.code());
    let choices = [("ACTIVATION", heavy), ("INPUT_ACTIVATION", heavy), ("KEEPS_PREACTIVATION", 1.0)];
    for def in crate::kernels::ALL {
        for mut variant in crate::kernels::variants(def) {
            let source = def.compose(&variant);
            let declared = |(name, _): &&(&str, f64)| source.contains(&format!("override {name}:"));
            variant.constants.extend(choices.iter().filter(declared));
            gpu.compile_only(def, &variant)?;
        }
    }
    Ok(())
}

fn run(case: &Case, gpu: &Gpu) -> CheckRow {
    (case.run)(gpu).unwrap_or_else(|error| CheckRow {
        kernel: case.kernel.to_owned(),
        shape: case.shape.clone(),
        worst_error: f64::INFINITY,
        tolerance: 0.0,
        slack: 0.0,
        slack_reason: None,
        passed: false,
        reason: "it could not be run".to_owned(),
        fault: Some(error.to_string()),
    })
}
