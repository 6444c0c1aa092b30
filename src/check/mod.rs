//! Every kernel against the f64 reference, on any adapter: one table of cases that the tests and the program walk.
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
mod batch;
mod cg;
mod env;
mod head;
mod head_accuracy;
mod line_search;
mod loss;
mod loss_fused;
mod loss_kl;
mod loss_statistics;
mod mlp;
mod mlp_fused;
mod mlp_jvp;
mod mlp_tiled;
mod normalize;
mod optim;
mod recorded;
mod reduce;
mod rollout_fused;
pub(crate) mod sized;
mod support;
mod tail;
mod trust_region;
mod update;
mod valid;
mod vtrace;
mod wide;

use crate::error::Result;
use crate::gpu::Gpu;
pub use recorded::{RecordedRatio, RecordedRow, recorded_ratio};
use std::sync::Arc;
#[cfg(not(target_arch = "wasm32"))]
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
pub(crate) use support::{EPS, Report, Submitted};

/// What one case found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRow {
    /// Stem of the kernel, or name of the update.
    pub kernel: String,
    /// Sizes and choices of the case.
    pub shape: String,
    /// Largest error of any element; infinite where a fault makes it meaningless.
    pub worst_error: f64,
    /// Largest error that passes.
    pub tolerance: f64,
    /// How far off a number may be, as a share of itself, and still pass: the median of tolerance · max(|want|, scale) / |want| over the
    /// elements of an output, of the output where it is largest. Elements that should be 0 are left out, as they have no share;
    /// 0 where everything is compared exactly.
    pub slack: f64,
    /// Why `slack` is above [`SLACK_LIMIT`], where it is.
    pub slack_reason: Option<String>,
    /// Whether there was no fault and the error stayed within the tolerance.
    pub passed: bool,
    /// Why the tolerance is what it is.
    pub reason: String,
    /// What is wrong, if it did not pass: the worst element, a guard word that changed, an element never written, an error of the
    /// device.
    pub fault: Option<String>,
}

/// A comparison that lets more than this pass ([`CheckRow::slack`]) says why.
pub const SLACK_LIMIT: f64 = 1e-2;

type Run = Box<dyn Fn(&Gpu) -> Result<CheckRow> + Send + Sync>;
type Replay = Box<dyn Fn(&Gpu) -> Result<(CheckRow, Vec<Submitted>)> + Send + Sync>;

/// One comparison of one kernel at one shape.
pub struct Case {
    /// Stem of the kernel.
    pub kernel: &'static str,
    /// Sizes and choices.
    pub shape: String,
    /// Whether [`check`] runs it.
    pub quick: bool,
    /// Runs it; a device that fails is an error, a wrong number is a row that did not pass.
    pub run: Run,
    replay: Replay,
}

impl Case {
    fn new(
        kernel: &'static str,
        shape: String,
        (tolerance, reason): (f64, &str),
        body: impl Fn(&Gpu, &Report) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (label, reason) = (shape.clone(), reason.to_owned());
        let report = move |gpu: &Gpu| {
            let report = Report::new(kernel, &label, tolerance, &reason);
            body(gpu, &report)?;
            Ok(report)
        };
        let report = Arc::new(report);
        let again = Arc::clone(&report);
        let run = move |gpu: &Gpu| -> Result<CheckRow> { report(gpu).map(Report::row) };
        let replay = move |gpu: &Gpu| again(gpu).map(Report::replay);
        Self { kernel, shape, quick: false, run: Box::new(run), replay: Box::new(replay) }
    }

    /// [`run`](Self::run), with what it submitted, bound to buffers that are kept.
    pub(crate) fn replay(&self, gpu: &Gpu) -> Result<(CheckRow, Vec<Submitted>)> {
        (self.replay)(gpu)
    }

    fn quick(self, quick: bool) -> Self {
        Self { quick, ..self }
    }

    /// Why the numbers of this case may be off by more than [`SLACK_LIMIT`] of themselves.
    fn loose(self, reason: &'static str) -> Self {
        let Self { run, replay, .. } = self;
        let with = move |row: CheckRow| CheckRow { slack_reason: Some(reason.to_owned()), ..row };
        let run = Box::new(move |gpu: &Gpu| run(gpu).map(with));
        let replay = Box::new(move |gpu: &Gpu| replay(gpu).map(|(row, submitted)| (with(row), submitted)));
        Self { kernel: self.kernel, shape: self.shape, quick: self.quick, run, replay }
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kernel, self.shape)
    }
}

/// Every case, in order of stage. One more file of cases is one more line here.
pub fn cases() -> Vec<Case> {
    [
        env::cases(),
        head::cases(),
        wide::cases(),
        advantage::cases(),
        vtrace::cases(),
        advantage_normalize::cases(),
        normalize::cases(),
        batch::cases(),
        valid::cases(),
        mlp::cases(),
        mlp_fused::cases(),
        loss_fused::cases(),
        mlp_jvp::cases(),
        mlp_tiled::cases(),
        loss::cases(),
        loss_statistics::cases(),
        tail::cases(),
        loss_kl::cases(),
        optim::cases(),
        trust_region::cases(),
        cg::cases(),
        line_search::cases(),
        reduce::cases(),
        rollout_fused::cases(),
        update::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

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
