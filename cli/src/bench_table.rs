//! The table that `wgpo bench` prints as it goes.

use wgpo::bench::{Roof, Row, shares};

/// Prints rows as they come.
pub struct Printer {
    roof: Roof,
    kernels: bool,
}

/// Width of the column of names.
const NAME: usize = 34;

impl Printer {
    pub fn new(roof: Roof) -> Self {
        Self { roof, kernels: false }
    }

    /// The device's limits, and the names of the columns.
    pub fn head(&self) -> String {
        let Roof { bandwidth, peak, dispatch, submission, readback, method } = &self.roof;
        let mut text = format!("limits: {}B/s, {}FLOP/s ({method})\n", scaled(*bandwidth), scaled(*peak));
        if let (Some(dispatch), Some(submission), Some(readback)) = (dispatch, submission, readback) {
            let [dispatch, submission, readback] = [dispatch, submission, readback].map(|seconds| time(*seconds));
            text += &format!(
                "costs: a dispatch {dispatch}, a submission {submission}, reading four bytes back {readback}\n"
            );
        }
        text += "\n";
        text + &line(["", "time", "±", "per second", "GFLOP/s", "GB/s", "roof", "share", "disp", "sub", "rb", "error"])
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
            return format!("{heading}{name:<NAME$} REFUSED: {fault}");
        };
        let percent = |share: Option<f64>| share.map_or("–".to_owned(), |share| digits(100.0 * share) + "%");
        let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| digits(rate * 1e-9));
        let units = row.units().map_or("–".to_owned(), |units| format!("{}{}", scaled(units), &row.work.unit[..1]));
        let line = line([
            name,
            &time(found.seconds.median),
            &format!("{:.0}%", 100.0 * found.seconds.relative()),
            &units,
            &rate(row.flops()),
            &rate(row.bytes()),
            &percent(row.share_of(&self.roof)),
            &percent(share),
            &found.dispatches.to_string(),
            &found.submissions.to_string(),
            &found.readbacks.to_string(),
            &format!("{:.0e}", row.check.worst_error),
        ]);
        format!("{heading}{line}")
    }

    /// What the columns mean, and what was refused.
    pub fn foot(&self, rows: &[Row]) -> String {
        let mut text = "\n\
            time: median of one run, ± half the distance of the quartiles. per second: r rows, s environment steps,\n\
            p parameters. roof: what the limits allow over what it took (above 100 % where a cache holds the data).\n\
            share: of the update of its net, all dispatches of the kernel together. disp, sub, rb: dispatches,\n\
            submissions, read-backs of one run. error: worst against the f64 reference, before anything was timed."
            .to_owned();
        let clocks: Vec<_> = rows.iter().filter_map(|row| row.found.as_ref().map(|found| found.clock.name())).collect();
        if let Some(first) = clocks.first() {
            let other = clocks.iter().filter(|clock| *clock != first).count();
            let but = if other == 0 { String::new() } else { format!(", but for {other} of {} rows", clocks.len()) };
            text += &format!("\nclock: {first}{but}.");
        }
        let refused = rows.iter().filter(|row| row.found.is_none()).count();
        if refused > 0 {
            let why = "they did not match the reference, or could not run";
            text += &format!("\n{refused} of {} rows were REFUSED: {why}", rows.len());
        }
        text
    }
}

/// One line of cells, the name first.
fn line(cells: [&str; 12]) -> String {
    let [name, time, spread, units, flops, bytes, roof, share, dispatches, submissions, readbacks, error] = cells;
    format!(
        "{name:<NAME$} {time:>8} {spread:>5} {units:>10} {flops:>8} {bytes:>7} {roof:>6} {share:>6} {dispatches:>5} \
         {submissions:>3} {readbacks:>2} {error:>6}"
    )
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

    #[test]
    fn a_line_fits_a_narrow_terminal() {
        let name = "mlp_backward_weight/humanoid-first";
        let line =
            line([name, "1.23 ms", "100%", "1.23 Gr", "1234", "1234", "100%", "100%", "12345", "1", "1", "1e-10"]);
        assert!(line.chars().count() <= 120, "{}", line.chars().count());
    }
}
