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

use crate::Result;
use crate::gpu::Gpu;
pub use recorded::{RecordedRatio, RecordedRow, recorded_ratio};
use std::sync::Arc;
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
