//! Whether outputs are what a file expects.

use super::{Case, Outputs, library};
use safetensors::Dtype;

/// How close a backend must come.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// f64: 1e-8 of the tensor's largest element (the files' README). Where the file holds f32, or a number that its
    /// source averaged in f32, half a unit in the last place of that is added. Nothing for tensors that its key `exact` names.
    Oracle,
    /// f32: the file's own pair, |got − want| ≤ A + R |want|, both times a factor: 1 where `exp` and its kin are good to
    /// a few units in the last place, more where a device's are looser.
    File(f64),
}

/// PyTorch's f64 trigamma is good to about 1e-9 only, which these outputs of a Beta head show (the files' README).
fn of_trigamma(case: &Case, name: &str) -> bool {
    let beta = case.metadata.get("head").is_some_and(|head| head == "beta");
    beta && (["out.fisher_vector", "out.grad.entropy.params"].contains(&name) || name.starts_with("out.fvp."))
}

/// Stable-Baselines3 takes this mean over booleans cast to f32.
const AVERAGED_IN_F32: [&str; 1] = ["out.log.clip_fraction"];

/// TRPO's objective at the start is the mean of normalised advantages times ratios near 1: terms near 1 that cancel to 1e-9,
/// in which only their own rounding is left to compare.
const CANCELS: [&str; 2] = ["out.objective_before", "out.log.policy_objective"];

/// What the cosine and sine of an unwrapped angle θ may be off because θ is kept in f32: half a unit in the last place of the
/// recorded state that the step begins with, and of the state that it ends with. The files' tolerances leave this out, and
/// at |θ| = 39 it is more than they allow.
fn angle_rounding(case: &Case, name: &str, index: usize) -> f64 {
    let pendulum = case.metadata.get("environment").is_some_and(|id| id == "Pendulum-v1");
    match (pendulum && name == "out.obs", case.tensors.get("out.state")) {
        (true, Some(state)) => 2.0 * 2.0_f64.powi(-24) * state.values[index / 3 * 2].abs(),
        _ => 0.0,
    }
}

/// L at the start of a TRPO update is the mean of normalised advantages, that is 0. In f32 their centre is off by half a
/// unit in the last place of the mean that was subtracted, over their deviation: about 2⁻²³ where the two are alike, and all
/// rows by the same amount, which no mean takes away.
fn centre_rounding(name: &str) -> f64 {
    if name == "out.objective_before" { 2.0_f64.powi(-23) } else { 0.0 }
}

/// A critic's gradient on a batch of one row is a multiple of Q − y. Both are sums of terms below 1 in size, and what is left of them in
/// f32 is off by the roundings of their last layers: two half units in the last place of 1 for each, which weigh the more the nearer Q
/// and y are. With more rows the differences add up to something larger.
fn difference_rounding(case: &Case, name: &str, want: f64) -> f64 {
    let row = |name: &str| case.tensors.get(name).map(|tensor| (tensor.shape.last().copied(), tensor.values[0]));
    match (row("out.trace.q_values"), row("out.trace.targets")) {
        (Some((Some(1), q)), Some((Some(1), y))) if name.starts_with("out.grad1.q") => {
            want.abs() * 4.0 * 2.0_f64.powi(-24) * q.abs().max(y.abs()).max(1.0) / (q - y).abs()
        }
        _ => 0.0,
    }
}

/// Every expected output that is missing, has another length, or is off. Empty if all is well.
pub fn check(case: &Case, outputs: &Outputs, rule: Rule, leaves_out: impl Fn(&str) -> bool) -> Vec<String> {
    if case.metadata.get("kind").is_some_and(|kind| kind == "library_update") {
        return library::check(case, outputs, rule);
    }
    let expected = case.tensors.iter().filter(|(name, _)| name.starts_with("out.") && !leaves_out(name));
    let mut failures = Vec::new();
    let mut compared = 0;
    for (name, want) in expected {
        compared += 1;
        let Some(got) = outputs.get(name) else {
            failures.push(format!("\"{name}\" was not computed"));
            continue;
        };
        if got.len() != want.values.len() {
            failures.push(format!("\"{name}\" has {} elements, expected {}", got.len(), want.values.len()));
            continue;
        }
        let largest = want.values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let exact = case.metadata.get("exact").is_some_and(|names| names.split(',').any(|exact| exact == name));
        let bound: Box<dyn Fn(f64) -> f64 + '_> = match (want.dtype, rule) {
            (Dtype::I32, _) => Box::new(|_| 0.0),
            (_, Rule::Oracle) if exact => Box::new(|_| 0.0),
            (dtype, Rule::Oracle) if dtype == Dtype::F32 || AVERAGED_IN_F32.contains(&name.as_str()) => {
                Box::new(move |want| 1e-8 * largest + 6e-8 * want.abs())
            }
            // Divergences of distributions that are near each other, in 60 digits: element by element, however small.
            (_, Rule::Oracle) if name.starts_with("out.kl") && case.metadata["case"].contains("_near") => {
                Box::new(|want| 1e-9 * want.abs())
            }
            (_, Rule::Oracle) => {
                let floor = if CANCELS.contains(&name.as_str()) { 1e-15 } else { 0.0 };
                let share = if of_trigamma(case, name) { 1e-6 } else { 1e-8 };
                Box::new(move |_| share * largest + floor)
            }
            (_, Rule::File(factor)) => match case.tolerance(name) {
                Ok((rtol, atol)) => Box::new(move |want| factor * (atol + rtol * want.abs())),
                Err(message) => {
                    failures.push(message);
                    continue;
                }
            },
        };
        let slack = |index, want| match rule {
            Rule::File(_) => {
                angle_rounding(case, name, index) + centre_rounding(name) + difference_rounding(case, name, want)
            }
            Rule::Oracle => 0.0,
        };
        let is_off = |(index, (got, want)): &(usize, (&f64, &f64))| {
            let off = (**got - **want).abs();
            off.is_nan() || off > bound(**want) + slack(*index, **want)
        };
        let all: Vec<_> = got.iter().zip(&want.values).enumerate().collect();
        let all_off: Vec<_> = all.iter().copied().filter(is_off).collect();
        let worst = all_off.iter().max_by(|(_, (a, b)), (_, (c, d))| (*a - *b).abs().total_cmp(&(*c - *d).abs()));
        if let Some((index, (got, want))) = worst {
            let bound = bound(**want);
            failures.push(format!(
                "{} of {} of \"{name}\" are off: [{index}] is {got:e}, expected {want:e} ± {bound:.1e}",
                all_off.len(),
                all.len()
            ));
        }
    }
    if compared == 0 {
        failures.push("nothing to compare".into());
    }
    failures
}
