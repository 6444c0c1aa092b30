//! Whole updates and whole iterations, device against f64: the order and the scheduling of the kernels, not only each alone.

use super::Case;
use super::support::{Random, Report, wide};
use crate::algo::GpuLearner;
use crate::data::{Batch, UpdateStats};
use crate::gpu::Gpu;
use crate::learner::{ActMode, Learner};
use crate::policy::{Activation, Head, PolicySpec};
use crate::reference::CpuLearner;
use crate::{PpoConfig, Result, TrustRegion, ValueLoss};
use ndarray::{Array1, Array2};

/// error = |got − want| / root mean square of all changes. Adam divides the gradient by its own size: where that is near
/// ε = 1e-5, a rounding δ of the gradient (about 2⁻²⁴ √rows times its largest element) moves the parameter by lr · δ / ε. A few
/// thousandths of a step are left of that in the worst element of a few thousand.
const STEP: (f64, &str) = (2e-3, "worst element of an Adam step with ε 1e-5: δ(gradient) / ε against the mean step");

pub(super) fn cases() -> Vec<Case> {
    let discrete = || Head::categorical(3);
    let continuous = || Head::gaussian(2);
    let quick = PpoConfig { update_epochs: 2, learning_rate: 1e-3, anneal_lr: false, ..PpoConfig::cleanrl() };
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
            PpoConfig { value_loss: ValueLoss::Plain, ..quick.clone() },
            257,
        ),
        case(
            "shared 4-32-31 SiLU, Gaussian, 97 rows",
            PolicySpec::shared(4, &[32, 31], Activation::Silu, continuous()),
            PpoConfig { value_loss: ValueLoss::ClipOnly, ..quick },
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
    ]
}

/// Conjugate gradients amplify rounding by the condition of the damped Fisher matrix, largest eigenvalue over damping: some tens
/// here, times 2⁻²⁴ √rows per product, times the worst element over the mean; six iterations.
const DIRECTION: (f64, &str) =
    (2e-3, "worst element of a step from six conjugate-gradient iterations, against the mean step");

fn trust_region(shape: &str, spec: PolicySpec) -> Case {
    let region =
        TrustRegion { cg_iterations: 6, cg_tolerance: 1e-6, cg_absolute_tolerance: None, ..TrustRegion::sb3_contrib() };
    let config = PpoConfig {
        trust_region: region,
        update_epochs: 2,
        num_minibatches: 2,
        minibatch_size: None,
        ..PpoConfig::trpo_sb3_contrib()
    };
    let body = move |gpu: &Gpu, report: &Report| run(gpu, report, &spec, &config, 130);
    Case::new("trpo_update", shape.to_owned(), DIRECTION, body).quick(true)
}

fn case(shape: &str, spec: PolicySpec, config: PpoConfig, rows: usize) -> Case {
    Case::new("ppo_update", shape.to_owned(), STEP, move |gpu, report| run(gpu, report, &spec, &config, rows))
        .quick(true)
}

fn run(gpu: &Gpu, report: &Report, spec: &PolicySpec, config: &PpoConfig, rows: usize) -> Result<()> {
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7)?;
    let mut device = GpuLearner::new(gpu, spec.clone(), config.clone(), 7)?;
    let batch = batch(&mut oracle, spec, rows)?;
    let start = wide(&device.parameters()?);
    let want = oracle.update_batch(&batch, None)?;
    let got = device.update_batch(&batch, None)?;
    let (after, expected) = (wide(&device.parameters()?), wide(&oracle.parameters()?));
    // Changes, so that a parameter that did not move cannot hide behind its size.
    let moved = |to: &[f64]| to.iter().zip(&start).map(|(to, from)| to - from).collect::<Vec<f64>>();
    let (moved, expected) = (moved(&after), moved(&expected));
    let size = (expected.iter().map(|change| change * change).sum::<f64>() / expected.len() as f64).sqrt();
    let moved: Vec<f32> = moved.iter().map(|change| *change as f32).collect();
    report.floats("parameters after − before", &moved, &expected, |_| size);
    let counts = |stats: &UpdateStats| {
        let tries = stats.trust_region.as_ref().map_or(0, |step| step.tries);
        [stats.optimizer_steps, stats.epochs, stats.skipped_steps, stats.minibatches.len() as u32, tries]
    };
    report.exact("optimizer_steps, epochs, skipped_steps, minibatches, tries", &counts(&got), &counts(&want));
    let last = |stats: &UpdateStats| {
        let last = stats.last();
        [last.policy_loss, last.value_loss, last.entropy, last.approx_kl, last.grad_norm, stats.explained_variance]
    };
    let got: Vec<f32> = last(&got).iter().map(|value| *value as f32).collect();
    report.floats("statistics", &got, &last(&want), |_| 1.0);
    Ok(())
}

/// Rows near the policy's own distribution: some ratios inside the clip range, some outside.
fn batch(learner: &mut CpuLearner<f64>, spec: &PolicySpec, rows: usize) -> Result<Batch> {
    let mut random = Random::new(rows as u64);
    let flat = random.normals(rows * spec.obs_dim, 1.0);
    let obs = Array2::from_shape_fn((rows, spec.obs_dim), |(row, column)| flat[row * spec.obs_dim + column]);
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
