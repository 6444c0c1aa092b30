//! How a time comes about.

use super::{Body, Place, Prepared};
use crate::Result;
use crate::gpu::{Call, Gpu, Slot, Timestamps};
use std::time::Instant;

/// How long to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Seconds that a row should take to measure; comparing it with the reference comes on top.
    pub seconds: f64,
    /// Whether the kernels of a whole piece are timed apart, for their shares.
    pub parts: bool,
    /// Largest error that is let pass, where the case's own tolerance is above it.
    pub tolerance: Option<f64>,
    /// Whether the roof is measured with little data, to see that it runs.
    pub quick: bool,
}

impl Default for Options {
    /// Half a second a row, with parts.
    fn default() -> Self {
        Self { seconds: 0.5, parts: true, tolerance: None, quick: false }
    }
}

/// Who took the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The device, at the ends of each pass.
    Timestamps,
    /// The host, round recording, submission and waiting; short runs are submitted together and the time shared out.
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
    /// Seconds of one run, by `clock`.
    pub seconds: Spread,
    /// Who took them.
    pub clock: Clock,
    /// Seconds of one run by the host's clock.
    pub wall: Spread,
    /// Dispatches of one run.
    pub dispatches: u64,
    /// Submissions of one run.
    pub submissions: u64,
    /// Read-backs of one run.
    pub readbacks: u64,
    /// The kernels that a run is made of, slowest first. Without times (zeros) where [`Options::parts`] is off.
    pub parts: Vec<Part>,
}

/// Fewest times of a median, unless they take too long.
const LEAST: usize = 5;
/// Most times.
const MOST: usize = 400;
/// A submission is filled with runs until it takes so long, so that submitting costs little of it.
const SUBMISSION: f64 = 4e-3;

/// Whether to stop: the time is over, or, at four times as long, even [`LEAST`] are too many.
fn enough(taken: usize, begun: Instant, seconds: f64) -> bool {
    let passed = begun.elapsed().as_secs_f64();
    taken >= MOST || (taken >= LEAST && passed > seconds) || (taken >= 2 && passed > 4.0 * seconds.max(0.1))
}

/// Times `prepared`, which must have matched ([`Prepared::check`]).
///
/// # Errors
/// A device error.
pub fn measure(place: &Place, prepared: &mut Prepared, options: &Options) -> Result<Timing> {
    let counts = |place: &Place| if let Place::Gpu(gpu) = place { gpu.counts() } else { Default::default() };
    // Drivers compile at the first run; that was the comparison. This one warms caches and clocks and is counted.
    let before = counts(place);
    let first = prepared.run(place)?.as_secs_f64();
    let counted = counts(place) - before;
    let mut timing = match (&mut prepared.body, place) {
        (Body::Calls { calls, slot, start, restore }, Place::Gpu(gpu)) => {
            let (start, restore) = (&*start, &*restore);
            let restore = || restore.as_ref().map_or(Ok(()), |restore| restore(gpu));
            let start = |encoder: &mut wgpu::CommandEncoder| {
                if let Some(start) = start {
                    start(encoder);
                }
            };
            repeat(gpu, calls, *slot, first, options.seconds, start, restore)?
        }
        (Body::Host { run, .. }, _) => {
            let (begun, mut times) = (Instant::now(), Vec::new());
            while !enough(times.len(), begun, options.seconds) {
                times.push(run()?.as_secs_f64());
            }
            let seconds = Spread::of(times);
            Timing::new(seconds, Clock::Wall, seconds)
        }
        (Body::Calls { .. }, Place::Cpu) => Timing::new(Spread::default(), Clock::Wall, Spread::default()),
    };
    (timing.dispatches, timing.submissions) = (counted.dispatches, counted.submissions);
    timing.readbacks = counted.readbacks;
    timing.parts = parts(place, prepared, first, options)?;
    Ok(timing)
}

impl Timing {
    fn new(seconds: Spread, clock: Clock, wall: Spread) -> Self {
        Self { seconds, clock, wall, dispatches: 0, submissions: 0, readbacks: 0, parts: Vec::new() }
    }
}

/// Runs `calls` until `seconds` are over. `first` is about what one run takes.
pub(super) fn repeat(
    gpu: &Gpu,
    calls: &[Call],
    slot: Slot,
    first: f64,
    seconds: f64,
    start: impl Fn(&mut wgpu::CommandEncoder),
    restore: impl Fn() -> Result<()>,
) -> Result<Timing> {
    let passes = ((SUBMISSION / first.max(1e-7)).round() as u32).clamp(1, 128);
    // A command buffer of many thousand dispatches serves nobody.
    let passes = passes.min((4096 / calls.len().max(1)) as u32).max(1);
    let timestamps = Timestamps::new(gpu, passes)?;
    let (mut by_device, mut by_host) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while !enough(by_host.len(), begun, seconds) {
        restore()?;
        gpu.submit(gpu.encoder("restore"))?;
        gpu.wait()?;
        let begin = Instant::now();
        let mut encoder = gpu.encoder("bench");
        for pass in 0..passes {
            start(&mut encoder);
            match &timestamps {
                Some(timestamps) => timestamps.record(gpu, &mut encoder, "bench", calls, slot, pass),
                None => gpu.record(&mut encoder, "bench", calls, slot),
            }
        }
        if let Some(timestamps) = &timestamps {
            timestamps.resolve(&mut encoder);
        }
        gpu.submit(encoder)?;
        gpu.wait()?;
        by_host.push(begin.elapsed().as_secs_f64() / f64::from(passes));
        if let Some(timestamps) = &timestamps {
            by_device.extend(timestamps.seconds(gpu)?);
        }
    }
    let (device, wall) = (Spread::of(by_device), Spread::of(by_host));
    // A clock that stands still, or passes that took longer than everything: a driver's timestamps that mean nothing.
    let sound = device.median > 0.0 && device.median < 1.5 * wall.median;
    Ok(if sound { Timing::new(device, Clock::Timestamps, wall) } else { Timing::new(wall, Clock::Wall, wall) })
}

/// Each kernel of the piece alone: its dispatches one after the other. Where runs take long, once is enough.
fn parts(place: &Place, prepared: &Prepared, first: f64, options: &Options) -> Result<Vec<Part>> {
    let (Place::Gpu(gpu), calls) = (place, prepared.calls()) else { return Ok(Vec::new()) };
    let slot = if let Body::Calls { slot, .. } = &prepared.body { *slot } else { Slot::default() };
    let mut groups: Vec<(&'static str, Vec<Call>)> = Vec::new();
    for call in calls {
        match groups.iter_mut().find(|(kernel, _)| *kernel == call.kernel()) {
            Some((_, own)) => own.push(call.clone()),
            None => groups.push((call.kernel(), vec![call.clone()])),
        }
    }
    let (alone, share) = (groups.len() == 1, options.seconds / 10.0);
    let mut parts = Vec::new();
    for (kernel, own) in groups {
        let seconds = if options.parts && !alone {
            let guess = first * own.len() as f64 / calls.len() as f64;
            repeat(gpu, &own, slot, guess, share.min(first), |_| (), || Ok(()))?.seconds.median
        } else {
            0.0
        };
        parts.push(Part { kernel, dispatches: own.len(), seconds, share: if alone { 1.0 } else { 0.0 } });
    }
    let sum: f64 = parts.iter().map(|part| part.seconds).sum();
    if sum > 0.0 {
        parts.iter_mut().for_each(|part| part.share = part.seconds / sum);
        parts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    }
    Ok(parts)
}
