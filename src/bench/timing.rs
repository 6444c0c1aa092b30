//! How a time comes about.

use super::load::Load;

/// How long to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Seconds that a row should take to measure, all rounds together; comparing it with the reference comes on top. A round
    /// begins at least half of this after the one before it.
    pub seconds: f64,
    /// Rounds of a row, at least one. A row that takes long has no fewer than three.
    pub rounds: usize,
    /// Whether the kernels of a whole piece are timed apart, for their shares.
    pub parts: bool,
    /// Largest error that is let pass, where the case's own tolerance is above it.
    pub tolerance: Option<f64>,
    /// Whether the roof is measured with little data, to see that it runs.
    pub quick: bool,
    /// Whether clocks tell no less than 100 µs, as a browser's do, the device's included: submissions then take at least 20 ms, of which such a step
    /// is half a per cent, and the device's time is that of a whole submission over its runs.
    pub coarse_clocks: bool,
}

/// Rounds of a row with [`Options::quick`] on a software adapter.
pub const FEW_ROUNDS: usize = 3;

impl Options {
    /// Little time and little data, as `wgpo bench --quick` takes: shows that everything runs, not how fast. On a software adapter the program sets `rounds` to
    /// [`FEW_ROUNDS`] and narrows the nets to [`NARROW`](super::NARROW).
    pub fn quick() -> Self {
        Self { seconds: 0.02, quick: true, ..Self::default() }
    }
}

impl Default for Options {
    /// Half a second a row in six rounds, with parts; coarse clocks on `wasm32`.
    fn default() -> Self {
        let coarse_clocks = cfg!(target_arch = "wasm32");
        Self { seconds: 0.5, rounds: 6, parts: true, tolerance: None, quick: false, coarse_clocks }
    }
}

/// Who took the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The device, at the ends of each pass.
    Timestamps,
    /// The host, around recording, submission and waiting; short runs are submitted together and the time shared out.
    Wall,
}

impl Clock {
    /// In one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "timestamps",
            Self::Wall => "wall",
        }
    }
}

/// Median and quartiles of several times, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spread {
    /// Half of the times are below.
    pub median: f64,
    /// A quarter is below.
    pub low: f64,
    /// Three quarters are below.
    pub high: f64,
    /// How many times there were.
    pub repeats: usize,
}

impl Spread {
    /// Of `times`, in any order; zeros if there are none.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let repeats = times.len();
        // Between the two nearest times, as their distance says.
        let at = |quantile: f64| {
            let place = quantile * repeats.saturating_sub(1) as f64;
            let below = times.get(place.floor() as usize).copied().unwrap_or(0.0);
            let above = times.get(place.ceil() as usize).copied().unwrap_or(below);
            below + (above - below) * place.fract()
        };
        Self { median: at(0.5), low: at(0.25), high: at(0.75), repeats }
    }

    /// Half the distance of the quartiles over the median.
    pub fn relative(&self) -> f64 {
        if self.median > 0.0 { 0.5 * (self.high - self.low) / self.median } else { 0.0 }
    }
}

/// One kernel of a piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its stem, so the variant that the plan chose.
    pub kernel: &'static str,
    /// Its dispatches in one run.
    pub dispatches: usize,
    /// Seconds of all its dispatches, run without the others.
    pub seconds: f64,
    /// `seconds` over the sum of all parts'.
    pub share: f64,
}

/// The times of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Seconds of one run, by `clock`: median and quartiles of the medians of its rounds. `repeats` counts all times.
    pub seconds: Spread,
    /// The median of each round, in seconds by `clock`, in the order in which they were taken.
    pub rounds: Vec<f64>,
    /// Who took them.
    pub clock: Clock,
    /// The same by the host's clock.
    pub wall: Spread,
    /// What other processes took meanwhile, where the system says so.
    pub load: Option<Load>,
    /// Dispatches of one run.
    pub dispatches: u64,
    /// Submissions of one run.
    pub submissions: u64,
    /// Read-backs of one run.
    pub readbacks: u64,
    /// The kernels that a run is made of, slowest first. Without times (zeros) where [`Options::parts`] is off.
    pub parts: Vec<Part>,
}

/// Halves that differ by more than this are no measure: the row, or the roof, is marked.
pub const STEADY: f64 = 0.1;

impl Timing {
    /// By how much the earlier rounds and the later ones differ: the larger median over the smaller one, less 1. `None` where
    /// there was one round.
    pub fn halves(&self) -> Option<f64> {
        halves(&self.rounds)
    }

    /// Whether the halves are within [`STEADY`] of each other.
    pub fn is_steady(&self) -> bool {
        self.halves().is_none_or(|apart| apart <= STEADY)
    }
}

/// The larger median of the first and the last half of `times` over the smaller one, less 1; the one in the middle is in
/// neither.
pub(super) fn halves(times: &[f64]) -> Option<f64> {
    let half = times.len() / 2;
    let median = |part: &[f64]| Spread::of(part.to_vec()).median;
    let (first, last) = (median(times.get(..half)?), median(times.get(times.len() - half..)?));
    let (less, more) = (first.min(last), first.max(last));
    (less > 0.0).then(|| more / less - 1.0)
}
