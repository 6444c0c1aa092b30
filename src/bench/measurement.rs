//! Rounds of times, and what a row's are made of.

use super::case::{Body, Prepared, block_on};
use super::load::{Load, Moment};
use super::timing::{Clock, Options, Part, Spread, Timing};
use crate::error::Result;
use crate::gpu::{Call, Counts, Gpu, Slot, Timestamps};
use crate::place::Place;
use std::time::Duration;
use web_time::Instant;

/// Fewest times of a round, unless they take too long.
const LEAST: usize = 2;
/// Most times of a round.
const MOST: usize = 100;
/// A row that takes long has fewer rounds than it should, but no fewer than this.
const FEWEST: usize = 3;
/// A submission is filled with runs until it takes so long, so that submitting costs little of it.
const SUBMISSION: f64 = 4e-3;
/// The same where clocks tell no less than 100 µs ([`Options::coarse_clocks`]): a step of the clock is half a per cent of it.
const LONG_SUBMISSION: f64 = 2e-2;
/// Most runs of a submission, and where clocks are coarse.
const PASSES: [u32; 2] = [128, Timestamps::MOST];

/// Times `prepared`, which must have matched ([`Prepared::check`]), in rounds one soon after another; [`Rows`](super::Rows) puts
/// other rows between them.
///
/// # Errors
/// A device error; [`Error::Waits`](crate::Error::Waits) in a browser.
pub fn measure(place: &Place, prepared: &mut Prepared, options: &Options) -> Result<Timing> {
    let mut measurement = block_on(place, Measurement::begin(place, prepared, options))?;
    while !measurement.is_complete() {
        std::thread::sleep(measurement.rest());
        block_on(place, measurement.round(place, prepared))?;
    }
    block_on(place, measurement.finish(place, prepared))
}

/// A row's rounds so far.
pub(super) struct Measurement {
    options: Options,
    /// What one run takes, about, and what it counted.
    first: f64,
    counted: Counts,
    rounds: Vec<Times>,
    repeats: usize,
    /// Seconds that the rounds took.
    spent: f64,
    /// When the last round began.
    begun: Option<Instant>,
    /// CPUs of other processes times seconds, the seconds, and the machine's CPUs.
    others: (f64, f64, usize),
}

impl Measurement {
    /// Runs once more. Drivers compile at the first run; that was the comparison. This one warms caches and clocks and is
    /// counted.
    pub async fn begin(place: &Place, prepared: &mut Prepared, options: &Options) -> Result<Self> {
        let counts = |place: &Place| if let Place::Gpu(gpu) = place { gpu.counts() } else { Counts::default() };
        let before = counts(place);
        let first = prepared.run_async(place).await?.as_secs_f64();
        let counted = counts(place) - before;
        let options = options.clone();
        let (rounds, others) = (Vec::new(), (0.0, 0.0, 0));
        Ok(Self { options, first, counted, rounds, repeats: 0, spent: 0.0, begun: None, others })
    }

    /// Whether there are as many rounds as were asked for, or [`FEWEST`] that took four times as long as they should.
    pub fn is_complete(&self) -> bool {
        let long = self.spent > 4.0 * self.options.seconds.max(0.1);
        self.rounds.len() >= self.options.rounds.max(1) || (long && self.rounds.len() >= FEWEST)
    }

    /// Rounds so far.
    pub fn taken(&self) -> usize {
        self.rounds.len()
    }

    /// How long until the next round may begin, so that rounds are not all of the same busy moment.
    pub fn rest(&self) -> Duration {
        let apart = Duration::from_secs_f64(0.5 * self.options.seconds.clamp(0.0, 1e6));
        self.begun.map_or(Duration::ZERO, |begun| apart.saturating_sub(begun.elapsed()))
    }

    /// Takes the times of one round.
    pub async fn round(&mut self, place: &Place, prepared: &mut Prepared) -> Result<()> {
        let (begun, before) = (Instant::now(), Moment::now());
        self.begun = Some(begun);
        let seconds = self.options.seconds / self.options.rounds.max(1) as f64;
        let times = match (&mut prepared.body, place) {
            (Body::Calls { calls, slot, start, restore }, Place::Gpu(gpu)) => {
                let (start, restore) = (&*start, &*restore);
                let restore = || restore.as_ref().map_or(Ok(()), |restore| restore(gpu));
                let start = |encoder: &mut wgpu::CommandEncoder| {
                    if let Some(start) = start {
                        start(encoder);
                    }
                };
                let sample = Sample { first: self.first, seconds, coarse: self.options.coarse_clocks };
                repeat(gpu, calls, *slot, sample, start, restore).await?
            }
            (Body::Host { run, .. }, _) => {
                // Other rows have had the caches since.
                if self.first < 0.25 * seconds {
                    run.run().await?;
                }
                let (begun, mut times) = (Instant::now(), Vec::new());
                while !enough(times.len(), begun, seconds) {
                    times.push(run.run().await?.as_secs_f64());
                }
                Times { device: None, wall: Spread::of(times) }
            }
            (Body::Calls { .. }, Place::Cpu) => Times { device: None, wall: Spread::default() },
        };
        if self.options.coarse_clocks {
            // The first run was one alone, of which most was submitting and waiting.
            self.first = self.first.min(times.wall.median);
        }
        self.repeats += times.seconds().repeats;
        self.rounds.push(times);
        let taken = begun.elapsed().as_secs_f64();
        self.spent += taken;
        if let Some(load) = before.and_then(|before| Moment::now()?.since(&before)) {
            self.others = (self.others.0 + taken * load.others, self.others.1 + taken, load.cpus);
        }
        Ok(())
    }

