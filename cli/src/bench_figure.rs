//! The picture of a record: rows under the roofline, and what updates are made of.

use crate::bench_record::{Record, RowRecord};
use crate::bench_table::{digits, scaled, time};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

const WIDTH: u32 = 1100;
const HEAD: u32 = 92;
const ROOFLINE: u32 = 620;
const BAR: i32 = 34;
const TEXT: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(110, 110, 110);
const ROOF: RGBColor = RGBColor(30, 30, 30);
/// Told apart by people with the usual kinds of colour blindness (Okabe and Ito), then lighter ones of the same.
const COLOURS: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 60),
    RGBColor(153, 153, 153),
    RGBColor(130, 170, 210),
    RGBColor(235, 170, 130),
    RGBColor(140, 205, 180),
    RGBColor(225, 185, 205),
];
/// What has less of an update is drawn as "the rest".
const LEAST: f64 = 0.015;
const REST: RGBColor = RGBColor(225, 225, 225);

/// The whole picture as SVG.
pub fn draw(record: &Record) -> Result<String> {
    let mut svg = String::new();
    render(&mut svg, record).map_err(|error| anyhow!("figure: {error}"))?;
    Ok(svg)
}

fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

fn render(svg: &mut String, record: &Record) -> Drawn {
    let updates = updates(record);
    let kernels = kernels(&updates);
    let legend = (kernels.len() + 1).div_ceil(4) as i32 * 22;
    let bars = if updates.is_empty() { 0 } else { 74 + BAR * updates.len() as i32 + 12 + legend + 16 };
    let size = (WIDTH, HEAD + ROOFLINE + bars as u32);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let (head, body) = area.split_vertically(HEAD);
    head.draw(&Text::new("wgpo bench", (20, 14), font(24, TEXT)))?;
    head.draw(&Text::new(record.place.describe(), (20, 44), font(16, TEXT)))?;
    let roof = &record.roof;
    let limits = format!(
        "measured here: memory {}B/s, arithmetic {}FLOP/s; {}{}",
        scaled(roof.bytes_per_second),
        scaled(roof.flops_per_second),
        record.date,
        if record.quick { "; small sizes (--quick), so no measure of speed" } else { "" }
    );
    head.draw(&Text::new(limits, (20, 68), font(14, FAINT)))?;
    let (top, bottom) = body.split_vertically(ROOFLINE);
    roofline(&top, record)?;
    if !updates.is_empty() {
        shares(&bottom, &updates, &kernels)?;
    }
    area.present()?;
    Ok(())
}

/// A row that the plot has a place for: its name, operations per byte and per second, share of the roof.
struct Point<'a> {
    name: &'a str,
    intensity: f64,
    flops: f64,
    share: f64,
}

fn points(record: &Record) -> Vec<Point<'_>> {
    let point = |row: &'_ RowRecord| Some((row.flops / row.bytes, row.flops_per_second?, row.roof_share?));
    let points = record.rows.iter().filter_map(|row| {
        let (intensity, flops, share) = point(row)?;
        Some(Point { name: &row.name, intensity, flops, share })
    });
    points.collect()
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

