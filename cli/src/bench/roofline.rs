//! Rows under the roofline, with their names beside them.

use super::style::{WIDTH, length, stage};
use super::table::{digits, scaled, time};
use crate::svg::{Anchor, Svg};
use wgpo::bench::record::{Record, RowRecord};

const HEIGHT: f64 = 640.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 24.0;
/// Size of the names, and how high a line of them is.
const SIZE: f64 = 12.0;
const LINE: f64 = 14.0;
/// Most names of single kernels: more would hide what they name.
const NAMES: usize = 40;

/// Axes of powers of ten: pixels of their ends, and values there.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    left: f64,
    right: f64,
    low: f64,
    high: f64,
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let along = |value: f64, from: f64, to: f64| (value / from).ln() / (to / from).ln();
        (
            self.x.0 + along(x, self.left, self.right) * (self.x.1 - self.x.0),
            self.y.0 + along(y, self.low, self.high) * (self.y.1 - self.y.0),
        )
    }
}

/// A row that the plot has a place for.
struct Point<'a> {
    row: &'a RowRecord,
    intensity: f64,
    flops: f64,
    share: f64,
}

impl Point<'_> {
    fn title(&self) -> String {
        let taken = self.row.seconds.map_or(0.0, |seconds| seconds.median);
        format!(
            "{} ({}): {}, {}FLOP/s, {} FLOP/B, {}% of the roof",
            self.row.name,
            self.row.shape,
            time(taken),
            scaled(self.flops),
            digits(self.intensity),
            digits(100.0 * self.share)
        )
    }
}

