//! seeds.svg: the learning curves of several seeds, their mean, and its band.

use crate::folder::metrics::row::Row;
use crate::interval::{band, student};
use crate::train::chart::{Chart, LINE, SIZE};
use crate::train::curve::thinned;
use crate::{files, svg};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

/// One seed's run.
pub struct Curve<'a> {
    /// Its updates.
    pub rows: &'a [Row],
    /// Whether it ended because it was solved.
    pub solved: bool,
}

/// Mean over seeds at some steps, and half of its band.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    steps: f64,
    mean: f64,
    half: f64,
}

/// Mean and 95 % interval of the seeds' means over 100 episodes, update by update, from where every seed has one. A seed that is at its
/// end counts with its last number, as one that is solved stays solved. Rows belong together by their update: an update whose row one
/// seed has lost has no mean.
fn points(curves: &[Curve<'_>]) -> Vec<Point> {
    let mut updates: Vec<u64> = curves.iter().flat_map(|curve| curve.rows).map(|row| row.update).collect();
    updates.sort_unstable();
    updates.dedup();
    let found = |row: &Row| (row.env_steps, row.mean_return);
    let own = |curve: &Curve<'_>, update: u64| -> Option<(u64, Option<f64>)> {
        let place = curve.rows.binary_search_by_key(&update, |row| row.update).ok()?;
        curve.rows.get(place).map(found)
    };
    let at = |curve: &Curve<'_>, update: u64| {
        let last = curve.rows.last().filter(|last| last.update < update).map(found);
        own(curve, update).or(last)?.1
    };
    let t = student(curves.len());
    updates
        .into_iter()
        .filter_map(|update| {
            let values: Vec<f64> = curves.iter().map(|curve| at(curve, update)).collect::<Option<_>>()?;
            let steps = curves.iter().filter_map(|curve| own(curve, update)).map(|(steps, _)| steps).max()?;
            let (mean, half) = band(&values, t);
            Some(Point { steps: steps as f64, mean, half })
        })
        .collect()
}

/// Draws all seeds; `title` says what they learn.
pub fn draw(path: &Path, title: &str, mark: f64, curves: &[Curve<'_>]) -> Result<()> {
    let mut svg = String::new();
    render(&mut svg, title, mark, curves).map_err(|error| anyhow!("figure of the seeds: {error}"))?;
    files::write(path, svg::themed(&svg).as_bytes())
}

fn render(svg: &mut String, title: &str, mark: f64, curves: &[Curve<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    let points = points(curves);
    let rows = || curves.iter().flat_map(|curve| curve.rows);
    let greedy: Vec<(f64, f64)> = rows().filter_map(|row| Some((row.env_steps as f64, row.greedy_return?))).collect();
    let seen = rows().filter_map(|row| row.mean_return).chain(greedy.iter().map(|(_, value)| *value));
    let (low, high) = seen.fold((mark, mark), |(low, high), value| (low.min(value), high.max(value)));
    let margin = ((high - low) * 0.06).max(1.0);
    // A return that cannot be negative (CartPole's) has its axis begin at 0.
    let bottom = if low >= 0.0 { 0.0 } else { low - margin };
    let top = high + margin;
    let end = rows().map(|row| row.env_steps).max().unwrap_or(1) as f64;
    let solved = curves.iter().filter(|curve| curve.solved).count();
    let title = format!("{title} · solved: {solved} of {} seeds", curves.len());

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = Chart::new(&area, &title, "mean return of the last 100 episodes", 0.0..end, bottom..top)?;

    let upper = points.iter().map(|point| (point.steps, (point.mean + point.half).min(top)));
    let lower = points.iter().rev().map(|point| (point.steps, (point.mean - point.half).max(bottom)));
    chart.band(upper.chain(lower).collect(), "95 % interval of the mean (t·s/√n, Student's t)")?;
    for (index, curve) in curves.iter().enumerate() {
        let own = curve.rows.iter().filter_map(|row| Some((row.env_steps as f64, row.mean_return?))).collect();
        let style = LINE.mix(0.45).stroke_width(1);
        // One entry of the legend is enough for all.
        match index {
            0 => chart.line(thinned(own), style, "one seed")?,
            _ => {
                chart.0.draw_series(LineSeries::new(thinned(own), style))?;
            }
        }
    }
    let mean = thinned(points.iter().map(|point| (point.steps, point.mean)).collect());
    chart.line(mean, LINE.stroke_width(3), "mean over seeds; one at its end keeps its last")?;
    chart.greedy(&greedy, "greedy evaluation of a seed")?;
    chart.mark_and_legend(mark, end)?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(update: u64, mean_return: Option<f64>) -> Row {
        Row { update, env_steps: 100 * update, mean_return, ..Row::default() }
    }

    #[test]
    fn the_mean_begins_with_all_seeds_and_keeps_those_at_their_end() {
        let short = [row(1, Some(4.0)), row(2, Some(8.0))];
        let long = [row(1, None), row(2, Some(2.0)), row(3, Some(4.0))];
        let curves = [Curve { rows: &short, solved: true }, Curve { rows: &long, solved: false }];
        let got: Vec<_> = points(&curves).iter().map(|point| (point.steps, point.mean)).collect();
        assert_eq!(got, [(200.0, 5.0), (300.0, 6.0)]);
    }

    #[test]
    fn rows_are_paired_by_their_updates() {
        let lost = [row(1, Some(4.0)), row(4, Some(8.0))];
        let whole = [row(1, Some(2.0)), row(2, Some(3.0)), row(3, Some(5.0)), row(4, Some(6.0))];
        let curves = [Curve { rows: &lost, solved: false }, Curve { rows: &whole, solved: false }];
        let got: Vec<_> = points(&curves).iter().map(|point| (point.steps, point.mean)).collect();
        assert_eq!(got, [(100.0, 3.0), (400.0, 7.0)]);
    }

    #[test]
    fn seeds_without_episodes_are_still_a_picture() {
        let mut svg = String::new();
        render(&mut svg, "nothing yet", 475.0, &[Curve { rows: &[], solved: false }]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("solved: 0 of 1 seeds"));
    }
}
