//! `wgpo play`: one episode of a saved policy, to be read and to be looked at.

use super::policy::{Moment, Policy};
use super::scene::{self, HEIGHT, Motion, Node, WIDTH, Words};
use crate::args::play::PlayArgs;
use crate::files;
use crate::folder::run::picture;
use crate::place::choose::ChosenPlace;
use crate::program::{SUCCESS, Status};
use anyhow::Result;
use std::fmt::Write as _;
use wgpo::ActMode;

/// Lines that are printed of an episode, unless more are asked for.
const LINES: usize = 20;
/// Pictures of a strip: rows and columns.
const STRIP: (usize, usize) = (3, 4);
const STYLE: &str = "\
.paper{fill:#fff}.ground,.hill{stroke:#777;stroke-width:2;fill:none}.guide{stroke:#ccc;stroke-width:1;fill:none}\
.link{stroke:#b5651d;stroke-width:10;stroke-linecap:round}.second{stroke:#1f5ba0}.body{fill:#1f5ba0}.joint{fill:#444}\
.push{fill:#d55e00}.goal{stroke:#22813c;stroke-width:2;stroke-dasharray:7 5}.flag{fill:#22813c}\
.words{fill:#282828;font:16px sans-serif}.small{font-size:22px}.bar{fill:#bbb}.done{fill:#1f5ba0}";
const DARK: &str = "\
@media (prefers-color-scheme:dark){.paper{fill:#16181c}.ground,.hill{stroke:#999}.guide{stroke:#444}.joint{fill:#ccc}\
.link{stroke:#e0a060}.second{stroke:#6ea8e8}.body{fill:#6ea8e8}.words{fill:#ddd}.bar{fill:#444}.done{fill:#6ea8e8}}";

/// Plays an episode, prints it and draws it.
pub fn play(args: &PlayArgs) -> Result<Status> {
    let place = ChosenPlace::choose(&args.place)?;
    let mut policy = Policy::open(&args.run, args.env.map(|task| task.0), &place)?;
    let words = scene::words(policy.env)?;
    let mode = if args.sampled { ActMode::Sample } else { ActMode::Greedy };
    let seed = args.seed.unwrap_or(policy.seed.wrapping_add(1) & i64::MAX as u64);
    let moments = policy.play(seed, mode)?;
    let steps = moments.len().saturating_sub(1);
    // As the environment adds up, in f32.
    let total = moments.iter().fold(0.0_f32, |sum, moment| sum + moment.reward as f32);
    let kind = if args.sampled { "sampled" } else { "greedy" };
    let title = format!(
        "{} · update {}, {kind}, seed {seed} · return {total:.1} in {steps} steps",
        policy.env.gymnasium_id(),
        policy.update
    );
    say!("policy: {}", policy.describe());
    for line in table(&words, &moments, args.every).lines() {
        say!("{line}");
    }
    say!("{title}");
    let path = args.out.clone().unwrap_or_else(|| picture(&policy.path));
    let earlier = path.is_file();
    let nodes = scene::scene(policy.env, &moments)?;
    let svg = if args.still { strip(&nodes, &title, &moments) } else { film(&nodes, &title, steps, words.seconds) };
    files::write(&path, svg.as_bytes())?;
    say!("drawn: {}{}", path.display(), if earlier { ", in place of what was there" } else { "" });
    Ok(SUCCESS)
}

