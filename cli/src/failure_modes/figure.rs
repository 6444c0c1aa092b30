//! failure_modes.svg: one panel per mode, mean reward against updates, with bands.

use super::outcome::Outcome;
use crate::interval::{band, student};
use crate::{files, svg};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const WIDTH: u32 = 960;
const HEAD: u32 = 64;
const PANEL: u32 = 400;
const TEXT: RGBColor = RGBColor(40, 40, 40);
const MARK: RGBColor = RGBColor(90, 90, 90);
/// The usual PPO first; told apart by people with the usual kinds of colour blindness (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

/// One mode.
pub struct Panel<'a> {
    /// What it is.
    pub title: &'a str,
    /// Reward at which a seed succeeds.
    pub mark: f64,
    /// A curve each.
    pub outcomes: &'a [Outcome],
}

/// Draws all panels below one another.
pub fn draw(path: &Path, title: &str, panels: &[Panel<'_>]) -> Result<()> {
    let mut svg = String::new();
    render(&mut svg, title, panels).map_err(|error| anyhow!("figure: {error}"))?;
    files::write(path, svg::themed(&svg).as_bytes())
}

fn render(svg: &mut String, title: &str, panels: &[Panel<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    let size = (WIDTH, HEAD + PANEL * panels.len() as u32);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let (head, body) = area.split_vertically(HEAD);
    head.draw(&Text::new(title, (16, 12), ("sans-serif", 22).into_font().color(&TEXT)))?;
    let seeds = panels.iter().flat_map(|panel| panel.outcomes).map(|one| one.rewards.first().map_or(0, Vec::len)).max();
    let note = format!(
        "mean reward per action over {} seeds; bands: 95 % interval of that mean (t·s/√n, Student's t)",
        seeds.unwrap_or(0)
    );
    head.draw(&Text::new(note, (16, 40), ("sans-serif", 16).into_font().color(&TEXT)))?;
    for (area, panel) in body.split_evenly((panels.len(), 1)).iter().zip(panels) {
        one(area, panel)?;
    }
    area.present()?;
    Ok(())
}

fn one(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let end = panel.outcomes.iter().map(|one| one.rewards.len()).max().unwrap_or(1).max(2) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 18).into_font().color(&TEXT))
        .margin(10)
        // Room for the legend beside the curves, which fill the panel.
        .margin_right(250)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(1.0..end, -0.02..1.06)?;
    chart
        .configure_mesh()
        .x_desc("updates")
        .y_desc("reward")
        .x_labels(8)
        .y_labels(6)
        .x_label_formatter(&|update| format!("{update:.0}"))
        .y_label_formatter(&|value| format!("{value:.1}"))
        .label_style(("sans-serif", 15).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 16).into_font().color(&TEXT))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    chart.draw_series(DashedLineSeries::new([(1.0, panel.mark), (end, panel.mark)], 6, 5, MARK.stroke_width(1)))?;
    let curves: Vec<Vec<(f64, (f64, f64))>> = panel
        .outcomes
        .iter()
        .map(|one| {
            let t = student(one.rewards.first().map_or(0, Vec::len));
            one.rewards.iter().enumerate().map(|(update, row)| (update as f64 + 1.0, band(row, t))).collect()
        })
        .collect();
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let upper = curve.iter().map(|(x, (mean, half))| (*x, (mean + half).min(1.06)));
        let lower = curve.iter().rev().map(|(x, (mean, half))| (*x, (mean - half).max(-0.02)));
        chart.draw_series(std::iter::once(Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.16))))?;
    }
    // The usual PPO is drawn last, over the others.
    for (index, curve) in curves.iter().enumerate().rev() {
        let style = COLOURS[index % COLOURS.len()].stroke_width(if index == 0 { 3 } else { 2 });
        chart.draw_series(LineSeries::new(curve.iter().map(|(x, (mean, _))| (*x, *mean)), style))?;
    }
    let (left, top) = (WIDTH as i32 - 236, 56);
    let legend = panel.outcomes.iter().map(|one| one.label).zip(COLOURS.iter().cycle());
    for (row, (label, colour)) in legend.enumerate() {
        let y = top + 26 * row as i32;
        area.draw(&Rectangle::new([(left, y - 6), (left + 28, y + 6)], colour.mix(0.16).filled()))?;
        area.draw(&PathElement::new([(left, y), (left + 28, y)], colour.stroke_width(if row == 0 { 3 } else { 2 })))?;
        area.draw(&Text::new(label, (left + 38, y - 8), ("sans-serif", 15).into_font().color(&TEXT)))?;
    }
    let y = top + 26 * panel.outcomes.len() as i32;
    for dash in [0, 11, 22] {
        area.draw(&PathElement::new([(left + dash, y), (left + dash + 6, y)], MARK.stroke_width(1)))?;
    }
    let mark = format!("mark of success: {}", panel.mark);
    area.draw(&Text::new(mark, (left + 38, y - 8), ("sans-serif", 15).into_font().color(&TEXT)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_panels_is_still_a_picture() {
        let mut svg = String::new();
        render(&mut svg, "nothing yet", &[]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("nothing yet"));
    }
}
