//! What `wgpo bench --json` and the page in a browser write. The keys are described in docs/bench-format.md.

mod place;
mod roof;

pub use place::PlaceRecord;
pub use roof::{HalfRecord, RoofRecord};

use super::date::today;
use super::{Load, Options, Part, Place, Roof, Row, STEADY, Spread, Timing, shares};
use serde::{Deserialize, Serialize};

/// Version of the keys.
pub const FORMAT: u32 = 1;

/// A whole record. As JSON it is what docs/bench-format.md describes, key by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of wgpo.
    pub wgpo: String,
    /// Day of the measurement by UTC, as 2026-01-31.
    pub date: String,
    /// Whether sizes were small: such times are no measure of speed.
    pub quick: bool,
    /// How long each row was measured at least, in seconds.
    pub seconds_per_row: f64,
    /// What other processes took meanwhile. Absent in records of earlier versions, like all that has a default below.
    #[serde(default)]
    pub load: Option<LoadRecord>,
    /// Where.
    pub place: PlaceRecord,
    /// What the device can do.
    pub roof: RoofRecord,
    /// The rows, in the order of the table.
    pub rows: Vec<RowRecord>,
}

/// [`Load`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// CPUs' worth of time that other processes used.
    pub other_cpus: f64,
    /// CPUs of the machine.
    pub cpus: usize,
}

/// [`Spread`], in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpreadRecord {
    /// [`Spread::median`].
    pub median: f64,
    /// [`Spread::low`].
    pub low: f64,
    /// [`Spread::high`].
    pub high: f64,
    /// [`Spread::repeats`].
    pub repeats: usize,
}

/// [`Part`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelRecord {
    /// Its stem.
    pub kernel: String,
    /// Its dispatches in one run.
    pub dispatches: usize,
    /// Seconds of all of them, run without the others.
    pub seconds: Option<f64>,
    /// That over the sum of all parts'.
    pub share: Option<f64>,
}

/// [`Row`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowRecord {
    /// The row's.
    pub name: String,
    /// The row's.
    pub shape: String,
    /// The row's.
    pub net: Option<String>,
    /// Whether it matched the reference.
    pub passed: bool,
    /// The worst error; `None` where it is no finite number.
    pub worst_error: Option<f64>,
    /// Largest error that passes.
    pub tolerance: f64,
    /// Why the tolerance is what it is.
    pub reason: String,
    /// What is wrong, if it did not pass.
    pub fault: Option<String>,
    /// What one run does: `rows`, `steps` or `parameters`.
    pub unit: String,
    /// How many of these.
    pub units: f64,
    /// Operations of one run.
    pub flops: f64,
    /// Bytes of one run.
    pub bytes: f64,
    /// [`Timing::seconds`].
    pub seconds: Option<SpreadRecord>,
    /// [`Timing::rounds`].
    #[serde(default)]
    pub rounds: Vec<f64>,
    /// [`Timing::halves`].
    #[serde(default)]
    pub halves_apart: Option<f64>,
    /// CPUs that other processes used during its rounds.
    #[serde(default)]
    pub other_cpus: Option<f64>,
    /// [`Clock::name`](super::Clock::name).
    pub clock: Option<String>,
    /// [`Timing::wall`].
    pub wall_seconds: Option<SpreadRecord>,
    /// [`Row::units`].
    pub units_per_second: Option<f64>,
    /// [`Row::flops`].
    pub flops_per_second: Option<f64>,
    /// [`Row::bytes`].
    pub bytes_per_second: Option<f64>,
    /// [`Row::share_of`] the better roof.
    pub roof_share: Option<f64>,
    /// [`shares`].
    pub update_share: Option<f64>,
    /// [`Timing::dispatches`].
    pub dispatches: Option<u64>,
    /// [`Timing::submissions`].
    pub submissions: Option<u64>,
    /// [`Timing::readbacks`].
    pub readbacks: Option<u64>,
    /// What it is made of, slowest first.
    pub kernels: Vec<KernelRecord>,
}

