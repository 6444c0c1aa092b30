//! What an episode looks like: the things of an environment, and how each moves from moment to moment.
//!
//! Lengths are pixels of a picture of [`WIDTH`] × [`HEIGHT`], y downwards, angles in degrees, clockwise.

use super::policy::Moment;
use anyhow::{Result, anyhow};
use std::f64::consts::PI;
use std::fmt::Write as _;
use wgpo::env::Env;

/// Width of the picture.
pub const WIDTH: f64 = 600.0;
/// Its height.
pub const HEIGHT: f64 = 400.0;

/// A group of things that move together, or one thing.
pub enum Node {
    /// SVG as it is.
    Shape(String),
    /// Children that move.
    Moved(Motion, Vec<Node>),
}

/// Where a group is in each moment.
pub enum Motion {
    /// Shifted by (x, y).
    Shift(Vec<(f64, f64)>),
    /// Turned about the origin.
    Turn(Vec<f64>),
    /// Made wider by a factor, from the origin; negative ones point to the left. It jumps from one to the next.
    Stretch(Vec<f64>),
}

impl Motion {
    /// The name that SVG has for it, in the attribute `transform` and in `animateTransform`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Shift(_) => "translate",
            Self::Turn(_) => "rotate",
            Self::Stretch(_) => "scale",
        }
    }

    /// Its numbers in moment `at`, as SVG takes them; in a moment beyond the last that of the last.
    pub fn at(&self, at: usize) -> String {
        match self {
            Self::Shift(values) => pick(values, at).map_or(String::new(), |(x, y)| format!("{x:.2} {y:.2}")),
            Self::Turn(values) => pick(values, at).map_or(String::new(), |angle| format!("{angle:.2}")),
            Self::Stretch(values) => pick(values, at).map_or(String::new(), |factor| format!("{factor:.3} 1")),
        }
    }
}

fn pick<T: Copy>(values: &[T], at: usize) -> Option<T> {
    values.get(at).or(values.last()).copied()
}

/// What an environment has beside its picture.
pub struct Words {
    /// Names of the physical state's numbers.
    pub state: &'static [&'static str],
    /// What an action is.
    pub action: &'static str,
    /// Seconds of a step, for the animation.
    pub seconds: f64,
}

/// Names and the length of a step.
pub fn words(env: Env) -> Result<Words> {
    let (state, action): (&[&str], _) = match env {
        Env::CartPole => (&["x", "x_dot", "theta", "theta_dot"], "push (0 left, 1 right)"),
        Env::Pendulum => (&["theta", "theta_dot"], "torque"),
        Env::Acrobot => (&["theta1", "theta2", "theta1_dot", "theta2_dot"], "torque (0, 1, 2: −1, 0, 1)"),
        Env::MountainCar => (&["position", "velocity"], "force"),
        _ => return Err(no_picture(env)),
    };
    Ok(Words { state, action, seconds: env.seconds_shown().ok_or_else(|| no_picture(env))? })
}

fn no_picture(env: Env) -> anyhow::Error {
    anyhow!("{}: has no picture; cartpole, pendulum, acrobot and mountain-car have one", env.name())
}

/// The things of `env` in every moment.
pub fn scene(env: Env, moments: &[Moment]) -> Result<Vec<Node>> {
    Ok(match env {
        Env::CartPole => cartpole(moments),
        Env::Pendulum => pendulum(moments),
        Env::Acrobot => acrobot(moments),
        Env::MountainCar => mountain_car(moments),
        _ => return Err(no_picture(env)),
    })
}

fn shape(text: impl Into<String>) -> Node {
    Node::Shape(text.into())
}

/// Numbers of every moment.
fn each<T>(moments: &[Moment], of: impl Fn(&Moment) -> T) -> Vec<T> {
    moments.iter().map(of).collect()
}

/// Number `index` of the state.
fn number(moment: &Moment, index: usize) -> f64 {
    moment.state.get(index).copied().map_or(0.0, f64::from)
}

/// Children that stay at (x, y).
fn placed(x: f64, y: f64, children: Vec<Node>) -> Node {
    Node::Moved(Motion::Shift(vec![(x, y)]), children)
}

/// A bar from the origin, as long as the action is strong: `full` pixels at 1.
fn bar(moments: &[Moment], full: f64, strength: impl Fn(f64) -> f64) -> Node {
    let factors = each(moments, |moment| strength(moment.action).clamp(-1.0, 1.0));
    Node::Moved(
        Motion::Stretch(factors),
        vec![shape(format!("<rect class=\"push\" x=\"0\" y=\"-4\" width=\"{full}\" height=\"8\"/>"))],
    )
}