/// Draws below `top`; how high that is.
pub fn draw(svg: &mut Svg, record: &Record, top: f64) -> f64 {
    let point = |row: &'_ RowRecord| Some((row.flops / row.bytes, row.flops_per_second?, row.roof_share?));
    let points: Vec<Point<'_>> = (record.rows.iter())
        .filter_map(|row| point(row).map(|(intensity, flops, share)| Point { row, intensity, flops, share }))
        .collect();
    svg.text((20.0, top + 26.0), 17, "ink", Anchor::Start, "How near to what the device can do");
    let note =
        "rings are whole pieces, dots single kernels in the colour of their stage; a pointer over them shows more";
    svg.text((20.0, top + 46.0), 13, "faint", Anchor::Start, note);
    let (bandwidth, peak) = (record.roof.bytes_per_second, record.roof.flops_per_second);
    let ridge = peak / bandwidth;
    let range = |of: fn(&Point<'_>) -> f64, low: f64, high: f64| {
        points.iter().map(of).fold((low, high), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = range(|point| point.intensity, ridge / 10.0, ridge * 10.0);
    let (low, high) = range(|point| point.flops, peak / 100.0, peak * 1.2);
    let ((left, right), (low, high)) = (decades(left, right), decades(low, high));
    let axes = Axes { x: (LEFT, RIGHT), y: (top + HEIGHT - 56.0, top + 64.0), left, right, low, high };
    grid(svg, &axes);
    // Where the slope enters the picture.
    let start = left.max(low / bandwidth);
    let roof = [(start, start * bandwidth), (ridge, peak), (right, peak)].map(|(x, y)| axes.at(x, y));
    svg.line(&roof, "roof");
    svg.text((RIGHT - 4.0, roof[2].1 - 6.0), 13, "faint", Anchor::End, "arithmetic");
    svg.text((roof[0].0 + 28.0, roof[0].1 - 2.0), 13, "faint", Anchor::Start, "memory");
    names(svg, &axes, &points);
    HEIGHT
}

fn grid(svg: &mut Svg, axes: &Axes) {
    for x in tens(axes.left, axes.right) {
        let at = axes.at(x, axes.low).0;
        svg.line(&[(at, axes.y.0), (at, axes.y.1)], "grid");
        svg.text((at, axes.y.0 + 18.0), 13, "ink", Anchor::Middle, &power(x));
    }
    for y in tens(axes.low, axes.high) {
        let at = axes.at(axes.left, y).1;
        svg.line(&[(axes.x.0, at), (axes.x.1, at)], "grid");
        svg.text((axes.x.0 - 8.0, at + 4.0), 13, "ink", Anchor::End, &power(y));
    }
    let middle = 0.5 * (axes.x.0 + axes.x.1);
    let below = "operations per byte that must move (FLOP/B)";
    svg.text((middle, axes.y.0 + 40.0), 14, "ink", Anchor::Middle, below);
    svg.text((axes.x.0 + 8.0, axes.y.1 + 16.0), 14, "ink", Anchor::Start, "operations per second (FLOP/s)");
}

/// A box that a name takes: left, top, right, bottom.
type Area = (f64, f64, f64, f64);

/// Points, then names where there is room: whole pieces before single kernels.
fn names(svg: &mut Svg, axes: &Axes, points: &[Point<'_>]) {
    let place = |point: &Point<'_>| axes.at(point.intensity, point.flops);
    let mut taken: Vec<Area> = points.iter().map(place).map(|(x, y)| (x - 4.0, y - 4.0, x + 4.0, y + 4.0)).collect();
    let (single, whole): (Vec<_>, Vec<_>) = points.iter().partition(|point| point.row.kernel().is_some());
    let bounds = (axes.x.0, axes.y.1 + 20.0, axes.x.1, axes.y.0);
    // Of a kernel at many sizes any one is as good; the slower rows say more than those that are near to the roof.
    let mut worth = single.clone();
    worth.sort_by(|a, b| a.share.total_cmp(&b.share));
    for point in whole.iter().chain(worth.iter().take(NAMES)) {
        let home = place(point);
        let text = match point.row.kernel() {
            Some(_) => point.row.name.trim_start_matches("kernel/").to_owned(),
            None => format!("{} {}%", point.row.name, digits(100.0 * point.share)),
        };
        let Some((spot, anchor, area)) = free(home, length(&text, SIZE), &taken, bounds) else { continue };
        taken.push(area);
        let edge = (home.0.clamp(area.0, area.2), home.1.clamp(area.1, area.3));
        if (edge.0 - home.0).hypot(edge.1 - home.1) > 14.0 {
            svg.line(&[home, edge], "lead");
        }
        let fill = if point.row.kernel().is_some() { "faint" } else { "ink" };
        svg.text(spot, SIZE as u32, fill, anchor, &text);
    }
    for point in &single {
        svg.circle(place(point), 3.5, stage(point.row.kernel().unwrap_or_default()).1, &point.title());
    }
    for point in &whole {
        svg.circle(place(point), 5.0, "whole", &point.title());
    }
}

/// Where a name of a point at `home` begins or ends, and the box that it takes there: the nearest place, to the right if it can be,
/// that overlaps with none that is taken.
fn free(home: (f64, f64), long: f64, taken: &[Area], bounds: Area) -> Option<((f64, f64), Anchor, Area)> {
    let clear = |area: &Area| {
        let inside = area.0 >= bounds.0 && area.1 >= bounds.1 && area.2 <= bounds.2 && area.3 <= bounds.3;
        // A name may touch the margin of its own point.
        inside && taken.iter().all(|t| area.0 >= t.2 || t.0 >= area.2 || area.1 >= t.3 || t.1 >= area.3)
    };
    let rows = (0..10).flat_map(|step: i32| if step == 0 { vec![0] } else { vec![-step, step] });
    let (rows, aside) = (rows.collect::<Vec<_>>(), [8.0, 24.0, 48.0, 80.0]);
    let spots = aside.iter().flat_map(|aside| rows.iter().map(move |row| (*aside, *row)));
    for (aside, row) in spots {
        let y = home.1 + f64::from(row) * LINE;
        for right in [true, false] {
            let left = if right { home.0 + aside } else { home.0 - aside - long };
            let area = (left, y - 0.5 * LINE, left + long, y + 0.5 * LINE);
            if clear(&area) {
                let (x, anchor) = if right { (left, Anchor::Start) } else { (left + long, Anchor::End) };
                return Some(((x, y + 4.0), anchor, area));
            }
        }
    }
    None
}

/// A power of ten for an axis: 0.1, 10, 10 k.
fn power(value: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")];
    let (size, unit) = units.into_iter().find(|(size, _)| value >= 0.99 * size).unwrap_or((1.0, ""));
    let scaled = value / size;
    if scaled >= 0.99 { format!("{scaled:.0}{unit}") } else { format!("{}", (scaled * 1e6).round() / 1e6) }
}

/// The power of ten at or below, and at or above.
fn decades(low: f64, high: f64) -> (f64, f64) {
    (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()))
}

/// The powers of ten from `low`, which is one, to `high`.
fn tens(low: f64, high: f64) -> Vec<f64> {
    let first = low.log10().round() as i32;
    (first..=high.log10().round() as i32).map(|power| 10_f64.powi(power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_read_well() {
        assert_eq!([0.01, 1.0, 100.0, 1e4, 1e11].map(power), ["0.01", "1", "100", "10 k", "100 G"]);
        assert_eq!(tens(0.01, 1000.0).len(), 6);
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let bounds = (0.0, 0.0, 600.0, 400.0);
        let mut taken: Vec<Area> = Vec::new();
        for _ in 0..40 {
            let Some((_, _, area)) = free((300.0, 200.0), 90.0, &taken, bounds) else { break };
            assert!(taken.iter().all(|t| area.0 >= t.2 || t.0 >= area.2 || area.1 >= t.3 || t.1 >= area.3));
            taken.push(area);
        }
        assert!(taken.len() > 20, "{}", taken.len());
        // There is no place outside of the picture.
        assert!(free((300.0, 200.0), 700.0, &[], bounds).is_none());
    }

    /// Rows that were refused have no place in the plot; the roof is drawn all the same, with finite numbers.
    #[test]
    fn without_a_row_that_can_be_placed_the_roof_is_drawn() {
        let row = |seconds: Option<f64>| {
            serde_json::json!({
                "name": "kernel/mlp_forward/ant", "shape": "", "net": null, "passed": false, "worst_error": null, "tolerance": 0.0,
                "reason": "", "fault": "it differs", "unit": "rows", "units": 1.0, "flops": 8.0, "bytes": 4.0, "seconds": null,
                "clock": null, "wall_seconds": null, "units_per_second": null, "flops_per_second": seconds.map(|s| 8.0 / s),
                "bytes_per_second": null, "roof_share": seconds.map(|s| 0.5 / s), "update_share": null,
                "dispatches": null, "submissions": null, "readbacks": null, "kernels": []
            })
        };
        let drawn = |rows: &[serde_json::Value]| {
            let record = serde_json::json!({
                "format": 1, "wgpo": "", "date": "", "quick": true, "seconds_per_row": 1.0, "rows": rows,
                "place": {
                    "backend": "gpu", "adapter": null, "api": null, "device_type": null, "driver": null, "driver_info": null,
                    "timestamps": true, "threads": null, "architecture": "", "system": ""
                },
                "roof": {
                    "bytes_per_second": 1e10, "flops_per_second": 1e12, "dispatch_seconds": null,
                    "submission_seconds": null, "readback_seconds": null, "method": ""
                }
            });
            let record: Record = serde_json::from_value(record).unwrap();
            let mut svg = Svg::default();
            let height = draw(&mut svg, &record, 0.0);
            (svg.finish(WIDTH as u32, height as u32), height)
        };
        for rows in [vec![], vec![row(None)]] {
            let (svg, height) = drawn(&rows);
            assert_eq!(height, HEIGHT);
            assert!(
                svg.contains("class=\"roof\"") && svg.contains(">arithmetic<") && svg.contains(">memory<"),
                "{svg}"
            );
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("mlp_forward"), "{svg}");
        }
        assert!(drawn(&[row(Some(1e-9))]).0.contains("mlp_forward"));
    }
}
