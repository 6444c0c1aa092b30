//! Two records side by side.

use crate::bench_record::{Record, RowRecord};
use crate::bench_table::time;

/// What a difference must exceed beside the spreads: clocks and placement differ by as much from run to run.
const LEAST: f64 = 0.03;

/// One row that both records have.
struct Pair<'a> {
    name: &'a str,
    old: f64,
    new: f64,
    /// By how much the ratio may be off: both spreads, like the sides of a right angle.
    noise: f64,
}

impl Pair<'_> {
    fn new<'a>(old: &RowRecord, new: &'a RowRecord) -> Option<Pair<'a>> {
        let (a, b) = (old.seconds?, new.seconds?);
        let noise = a.relative().hypot(b.relative()).max(LEAST);
        (a.median > 0.0 && b.median > 0.0).then_some(Pair { name: &new.name, old: a.median, new: b.median, noise })
    }

    fn ratio(&self) -> f64 {
        self.new / self.old
    }

    fn verdict(&self) -> &'static str {
        match self.ratio() {
            ratio if ratio < 1.0 / (1.0 + self.noise) => "faster",
            ratio if ratio > 1.0 + self.noise => "SLOWER",
            _ => "",
        }
    }
}

/// The rows that both have, and what makes them differ in kind.
pub fn as_text(old: &Record, new: &Record) -> String {
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
    let width = pairs.iter().map(|pair| pair.name.len()).max().unwrap_or(0).max(4);
    text += &format!("{:<width$} {:>9} {:>9} {:>7} {:>6}\n", "", "before", "now", "ratio", "noise");
    for pair in &pairs {
        let (old, new, percent) = (time(pair.old), time(pair.new), format!("±{:.0}%", 100.0 * pair.noise));
        let line =
            format!("{:<width$} {old:>9} {new:>9} {:>7.3} {percent:>6}  {}", pair.name, pair.ratio(), pair.verdict());
        text += line.trim_end();
        text.push('\n');
    }
    let count = |verdict: &str| pairs.iter().filter(|pair| pair.verdict() == verdict).count();
    text += &format!(
        "{} rows in both: {} faster, {} slower, {} within the noise; {} only now, {} only before\n",
        pairs.len(),
        count("faster"),
        count("SLOWER"),
        count(""),
        new.rows.len() - pairs.len(),
        old.rows.len().saturating_sub(pairs.len()),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_the_spread_is_noise() {
        let pair = |new, noise| Pair { name: "x", old: 1.0, new, noise };
        for (new, noise, verdict) in
            [(1.0, 0.03, ""), (1.1, 0.2, ""), (0.9, 0.2, ""), (1.3, 0.2, "SLOWER"), (0.8, 0.2, "faster")]
        {
            assert_eq!(pair(new, noise).verdict(), verdict, "{new} {noise}");
        }
    }
}
