//! One comparison of one kernel at one shape.

use super::row::CheckRow;
use super::support::{Report, Submitted};
use crate::error::Result;
use crate::gpu::Gpu;
use std::sync::Arc;

type Run = Box<dyn Fn(&Gpu) -> Result<CheckRow> + Send + Sync>;
type Replay = Box<dyn Fn(&Gpu) -> Result<(CheckRow, Vec<Submitted>)> + Send + Sync>;

/// One comparison of one kernel at one shape.
pub struct Case {
    /// Stem of the kernel.
    pub kernel: &'static str,
    /// Sizes and choices.
    pub shape: String,
    /// Whether [`check`](super::check) runs it.
    pub quick: bool,
    /// Runs it; a device that fails is an error, a wrong number is a row that did not pass.
    pub run: Run,
    replay: Replay,
}

impl Case {
    pub(super) fn new(
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

    pub(super) fn quick(self, quick: bool) -> Self {
        Self { quick, ..self }
    }

    /// Why the numbers of this case may be off by more than [`SLACK_LIMIT`](super::SLACK_LIMIT) of themselves.
    pub(super) fn loose(self, reason: &'static str) -> Self {
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
