//! seeds.svg: the learning curves of several seeds, their mean, and its band.

use crate::folder::metrics::row::Row;
use crate::interval::{band, student};
use crate::train::curve::{DASH, GAP, GREEDY, MARK, TEXT, thinned, thousands};
use crate::{files, svg};
use anyhow::{Result, anyhow};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (960, 600);
const LINE: RGBColor = RGBColor(31, 91, 160);

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
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 22).into_font().color(&TEXT))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(56)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..end, bottom..top)?;
    chart
        .configure_mesh()
        .x_desc("environment steps")
        .y_desc("mean return of the last 100 episodes")
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|steps| thousands(*steps))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .label_style(("sans-serif", 16).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 18).into_font().color(&TEXT))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;

    let upper = points.iter().map(|point| (point.steps, (point.mean + point.half).min(top)));
    let lower = points.iter().rev().map(|point| (point.steps, (point.mean - point.half).max(bottom)));
    chart
        .draw_series(std::iter::once(Polygon::new(upper.chain(lower).collect::<Vec<_>>(), LINE.mix(0.18))))?
        .label("95 % interval of the mean (t·s/√n, Student's t)")
        .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 24, y + 6)], LINE.mix(0.18).filled()));
    for (index, curve) in curves.iter().enumerate() {
        let own = curve.rows.iter().filter_map(|row| Some((row.env_steps as f64, row.mean_return?))).collect();
        let drawn = chart.draw_series(LineSeries::new(thinned(own), LINE.mix(0.45).stroke_width(1)))?;
        if index == 0 {
            drawn
                .label("one seed")
                .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], LINE.mix(0.45).stroke_width(1)));
        }
    }
    let mean = thinned(points.iter().map(|point| (point.steps, point.mean)).collect());
    chart
        .draw_series(LineSeries::new(mean, LINE.stroke_width(3)))?
        .label("mean over seeds; one at its end keeps its last")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], LINE.stroke_width(3)));
    chart
        .draw_series(greedy.iter().map(|place| Circle::new(*place, 4, GREEDY.filled())))?
        .label("greedy evaluation of a seed")
        .legend(|(x, y)| Circle::new((x + 12, y), 4, GREEDY.filled()));
    chart
        .draw_series(DashedLineSeries::new([(0.0, mark), (end, mark)], DASH, GAP, MARK.stroke_width(2)))?
        .label(format!("mark: {mark}"))
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
