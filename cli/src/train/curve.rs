//! learning_curve.svg: return against environment steps.

use crate::folder::metrics::row::Row;
use crate::{files, svg};
use anyhow::{Result, anyhow};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::path::Path;
use wgpo::env::Env;

const SIZE: (u32, u32) = (960, 600);
const LINE: RGBColor = RGBColor(31, 91, 160);
/// Of the mark.
pub const MARK: RGBColor = RGBColor(34, 129, 60);
/// Of greedy evaluations.
pub const GREEDY: RGBColor = RGBColor(200, 90, 0);
/// Of words.
pub const TEXT: RGBColor = RGBColor(40, 40, 40);
/// Pixels of the mark's dashes.
pub const DASH: i32 = 8;
/// And between them.
pub const GAP: i32 = 5;
/// Horizontal resolution: more updates than this are drawn as groups.
const POINTS: usize = 320;

/// A group of updates: where it ends, and its episodes' mean, smallest and largest return.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    steps: f64,
    low: f64,
    high: f64,
    mean: f64,
}

/// Draws the curve of `rows`; `title` says which run it is.
pub fn draw(path: &Path, env: Env, title: &str, rows: &[Row]) -> Result<()> {
    let mut svg = String::new();
    render(&mut svg, env, title, rows).map_err(|error| anyhow!("learning curve: {error}"))?;
    files::write(path, svg::themed(&svg).as_bytes())
}

fn render(svg: &mut String, env: Env, title: &str, rows: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    let points = points(rows);
    let mark = env.solved_at();
    let greedy: Vec<_> = rows.iter().filter_map(|row| Some((row.env_steps as f64, row.greedy_return?))).collect();
    let (low, high) = points.iter().fold((mark, mark), |(low, high), point| (low.min(point.low), high.max(point.high)));
    let (low, high) = greedy.iter().fold((low, high), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
    let margin = ((high - low) * 0.06).max(1.0);
    // A return that cannot be negative (CartPole's) has its axis begin at 0.
    let bottom = if low >= 0.0 { 0.0 } else { low - margin };
    let end = rows.last().map_or(1.0, |row| row.env_steps as f64);

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 22).into_font().color(&TEXT))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(56)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..end, bottom..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("environment steps")
        .y_desc("return per episode")
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|steps| thousands(*steps))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .label_style(("sans-serif", 16).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 18).into_font().color(&TEXT))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;

    let outline = points.iter().map(|point| (point.steps, point.high));
    let outline: Vec<_> = outline.chain(points.iter().rev().map(|point| (point.steps, point.low))).collect();
    chart
        .draw_series(std::iter::once(Polygon::new(outline, LINE.mix(0.18))))?
        .label("smallest to largest return")
        .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 24, y + 6)], LINE.mix(0.18).filled()));
    chart
        .draw_series(LineSeries::new(
            points.iter().map(|point| (point.steps, point.mean)),
            LINE.mix(0.5).stroke_width(1),
        ))?
        .label("mean of the update's episodes")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], LINE.mix(0.5).stroke_width(1)));
    let window = rows.iter().filter_map(|row| Some((row.env_steps as f64, row.mean_return?)));
    chart
        .draw_series(LineSeries::new(thinned(window.collect()), LINE.stroke_width(3)))?
        .label("mean of the last 100 episodes")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], LINE.stroke_width(3)));
    if !greedy.is_empty() {
        chart
            .draw_series(greedy.iter().map(|point| Circle::new(*point, 4, GREEDY.filled())))?
            .label("greedy evaluation, mean")
            .legend(|(x, y)| Circle::new((x + 12, y), 4, GREEDY.filled()));
    }
    chart
        .draw_series(DashedLineSeries::new([(0.0, mark), (end, mark)], DASH, GAP, MARK.stroke_width(2)))?
        .label(format!("mark: {mark}"))
        // Dashed as it is drawn.
        .legend(|(x, y)| DashedPathElement::new([(x, y), (x + 24, y)], DASH, GAP, MARK.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .label_font(("sans-serif", 15).into_font().color(&TEXT))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.25))
        .margin(8)
        .legend_area_size(32)
        .draw()?;
    area.present()?;
    Ok(())
}

