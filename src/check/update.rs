//! Whole updates and whole iterations, device against f64: the order and the scheduling of the kernels, not only each alone.

use super::case::Case;
use super::support::{EPS, Random, Report, wide};
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::algo::GpuLearner;
use crate::config::{AdvantageNorm, Algorithm, Baseline, Config, Reinforce, TrustRegion, ValueLoss};
use crate::cpu::CpuLearner;
use crate::data::{Batch, MinibatchStats, TrustRegionStats, UpdateStats};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::policy::{Activation, Head, PolicySpec};
use ndarray::{Array1, Array2};
use std::ops::Range;

/// error = |got − want| / root mean square of the changes of its tensor. Adam divides the gradient by its own size: where that is near
/// ε = 1e-5, a rounding δ of the gradient (about 2⁻²⁴ √rows times its largest element) moves the parameter by lr · δ / ε. A few
/// thousandths of a step are left of that in the worst element of a few thousand.
const STEP: (f64, &str) = (2e-3, "worst element of an Adam step with ε 1e-5: δ(gradient) / ε against the mean step");

pub(super) fn cases() -> Vec<Case> {
    let discrete = || Head::categorical(3);
    let continuous = || Head::gaussian(2);
    let quick = Config { update_epochs: 2, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() };
    vec![
        case(
            "separate 5-33-17-3 tanh, 130 rows",
            PolicySpec::separate(5, &[33, 17], Activation::Tanh, discrete()),
            quick.clone(),
            130,
        ),
        case(
            "separate 5-64-64-2 tanh, Gaussian, 257 rows",
            PolicySpec::separate(5, &[64, 64], Activation::Tanh, continuous()),
            Config { value_loss: ValueLoss::Plain, ..quick.clone() },
            257,
        ),
        case(
            "shared 4-32-31 SiLU, Gaussian, 97 rows",
            PolicySpec::shared(4, &[32, 31], Activation::Silu, continuous()),
            Config { value_loss: ValueLoss::ClipOnly, ..quick },
            97,
        ),
        trust_region(
            "separate 5-33-17-3 tanh, 130 rows",
            PolicySpec::separate(5, &[33, 17], Activation::Tanh, discrete()),
        ),
        trust_region(
            "separate 4-32 SiLU, Gaussian, 130 rows",
            PolicySpec::separate(4, &[32], Activation::Silu, continuous()),
        ),
        reinforce("5-33-17-3 tanh, 130 rows", discrete(), Baseline::None, AdvantageNorm::None),
        reinforce("5-33-17-2 tanh, Gaussian, 130 rows, baseline", continuous(), Baseline::Mean, AdvantageNorm::None),
        reinforce("5-33-17-3 tanh, 130 rows, normalised", discrete(), Baseline::Mean, AdvantageNorm::Batch),
    ]
}

/// Conjugate gradients amplify rounding by the condition of the damped Fisher matrix, largest eigenvalue over damping: some tens
/// here, times 2⁻²⁴ √rows per product, times the worst element over the mean; six iterations.
const DIRECTION: (f64, &str) =
    (2e-3, "worst element of a step from six conjugate-gradient iterations, against the mean step");

fn trust_region_config() -> Config {
    let region =
        TrustRegion { cg_iterations: 6, cg_tolerance: 1e-6, cg_absolute_tolerance: None, ..TrustRegion::sb3_contrib() };
    Config {
        algorithm: Algorithm::Trpo(region),
        update_epochs: 2,
        num_minibatches: 2,
        minibatch_size: None,
        ..Config::trpo_sb3_contrib()
    }
}

fn trust_region(shape: &str, spec: PolicySpec) -> Case {
    let config = trust_region_config();
    let body = async move |gpu: &Gpu, report: &Report| run(gpu, report, &spec, &config, 130).await;
    Case::new("trpo_update", shape.to_owned(), DIRECTION, body).quick(true)
}

fn reinforce(shape: &str, head: Head, baseline: Baseline, norm_adv: AdvantageNorm) -> Case {
    let spec = PolicySpec::actor(5, &[33, 17], Activation::Tanh, head);
    // With Spinning Up's ε of 1e-8 the step of a gradient near 0 would be noise (see STEP).
    let config = Config { norm_adv, adam_eps: 1e-5, learning_rate: 1e-3, ..Config::reinforce_spinningup() }
        .with_algorithm(Reinforce { baseline });
    let body = async move |gpu: &Gpu, report: &Report| run(gpu, report, &spec, &config, 130).await;
    Case::new("reinforce_update", shape.to_owned(), STEP, body).quick(true)
}

