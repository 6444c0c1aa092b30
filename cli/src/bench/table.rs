//! The table that `wgpo bench` prints as it goes.

use crate::width::wrap;
use wgpo::bench::record::LoadRecord;
use wgpo::bench::{Load, Roof, Row, STEADY, shares};

/// Prints rows as they come: a line each where there is room for all columns ([`WIDE`]), two where there is not.
pub struct Printer {
    roof: Roof,
    columns: usize,
    kernels: bool,
}

/// Width of the column of names.
pub const NAME: usize = 34;
/// Columns of a terminal that has room for a row in one line.
const WIDE: usize = 112;

impl Printer {
    pub fn new(roof: Roof, columns: usize) -> Self {
        Self { roof, columns, kernels: false }
    }

    /// The device's limits, and the names of the columns.
    pub fn head(&self) -> String {
        let mut text = format!("limits: {} ({})", limits(&self.roof), self.roof.method);
        if let Some(costs) = costs(self.roof.dispatch, self.roof.submission, self.roof.readback) {
            text += &format!("\ncosts: {costs}");
        }
        let names = ["", "time", "±", "per second", "GFLOP/s", "GB/s", "roof", "share", "disp", "sub", "rb", "error"];
        let columns = if self.wide() { line(names) } else { first_line(names) };
        wrap(&text, self.columns, "  ") + "\n\n" + &columns
    }

    fn wide(&self) -> bool {
        self.columns >= WIDE
    }

    /// The last of `rows`; those before it say of which update it is a part.
    pub fn row(&mut self, rows: &[Row]) -> String {
        let Some(row) = rows.last() else { return String::new() };
        let share = shares(rows).last().copied().flatten();
        let name = row.name.strip_prefix("kernel/");
        let heading = if name.is_some() && !self.kernels { "kernels\n" } else { "" };
        self.kernels |= name.is_some();
        let name = name.unwrap_or(&row.name);
        let Some(found) = &row.found else {
            let fault = row.check.fault.as_deref().unwrap_or("it did not match");
            return heading.to_owned() + &wrap(&format!("{name:<NAME$} REFUSED: {fault}"), self.columns, "    ");
        };
        let percent = |share: Option<f64>| share.map_or("–".to_owned(), |share| digits(100.0 * share) + "%");
        let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| digits(rate * 1e-9));
        let units = row.units().map_or("–".to_owned(), |units| format!("{}{}", scaled(units), &row.work.unit[..1]));
        let mark = if found.is_steady() { "" } else { "!" };
        // A name that is too long has a line of its own.
        let (above, name) = if name.chars().count() > NAME { (format!("{name}\n"), "") } else { (String::new(), name) };
        let cells = [
            name,
            &time(found.seconds.median),
            &format!("{:.0}%{mark}", 100.0 * found.seconds.relative()),
            &units,
            &rate(row.flops()),
            &rate(row.bytes()),
            &percent(row.share_of(&self.roof)),
            &percent(share),
            &found.dispatches.to_string(),
            &found.submissions.to_string(),
            &found.readbacks.to_string(),
            &format!("{:.0e}", row.check.worst_error),
        ];
        let text = if self.wide() { line(cells) } else { first_line(cells) + "\n" + &second_line(cells) };
        format!("{heading}{above}{text}")
    }

    /// All of `rows`, as they were printed one by one.
    fn again(&self, rows: &[Row]) -> String {
        let mut fresh = Self::new(self.roof.clone(), self.columns);
        let lines: String = (1..=rows.len()).map(|count| fresh.row(&rows[..count]) + "\n").collect();
        self.head() + "\n" + &lines
    }

    /// What the columns mean, what was refused, and how far the numbers can be trusted: `after` are the limits after the rows, by
    /// which the rows are printed once more if they are much better.
    pub fn foot(&self, rows: &[Row], after: &Roof, load: Option<Load>) -> String {
        let mut text = String::from("\n");
        let better = self.roof.better(after);
        let gain = better.apart(&self.roof);
        if gain > STEADY {
            text += &format!(
                "The limits measured after the rows are better by {:.0} %: a busy moment spoiled the first ones. \
                 The same rows by the better ones:\n\n",
                100.0 * gain
            );
            text = wrap(&text, self.columns, "") + &Self::new(better, self.columns).again(rows) + "\n";
        }
        let mut notes = "time: median over rounds that lie apart in time, ± half the distance of their quartiles; ! where the \
            first and the second half of them differ by more than 10 %. per second: r rows, s environment steps, p \
            parameters. roof: what the limits allow over what it took (above 100 % where a cache holds the data). share: of the \
            update of its net, all dispatches of the kernel together. disp, sub, rb: dispatches, submissions, read-backs of one \
            run. error: worst against the f64 reference, before anything was timed."
            .to_owned();
        if gain <= STEADY {
            let (before, after) = (limits(&self.roof), limits(after));
            notes += &format!("\nlimits: {before} before the rows, by which column roof goes; {after} after them.");
        }
        let clocks: Vec<_> = rows.iter().filter_map(|row| row.found.as_ref().map(|found| found.clock.name())).collect();
        if let Some(first) = clocks.first() {
            let other = clocks.iter().filter(|clock| *clock != first).count();
            let but = if other == 0 { String::new() } else { format!(", except for {other} of {} rows", clocks.len()) };
            notes += &format!("\nclock: {first}{but}.");
        }
        if let Some(load) = load {
            notes += &format!("\nload: {}.", LoadRecord::from(load).describe());
        }
        let unsteady = rows.iter().filter(|row| row.found.as_ref().is_some_and(|found| !found.is_steady())).count();
        if unsteady > 0 {
            notes += &format!("\n{unsteady} of {} rows are marked with !: something disturbed them", rows.len());
        }
        let refused = rows.iter().filter(|row| row.found.is_none()).count();
        if refused > 0 {
            let why = "they did not match the reference, or could not run";
            notes += &format!("\n{refused} of {} rows were REFUSED: {why}", rows.len());
        }
        text + &wrap(&notes, self.columns, "")
    }
}