/// The updates in which episodes ended, in at most [`POINTS`] groups.
fn points(rows: &[Row]) -> Vec<Point> {
    let ended: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let (low, high, mean) = (row.episode_return_min?, row.episode_return_max?, row.episode_return?);
            Some((row.episodes, Point { steps: row.env_steps as f64, low, high, mean }))
        })
        .collect();
    let group = ended.len().div_ceil(POINTS).max(1);
    ended
        .chunks(group)
        .map(|chunk| {
            let episodes: u64 = chunk.iter().map(|(count, _)| count).sum();
            let sum: f64 = chunk.iter().map(|(count, point)| *count as f64 * point.mean).sum();
            let start = Point { steps: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY, mean: sum / episodes as f64 };
            chunk.iter().fold(start, |all, (_, point)| Point {
                steps: point.steps,
                low: all.low.min(point.low),
                high: all.high.max(point.high),
                ..all
            })
        })
        .collect()
}

/// At most about twice [`POINTS`] of `series`, the last one among them.
pub fn thinned(series: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let stride = series.len().div_ceil(2 * POINTS).max(1);
    let skip = series.len().saturating_sub(1) % stride;
    series.into_iter().skip(skip).step_by(stride).collect()
}

/// 1500 as `1.5k`, 2000000 as `2M`.
pub fn thousands(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e3 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_well() {
        assert_eq!(
            ["0", "500", "1.5k", "20k", "2M"],
            [0.0, 500.0, 1500.0, 20_000.0, 2e6].map(thousands).each_ref().map(String::as_str)
        );
    }

    #[test]
    fn a_run_without_episodes_is_still_a_picture() {
        let mut svg = String::new();
        render(&mut svg, Env::CartPole, "nothing yet", &[]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for word in ["environment steps", "return per episode", "mark: 475", "nothing yet"] {
            assert!(svg.contains(word), "{word}");
        }
    }

    #[test]
    fn greedy_evaluations_are_points_and_the_marks_legend_is_dashed() {
        let row = |env_steps, greedy_return| Row { env_steps, greedy_return, ..Row::default() };
        let mut svg = String::new();
        // Beyond the mark, so that the axis has to reach as far.
        let rows = [row(100, None), row(200, Some(480.0)), row(300, None), row(400, Some(900.0))];
        render(&mut svg, Env::CartPole, "points", &rows).unwrap();
        let colour = "#C85A00";
        // Two points, and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 3, "{svg}");
        assert_eq!(svg.matches(colour).count(), 3, "{svg}");
        assert!(svg.contains("greedy evaluation, mean"));
        let inside = svg.match_indices("cy=\"").all(|(at, key)| {
            let rest = &svg[at + key.len()..];
            rest.split('"').next().unwrap().parse::<f64>().unwrap() > 16.0
        });
        assert!(inside, "a point lies outside of the picture");
        // In the legend as on the line itself nothing of the mark is longer than a dash.
        let marks: Vec<_> = svg.split('<').filter(|element| element.contains("stroke=\"#22813C\"")).collect();
        assert!(marks.len() > 20, "{marks:?}");
        for mark in marks {
            let points = mark.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
            let x: Vec<f64> =
                points.split_whitespace().map(|p| p.split(',').next().unwrap().parse().unwrap()).collect();
            assert!((x[x.len() - 1] - x[0]).abs() <= f64::from(DASH) + 1.0, "{mark}");
        }
        let mut without = String::new();
        render(&mut without, Env::CartPole, "nothing", &[row(400, None)]).unwrap();
        assert!(!without.contains("greedy"));
    }

    #[test]
    fn thinning_keeps_the_end() {
        let series: Vec<_> = (0..5003).map(|i| (f64::from(i), 0.0)).collect();
        let thin = thinned(series);
        assert!(thin.len() <= 2 * POINTS && thin.last() == Some(&(5002.0, 0.0)));
    }
}
