//! What figures of return against environment steps have in common: axes, the mark, and the legend.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use std::ops::Range;

/// Pixels of a figure.
pub const SIZE: (u32, u32) = (960, 600);
/// Of the curve that counts.
pub const LINE: RGBColor = RGBColor(31, 91, 160);
/// Of the mark.
const MARK: RGBColor = RGBColor(34, 129, 60);
/// Of greedy evaluations.
pub const GREEDY: RGBColor = RGBColor(200, 90, 0);
/// Of words.
const TEXT: RGBColor = RGBColor(40, 40, 40);
/// Pixels of the mark's dashes.
pub const DASH: i32 = 8;
/// And between them.
const GAP: i32 = 5;

type Error = Box<dyn std::error::Error>;

/// A chart of returns, with its axes drawn.
pub struct Chart<'a, 'b>(pub ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>);

impl<'a, 'b: 'a> Chart<'a, 'b> {
    /// White, with the title above; `returns` names the vertical axis.
    pub fn new(
        area: &'a DrawingArea<SVGBackend<'b>, Shift>,
        title: &str,
        returns: &str,
        steps: Range<f64>,
        heights: Range<f64>,
    ) -> Result<Self, Error> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 22).into_font().color(&TEXT))
            .margin(16)
            .margin_right(28)
            .x_label_area_size(56)
            .y_label_area_size(76)
            .build_cartesian_2d(steps, heights)?;
        chart
            .configure_mesh()
            .x_desc("environment steps")
            .y_desc(returns)
            .x_labels(8)
            .y_labels(8)
            .x_label_formatter(&|steps| thousands(*steps))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .label_style(("sans-serif", 16).into_font().color(&TEXT))
            .axis_desc_style(("sans-serif", 18).into_font().color(&TEXT))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        Ok(Self(chart))
    }

    /// A filled outline with its entry in the legend.
    pub fn band(&mut self, outline: Vec<(f64, f64)>, label: &str) -> Result<(), Error> {
        self.0
            .draw_series(std::iter::once(Polygon::new(outline, LINE.mix(0.18))))?
            .label(label)
            .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 24, y + 6)], LINE.mix(0.18).filled()));
        Ok(())
    }

    /// A line with its entry in the legend.
    pub fn line(&mut self, points: Vec<(f64, f64)>, style: ShapeStyle, label: &str) -> Result<(), Error> {
        self.0
            .draw_series(LineSeries::new(points, style))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
        Ok(())
    }

    /// Points of greedy evaluations.
    pub fn greedy(&mut self, points: &[(f64, f64)], label: &str) -> Result<(), Error> {
        self.0
            .draw_series(points.iter().map(|point| Circle::new(*point, 4, GREEDY.filled())))?
            .label(label)
            .legend(|(x, y)| Circle::new((x + 12, y), 4, GREEDY.filled()));
        Ok(())
    }

    /// The mark, dashed up to `end` and in the legend, and the legend itself. The last that is drawn.
    pub fn mark_and_legend(&mut self, mark: f64, end: f64) -> Result<(), Error> {
        self.0
            .draw_series(DashedLineSeries::new([(0.0, mark), (end, mark)], DASH, GAP, MARK.stroke_width(2)))?
            .label(format!("mark: {mark}"))
            .legend(|(x, y)| DashedPathElement::new([(x, y), (x + 24, y)], DASH, GAP, MARK.stroke_width(2)));
        self.0
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .label_font(("sans-serif", 15).into_font().color(&TEXT))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.25))
            .margin(8)
            .legend_area_size(32)
            .draw()?;
        Ok(())
    }
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
}
