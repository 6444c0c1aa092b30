//! A gradient step of SAC.

use super::Real;
use super::critics::{CriticStats, Critics, critic_step};
use super::flat_mlp::{FlatMlp, gradient};
use super::optim::{Adam, AdamSettings};
use super::squashed_sample::{SquashSettings, SquashedSample};
use super::transitions::{Transitions, joined};
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, ArrayView2, Axis, concatenate, s};

/// Settings of the step.
#[derive(Debug, Clone, PartialEq)]
pub struct SacSettings {
    /// How the actor's outputs become a squashed Gaussian.
    pub squash: SquashSettings,
    /// The temperature's target of the entropy, −D in the paper; `None` leaves the temperature as it is.
    pub target_entropy: Option<f64>,
    /// The optimiser of critics, actor and temperature.
    pub adam: AdamSettings,
    /// Learning rate of critics and temperature.
    pub q_lr: f64,
    /// Learning rate of the actor.
    pub policy_lr: f64,
}

/// What SAC trains. The targets move by [`Critics::follow`].
#[derive(Debug, Clone, PartialEq)]
pub struct SacState<F> {
    /// Two critics, with their targets.
    pub critics: Critics<F>,
    /// Numbers of the actor, whose outputs are D means and D log_std.
    pub policy: Vec<F>,
    /// Moments of the actor.
    pub policy_adam: Adam<F>,
    /// Logarithm of the temperature α, one number.
    pub log_alpha: Vec<F>,
    /// Its moments.
    pub alpha_adam: Adam<F>,
}

/// What a step saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct SacStats<F> {
    /// The critics' part.
    pub critics: CriticStats<F>,
    /// Actions drawn for the observations.
    pub sample: SquashedSample<F>,
    /// Actions drawn for the next observations.
    pub next_sample: SquashedSample<F>,
    /// α with which all losses were computed.
    pub alpha: F,
    /// −log α · mean (log π + target entropy), and its gradient, if the temperature is tuned.
    pub alpha_loss: Option<(F, F)>,
    /// mean (α log π − min Q), by the critics just updated.
    pub actor_loss: F,
    /// By the actor's numbers.
    pub actor_gradient: Vec<F>,
}

/// One gradient step on `batch` (Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications", algorithm 1; in the order of
/// Stable-Baselines3):
///
/// ```text
/// a, log π ~ π(s) with noise[0];   α as it is, a constant below
/// temperature: −log α · mean (log π + target_entropy)
/// a', log π' ~ π(s') with noise[1];   y = r + (1 − terminated) · discount · (min_i Q_i_target(s', a') − α log π')
/// critics: ½ Σ_i mean (Q_i(s, stored a) − y)²
/// actor: mean (α log π − min_i Q_i(s, a)), by the critics just updated
/// ```
///
/// `actions` `[B, D]` are in [−1, 1]; `noise` is standard normal, `[B, D]` each.
///
/// # Errors
/// [`Error::Shape`] if arrays do not fit the networks, [`Error::Config`] if the actor's outputs are odd in number. Nothing has changed
/// then.
pub fn sac_update<F: Real>(
    networks: [&FlatMlp; 2],
    settings: &SacSettings,
    state: &mut SacState<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView2<'_, F>,
    noise: [ArrayView2<'_, F>; 2],
) -> Result<SacStats<F>> {
    let [_, actor] = networks;
    if !actor.outputs().is_multiple_of(2) {
        let message = format!("has {} outputs, expected means and as many log_std", actor.outputs());
        return Err(Error::config("policy", message));
    }
    let dims = actor.outputs() / 2;
    batch.validate()?;
    check_shape("actions", actions.shape(), &[batch.rows(), dims])?;
    check_shape("log_alpha", &[state.log_alpha.len()], &[1])?;
    // An error half way leaves the caller's state as it was.
    let (before, state) = (state.clone(), state);
    let stats = step(networks, settings, state, batch, actions, noise);
    if stats.is_err() {
        *state = before;
    }
    stats
}

/// The step itself, on arrays that fit each other.
fn step<F: Real>(
    [critic, actor]: [&FlatMlp; 2],
    settings: &SacSettings,
    state: &mut SacState<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView2<'_, F>,
    noise: [ArrayView2<'_, F>; 2],
) -> Result<SacStats<F>> {
    let dims = actor.outputs() / 2;
    let rows = F::count(batch.rows());
    let draw = |raw: ArrayView2<'_, F>, noise: ArrayView2<'_, F>| {
        settings.squash.sample(raw.slice(s![.., ..dims]), raw.slice(s![.., dims..]), noise)
    };
    let old_policy = state.policy.clone();
    let policy = actor.with(&old_policy)?;
    let tape = policy.forward(batch.obs)?;
    let sample = draw(tape.output(), noise[0])?;
    let next_sample = draw(policy.forward(batch.next_obs)?.output(), noise[1])?;

    let alpha = state.log_alpha[0].exp();
    let seen_next = joined(batch.next_obs, next_sample.action.view())?;
    let least = state.critics.least_of_targets(critic, seen_next.view())?;
    let next: Array1<F> = &least - &next_sample.log_prob.mapv(|log_prob| alpha * log_prob);
    let targets = batch.targets(next.view())?;

    let mut alpha_loss = None;
    if let Some(target) = settings.target_entropy {
        let by_log_alpha = temperature_gradient(&sample.log_prob, target);
        alpha_loss = Some((state.log_alpha[0] * by_log_alpha, by_log_alpha));
        state.alpha_adam.step(&settings.adam, settings.q_lr, &mut state.log_alpha, &[by_log_alpha])?;
    }
    let seen = joined(batch.obs, actions)?;
    let half = F::of(0.5);
    let critics = critic_step(critic, &mut state.critics, &settings.adam, settings.q_lr, seen.view(), targets, half)?;

    let seen = joined(batch.obs, sample.action.view())?;
    let (least, by_seen) = state.critics.least_and_gradient(critic, seen.view(), -F::one() / rows)?;
    let actor_loss = (&sample.log_prob.mapv(|log_prob| alpha * log_prob) - &least).sum() / rows;
    let weights = Array1::from_elem(batch.rows(), alpha / rows);
    let (by_mean, by_log_std) = sample.gradient(weights.view(), by_seen.slice(s![.., batch.obs.ncols()..]))?;
    let by_output = concatenate(Axis(1), &[by_mean.view(), by_log_std.view()])
        .map_err(|_| Error::shape("log_std", by_log_std.shape(), by_mean.shape()))?;
    let (actor_gradient, _) = gradient(&policy, &tape, by_output.view())?;
    state.policy_adam.step(&settings.adam, settings.policy_lr, &mut state.policy, &actor_gradient)?;
    Ok(SacStats { critics, sample, next_sample, alpha, alpha_loss, actor_loss, actor_gradient })
}

/// Gradient of −log α · mean (log π + target entropy) by log α; 0 of no rows.
pub fn temperature_gradient<F: Real>(log_prob: &Array1<F>, target_entropy: f64) -> F {
    let rows = F::count(log_prob.len().max(1));
    -log_prob.mapv(|log_prob| log_prob + F::of(target_entropy)).sum() / rows
}
