//! The picture of a record: rows under the roofline, and what updates are made of. A colour is a stage of the computation in
//! both, and in every record.

use super::roofline;
use super::style::{STAGES, WIDTH, length, stage};
use super::table::{digits, scaled, time};
use crate::svg::{Anchor, Svg};
use wgpo::bench::record::{Record, RowRecord};

const HEAD: f64 = 84.0;
const BAR: f64 = 34.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 110.0;

/// Letters on the colour of a stage.
const LETTERS: &str = "#1c1c1c";

/// The whole picture as SVG.
pub fn draw(record: &Record) -> String {
    let mut svg = Svg::default();
    let updates = updates(record);
    head(&mut svg, record);
    let roofline = roofline::draw(&mut svg, record, HEAD);
    let bottom = HEAD + roofline;
    let bars = if updates.is_empty() { 0.0 } else { shares(&mut svg, &updates, bottom) };
    let used: Vec<&str> = (record.rows.iter().filter_map(RowRecord::kernel))
        .chain(updates.iter().flat_map(|update| update.parts.iter().map(|(kernel, _)| *kernel)))
        .map(|kernel| stage(kernel).0)
        .collect();
    let legend = legend(&mut svg, &used, bottom + bars);
    svg.finish(WIDTH as u32, (bottom + bars + legend) as u32)
}

fn head(svg: &mut Svg, record: &Record) {
    let roof = &record.roof;
    svg.text((20.0, 32.0), 22, "ink", Anchor::Start, "wgpo bench");
    svg.text((20.0, 54.0), 15, "ink", Anchor::Start, &record.place.describe());
    let small = if record.quick { "; small sizes (--quick), so no measure of speed" } else { "" };
    let limits = format!(
        "measured here: memory {}B/s, arithmetic {}FLOP/s; {}{small}",
        scaled(roof.bytes_per_second),
        scaled(roof.flops_per_second),
        record.date,
    );
    svg.text((20.0, 74.0), 13, "faint", Anchor::Start, &limits);
}

/// A whole update: its name, seconds, and the share of each kernel, the stages in their order and the largest first in each.
struct Update<'a> {
    name: &'a str,
    seconds: f64,
    parts: Vec<(&'a str, f64)>,
}

fn updates(record: &Record) -> Vec<Update<'_>> {
    let kinds = ["ppo_step/", "fvp/", "ppo_update/", "trpo_update/", "rollout/", "train/"];
    let whole = |row: &&RowRecord| kinds.iter().any(|kind| row.name.starts_with(kind));
    let place = |kernel: &str| STAGES.iter().position(|(name, ..)| *name == stage(kernel).0).unwrap_or(STAGES.len());
    let updates = record.rows.iter().filter(whole).filter_map(|row| {
        let seconds = row.seconds?.median;
        let mut parts: Vec<_> = row.kernels.iter().filter_map(|own| Some((own.kernel.as_str(), own.share?))).collect();
        parts.sort_by(|a, b| place(a.0).cmp(&place(b.0)).then(b.1.total_cmp(&a.1)));
        (!parts.is_empty()).then_some(Update { name: &row.name, seconds, parts })
    });
    updates.collect()
}

fn shares(svg: &mut Svg, updates: &[Update<'_>], top: f64) -> f64 {
    svg.text((20.0, top + 26.0), 17, "ink", Anchor::Start, "What the time goes to");
    let note = "each kernel's dispatches run alone, as shares of their sum; a pointer over a bar shows its kernel";
    svg.text((20.0, top + 46.0), 13, "faint", Anchor::Start, note);
    for (index, update) in updates.iter().enumerate() {
        let y = top + 60.0 + BAR * index as f64;
        svg.text((LEFT - 10.0, y + 17.0), 14, "ink", Anchor::End, update.name);
        svg.text((RIGHT + 10.0, y + 17.0), 14, "ink", Anchor::Start, &time(update.seconds));
        let mut begin = LEFT;
        for (kernel, share) in &update.parts {
            let (name, colour) = stage(kernel);
            let wide = share * (RIGHT - LEFT);
            let percent = digits(100.0 * share) + "%";
            let title = format!("{}: {kernel} {percent} ({name})", update.name);
            // A gap of the paper's colour parts neighbours of one stage.
            let gap = if wide > 3.0 { 1.0 } else { 0.0 };
            svg.rectangle((begin, y), (wide - gap, 24.0), colour, &title);
            let whole = format!("{kernel} {percent}");
            let label = [whole, percent].into_iter().find(|label| length(label, 12.0) + 8.0 < wide);
            if let Some(label) = label {
                svg.text((begin + 0.5 * wide, y + 16.5), 12, LETTERS, Anchor::Middle, &label);
            }
            begin += wide;
        }
    }
    60.0 + BAR * updates.len() as f64
}

/// The stages in `used`, and how high that is.
fn legend(svg: &mut Svg, used: &[&str], top: f64) -> f64 {
    if used.is_empty() {
        return 0.0;
    }
    let named = STAGES.iter().filter(|(name, ..)| used.contains(name));
    let (mut x, mut y) = (20.0, top + 18.0);
    for (name, colour, _) in named {
        let wide = 26.0 + length(name, 14.0) + 16.0;
        if x + wide > WIDTH {
            (x, y) = (20.0, y + 24.0);
        }
        svg.rectangle((x, y), (14.0, 14.0), colour, "");
        svg.text((x + 20.0, y + 12.0), 14, "ink", Anchor::Start, name);
        x += wide;
    }
    y + 30.0 - top
}