fn cartpole(moments: &[Moment]) -> Vec<Node> {
    const SCALE: f64 = 110.0;
    let ground = 300.0;
    let middle = WIDTH / 2.0;
    let (left, right) = (middle - 2.4 * SCALE, middle + 2.4 * SCALE);
    let track = format!(
        "<line class=\"ground\" x1=\"{left}\" y1=\"{ground}\" x2=\"{right}\" y2=\"{ground}\"/>\
         <line class=\"ground\" x1=\"{left}\" y1=\"{}\" x2=\"{left}\" y2=\"{}\"/>\
         <line class=\"ground\" x1=\"{right}\" y1=\"{}\" x2=\"{right}\" y2=\"{}\"/>",
        ground - 12.0,
        ground + 12.0,
        ground - 12.0,
        ground + 12.0
    );
    // The angle is from upright, to the right. The pole is 1 long, from the cart's middle.
    let pole = Node::Moved(
        Motion::Turn(each(moments, |moment| number(moment, 2).to_degrees())),
        vec![shape(format!(
            "<line class=\"link\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"{:.1}\"/><circle class=\"joint\" r=\"6\"/>",
            -SCALE
        ))],
    );
    let push = placed(0.0, 40.0, vec![bar(moments, 50.0, |action| if action > 0.5 { 1.0 } else { -1.0 })]);
    let cart = Node::Moved(
        Motion::Shift(each(moments, |moment| (middle + SCALE * number(moment, 0), ground))),
        vec![shape("<rect class=\"body\" x=\"-32\" y=\"-14\" width=\"64\" height=\"28\" rx=\"5\"/>"), push, pole],
    );
    vec![shape(track), cart]
}

fn pendulum(moments: &[Moment]) -> Vec<Node> {
    const LENGTH: f64 = 120.0;
    let (x, y) = (WIDTH / 2.0, 190.0);
    // 0 is upright, and angles are counterclockwise.
    let rod = Node::Moved(
        Motion::Turn(each(moments, |moment| -number(moment, 0).to_degrees())),
        vec![shape(format!(
            "<line class=\"link\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"{:.1}\"/><circle class=\"body\" cy=\"{:.1}\" r=\"13\"/>",
            -LENGTH, -LENGTH
        ))],
    );
    let circle = format!("<circle class=\"guide\" r=\"{LENGTH}\"/>");
    let torque = placed(
        x,
        HEIGHT - 34.0,
        // Counterclockwise is to the left on top.
        vec![bar(moments, 150.0, |torque| -torque / 2.0), shape("<line class=\"ground\" y1=\"-9\" y2=\"9\"/>")],
    );
    vec![placed(x, y, vec![shape(circle), rod, shape("<circle class=\"joint\" r=\"7\"/>")]), torque]
}

/// Angles that go on past half a turn where the state's begin anew, so that a picture between two moments is not on the far side.
fn unwrapped(angles: Vec<f64>) -> Vec<f64> {
    let mut turns = 0.0;
    let mut last: Option<f64> = None;
    angles
        .into_iter()
        .map(|angle| {
            if let Some(last) = last {
                turns -= ((angle - last) / (2.0 * PI)).round();
            }
            last = Some(angle);
            angle + 2.0 * PI * turns
        })
        .collect()
}

fn acrobot(moments: &[Moment]) -> Vec<Node> {
    const LENGTH: f64 = 84.0;
    let (x, y) = (WIDTH / 2.0, 200.0);
    // 0 hangs down, and angles are counterclockwise; the second is from the direction of the first.
    let turn = |index| {
        Motion::Turn(unwrapped(each(moments, |moment| number(moment, index))).iter().map(|a| -a.to_degrees()).collect())
    };
    let link = |class: &str| {
        shape(format!(
            "<line class=\"{class}\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"{LENGTH}\"/><circle class=\"joint\" r=\"7\"/>"
        ))
    };
    let second = placed(0.0, LENGTH, vec![Node::Moved(turn(1), vec![link("link")])]);
    let goal = format!(
        "<line class=\"goal\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        -2.4 * LENGTH,
        -LENGTH,
        2.4 * LENGTH,
        -LENGTH
    );
    let torque = placed(
        x,
        HEIGHT - 20.0,
        // Counterclockwise is to the left on top.
        vec![bar(moments, 150.0, |index| 1.0 - index), shape("<line class=\"ground\" y1=\"-9\" y2=\"9\"/>")],
    );
    vec![placed(x, y, vec![shape(goal), Node::Moved(turn(0), vec![link("link second"), second])]), torque]
}