fn case(shape: &str, spec: PolicySpec, config: Config, rows: usize) -> Case {
    Case::new("ppo_update", shape.to_owned(), STEP, async move |gpu, report| {
        run(gpu, report, &spec, &config, rows).await
    })
    .quick(true)
}

async fn run(gpu: &Gpu, report: &Report, spec: &PolicySpec, config: &Config, rows: usize) -> Result<()> {
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7)?;
    let mut device = GpuLearner::new(gpu, spec.clone(), config.clone(), 7)?;
    let batch = batch(&mut oracle, spec, rows)?;
    let start = wide(&device.parameters_async().await?);
    let want = oracle.update_batch(&batch, None)?;
    let got = device.update_batch_async(&batch, None).await?;
    let (after, expected) = (wide(&device.parameters_async().await?), wide(&oracle.parameters()?));
    // Changes, so that a parameter that did not move cannot hide behind its size.
    let moved = |to: &[f64]| to.iter().zip(&start).map(|(to, from)| to - from).collect::<Vec<f64>>();
    let (moved, expected) = (moved(&after), moved(&expected));
    let sizes = step_sizes(spec, &expected);
    let moved: Vec<f32> = moved.iter().map(|change| *change as f32).collect();
    report.floats("parameters after − before", &moved, &expected, |i| sizes[i]);
    statistics(report, &got, &want);
    Ok(())
}

/// The root mean square of the changes of the tensor that a parameter belongs to: a natural gradient moves the last layer a hundred times as
/// far as one before it. At least a thousandth of that of all, and at most that.
fn step_sizes(spec: &PolicySpec, changes: &[f64]) -> Vec<f64> {
    let layout = spec.layout();
    let layers = layout.branches().iter().flat_map(|branch| &branch.layers);
    let mut tensors: Vec<Range<usize>> = layers
        .flat_map(|layer| [(layer.weight, layer.inputs * layer.outputs), (layer.bias, layer.outputs)])
        .map(|(start, len)| start..start + len)
        .collect();
    tensors.extend(layout.log_std().map(|at| at..at + spec.head.free_parameters()));
    let size = |changes: &[f64]| (changes.iter().map(|c| c * c).sum::<f64>() / changes.len().max(1) as f64).sqrt();
    let all = size(changes);
    let mut sizes = vec![1e-3 * all; changes.len()];
    for tensor in tensors {
        let own = size(&changes[tensor.clone()]);
        sizes[tensor].iter_mut().for_each(|size| *size = size.max(own.min(all)));
    }
    sizes
}

/// A statistic that is a mean of terms of both signs, as a share of their size. It moves with all parameters together, which are off by a
/// tenth of what the worst one is, and within an update by less than a fifth of that size.
const BOTH_SIGNS: f64 = 0.1 * 0.2;

/// Of such a mean before anything has moved: some thirty roundings of its terms.
const ROUNDED: f64 = 32.0 * EPS / DIRECTION.0;

/// Everything that an update says of itself and that its algorithm gives a meaning to: TRPO's minibatches are the critic's alone, and its
/// step has statistics of its own.
fn statistics(report: &Report, got: &UpdateStats, want: &UpdateStats) {
    let counts = |stats: &UpdateStats| {
        [stats.optimizer_steps, stats.epochs, stats.skipped_steps, stats.minibatches.len() as u32]
    };
    report.exact("optimizer_steps, epochs, skipped_steps, minibatches", &counts(got), &counts(want));
    report.exact("stopped_early", &[got.stopped_early], &[want.stopped_early]);
    let number = |name: &str, got: f64, want: f64, scale: f64| report.floats(name, &[got as f32], &[want], |_| scale);
    number("learning_rate", got.learning_rate, want.learning_rate, 0.0);
    // 1 − a quotient, both of the batch alone: a few dozen roundings of 1.
    number("explained_variance", got.explained_variance, want.explained_variance, 0.01);
    for (k, (got, want)) in got.minibatches.iter().zip(&want.minibatches).enumerate() {
        critic(report, k, got, want);
    }
    let policy = want.trust_region.is_none();
    for (k, (got, want)) in got.minibatches.iter().zip(&want.minibatches).enumerate().filter(|_| policy) {
        minibatch(report, k, got, want);
    }
    match (&got.trust_region, &want.trust_region) {
        (Some(got), Some(want)) => region(report, got, want),
        (got, want) => report.exact("trust_region", &[got.is_some()], &[want.is_some()]),
    }
}
/// Sums of terms of one sign are compared with themselves.
fn critic(report: &Report, k: usize, got: &MinibatchStats, want: &MinibatchStats) {
    let number = |name: &str, of: fn(&MinibatchStats) -> f64| {
        report.floats(&format!("{name} of minibatch {k}"), &[of(got) as f32], &[of(want)], |_| 0.0);
    };
    number("value_loss", |stats| stats.value_loss);
    number("grad_norm", |stats| stats.grad_norm);
    report.exact("stepped", &[got.stepped], &[want.stepped]);
    let counts = |stats: &MinibatchStats| [stats.non_finite_rows, stats.head_hits];
    report.exact("non_finite_rows, head_hits", &counts(got), &counts(want));
}

