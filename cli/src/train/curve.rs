//! learning_curve.svg: return against environment steps.

use super::chart::{Chart, LINE, SIZE};
use crate::folder::metrics::row::Row;
use crate::{files, svg};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;
use wgpo::env::Env;

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
    let mut chart = Chart::new(&area, title, "return per episode", 0.0..end, bottom..high + margin)?;

    let outline = points.iter().map(|point| (point.steps, point.high));
    let outline: Vec<_> = outline.chain(points.iter().rev().map(|point| (point.steps, point.low))).collect();
    chart.band(outline, "smallest to largest return")?;
    let means = points.iter().map(|point| (point.steps, point.mean)).collect();
    chart.line(means, LINE.mix(0.5).stroke_width(1), "mean of the update's episodes")?;
    let window = rows.iter().filter_map(|row| Some((row.env_steps as f64, row.mean_return?)));
    chart.line(thinned(window.collect()), LINE.stroke_width(3), "mean of the last 100 episodes")?;
    if !greedy.is_empty() {
        chart.greedy(&greedy, "greedy evaluation, mean")?;
    }
    chart.mark_and_legend(mark, end)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::chart::DASH;

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