/// State, action and reward of every `every`th step and of the last; by default about [`LINES`] lines, with 0 none.
fn table(words: &Words, moments: &[Moment], every: Option<usize>) -> String {
    let steps = moments.len().saturating_sub(1);
    let every = every.unwrap_or_else(|| steps.div_ceil(LINES).max(1));
    let mut text = String::new();
    if every == 0 {
        return text;
    }
    text += &format!("{:>5}", "step");
    for name in words.state {
        text += &format!(" {name:>10}");
    }
    text += &format!(" {:>8} {:>8} {:>10}   action: {}\n", "action", "reward", "return", words.action);
    let mut total = 0.0;
    for (step, moment) in moments.iter().enumerate() {
        let last = step == steps;
        total += moment.reward;
        if step % every != 0 && !last {
            continue;
        }
        text += &format!("{step:>5}");
        for value in &moment.state {
            text += &format!(" {value:>10.4}");
        }
        if last {
            text += &format!(" {:>8} {:>8} {total:>10.2}   the end\n", "", "");
        } else {
            let digits = if moment.action.fract() == 0.0 && !words.action.contains("torque") { 0 } else { 3 };
            text += &format!(" {:>8.digits$} {:>8.3} {total:>10.2}\n", moment.action, moment.reward);
        }
    }
    text
}

fn head(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\
         <style>{STYLE}{DARK}</style><rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    )
}

/// The text with what SVG reads as markup spelt out.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An animation (SMIL), over and over, with a pause at the end; where a viewer has none, the first moment.
fn film(nodes: &[Node], title: &str, steps: usize, seconds: f64) -> String {
    let timing = Timing::new(steps, seconds);
    let mut svg = head(WIDTH, HEIGHT);
    let _ = writeln!(svg, "<title>{}</title>", escaped(title));
    for node in nodes {
        animated(&mut svg, node, &timing);
    }
    let _ = writeln!(svg, "<text class=\"words\" x=\"14\" y=\"26\">{}</text>", escaped(title));
    let _ = writeln!(
        svg,
        "<rect class=\"bar\" y=\"{y}\" width=\"{WIDTH}\" height=\"5\"/><rect class=\"done\" y=\"{y}\" width=\"0\" height=\"5\">\
         <animate attributeName=\"width\" values=\"0;{WIDTH};{WIDTH}\" keyTimes=\"0;{:.6};1\" dur=\"{:.3}s\" repeatCount=\"indefinite\"/>\
         </rect>",
        timing.moving,
        timing.whole,
        y = HEIGHT - 5.0
    );
    svg + "</svg>\n"
}

/// How long an animation is, and which part of it moves.
struct Timing {
    whole: f64,
    moving: f64,
    steps: usize,
}

impl Timing {
    /// Seconds that the end stays.
    const REST: f64 = 1.5;

    fn new(steps: usize, seconds: f64) -> Self {
        let play = steps.max(1) as f64 * seconds;
        Self { whole: play + Self::REST, moving: play / (play + Self::REST), steps }
    }

    /// When each moment is, and the end of the rest.
    fn key_times(&self) -> String {
        let steps = self.steps.max(1) as f64;
        let times = (0..=self.steps).map(|step| format!("{:.6}", self.moving * step as f64 / steps));
        times.chain(["1".to_owned()]).collect::<Vec<_>>().join(";")
    }
}

fn animated(svg: &mut String, node: &Node, timing: &Timing) {
    let (motion, children) = match node {
        Node::Shape(text) => {
            svg.push_str(text);
            svg.push('\n');
            return;
        }
        Node::Moved(motion, children) => (motion, children),
    };
    let name = motion.name();
    let _ = writeln!(svg, "<g transform=\"{name}({})\">", motion.at(0));
    let moves = (1..=timing.steps).any(|step| motion.at(step) != motion.at(0));
    if moves {
        let values: Vec<String> = (0..=timing.steps).chain([timing.steps]).map(|step| motion.at(step)).collect();
        let mode = if matches!(motion, Motion::Stretch(_)) { "discrete" } else { "linear" };
        let _ = writeln!(
            svg,
            "<animateTransform attributeName=\"transform\" type=\"{name}\" calcMode=\"{mode}\" dur=\"{:.3}s\" \
             repeatCount=\"indefinite\" keyTimes=\"{}\" values=\"{}\"/>",
            timing.whole,
            timing.key_times(),
            values.join(";")
        );
    }
    for child in children {
        animated(svg, child, timing);
    }
    svg.push_str("</g>\n");
}

