//! Heads of the cases, with their rows and actions.

use crate::check::support::Random;
use crate::data::{Actions, mask_bits};
use crate::error::Result;
use crate::policy::{Bounds, Head, Std, StdLimit, StdType};
use crate::reference::head::forbid;
use ndarray::{Array1, Array2};

/// What walks a row: one invocation, or a workgroup, as kernels do whose names end with `_wide`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::check) enum Walk {
    Invocation,
    Workgroup,
}

pub(in crate::check) fn name(head: &Head) -> String {
    let masked = if head.is_masked() { "masked " } else { "" };
    let bounded = if matches!(head, Head::Gaussian { bounds: Some(_), .. }) { "bounded " } else { "" };
    let limited = match head.std().map(|std| std.limit) {
        Some(StdLimit::Free) => "free ",
        Some(StdLimit::Clamp { .. }) => "clamped ",
        Some(StdLimit::Tanh { .. }) => "tanh-limited ",
        Some(limit) if limit != StdLimit::default() => "floored ",
        _ => "",
    };
    let source = if head.std().is_some_and(|std| std.from_state) { "std of the state, " } else { "" };
    let plain = if is_plain(head) { "plain deviation, " } else { "" };
    format!("{plain}{source}{masked}{bounded}{limited}{} of {}", head.name(), head.raw_outputs())
}

/// Heads with float actions: Beta, and the sources and limits of a standard deviation. The rows of the checks lie within and
/// beyond the limits.
pub(in crate::check) fn beta(dims: usize) -> Head {
    Head::Beta { dims, bounds: Bounds::uniform(dims, -1.0, 0.5) }
}

pub(in crate::check) fn deviating(dims: usize, from_state: bool, limit: StdLimit) -> Head {
    Head::Gaussian { dims, std: Std { from_state, ..Std::FREE.limited(limit) }, bounds: None }
}

/// The deviation itself is trained, within about [0.5, 2]: rows lie on both sides of the limits.
pub(in crate::check) fn plain(dims: usize, from_state: bool) -> Head {
    let std = Std::SCALAR.limited(StdLimit::Clamp { low: -0.7, high: 0.7 });
    Head::Gaussian { dims, std: Std { from_state, ..std }, bounds: None }
}

fn is_plain(head: &Head) -> bool {
    head.std().is_some_and(|std| std.std_type == StdType::Scalar)
}

pub(in crate::check) fn squashed(dims: usize, from_state: bool, limit: StdLimit) -> Head {
    Head::TanhGaussian {
        dims,
        std: Std { from_state, ..Std::FREE.limited(limit) },
        bounds: Bounds::uniform(dims, -1.0, 0.5),
    }
}

pub(in crate::check) const FLOOR: StdLimit = StdLimit::SoftFloor { log_std: -0.3 };
pub(in crate::check) const CLAMP: StdLimit = StdLimit::Clamp { low: -0.5, high: 0.5 };
pub(in crate::check) const TANH: StdLimit = StdLimit::Tanh { low: -1.5, high: 0.7 };

/// Distribution rows: logits, means or shapes of the given spread, log deviations within ±1, deviations up to 2.7.
pub(in crate::check) fn rows_of(head: &Head, random: &mut Random, rows: usize, spread: f32) -> Vec<f32> {
    let log_std = head.std().map_or(0, |_| head.action_dims());
    let others = head.width() - log_std;
    let (low, high) = if is_plain(head) { (0.2, 2.7) } else { (-1.0, 1.0) };
    (0..rows).flat_map(|_| [random.normals(others, spread), random.ranges(log_std, low, high)].concat()).collect()
}

/// Words of random actions that are not rare.
pub(in crate::check) fn actions_of(head: &Head, random: &mut Random, dist: &[f32]) -> Vec<u32> {
    match head {
        Head::Gaussian { dims, .. } | Head::TanhGaussian { dims, .. } => dist
            .chunks(2 * dims)
            .flat_map(|row| {
                let z = random.normals(*dims, 1.0);
                let deviation = |l: f32| if is_plain(head) { l } else { l.exp() };
                (0..*dims).map(|d| (row[d] + deviation(row[dims + d]) * z[d]).to_bits()).collect::<Vec<_>>()
            })
            .collect(),
        Head::Beta { dims, .. } => {
            random.ranges(dist.len() / head.width() * dims, 0.02, 0.98).into_iter().map(f32::to_bits).collect()
        }
        _ => (0..dist.len() / head.width()).flat_map(|_| choices_of(head, random)).collect(),
    }
}

/// An index per dimension; with a masked head, a mask that allows it, or nothing in some dimensions.
fn choices_of(head: &Head, random: &mut Random) -> Vec<u32> {
    let (mut indices, mut allowed) = (Vec::new(), Vec::new());
    for count in head.choices() {
        let chosen = random.below(count as u32);
        let none = random.below(6) == 0;
        allowed.extend((0..count as u32).map(|i| !none && (i == chosen || random.below(3) > 0)));
        indices.push(chosen);
    }
    if head.is_masked() {
        indices.extend(mask_bits(Array1::from(allowed).view()));
    }
    indices
}

/// Distribution rows for the oracle, with what the actions' masks forbid.
pub(in crate::check) fn masked(head: &Head, dist: &[f32], actions: &Actions) -> Result<Array2<f64>> {
    let mut rows = array(head, dist);
    forbid(&mut rows, actions)?;
    Ok(rows)
}

pub(in crate::check) fn array(head: &Head, dist: &[f32]) -> Array2<f64> {
    let width = head.width();
    Array2::from_shape_fn((dist.len() / width, width), |(r, i)| f64::from(dist[r * width + i]))
}

pub(in crate::check) fn masked_choice(actions: usize) -> Head {
    Head::Categorical { actions, masked: true }
}

pub(in crate::check) fn masked_choices(nvec: &[usize]) -> Head {
    Head::MultiDiscrete { nvec: nvec.to_vec(), masked: true }
}

/// Discretised, each dimension on another interval.
pub(in crate::check) fn binned(dims: usize, bins: usize) -> Head {
    let low: Vec<f32> = (0..dims).map(|d| -1.0 - d as f32 * 0.25).collect();
    Head::Discretised { dims, bins, bounds: Bounds { high: low.iter().map(|low| low + 1.5).collect(), low } }
}
