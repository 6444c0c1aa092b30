//! Two records side by side, and the rule by which a row counts as faster or slower.
//!
//! A row's time is the best of its rounds: what disturbs makes a round longer and never shorter. Two runs differ where
//!
//! - every round of one took longer than every round of the other. Were the rounds of equal runs drawn from one lot, that would
//!   happen to one row in 462 (two of the 924 ways to part twelve rounds in two sixes);
//! - and the best rounds differ by more than the noise. But rounds of one run are more alike than those of two: a busy time outlasts
//!   a run. So the noise is [`SPREADS`] times how far the median round lies above the best in both runs, at least [`LEAST`], and at
//!   least what other processes may have cost.
//!
//! docs/bench.md says how often equal runs differ by this rule.

use super::table::{NAME, time};
use crate::width::wrap;
use wgpo::bench::record::{Record, RowRecord};

/// What a difference must exceed, however still the rounds were: clocks, caches and placement differ as much from run to run.
const LEAST: f64 = 0.1;
/// The same in distances from the best round to the median of the rounds.
const SPREADS: f64 = 3.0;
/// Rounds of a row below which nothing is said about it.
const ROUNDS: usize = 3;

/// The rounds of a row in one run.
struct Rounds {
    best: f64,
    median: f64,
    worst: f64,
    count: usize,
    /// By how much other processes may have made it longer: of CPUs that they use for the share s, 1 − s is left.
    delay: f64,
}

impl Rounds {
    fn new(record: &Record, row: &RowRecord) -> Option<Self> {
        // Of an earlier version's record there is the median alone.
        let times = if row.rounds.is_empty() { vec![row.seconds?.median] } else { row.rounds.clone() };
        let on_cpus = row.clock.as_deref() != Some("timestamps") || record.place.device_type.as_deref() == Some("Cpu");
        let share = match (&record.load, row.other_cpus) {
            (Some(load), Some(others)) if on_cpus => (others / load.cpus.max(1) as f64).clamp(0.0, 0.99),
            _ => 0.0,
        };
        Some(Self { delay: share / (1.0 - share), ..Self::of(times)? })
    }

    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let (best, worst) = (*times.first()?, *times.last()?);
        let upper = *times.get(times.len() / 2)?;
        let lower = *times.get((times.len() - 1) / 2)?;
        let median = 0.5 * (lower + upper);
        (best > 0.0).then_some(Self { best, median, worst, count: times.len(), delay: 0.0 })
    }

    /// How far the median round lies above the best, as a share of it.
    fn spread(&self) -> f64 {
        self.median / self.best - 1.0
    }
}

/// One row that both records have.
struct Pair<'a> {
    name: &'a str,
    old: Rounds,
    new: Rounds,
}

impl<'a> Pair<'a> {
    /// `None` where one of them was refused, or has another shape.
    fn new(old: &Record, new: &Record, row: &'a RowRecord) -> Option<Self> {
        let name = row.name.strip_prefix("kernel/").unwrap_or(&row.name);
        let before = old.rows.iter().find(|before| (&before.name, &before.shape) == (&row.name, &row.shape))?;
        Some(Pair { name, old: Rounds::new(old, before)?, new: Rounds::new(new, row)? })
    }

    fn ratio(&self) -> f64 {
        self.new.best / self.old.best
    }

    /// By how much the ratio may be off between equal runs.
    fn noise(&self) -> f64 {
        let (old, new) = (&self.old, &self.new);
        (SPREADS * old.spread().hypot(new.spread())).max(old.delay).max(new.delay).max(LEAST)
    }

    fn verdict(&self) -> &'static str {
        let (old, new, noise) = (&self.old, &self.new, self.noise());
        if old.count < ROUNDS || new.count < ROUNDS {
            return "?";
        }
        match self.ratio() {
            ratio if ratio < 1.0 / (1.0 + noise) && new.worst < old.best => "faster",
            ratio if ratio > 1.0 + noise && old.worst < new.best => "SLOWER",
            _ => "",
        }
    }
}

