//! An iteration that runs on the device, and its statistics that are on their way.

use crate::error::{Error, Result};
use crate::gpu::{Fetch, Gpu, ReadBack};
use crate::trainer::IterationStats;

/// Statistics from the words that came back.
type Reading = Box<dyn FnOnce(&[u32]) -> Result<IterationStats> + Send + Sync>;

/// An iteration that was submitted: the finishing half of [`GpuTrainer::submit`](super::GpuTrainer::submit) and
/// [`GpuOffPolicyTrainer::submit`](super::GpuOffPolicyTrainer::submit). Its statistics need not be awaited before the next is submitted, so that
/// the device goes on meanwhile; dropped, it still runs, and only its statistics are lost.
#[must_use = "its statistics come by `statistics`"]
pub struct Iteration {
    fetch: Fetch<u32>,
    reading: Reading,
}

impl std::fmt::Debug for Iteration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Iteration").field("fetch", &self.fetch).finish_non_exhaustive()
    }
}

impl Iteration {
    /// Of what was submitted with a copy of its statistics into `staging`, which `reading` understands.
    pub(super) fn begun(
        gpu: &Gpu,
        staging: &ReadBack<u32>,
        reading: impl FnOnce(&[u32]) -> Result<IterationStats> + Send + Sync + 'static,
    ) -> Result<Self> {
        Ok(Self { fetch: staging.begin(gpu)?, reading: Box::new(reading) })
    }

    /// Its statistics, once it has run. Someone must poll the device meanwhile; a browser does so by itself. In a blocking loop,
    /// [`Gpu::block_on`] takes this.
    ///
    /// # Errors
    /// A lost device.
    pub async fn statistics(self) -> Result<IterationStats> {
        let words = self.fetch.finish().await?;
        (self.reading)(&words)
    }
}

/// Buffers that statistics are copied into: one for each iteration whose statistics may be on their way at once.
#[derive(Debug)]
pub(super) struct Stagings([ReadBack<u32>; Stagings::COUNT]);

impl Stagings {
    /// The device works on one while the host reads the other.
    const COUNT: usize = 2;

    /// Each for `words` words.
    pub fn new(gpu: &Gpu, words: u64) -> Result<Self> {
        let one = || ReadBack::new(gpu, "statistics", words);
        Ok(Self([one()?, one()?]))
    }

    /// One that nothing is on its way from.
    ///
    /// # Errors
    /// [`Error::InFlight`] if there is none.
    pub fn free(&self) -> Result<&ReadBack<u32>> {
        self.0.iter().find(|staging| !staging.is_in_use()).ok_or(Error::InFlight(Self::COUNT))
    }
}