fn mountain_car(moments: &[Moment]) -> Vec<Node> {
    const SCALE: f64 = 310.0;
    // sin(3 x) 0.45 + 0.55, as Gymnasium draws the hill.
    let height = |x: f64| (3.0 * x).sin() * 0.45 + 0.55;
    let place = |x: f64| (WIDTH / 2.0 + SCALE * (x + 0.3), HEIGHT - 30.0 - 290.0 * height(x));
    let mut hill = String::from("<polyline class=\"hill\" points=\"");
    for step in 0..=90 {
        let (x, y) = place(-1.2 + 0.02 * f64::from(step));
        let _ = write!(hill, "{x:.1},{y:.1} ");
    }
    hill += "\"/>";
    let (x, y) = place(0.45);
    let flag = format!(
        "<line class=\"goal\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
         <polygon class=\"flag\" points=\"{x:.1},{:.1} {:.1},{:.1} {x:.1},{:.1}\"/>",
        y - 50.0,
        y - 50.0,
        x + 24.0,
        y - 41.0,
        y - 32.0
    );
    // The slope as it is drawn: 290 of 310 of the hill's.
    let slope = |x: f64| -(1.35 * (3.0 * x).cos() * 290.0 / SCALE).atan().to_degrees();
    let wheels = "<rect class=\"body\" x=\"-22\" y=\"-24\" width=\"44\" height=\"16\" rx=\"4\"/>\
                  <circle class=\"joint\" cx=\"-12\" cy=\"-6\" r=\"6\"/><circle class=\"joint\" cx=\"12\" cy=\"-6\" r=\"6\"/>";
    let push = placed(0.0, -36.0, vec![bar(moments, 40.0, |force| force)]);
    let car = Node::Moved(
        Motion::Shift(each(moments, |moment| place(number(moment, 0)))),
        vec![Node::Moved(Motion::Turn(each(moments, |moment| slope(number(moment, 0)))), vec![shape(wheels), push])],
    );
    vec![shape(hill), shape(flag), car]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_go_on_past_half_a_turn() {
        let got = unwrapped(vec![3.0, 3.1, -3.1, -3.0, 3.1]);
        for (got, want) in got.iter().zip([3.0, 3.1, 2.0 * PI - 3.1, 2.0 * PI - 3.0, 3.1]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }

    /// Where the end of the last link, or the car, is in a state, by the picture's own transforms.
    #[test]
    fn things_are_where_the_state_says() {
        let moment = |state: &[f32]| vec![Moment { state: state.to_vec(), action: 0.0, reward: 0.0 }];
        let first = |motion: &Motion| motion.at(0);
        // A pole that leans to the right is turned clockwise.
        let Node::Moved(shift, children) = cartpole(&moment(&[1.0, 0.0, 0.1, 0.0])).remove(1) else { panic!() };
        assert_eq!(first(&shift), "410.00 300.00");
        let Some(Node::Moved(turn, _)) = children.last() else { panic!() };
        assert_eq!(first(turn), "5.73");
        // cos θ, sin θ of the observation: a quarter of a turn is to the left.
        let Node::Moved(_, mut children) = pendulum(&moment(&[1.5, 0.0])).remove(0) else { panic!() };
        let Node::Moved(turn, _) = children.remove(1) else { panic!() };
        assert_eq!(first(&turn), "-85.94");
        let Node::Moved(_, mut children) = acrobot(&moment(&[0.5, -0.25, 0.0, 0.0])).remove(0) else { panic!() };
        let Node::Moved(turn, _) = children.remove(1) else { panic!() };
        assert_eq!(first(&turn), "-28.65");
        // The valley's floor, where the slope is none.
        let Node::Moved(_, mut children) = mountain_car(&moment(&[(-PI / 6.0) as f32, 0.0])).remove(2) else {
            panic!()
        };
        let Node::Moved(turn, _) = children.remove(0) else { panic!() };
        assert!(["0.00", "-0.00"].contains(&first(&turn).as_str()), "{}", first(&turn));
    }
}