/// The rows that both have, and what makes them differ in kind.
pub fn as_text(old: &Record, new: &Record, columns: usize) -> String {
    let mut text = format!("compared with {} of {}\n", old.place.describe(), old.date);
    for (what, other) in [
        ("another device, driver or backend", old.place != new.place),
        ("other sizes (--quick)", old.quick != new.quick),
        ("another version of wgpo", old.wgpo != new.wgpo),
    ] {
        if other {
            text += &format!("note: the earlier record is of {what}\n");
        }
    }
    let pairs: Vec<Pair<'_>> = new.rows.iter().filter_map(|row| Pair::new(old, new, row)).collect();
    if pairs.iter().any(|pair| pair.verdict() == "?") {
        text += "note: of rows with ? one of the records has fewer than three rounds, so nothing is said about them\n";
    }
    text = wrap(&text, columns, "  ");
    // A name that is longer has a line of its own.
    let width = pairs.iter().map(|pair| pair.name.len()).max().unwrap_or(0).clamp(4, NAME);
    text += &format!("{:<width$} {:>9} {:>9} {:>7} {:>6}\n", "", "before", "now", "ratio", "noise");
    for pair in &pairs {
        let (old, new) = (time(pair.old.best), time(pair.new.best));
        let percent = format!("±{:.0}%", 100.0 * pair.noise());
        let name = if pair.name.len() > width { format!("{}\n{:width$}", pair.name, "") } else { pair.name.to_owned() };
        let line = format!("{name:<width$} {old:>9} {new:>9} {:>7.3} {percent:>6}  {}", pair.ratio(), pair.verdict());
        text += line.trim_end();
        text.push('\n');
    }
    let count = |verdict: &str| pairs.iter().filter(|pair| pair.verdict() == verdict).count();
    text += &wrap(
        &format!(
            "{} rows in both: {} faster, {} slower, {} within the noise; {} only now, {} only before\n",
            pairs.len(),
            count("faster"),
            count("SLOWER"),
            count(""),
            new.rows.len() - pairs.len(),
            old.rows.len().saturating_sub(pairs.len()),
        ),
        columns,
        "",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_part_of_the_noise() {
        let record = |other_cpus: Option<f64>, clock: &str, device: &str, by: f64| {
            let load = other_cpus.map(|_| serde_json::json!({"other_cpus": 0.0, "cpus": 2}));
            let row = serde_json::json!({
                "name": "x", "shape": "", "net": null, "passed": true, "worst_error": 0.0, "tolerance": 1.0, "reason": "",
                "fault": null, "unit": "rows", "units": 1.0, "flops": 1.0, "bytes": 1.0, "seconds": null,
                "rounds": times(by), "other_cpus": other_cpus, "clock": clock, "wall_seconds": null, "units_per_second": null,
                "flops_per_second": null, "bytes_per_second": null, "roof_share": null, "update_share": null,
                "dispatches": 1, "submissions": 1, "readbacks": 0, "kernels": []
            });
            let place = serde_json::json!({
                "backend": "gpu", "adapter": null, "api": null, "device_type": device, "driver": null, "driver_info": null,
                "timestamps": true, "threads": null, "architecture": "", "system": ""
            });
            let roof = serde_json::json!({
                "bytes_per_second": 1.0, "flops_per_second": 1.0, "dispatch_seconds": null, "submission_seconds": null,
                "readback_seconds": null, "method": ""
            });
            let record = serde_json::json!({
                "format": 1, "wgpo": "", "date": "", "quick": false, "seconds_per_row": 1.0, "load": load, "place": place,
                "roof": roof, "rows": [row]
            });
            serde_json::from_value::<Record>(record).unwrap()
        };
        let said = |others, clock, device| {
            let (old, new) = (record(None, clock, device, 1.0), record(others, clock, device, 1.8));
            Pair::new(&old, &new, &new.rows[0]).unwrap().verdict()
        };
        // With one of two CPUs gone a row may take twice as long; on a device of its own it does not.
        assert_eq!(said(Some(1.0), "wall", "DiscreteGpu"), "");
        assert_eq!(said(Some(1.0), "timestamps", "Cpu"), "");
        assert_eq!(said(Some(1.0), "timestamps", "DiscreteGpu"), "SLOWER");
        assert_eq!(said(Some(0.5), "wall", "Cpu"), "SLOWER");
        assert_eq!(said(None, "wall", "Cpu"), "SLOWER");
    }

    fn rounds(times: &[f64]) -> Rounds {
        Rounds::of(times.to_vec()).unwrap()
    }

    fn verdict(old: &[f64], new: &[f64]) -> &'static str {
        Pair { name: "x", old: rounds(old), new: rounds(new) }.verdict()
    }

    const STILL: [f64; 6] = [1.0, 1.01, 1.0, 1.02, 1.01, 1.0];

    fn times(by: f64) -> Vec<f64> {
        STILL.iter().map(|time| by * time).collect()
    }

    #[test]
    fn what_the_rounds_agree_on_is_said() {
        for (by, said) in [(1.0, ""), (1.04, ""), (0.97, ""), (2.0, "SLOWER"), (0.5, "faster")] {
            assert_eq!(verdict(&STILL, &times(by)), said, "{by}");
        }
    }

    #[test]
    fn a_busy_moment_is_no_difference() {
        // Half of the rounds took four times as long: the best one tells the time all the same.
        let busy = [4.0, 3.9, 1.0, 4.1, 1.02, 3.0];
        assert_eq!((verdict(&STILL, &busy), verdict(&busy, &STILL)), ("", ""));
        // All of them did, and differ: whether the row is slower cannot be seen.
        let all = [4.0, 2.0, 9.0, 5.0, 3.0, 7.0];
        assert_eq!((verdict(&STILL, &all), verdict(&all, &STILL)), ("", ""));
    }

    #[test]
    fn a_record_without_rounds_is_not_judged() {
        assert_eq!((verdict(&[1.0], &times(9.0)), verdict(&times(9.0), &[1.0, 1.0])), ("?", "?"));
        assert!(Rounds::of(Vec::new()).is_none() && Rounds::of(vec![0.0, 1.0]).is_none());
    }
}