/// Bandwidth and peak.
fn limits(roof: &Roof) -> String {
    format!("{}B/s, {}FLOP/s", scaled(roof.bandwidth), scaled(roof.peak))
}

/// What a dispatch, a submission and a read-back cost; `None` where there is no device.
pub fn costs(dispatch: Option<f64>, submission: Option<f64>, readback: Option<f64>) -> Option<String> {
    let (submission, readback) = (time(submission?), time(readback?));
    let dispatch = dispatch.map_or_else(|| "below the clock's resolution".to_owned(), time);
    Some(format!("a dispatch {dispatch}, a submission {submission}, reading four bytes back {readback}"))
}

/// One line of cells, the name first.
fn line(cells: [&str; 12]) -> String {
    let [name, time, spread, units, flops, bytes, roof, share, dispatches, submissions, readbacks, error] = cells;
    format!(
        "{name:<NAME$} {time:>8} {spread:>6} {units:>10} {flops:>8} {bytes:>7} {roof:>6} {share:>6} {dispatches:>5} \
         {submissions:>3} {readbacks:>2} {error:>6}"
    )
}

/// What is looked at first.
fn first_line(cells: [&str; 12]) -> String {
    let [name, time, spread, units, _, _, roof, share, ..] = cells;
    format!("{name:<NAME$} {time:>8} {spread:>6} {units:>10} {roof:>6} {share:>6}")
}

/// The other cells, with their names.
fn second_line(cells: [&str; 12]) -> String {
    let [_, _, _, _, flops, bytes, _, _, dispatches, submissions, readbacks, error] = cells;
    format!("    {flops} GFLOP/s, {bytes} GB/s, {dispatches} disp, {submissions} sub, {readbacks} rb, error {error}")
}

/// Three digits that count.
pub fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        v if v >= 0.0095 => format!("{value:.3}"),
        v if v > 0.0 => format!("{value:.0e}"),
        _ => "0".to_owned(),
    }
}

/// 1.23 G, with the space that a unit follows.
pub fn scaled(value: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let unit = units.iter().find(|(size, _)| value >= *size);
    unit.map_or_else(|| format!("{} ", digits(value)), |(size, unit)| format!("{} {unit}", digits(value / size)))
}

/// 1.23 ms.
pub fn time(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
    let unit = units.iter().find(|(size, _)| seconds >= 0.9995 * size).unwrap_or(&(1e-9, "ns"));
    format!("{} {}", digits(seconds / unit.0), unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0.00123, 2.0, 45e-6, 3e-8].map(time), ["1.23 ms", "2.00 s", "45.0 µs", "30.0 ns"]);
        assert_eq!([1234.0, 5e9, 12.0].map(scaled), ["1.23 k", "5.00 G", "12.0 "]);
        assert_eq!([123.4, 99.96, 0.5, 0.001, 0.0].map(digits), ["123", "100", "0.500", "1e-3", "0"]);
    }

    const CELLS: [&str; 12] = [
        "mlp_backward_weight/humanoid-first",
        "1.23 ms",
        "100%!",
        "1.23 Gr",
        "1234",
        "1234",
        "100%",
        "100%",
        "12345",
        "1",
        "1",
        "1e-10",
    ];

    #[test]
    fn a_row_fits_its_terminal() {
        let long = |text: &str| text.chars().count();
        assert_eq!(long(&line(CELLS)), WIDE);
        assert!(long(&first_line(CELLS)) <= 80 && long(&second_line(CELLS)) <= 80, "{}", second_line(CELLS));
    }

    fn roof(bandwidth: f64) -> Roof {
        let costs = (None, Some(2e-5), Some(3e-5));
        let (dispatch, submission, readback) = costs;
        Roof { bandwidth, peak: 1e10, dispatch, submission, readback, method: "by words ".repeat(20) }
    }

    #[test]
    fn nothing_is_wider_than_80_columns() {
        let fault = "a fault of many words, ".repeat(9);
        let check = wgpo::check::CheckRow {
            kernel: "x".to_owned(),
            shape: String::new(),
            worst_error: 1.0,
            tolerance: 0.1,
            slack: 0.0,
            slack_reason: None,
            passed: false,
            reason: String::new(),
            fault: Some(fault),
        };
        let work = wgpo::bench::Work { flops: 1.0, bytes: 1.0, units: 1.0, unit: "rows" };
        let row = Row { name: "kernel/x/y".to_owned(), shape: String::new(), net: None, work, check, found: None };
        let mut printer = Printer::new(roof(1e9), 80);
        let load = Some(Load { others: 0.7, cpus: 2 });
        let rows = std::slice::from_ref(&row);
        let text = [printer.head(), printer.row(rows), printer.foot(rows, &roof(2e9), load)].join("\n");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for words in
            ["REFUSED: a fault", "other processes used 0.7 of 2 CPUs", "better by 100 %", "a dispatch below the"]
        {
            assert!(text.contains(words), "`{words}` is not in: {text}");
        }
        // The rows are printed once more, by the better limits; not where these are about the same.
        assert_eq!(text.matches("REFUSED: a fault").count(), 2, "{text}");
        assert!(!text.contains(" 0 ns"), "{text}");
        let foot = printer.foot(rows, &roof(1.05e9), None).replace('\n', " ");
        assert!(!foot.contains("REFUSED: a") && !foot.contains("load:") && foot.contains("1.05 GB/s"), "{foot}");
    }
}