fn roofline(area: &Area<'_>, record: &Record) -> Drawn {
    let (bandwidth, peak) = (record.roof.bytes_per_second, record.roof.flops_per_second);
    let points = points(record);
    let ridge = peak / bandwidth;
    let range = |of: fn(&Point<'_>) -> f64, low: f64, high: f64| {
        points.iter().map(of).fold((low, high), |(low, high), x| (low.min(x), high.max(x)))
    };
    let (left, right) = range(|point| point.intensity, ridge / 10.0, ridge * 10.0);
    let (low, high) = range(|point| point.flops, peak / 100.0, peak * 1.2);
    let ((left, right), (low, high)) = (decades(left, right), decades(low, high));
    let mut chart = ChartBuilder::on(area)
        .caption("How near to what the device can do", font(18, TEXT))
        .margin(12)
        // Room for the list of points.
        .margin_right(330)
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations per byte that must move (FLOP/B)")
        .y_desc("operations per second (FLOP/s)")
        .x_label_formatter(&|x| power(*x))
        .y_label_formatter(&|y| power(*y))
        .label_style(font(14, TEXT))
        .axis_desc_style(font(15, TEXT))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .draw()?;
    // Where the slope enters the picture.
    let start = left.max(low / bandwidth);
    let line = [(start, start * bandwidth), (ridge, peak), (right, peak)];
    chart.draw_series(LineSeries::new(line, ROOF.stroke_width(2)))?;
    let place = |x: f64, y: f64| chart.backend_coord(&(x, y));
    let origin = area.get_pixel_range();
    let at = |x: f64, y: f64| {
        let (x, y) = place(x, y);
        (x - origin.0.start, y - origin.1.start)
    };
    let (x, y) = at(right, peak);
    let anchor = Pos::new(HPos::Right, VPos::Bottom);
    area.draw(&Text::new("arithmetic", (x - 4, y - 3), font(13, FAINT).pos(anchor)))?;
    let (x, y) = at(start, start * bandwidth);
    area.draw(&Text::new("memory", (x + 34, y - 14), font(13, FAINT)))?;

    let (single, whole): (Vec<_>, Vec<_>) = points.iter().partition(|point| point.name.starts_with("kernel/"));
    for point in &single {
        area.draw(&Circle::new(at(point.intensity, point.flops), 3, FAINT.mix(0.55).filled()))?;
    }
    let mut kinds: Vec<&str> = Vec::new();
    let mut taken: Vec<(i32, i32)> = Vec::new();
    let list = WIDTH as i32 - 312;
    let step = (500 / (whole.len() + 2).max(1) as i32).clamp(13, 20);
    for (number, point) in (1..).zip(&whole) {
        let kind = point.name.split('/').next().unwrap_or_default();
        let index = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            kinds.push(kind);
            kinds.len() - 1
        });
        let colour = COLOURS[index % COLOURS.len()];
        let home = at(point.intensity, point.flops);
        let spot = free(home, &taken);
        taken.push(spot);
        if spot != home {
            area.draw(&PathElement::new([home, spot], colour.mix(0.6).stroke_width(1)))?;
            area.draw(&Circle::new(home, 2, colour.filled()))?;
        }
        numbered(area, spot, number, colour)?;
        let y = 62 + step * (number - 1);
        numbered(area, (list, y), number, colour)?;
        let text = format!("{}  {}%", point.name, digits(100.0 * point.share));
        let beside = Pos::new(HPos::Left, VPos::Center);
        area.draw(&Text::new(text, (list + 16, y + 1), font(13, TEXT).pos(beside)))?;
    }
    let y = 62 + step * whole.len() as i32 + 6;
    if !single.is_empty() {
        area.draw(&Circle::new((list, y), 3, FAINT.mix(0.55).filled()))?;
        let beside = Pos::new(HPos::Left, VPos::Center);
        area.draw(&Text::new("single kernels", (list + 16, y + 1), font(13, FAINT).pos(beside)))?;
    }
    let heading = if whole.is_empty() { "" } else { "whole pieces, and their share of the roof" };
    area.draw(&Text::new(heading, (list - 8, 32), font(13, FAINT)))?;
    Ok(())
}

/// `home`, or the nearest place beside it where no other number is.
fn free(home: (i32, i32), taken: &[(i32, i32)]) -> (i32, i32) {
    let clear = |spot: (i32, i32)| taken.iter().all(|(x, y)| (x - spot.0).pow(2) + (y - spot.1).pow(2) >= 17 * 17);
    let ring = |radius: i32| {
        (0..12).map(move |turn| {
            let angle = f64::from(turn) * std::f64::consts::TAU / 12.0;
            let along = |part: f64| (f64::from(radius) * part).round() as i32;
            (home.0 + along(angle.cos()), home.1 + along(angle.sin()))
        })
    };
    let around = (1..8).flat_map(|circle| ring(12 * circle));
    std::iter::once(home).chain(around).find(|spot| clear(*spot)).unwrap_or(home)
}

fn numbered(area: &Area<'_>, (x, y): (i32, i32), number: i32, colour: RGBColor) -> Drawn {
    area.draw(&Circle::new((x, y), 8, colour.filled()))?;
    let middle = Pos::new(HPos::Center, VPos::Center);
    area.draw(&Text::new(number.to_string(), (x, y + 1), font(11, on(colour)).pos(middle)))?;
    Ok(())
}

/// Black or white, whichever reads better on `colour`.
fn on(colour: RGBColor) -> RGBColor {
    let light = 0.299 * f64::from(colour.0) + 0.587 * f64::from(colour.1) + 0.114 * f64::from(colour.2);
    if light > 150.0 { TEXT } else { WHITE }
}

