//! One comparison of one kernel at one shape.

use super::row::CheckRow;
use super::support::{Report, Submitted};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use std::pin::Pin;
use std::sync::Arc;

/// What runs on one device; it needs nothing else of the case.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Report>> + 'a>>;
type Run = Box<dyn for<'a> Fn(&'a Gpu) -> Running<'a> + Send + Sync>;

/// One comparison of one kernel at one shape.
pub struct Case {
    /// Stem of the kernel.
    pub kernel: &'static str,
    /// Sizes and choices.
    pub shape: String,
    /// Whether [`check`](super::check) runs it.
    pub quick: bool,
    body: Run,
    /// See [`loose`](Self::loose).
    slack_reason: Option<&'static str>,
}

impl Case {
    pub(super) fn new(
        kernel: &'static str,
        shape: String,
        (tolerance, reason): (f64, &str),
        body: impl AsyncFn(&Gpu, &Report) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (label, reason, body) = (shape.clone(), reason.to_owned(), Arc::new(body));
        let body = boxed(move |gpu| {
            let (report, body) = (Report::new(kernel, &label, tolerance, &reason), Arc::clone(&body));
            Box::pin(async move {
                body(gpu, &report).await?;
                Ok(report)
            })
        });
        Self { kernel, shape, quick: false, body, slack_reason: None }
    }

    /// Runs it; a device that fails is an error, a wrong number is a row that did not pass.
    ///
    /// # Errors
    /// Those of the device. In a browser, where nothing may block, [`Error::Waits`].
    pub fn run(&self, gpu: &Gpu) -> Result<CheckRow> {
        gpu.block_on(self.run_async(gpu))
    }

    /// [`run`](Self::run) without blocking.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn run_async(&self, gpu: &Gpu) -> Result<CheckRow> {
        self.replay(gpu).await.map(|(row, _)| row)
    }

    /// Runs it, and whatever becomes of it is a row: one that could not be run did not pass, and its fault is the error.
    pub async fn row_async(&self, gpu: &Gpu) -> CheckRow {
        self.run_async(gpu).await.unwrap_or_else(|error| self.failed(&error))
    }

    /// [`row_async`](Self::row_async), waiting.
    pub fn row(&self, gpu: &Gpu) -> CheckRow {
        self.run(gpu).unwrap_or_else(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> CheckRow {
        CheckRow::not_run(self.kernel.to_owned(), self.shape.clone(), error)
    }

    /// [`run_async`](Self::run_async), with what it submitted, bound to buffers that are kept.
    pub(crate) async fn replay(&self, gpu: &Gpu) -> Result<(CheckRow, Vec<Submitted>)> {
        let (row, submitted) = (self.body)(gpu).await?.replay();
        Ok((CheckRow { slack_reason: self.slack_reason.map(str::to_owned), ..row }, submitted))
    }

    pub(super) fn quick(self, quick: bool) -> Self {
        Self { quick, ..self }
    }

    /// Why the numbers of this case may be off by more than [`SLACK_LIMIT`](super::SLACK_LIMIT) of themselves.
    pub(super) fn loose(self, reason: &'static str) -> Self {
        Self { slack_reason: Some(reason), ..self }
    }
}

/// For the compiler, which does not find by itself that this holds for all lifetimes.
fn boxed(body: impl for<'a> Fn(&'a Gpu) -> Running<'a> + Send + Sync + 'static) -> Run {
    Box::new(body)
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kernel, self.shape)
    }
}