fn minibatch(report: &Report, k: usize, got: &MinibatchStats, want: &MinibatchStats) {
    // Advantages have the deviation 1, a log-ratio √(2 k2).
    let log_ratio = (2.0 * want.approx_kl_k2).sqrt();
    type Of = fn(&MinibatchStats) -> f64;
    let all: [(&str, Of, f64); 10] = [
        ("policy_loss", |stats| stats.policy_loss, BOTH_SIGNS),
        ("entropy", |stats| stats.entropy, 0.0),
        ("loss", |stats| stats.loss, BOTH_SIGNS),
        ("kl", |stats| stats.kl, 0.0),
        ("old_approx_kl", |stats| stats.old_approx_kl, BOTH_SIGNS * log_ratio),
        ("approx_kl_k2", |stats| stats.approx_kl_k2, 0.0),
        ("approx_kl", |stats| stats.approx_kl, 0.0),
        // A count of rows, none of which is near an edge.
        ("clipfrac", |stats| stats.clipfrac, 0.0),
        ("ratio_min", |stats| stats.ratio_min, 0.0),
        ("ratio_max", |stats| stats.ratio_max, 0.0),
    ];
    for (name, of, scale) in all {
        report.floats(&format!("{name} of minibatch {k}"), &[of(got) as f32], &[of(want)], |_| scale);
    }
}

fn region(report: &Report, got: &TrustRegionStats, want: &TrustRegionStats) {
    let flags = |stats: &TrustRegionStats| (stats.accepted, stats.accepted_try, stats.negative_curvature);
    report.exact("accepted, accepted_try, negative_curvature", &[flags(got)], &[flags(want)]);
    let counts = |stats: &TrustRegionStats| [stats.tries, stats.cg_iterations, stats.head_hits];
    report.exact("tries, cg_iterations, head_hits", &counts(got), &counts(want));
    let number = |name: &str, got: f64, want: f64, scale: f64| report.floats(name, &[got as f32], &[want], |_| scale);
    // 0 except for the oracle's own rounding; a rounding of the KL that a step is to have.
    number("kl_before", got.kl_before, 0.0, EPS / DIRECTION.0);
    let improvement = (want.surrogate_after - want.surrogate_before).abs();
    for (name, got, want, scale) in [
        ("kl_after", got.kl_after, want.kl_after, 0.0),
        ("surrogate_before", got.surrogate_before, want.surrogate_before, ROUNDED),
        // And of the improvement, what the step is off by.
        ("surrogate_after", got.surrogate_after, want.surrogate_after, ROUNDED + improvement),
        ("expected_improvement", got.expected_improvement, want.expected_improvement, 0.0),
        ("gradient_norm", got.gradient_norm, want.gradient_norm, 0.0),
        ("quadratic_form", got.quadratic_form, want.quadratic_form, 0.0),
        ("step_scale", got.step_scale, want.step_scale, 0.0),
        ("entropy", got.entropy, want.entropy, 0.0),
    ] {
        number(name, got, want, scale);
    }
    // ‖r‖² with r off by a share of b, of which r is what is left: 2 ‖r‖ ‖b‖ times that.
    let start = want.residuals.first().copied().unwrap_or_default();
    let residuals: Vec<f32> = got.residuals.iter().map(|r| *r as f32).collect();
    report.floats("residuals", &residuals, &want.residuals, |i| 0.01 * (want.residuals[i] * start).sqrt());
}

/// Rows near the policy's own distribution: some ratios inside the clip range, some outside.
fn batch(learner: &mut CpuLearner<f64>, spec: &PolicySpec, rows: usize) -> Result<Batch> {
    let mut random = Random::new(rows as u64);
    let flat = random.normals(rows * spec.obs_dim(), 1.0);
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| flat[row * spec.obs_dim() + column]);
    let acted = learner.act(obs.view(), ActMode::Sample)?;
    let mut near = |values: &Array1<f32>, deviation: f32| {
        values.iter().zip(random.normals(rows, deviation)).map(|(value, noise)| value + noise).collect::<Array1<f32>>()
    };
    let logp_old = near(&acted.logp, 0.2);
    let values_old = near(&acted.values, 0.3);
    let advantages = near(&Array1::zeros(rows), 1.0);
    let returns = &values_old + &advantages;
    Ok(Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None })
}

#[cfg(test)]
mod tests;