    /// What the rounds came to, and the kernels' shares.
    pub async fn finish(&self, place: &Place, prepared: &Prepared) -> Result<Timing> {
        let device: Option<Vec<f64>> = self.rounds.iter().map(|times| Some(times.device?.median)).collect();
        let wall: Vec<f64> = self.rounds.iter().map(|times| times.wall.median).collect();
        // One clock for all rounds: a driver's clock that meant nothing in one of them means nothing.
        let clock = if device.is_some() { Clock::Timestamps } else { Clock::Wall };
        let rounds = device.unwrap_or_else(|| wall.clone());
        let of = |medians: &[f64], repeats| Spread { repeats, ..Spread::of(medians.to_vec()) };
        let wall_repeats = self.rounds.iter().map(|times| times.wall.repeats).sum();
        let (busy, seconds, cpus) = self.others;
        Ok(Timing {
            seconds: of(&rounds, self.repeats),
            wall: of(&wall, wall_repeats),
            load: (seconds > 0.0).then(|| Load { others: busy / seconds, cpus }),
            rounds,
            clock,
            dispatches: self.counted.dispatches,
            submissions: self.counted.submissions,
            readbacks: self.counted.readbacks,
            parts: parts(place, prepared, self.first, &self.options).await?,
        })
    }
}

/// The times of a round by both clocks; by the device's, if that told the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub device: Option<Spread>,
    pub wall: Spread,
}

impl Times {
    /// By the device's clock, else by the host's.
    pub fn seconds(&self) -> Spread {
        self.device.unwrap_or(self.wall)
    }
}

/// Whether to stop: the time is over, or, at four times as long, even [`LEAST`] are too many.
fn enough(taken: usize, begun: Instant, seconds: f64) -> bool {
    let passed = begun.elapsed().as_secs_f64();
    taken >= MOST || (taken >= LEAST && passed > seconds) || (taken >= 1 && passed > 4.0 * seconds.max(0.02))
}

/// How long to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// About what one run takes, in seconds.
    pub first: f64,
    /// Seconds.
    pub seconds: f64,
    /// [`Options::coarse_clocks`].
    pub coarse: bool,
}

impl Sample {
    /// Runs of a submission, if one takes `first`.
    pub fn passes(&self, calls: usize) -> u32 {
        let (least, most) = if self.coarse { (LONG_SUBMISSION, PASSES[1]) } else { (SUBMISSION, PASSES[0]) };
        let passes = ((least / self.first.max(1e-7)).round() as u32).clamp(1, most);
        // A command buffer of many thousand dispatches serves nobody.
        passes.min((4096 / calls.max(1)) as u32).max(1)
    }
}

/// Runs `calls` until the time of `sample` is over.
pub(super) async fn repeat(
    gpu: &Gpu,
    calls: &[Call],
    slot: Slot,
    sample: Sample,
    start: impl Fn(&mut wgpu::CommandEncoder),
    restore: impl Fn() -> Result<()>,
) -> Result<Times> {
    let Sample { mut first, seconds, coarse } = sample;
    let mut passes = sample.passes(calls.len());
    let mut timestamps = Timestamps::new(gpu, passes)?;
    let (mut by_device, mut by_host) = (Vec::new(), Vec::new());
    let mut begun = Instant::now();
    while !enough(by_host.len(), begun, seconds) {
        restore()?;
        gpu.submit(gpu.encoder("restore"))?;
        gpu.wait_async().await?;
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
        gpu.wait_async().await?;
        let taken = begin.elapsed().as_secs_f64() / f64::from(passes);
        first = first.min(taken);
        let more = Sample { first, ..sample }.passes(calls.len());
        if coarse && more > 2 * passes {
            // Most of it was submitting and waiting: it does not count.
            (passes, timestamps, begun) = (more, Timestamps::new(gpu, more)?, Instant::now());
            continue;
        }
        by_host.push(taken);
        match &timestamps {
            // Of a pass alone a coarse clock says little.
            Some(timestamps) if coarse => by_device.push(timestamps.span_async(gpu).await? / f64::from(passes)),
            Some(timestamps) => by_device.extend(timestamps.seconds_async(gpu).await?),
            None => {}
        }
    }
    let (device, wall) = (Spread::of(by_device), Spread::of(by_host));
    // A clock that stands still, or passes that took longer than everything: a driver's timestamps that mean nothing.
    let sound = device.median > 0.0 && device.median < 1.5 * wall.median;
    Ok(Times { device: sound.then_some(device), wall })
}

/// Each kernel of the piece alone: its dispatches one after the other. Where runs take long, once is enough.
async fn parts(place: &Place, prepared: &Prepared, first: f64, options: &Options) -> Result<Vec<Part>> {
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
            let sample = Sample { first: guess, seconds: share.min(first), coarse: options.coarse_clocks };
            repeat(gpu, &own, slot, sample, |_| (), || Ok(())).await?.seconds().median
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