impl From<Spread> for SpreadRecord {
    fn from(spread: Spread) -> Self {
        let Spread { median, low, high, repeats } = spread;
        Self { median, low, high, repeats }
    }
}

impl SpreadRecord {
    /// Half the distance of the quartiles over the median.
    pub fn relative(&self) -> f64 {
        if self.median > 0.0 { 0.5 * (self.high - self.low) / self.median } else { 0.0 }
    }
}

impl From<Load> for LoadRecord {
    fn from(load: Load) -> Self {
        Self { other_cpus: load.others, cpus: load.cpus }
    }
}

impl LoadRecord {
    /// As a sentence.
    pub fn describe(&self) -> String {
        let others =
            if self.other_cpus < 0.05 { "less than 0.1".to_owned() } else { format!("{:.1}", self.other_cpus) };
        format!("other processes used {others} of {} CPUs meanwhile", self.cpus)
    }
}

impl RowRecord {
    /// The kernel, if the row is one alone.
    pub fn kernel(&self) -> Option<&str> {
        self.name.strip_prefix("kernel/")?.split('/').next()
    }

    /// Whether its earlier and its later times agree.
    pub fn is_steady(&self) -> bool {
        self.halves_apart.is_none_or(|apart| apart <= STEADY)
    }
}

impl RowRecord {
    fn new(row: &Row, roof: &Roof, share: Option<f64>) -> Self {
        let (found, finite) = (row.found.as_ref(), |value: f64| value.is_finite().then_some(value));
        let kernels = found.map_or(Vec::new(), |found| {
            let of = |part: &Part| KernelRecord {
                kernel: part.kernel.to_owned(),
                dispatches: part.dispatches,
                seconds: (part.seconds > 0.0).then_some(part.seconds),
                share: (part.share > 0.0).then_some(part.share),
            };
            found.parts.iter().map(of).collect()
        });
        Self {
            name: row.name.clone(),
            shape: row.shape.clone(),
            net: row.net.clone(),
            passed: row.check.passed,
            worst_error: finite(row.check.worst_error),
            tolerance: row.check.tolerance,
            reason: row.check.reason.clone(),
            fault: row.check.fault.clone(),
            unit: row.work.unit.to_owned(),
            units: row.work.units,
            flops: row.work.flops,
            bytes: row.work.bytes,
            seconds: found.map(|found| found.seconds.into()),
            rounds: found.map_or_else(Vec::new, |found| found.rounds.clone()),
            halves_apart: found.and_then(Timing::halves),
            other_cpus: found.and_then(|found| Some(found.load?.others)),
            clock: found.map(|found| found.clock.name().to_owned()),
            wall_seconds: found.map(|found| found.wall.into()),
            units_per_second: row.units(),
            flops_per_second: row.flops(),
            bytes_per_second: row.bytes(),
            roof_share: row.share_of(roof),
            update_share: share,
            dispatches: found.map(|found| found.dispatches),
            submissions: found.map(|found| found.submissions),
            readbacks: found.map(|found| found.readbacks),
            kernels,
        }
    }
}

impl Record {
    /// Everything that was found, with the limits as they were before the rows and after them; of today. In a browser, whoever knows its name
    /// puts that into [`PlaceRecord::system`].
    pub fn new(place: &Place, options: &Options, roofs: [&Roof; 2], load: Option<Load>, rows: &[Row]) -> Self {
        let roof = roofs[0].better(roofs[1]);
        Self {
            format: FORMAT,
            wgpo: env!("CARGO_PKG_VERSION").to_owned(),
            date: today(),
            quick: options.quick,
            seconds_per_row: options.seconds,
            load: load.map(LoadRecord::from),
            place: PlaceRecord::new(place),
            roof: RoofRecord::new(roofs[0], roofs[1]),
            rows: rows.iter().zip(shares(rows)).map(|(row, share)| RowRecord::new(row, &roof, share)).collect(),
        }
    }

    /// As JSON, a key a line.
    ///
    /// # Errors
    /// [`serde_json::Error`], which no record gives.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