/// Pictures of moments evenly spaced from the first to the last, in one.
fn strip(nodes: &[Node], title: &str, moments: &[Moment]) -> String {
    let (rows, columns) = STRIP;
    let (scale, top) = (0.5, 40.0);
    let (width, height) = (WIDTH * scale * columns as f64, top + HEIGHT * scale * rows as f64);
    let mut svg = head(width, height);
    let _ = writeln!(svg, "<title>{0}</title><text class=\"words\" x=\"14\" y=\"26\">{0}</text>", escaped(title));
    let (last, panels) = (moments.len().saturating_sub(1), rows * columns);
    for panel in 0..panels {
        let step = last * panel / (panels - 1);
        let (x, y) = ((panel % columns) as f64 * WIDTH * scale, top + (panel / columns) as f64 * HEIGHT * scale);
        let _ = writeln!(svg, "<g transform=\"translate({x} {y}) scale({scale})\">");
        for node in nodes {
            still(&mut svg, node, step);
        }
        // Not `sum`, which is −0 of nothing.
        let total = moments.iter().take(step).fold(0.0, |sum, moment| sum + moment.reward);
        let _ =
            writeln!(svg, "<text class=\"words small\" x=\"14\" y=\"30\">step {step} · return {total:.1}</text></g>");
    }
    svg + "</svg>\n"
}

fn still(svg: &mut String, node: &Node, step: usize) {
    match node {
        Node::Shape(text) => {
            svg.push_str(text);
            svg.push('\n');
        }
        Node::Moved(motion, children) => {
            let _ = writeln!(svg, "<g transform=\"{}({})\">", motion.name(), motion.at(step));
            for child in children {
                still(svg, child, step);
            }
            svg.push_str("</g>\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpo::env::Env;

    fn moments(env: Env, count: usize) -> Vec<Moment> {
        let of = |step: usize| Moment {
            state: (0..env.state_dim()).map(|i| 0.01 * (i + step) as f32).collect(),
            action: (step % 2) as f64,
            reward: if step + 1 == count { 0.0 } else { -1.0 },
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn every_task_has_a_film_and_a_strip() {
        for env in Env::ALL.into_iter().filter(|env| env.info().gymnasium_id.is_some()) {
            let moments = moments(env, 31);
            let (nodes, words) = (scene::scene(env, &moments).unwrap(), scene::words(env).unwrap());
            assert_eq!(words.state.len(), env.state_dim(), "{}", env.name());
            let film = film(&nodes, "a < b & c", 30, words.seconds);
            assert!(film.contains("<title>a &lt; b &amp; c</title>") && film.ends_with("</svg>\n"));
            assert_eq!(film.matches("<g ").count(), film.matches("</g>").count());
            // Every list of values has as many times.
            for line in film.lines().filter(|line| line.starts_with("<animateTransform")) {
                let count = |name: &str| {
                    let list = line.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0;
                    list.split(';').count()
                };
                assert_eq!((count("keyTimes"), count("values")), (32, 32), "{line}");
            }
            assert!(film.matches("<animateTransform").count() >= 2, "{}", env.name());
            let strip = strip(&nodes, "t", &moments);
            assert_eq!(strip.matches("step ").count(), 12);
            assert!(
                strip.contains("step 0 · return 0.0")
                    && strip.contains("step 30 · return -30.0")
                    && !strip.contains("NaN")
            );
        }
        assert!(scene::words(Env::BanditBumps).is_err() && scene::scene(Env::BanditBumps, &[]).is_err());
    }

    #[test]
    fn a_table_is_short_unless_asked() {
        let moments = moments(Env::Pendulum, 201);
        let words = scene::words(Env::Pendulum).unwrap();
        let lines = |every| table(&words, &moments, every).lines().count();
        assert_eq!((lines(None), lines(Some(1)), lines(Some(0)), lines(Some(150))), (22, 202, 0, 4));
        assert!(table(&words, &moments, None).lines().last().unwrap().contains("the end"));
    }
}
