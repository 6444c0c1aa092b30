//! The two pictures.

use super::clip::{CLIP_COEF, Term};
use super::ridge::{MAX_KL, RATE, STEPS, half_width, objective};
use crate::svg;
use anyhow::{Result, anyhow};
use plotters::prelude::*;

const TEXT: RGBColor = RGBColor(40, 40, 40);
const MARK: RGBColor = RGBColor(90, 90, 90);
/// Told apart by people with the usual kinds of colour blindness (Okabe and Ito).
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const BLUE: RGBColor = RGBColor(0, 114, 178);
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws by `draw` in a picture of `size`.
fn picture(size: (u32, u32), draw: impl FnOnce(&mut String, (u32, u32)) -> Drawn) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, size).map_err(|error| anyhow!("figure: {error}"))?;
    Ok(svg::themed(&text))
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

/// L^CLIP by the ratio, a panel per sign of the advantage.
pub fn clip(terms: &[Term; 2]) -> Result<String> {
    picture((960, 470), |text, size| {
        let area = SVGBackend::with_string(text, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (head, body) = area.split_vertically(64);
        head.draw(&Text::new("One term of the clipped surrogate", (16, 12), font(22)))?;
        let note = format!(
            "L = min(r A, clip(r, 1 − ε, 1 + ε) A), ε = {CLIP_COEF}; dashed: r A; the circle is where an update begins"
        );
        head.draw(&Text::new(note, (16, 40), font(16)))?;
        for (area, term) in body.split_evenly((1, 2)).iter().zip(terms) {
            let (title, range) = if term.advantage > 0.0 {
                ("a good action: A = 1", 0.0..2.0)
            } else {
                ("a bad action: A = −1", -2.0..0.0)
            };
            let mut chart = ChartBuilder::on(area)
                .caption(title, font(18))
                .margin(10)
                .x_label_area_size(44)
                .y_label_area_size(56)
                .build_cartesian_2d(0.0..2.0, range.clone())?;
            let mut mesh = chart.configure_mesh();
            mesh.x_desc("probability ratio r").y_desc("L").x_labels(6).y_labels(6);
            mesh.x_label_formatter(&|r| format!("{r:.1}")).y_label_formatter(&|value| format!("{value:.1}"));
            mesh.label_style(font(15)).axis_desc_style(font(16)).light_line_style(TRANSPARENT);
            mesh.bold_line_style(BLACK.mix(0.12)).draw()?;
            for bound in [1.0 - CLIP_COEF, 1.0 + CLIP_COEF] {
                let line = [(bound, range.start), (bound, range.end)];
                chart.draw_series(DashedLineSeries::new(line, 2, 5, MARK.stroke_width(1)))?;
            }
            let plain = term.unclipped.iter().copied();
            chart.draw_series(DashedLineSeries::new(plain, 7, 5, ORANGE.stroke_width(2)))?;
            chart.draw_series(LineSeries::new(term.clipped.iter().copied(), BLUE.stroke_width(4)))?;
            let start = Circle::new((1.0, term.advantage), 7, ORANGE.filled());
            chart.draw_series(std::iter::once(start))?;
        }
        area.present()?;
        Ok(())
    })
}

/// Both walks over the contours of J: gradient ascent, then the trust region.
pub fn ridge(paths: &[Vec<(f64, f64)>; 2]) -> Result<String> {
    picture((960, 640), |text, size| {
        let area = SVGBackend::with_string(text, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (head, body) = area.split_vertically(96);
        head.draw(&Text::new(format!("{STEPS} steps on a ridge, from one policy"), (16, 12), font(22)))?;
        let ends = paths.each_ref().map(|path| path.last().map_or(f64::NAN, |(mu, sigma)| objective(*mu, *sigma)));
        let words = [
            format!("gradient ascent, rate {RATE}: J = {:.3} at last", ends[0]),
            format!("TRPO, KL ≤ {MAX_KL}: J = {:.3} at last", ends[1]),
        ];
        for ((words, colour), x) in words.into_iter().zip([ORANGE, BLUE]).zip([16, 400]) {
            head.draw(&PathElement::new([(x, 58), (x + 28, 58)], colour.stroke_width(3)))?;
            head.draw(&Text::new(words, (x + 38, 50), font(16)))?;
        }
        let note =
            "contours: J = 0.1, 0.2, … 0.9, the mean reward of actions drawn with this mean and standard deviation";
        head.draw(&Text::new(note, (16, 76), font(15)))?;
        let all = || paths.iter().flatten().copied();
        let wide = all().fold(2.0_f64, |wide, (mu, _)| wide.max(mu.abs() * 1.05)).min(6.0);
        let (least, most) =
            all().fold((0.05_f64, 1.6_f64), |(low, high), (_, s)| (low.min(s * 0.8), high.max(s * 1.2)));
        let least = least.max(1e-3);
        let mut chart = ChartBuilder::on(&body)
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(-wide..wide, (least..most).log_scale())?;
        for level in (1..=9).map(|tenth| f64::from(tenth) / 10.0) {
            let sigmas = (0..=200).map(|k| least * (most / least).powf(f64::from(k) / 200.0));
            let edge: Vec<_> = sigmas.filter_map(|sigma| Some((half_width(level, sigma)?.min(wide), sigma))).collect();
            let left = edge.iter().rev().map(|(mu, sigma)| (-mu, *sigma));
            let outline: Vec<_> = edge.iter().copied().chain(left).collect();
            chart.draw_series(std::iter::once(Polygon::new(outline, BLACK.mix(0.06))))?;
        }
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("mean of the action").y_desc("standard deviation").x_labels(9).y_labels(8);
        mesh.x_label_formatter(&|mu| format!("{mu:.1}")).y_label_formatter(&|sigma| format!("{sigma:.2}"));
        mesh.label_style(font(15)).axis_desc_style(font(16)).light_line_style(TRANSPARENT);
        mesh.bold_line_style(BLACK.mix(0.12)).draw()?;
        for (path, colour) in paths.iter().zip([ORANGE, BLUE]) {
            chart.draw_series(LineSeries::new(path.iter().copied(), colour.stroke_width(2)))?;
            chart.draw_series(path.iter().map(|place| Circle::new(*place, 4, colour.filled())))?;
        }
        let start = paths[0].iter().take(1).map(|place| Circle::new(*place, 8, TEXT.stroke_width(2)));
        chart.draw_series(start)?;
        area.present()?;
        Ok(())
    })
}
