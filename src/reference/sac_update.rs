//! A gradient step of SAC.

use super::Real;
use super::critics::{CriticStats, Critics};
use super::flat_mlp::{FlatMlp, by_numbers};
use super::mlp::give;
use super::optim::{Adam, AdamSettings};
use super::row_blocks::both;
use super::squashed_sample::{SquashSettings, SquashedSample};
use super::transitions::{Transitions, joined};
use crate::config::Optimizer;
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
    /// The optimiser of critics, actor and temperature; the last is neither clipped nor decayed, and is Adam's either way.
    pub adam: AdamSettings,
    /// Learning rate of the critics.
    pub q_lr: f64,
    /// Learning rate of the actor.
    pub policy_lr: f64,
    /// Learning rate of the temperature.
    pub alpha_lr: f64,
    /// Whether actor and temperature step, and not the critics alone.
    pub moves_policy: bool,
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
    /// Actions drawn for the next observations.
    pub next_sample: SquashedSample<F>,
    /// α with which all losses were computed.
    pub alpha: F,
    /// The actor's part, if it stepped.
    pub actor: Option<SacActorStats<F>>,
}

/// What a step of actor and temperature saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct SacActorStats<F> {
    /// Actions drawn for the observations.
    pub sample: SquashedSample<F>,
    /// −log α · mean (log π + target entropy), and its gradient, if the temperature is tuned.
    pub alpha_loss: Option<(F, F)>,
    /// mean (α log π − min Q), by the critics just updated.
    pub loss: F,
    /// By the actor's numbers.
    pub gradient: Vec<F>,
    /// Whether its optimiser stepped.
    pub stepped: bool,
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
    let [critic, actor] = networks;
    if !actor.outputs().is_multiple_of(2) {
        let message = format!("has {} outputs, expected means and as many log_std", actor.outputs());
        return Err(Error::config("policy", message));
    }
    let dims = actor.outputs() / 2;
    batch.validate()?;
    check_shape("actions", actions.shape(), &[batch.rows(), dims])?;
    check_shape("noise", noise[0].shape(), &[batch.rows(), dims])?;
    check_shape("noise", noise[1].shape(), &[batch.rows(), dims])?;
    check_shape("log_alpha", &[state.log_alpha.len()], &[1])?;
    check_shape("obs", &[batch.obs.ncols()], &[actor.inputs()])?;
    check_shape("critic", &[critic.inputs(), critic.outputs()], &[actor.inputs() + dims, 1])?;
    check_shape("policy", &[state.policy.len()], &[actor.len()])?;
    settings.squash.validate()?;
    state.alpha_adam.validate(1)?;
    state.policy_adam.validate(actor.len())?;
    state.critics.validate(critic)?;
    // Nothing is left that could end the step half way.
    step(networks, settings, state, batch, actions, noise)
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
    let size = batch.rows() * actor.len();
    let policy = actor.with(&state.policy)?;
    let forward = |obs, noise| {
        let tape = policy.forward(obs)?;
        let sample = draw(tape.output(), noise)?;
        Ok((tape, sample))
    };
    let own = || settings.moves_policy.then(|| forward(batch.obs, noise[0])).transpose();
    let (own, next): (Result<_>, Result<_>) = both(size, own, || forward(batch.next_obs, noise[1]));
    let (own, (next_tape, next_sample)) = (own?, next?);
    next_tape.give();

    let alpha = state.log_alpha[0].exp();
    let seen_next = joined(batch.next_obs, next_sample.action.view())?;
    let least = state.critics.least_of_targets(critic, seen_next.view())?;
    let next: Array1<F> = &least - &next_sample.log_prob.mapv(|log_prob| alpha * log_prob);
    let targets = batch.targets(next.view())?;
    let seen = joined(batch.obs, actions)?;
    let half = F::of(0.5);
    let of_critics = state.critics.of_rows(critic, seen.view(), None, targets, (half, batch.rows()))?;
    let critics = state.critics.step(&settings.adam, settings.q_lr, vec![of_critics])?;
    let Some((tape, sample)) = own else {
        return Ok(SacStats { critics, next_sample, alpha, actor: None });
    };

    let alpha_loss = temperature_step(settings, (&mut state.log_alpha, &mut state.alpha_adam), &sample.log_prob)?;
    let seen = joined(batch.obs, sample.action.view())?;
    let (least, by_seen) = state.critics.least_and_gradient(critic, seen.view(), -F::one() / rows)?;
    let loss = (&sample.log_prob.mapv(|log_prob| alpha * log_prob) - &least).sum() / rows;
    let weights = Array1::from_elem(batch.rows(), alpha / rows);
    let (by_mean, by_log_std) = sample.gradient(weights.view(), by_seen.slice(s![.., batch.obs.ncols()..]))?;
    give(by_seen);
    let by_output = concatenate(Axis(1), &[by_mean.view(), by_log_std.view()])
        .map_err(|_| Error::shape("log_std", by_log_std.shape(), by_mean.shape()))?;
    let gradient = by_numbers(&policy, &tape, by_output.view())?;
    tape.give();
    let stepped = state.policy_adam.step(&settings.adam, settings.policy_lr, &mut state.policy, &gradient)?.stepped;
    let actor = Some(SacActorStats { sample, alpha_loss, loss, gradient, stepped });
    Ok(SacStats { critics, next_sample, alpha, actor })
}

/// Steps the temperature, if it is tuned, by log π of the actor's draws or its mean over choices, `[B]`; the loss and its gradient by log α, before the step.
pub(super) fn temperature_step<F: Real>(
    settings: &SacSettings,
    (log_alpha, adam): (&mut [F], &mut Adam<F>),
    log_prob: &Array1<F>,
) -> Result<Option<(F, F)>> {
    let Some(target) = settings.target_entropy else { return Ok(None) };
    let by_log_alpha = temperature_gradient(log_prob, target);
    let alpha_loss = (log_alpha[0] * by_log_alpha, by_log_alpha);
    // One number is not clipped, and a temperature does not decay.
    let plain =
        AdamSettings { optimizer: Optimizer::Adam, max_grad_norm: None, weight_decay: 0.0, ..settings.adam.clone() };
    adam.step(&plain, settings.alpha_lr, log_alpha, &[by_log_alpha])?;
    Ok(Some(alpha_loss))
}

/// Gradient of −log α · mean (log π + target entropy) by log α; 0 of no rows.
pub fn temperature_gradient<F: Real>(log_prob: &Array1<F>, target_entropy: f64) -> F {
    let rows = F::count(log_prob.len().max(1));
    -log_prob.mapv(|log_prob| log_prob + F::of(target_entropy)).sum() / rows
}