/// A whole update: its name, seconds, and the share of each kernel.
struct Update<'a> {
    name: &'a str,
    seconds: f64,
    parts: Vec<(&'a str, f64)>,
}

fn updates(record: &Record) -> Vec<Update<'_>> {
    let kinds = ["ppo_step/", "fvp/", "ppo_update/", "trpo_update/", "rollout/", "train/"];
    let whole = |row: &&RowRecord| kinds.iter().any(|kind| row.name.starts_with(kind));
    let updates = record.rows.iter().filter(whole).filter_map(|row| {
        let seconds = row.seconds?.median;
        let parts: Vec<_> = row.kernels.iter().filter_map(|own| Some((own.kernel.as_str(), own.share?))).collect();
        (!parts.is_empty()).then_some(Update { name: &row.name, seconds, parts })
    });
    updates.collect()
}

/// Kernels that are worth a colour, by how much of all updates they have.
fn kernels<'a>(updates: &[Update<'a>]) -> Vec<&'a str> {
    let mut kernels: Vec<(&str, f64)> = Vec::new();
    for (kernel, share) in updates.iter().flat_map(|update| &update.parts).filter(|(_, share)| *share >= LEAST) {
        match kernels.iter_mut().find(|(known, _)| known == kernel) {
            Some((_, sum)) => *sum += share,
            None => kernels.push((kernel, *share)),
        }
    }
    kernels.sort_by(|a, b| b.1.total_cmp(&a.1));
    kernels.truncate(COLOURS.len());
    kernels.into_iter().map(|(kernel, _)| kernel).collect()
}

fn shares(area: &Area<'_>, updates: &[Update<'_>], kernels: &[&str]) -> Drawn {
    let colour = |kernel: &str| kernels.iter().position(|known| *known == kernel).map(|index| COLOURS[index]);
    area.draw(&Text::new("What the time goes to", (20, 14), font(18, TEXT)))?;
    let note = "each kernel's dispatches run alone, as shares of their sum";
    area.draw(&Text::new(note, (20, 42), font(13, FAINT)))?;
    let (left, right) = (190, WIDTH as i32 - 110);
    for (row, update) in (0..).zip(updates) {
        let y = 74 + BAR * row;
        let name = font(14, TEXT).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(update.name, (left - 10, y + 12), name))?;
        let after = font(14, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(time(update.seconds), (right + 10, y + 12), after))?;
        let mut begin = 0.0;
        let at = |share: f64| left + (share * f64::from(right - left)).round() as i32;
        // In the order of the legend, so that bars can be compared; the rest last.
        let of = |kernel: &str| update.parts.iter().find(|(own, _)| *own == kernel).map_or(0.0, |(_, share)| *share);
        for kernel in kernels {
            let share = of(kernel);
            let Some(fill) = colour(kernel).filter(|_| share > 0.0) else { continue };
            let (from, to) = (at(begin), at(begin + share));
            area.draw(&Rectangle::new([(from, y), (to, y + 24)], fill.filled()))?;
            let text = format!("{:.0}%", 100.0 * share);
            if to - from > 34 {
                let style = font(13, on(fill)).pos(Pos::new(HPos::Center, VPos::Center));
                area.draw(&Text::new(text, ((from + to) / 2, y + 13), style))?;
            }
            begin += share;
        }
        area.draw(&Rectangle::new([(at(begin), y), (right, y + 24)], REST.filled()))?;
    }
    let top = 74 + BAR * updates.len() as i32 + 12;
    let column = (WIDTH as i32 - 40) / 4;
    let named = kernels.iter().copied().chain(["the rest"]);
    for (index, kernel) in (0..).zip(named) {
        let (x, y) = (20 + index % 4 * column, top + index / 4 * 22);
        let fill = colour(kernel).unwrap_or(REST);
        area.draw(&Rectangle::new([(x, y), (x + 14, y + 14)], fill.filled()))?;
        area.draw(&Text::new(kernel, (x + 20, y), font(14, TEXT)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_read_well() {
        assert_eq!([0.01, 1.0, 100.0, 1e4, 1e11].map(power), ["0.01", "1", "100", "10 k", "100 G"]);
    }

    #[test]
    fn numbers_move_aside_for_each_other() {
        let mut taken = Vec::new();
        for _ in 0..20 {
            let spot = free((100, 100), &taken);
            assert!(!taken.contains(&spot));
            taken.push(spot);
        }
    }
}
