//! Two records side by side, and the rule by which a row counts as faster or slower.
//!
//! A row's time is the best of its rounds: what disturbs makes a round longer and never shorter. Two runs differ where the best
//! rounds do by more than the noise, which is [`SPREADS`] times how far the rounds of both lie above their best, and at least
//! [`LEAST`]; and where at the same time every round of one is beyond the median of the other.

use crate::bench_record::{Record, RowRecord};
use crate::bench_table::time;
use crate::width::wrap;

/// What a difference must exceed, however still the rounds were: clocks, caches and placement differ as much from run to run.
const LEAST: f64 = 0.1;
/// The same in distances from the best round to the median of the rounds.
const SPREADS: f64 = 2.0;
/// Rounds of a row below which nothing is said about it.
const ROUNDS: usize = 3;

/// The rounds of a row in one run.
struct Rounds {
    best: f64,
    median: f64,
    worst: f64,
    count: usize,
}

impl Rounds {
    fn new(row: &RowRecord) -> Option<Self> {
        // Of an earlier version's record there is the median alone.
        Self::of(if row.rounds.is_empty() { vec![row.seconds?.median] } else { row.rounds.clone() })
    }

    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.sort_by(f64::total_cmp);
        let (best, worst) = (*times.first()?, *times.last()?);
        let upper = *times.get(times.len() / 2)?;
        let lower = *times.get((times.len() - 1) / 2)?;
        (best > 0.0).then_some(Self { best, median: 0.5 * (lower + upper), worst, count: times.len() })
    }

    /// How far the rounds lie above their best, as a share of it.
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

impl Pair<'_> {
    fn new<'a>(old: &RowRecord, new: &'a RowRecord) -> Option<Pair<'a>> {
        let name = new.name.strip_prefix("kernel/").unwrap_or(&new.name);
        Some(Pair { name, old: Rounds::new(old)?, new: Rounds::new(new)? })
    }

    fn ratio(&self) -> f64 {
        self.new.best / self.old.best
    }

    /// By how much the ratio may be off between equal runs.
    fn noise(&self) -> f64 {
        (SPREADS * self.old.spread().hypot(self.new.spread())).max(LEAST)
    }

    fn verdict(&self) -> &'static str {
        let (old, new, noise) = (&self.old, &self.new, self.noise());
        if old.count < ROUNDS || new.count < ROUNDS {
            return "?";
        }
        match self.ratio() {
            ratio if ratio < 1.0 / (1.0 + noise) && new.worst < old.median && old.best > new.median => "faster",
            ratio if ratio > 1.0 + noise && old.worst < new.median && new.best > old.median => "SLOWER",
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
    let pairs: Vec<Pair<'_>> = new
        .rows
        .iter()
        .filter_map(|row| Pair::new(old.rows.iter().find(|o| (&o.name, &o.shape) == (&row.name, &row.shape))?, row))
        .collect();
    text = wrap(&text, columns, "  ");
    let width = pairs.iter().map(|pair| pair.name.len()).max().unwrap_or(0).max(4);
    text += &format!("{:<width$} {:>9} {:>9} {:>7} {:>6}\n", "", "before", "now", "ratio", "noise");
    for pair in &pairs {
        let (old, new) = (time(pair.old.best), time(pair.new.best));
        let percent = format!("±{:.0}%", 100.0 * pair.noise());
        let line =
            format!("{:<width$} {old:>9} {new:>9} {:>7.3} {percent:>6}  {}", pair.name, pair.ratio(), pair.verdict());
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
