//! What `wgpo bench --json` writes, and `--compare` and `--report` read. The keys are described in docs/bench-format.md.

use super::date::today;
use super::place::PlaceRecord;
use crate::files;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;
use wgpo::bench::{Load, Options, Roof, Row, STEADY, Spread, shares};
use wgpo::place::Place;

/// Version of the keys.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub wgpo: String,
    pub date: String,
    pub quick: bool,
    pub seconds_per_row: f64,
    /// Absent in records of earlier versions, like all that has a default below.
    #[serde(default)]
    pub load: Option<LoadRecord>,
    pub place: PlaceRecord,
    pub roof: RoofRecord,
    pub rows: Vec<RowRecord>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct LoadRecord {
    pub other_cpus: f64,
    pub cpus: usize,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct HalfRecord {
    pub bytes_per_second: f64,
    pub flops_per_second: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoofRecord {
    pub bytes_per_second: f64,
    pub flops_per_second: f64,
    pub dispatch_seconds: Option<f64>,
    pub submission_seconds: Option<f64>,
    pub readback_seconds: Option<f64>,
    #[serde(default)]
    pub before: Option<HalfRecord>,
    #[serde(default)]
    pub after: Option<HalfRecord>,
    #[serde(default)]
    pub halves_apart: Option<f64>,
    pub method: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SpreadRecord {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    pub repeats: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KernelRecord {
    pub kernel: String,
    pub dispatches: usize,
    pub seconds: Option<f64>,
    pub share: Option<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RowRecord {
    pub name: String,
    pub shape: String,
    pub net: Option<String>,
    pub passed: bool,
    pub worst_error: Option<f64>,
    pub tolerance: f64,
    pub reason: String,
    pub fault: Option<String>,
    pub unit: String,
    pub units: f64,
    pub flops: f64,
    pub bytes: f64,
    pub seconds: Option<SpreadRecord>,
    #[serde(default)]
    pub rounds: Vec<f64>,
    #[serde(default)]
    pub halves_apart: Option<f64>,
    #[serde(default)]
    pub other_cpus: Option<f64>,
    pub clock: Option<String>,
    pub wall_seconds: Option<SpreadRecord>,
    pub units_per_second: Option<f64>,
    pub flops_per_second: Option<f64>,
    pub bytes_per_second: Option<f64>,
    pub roof_share: Option<f64>,
    pub update_share: Option<f64>,
    pub dispatches: Option<u64>,
    pub submissions: Option<u64>,
    pub readbacks: Option<u64>,
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

impl RoofRecord {
    /// The better of what was measured before the rows and after them.
    pub fn new(before: &Roof, after: &Roof) -> Self {
        let half = |roof: &Roof| HalfRecord { bytes_per_second: roof.bandwidth, flops_per_second: roof.peak };
        let better = before.better(after);
        Self {
            bytes_per_second: better.bandwidth,
            flops_per_second: better.peak,
            dispatch_seconds: better.dispatch,
            submission_seconds: better.submission,
            readback_seconds: better.readback,
            before: Some(half(before)),
            after: Some(half(after)),
            halves_apart: Some(before.apart(after)),
            method: better.method,
        }
    }

    /// What is wrong with it, if it was measured in a busy moment.
    pub fn doubt(&self) -> Option<String> {
        let apart = self.halves_apart.filter(|apart| *apart > STEADY)?;
        let percent = 100.0 * apart;
        Some(format!("before and after the rows they differed by {percent:.0} %; the better one of each is taken"))
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
            let of = |part: &wgpo::bench::Part| KernelRecord {
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
            halves_apart: found.and_then(wgpo::bench::Timing::halves),
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
    /// Everything that was found, with the limits as they were before the rows and after them.
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

    /// As text.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// From a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read(path)?;
        let what = || format!("{}: no record of `wgpo bench --json`", path.display());
        let value: serde_json::Value = serde_json::from_str(&text).with_context(what)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => serde_json::from_value(value).with_context(what),
            Some(format) => bail!("{}: has format {format}, this program reads {FORMAT}", path.display()),
            None => bail!("{}, it names no format", what()),
        }
    }
}
