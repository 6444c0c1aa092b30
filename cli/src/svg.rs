//! Pictures as text: elements with words that a pointer over them shows, in a light scheme and a dark one.

use std::fmt::Write;

/// Colours by what they are for; a dark scheme has others. Plotters writes numbers, so they are found by these.
const THEME: &str = "\
.wgpo{--ink:#282828;--faint:#6e6e6e;--paper:#fff;--grid:#e2e2e2;--rest:#d6d6d6;font-family:sans-serif}\
@media(prefers-color-scheme:dark){.wgpo{--ink:#dedede;--faint:#a2a2a2;--paper:#171717;--grid:#373737;--rest:#4c4c4c}\
.wgpo .plot [fill='#FFFFFF']{fill:#171717}.wgpo .plot [fill='#282828']{fill:#dedede}\
.wgpo .plot [stroke='#282828']{stroke:#dedede}.wgpo .plot [stroke='#000000']{stroke:#e8e8e8}\
.wgpo .plot [fill='#000000']{fill:#e8e8e8}.wgpo .plot [stroke='#1F5BA0']{stroke:#6ea8e6}\
.wgpo .plot [fill='#1F5BA0']{fill:#6ea8e6}.wgpo .plot [stroke='#22813C']{stroke:#5fc77c}\
.wgpo .plot [fill='#C85A00']{fill:#ff9d4d}\
.wgpo .plot [stroke='#5A5A5A']{stroke:#a8a8a8}}\
.wgpo .paper{fill:var(--paper)}.wgpo .ink{fill:var(--ink)}.wgpo .faint{fill:var(--faint)}.wgpo .rest{fill:var(--rest)}\
.wgpo .grid{stroke:var(--grid);fill:none}.wgpo .roof{stroke:var(--ink);fill:none;stroke-width:2}\
.wgpo .lead{stroke:var(--faint);fill:none}.wgpo .edge{stroke:var(--paper)}\
.wgpo .whole{fill:var(--paper);stroke:var(--ink);stroke-width:2}";

/// Where a text begins, or ends, or has its middle.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn.
#[derive(Debug, Default)]
pub struct Svg(String);

/// With what XML gives a meaning of its own written as text.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Svg {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "{element}");
    }

    /// A text with its baseline at `y`. `fill` is a class, or a colour that begins with #.
    pub fn text(&mut self, (x, y): (f64, f64), size: u32, fill: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (look, text) = (look(fill), escape(text));
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" {look}>{text}</text>"
        ));
    }

    /// A rectangle; a pointer over it shows `title`.
    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str, title: &str) {
        let (look, title) = (look(fill), titled(title));
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {look}>{title}</rect>"
        ));
    }

    /// A filled circle; a pointer over it shows `title`.
    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, fill: &str, title: &str) {
        let (look, title) = (look(fill), titled(title));
        self.add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" {look}>{title}</circle>"));
    }

    /// Straight lines from point to point.
    pub fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let points: String = points.iter().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        self.add(format_args!("<polyline points=\"{}\" class=\"{class}\"/>", points.trim_end()));
    }

    /// The whole picture.
    pub fn finish(self, width: u32, height: u32) -> String {
        format!(
            "<svg class=\"wgpo\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n<style>{THEME}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" class=\"paper\"/>\n{}</svg>\n",
            self.0
        )
    }
}

fn look(fill: &str) -> String {
    if fill.starts_with('#') { format!("fill=\"{fill}\"") } else { format!("class=\"{fill}\"") }
}

fn titled(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

/// What plotters drew, with a dark scheme.
pub fn themed(svg: &str) -> String {
    let Some((head, body)) = svg.split_once('>') else { return svg.to_owned() };
    let body = body.trim_end().strip_suffix("</svg>").unwrap_or(body);
    format!("{head} class=\"wgpo\">\n<style>{THEME}</style>\n<g class=\"plot\">{body}</g>\n</svg>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_elements() {
        let mut svg = Svg::default();
        svg.circle((1.0, 2.0), 3.0, "#0072b2", "a < b & \"c\"");
        svg.text((0.0, 0.0), 12, "ink", Anchor::End, "<");
        let svg = svg.finish(10, 20);
        assert!(svg.contains("<title>a &lt; b &amp; &quot;c&quot;</title></circle>"), "{svg}");
        assert!(svg.contains("class=\"ink\">&lt;</text>") && svg.contains("prefers-color-scheme:dark"), "{svg}");
    }

    #[test]
    fn what_plotters_draws_gets_a_dark_scheme() {
        let themed = themed("<svg width=\"9\" xmlns=\"x\">\n<rect fill=\"#FFFFFF\"/>\n</svg>\n");
        assert!(themed.starts_with("<svg width=\"9\" xmlns=\"x\" class=\"wgpo\">\n<style>"), "{themed}");
        assert!(themed.ends_with("<rect fill=\"#FFFFFF\"/>\n</g>\n</svg>\n"), "{themed}");
    }
}
