//! A gradient step of TD3, and of DDPG, which is TD3 with one critic, no delay and no noise.

use super::Real;
use super::critics::{CriticStats, Critics, critic_step};
use super::flat_mlp::{FlatMlp, by_numbers, outputs, outputs_and_gradient};
use super::optim::{Adam, AdamSettings};
use super::row_blocks::both;
use super::td_target::polyak;
use super::transitions::{Transitions, joined};
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, s};

/// Settings of the step.
#[derive(Debug, Clone, PartialEq)]
pub struct Td3Settings {
    /// Standard deviation of the noise on the target's actions; 0 with DDPG.
    pub policy_noise: f64,
    /// Limit of that noise.
    pub noise_clip: f64,
    /// The actor and the targets move at every so-many-th step, at least 1.
    pub policy_frequency: u64,
    /// τ of the targets.
    pub tau: f64,
    /// The optimiser of critics and actor.
    pub adam: AdamSettings,
    /// Learning rate of the critics.
    pub q_lr: f64,
    /// Learning rate of the actor.
    pub policy_lr: f64,
}

/// What TD3 trains.
#[derive(Debug, Clone, PartialEq)]
pub struct Td3State<F> {
    /// One critic or two, with their targets.
    pub critics: Critics<F>,
    /// Numbers of the actor, whose action is tanh of its outputs.
    pub policy: Vec<F>,
    /// Numbers of its target.
    pub policy_target: Vec<F>,
    /// Moments of the actor.
    pub policy_adam: Adam<F>,
    /// Gradient steps taken since the start.
    pub updates: u64,
}

/// What a step saw.
#[derive(Debug, Clone)]
pub struct Td3Stats<F> {
    /// The critics' part.
    pub critics: CriticStats<F>,
    /// The target's actions, `[B, dims]`.
    pub next_actions: Array2<F>,
    /// −mean Q₁(s, π(s)) and its gradient by the actor, before the actor's step, if there was one.
    pub actor: Option<(F, Vec<F>)>,
    /// False if the actor's optimiser refused its gradient.
    pub actor_stepped: bool,
}

/// One gradient step on `batch` (Fujimoto et al. 2018, algorithm 1; of DDPG Lillicrap et al. 2016, algorithm 1):
///
/// ```text
/// a' = clip(tanh(π_target(s')) + clip(policy_noise · noise, ±noise_clip), ±1)
/// y = r + (1 − terminated) · discount · min_i Q_i_target(s', a')
/// critics: Σ_i mean (Q_i(s, a) − y)²
/// at every policy_frequency-th step since the start: actor: −mean Q₁(s, tanh π(s)), by the critics just updated; then all targets
/// ```
///
/// `actions` `[B, dims]` are in [−1, 1]; `noise` is standard normal, `[B, dims]`.
///
/// # Errors
/// [`Error::Shape`] if arrays do not fit the networks, [`Error::Config`] for a frequency of 0. Nothing has changed then.
pub fn td3_update<F: Real>(
    networks: [&FlatMlp; 2],
    settings: &Td3Settings,
    state: &mut Td3State<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView2<'_, F>,
    noise: ArrayView2<'_, F>,
) -> Result<Td3Stats<F>> {
    let [critic, actor] = networks;
    if settings.policy_frequency == 0 {
        return Err(Error::config("policy_frequency", "is 0, must be at least 1"));
    }
    batch.validate()?;
    let shape = [batch.rows(), actor.outputs()];
    check_shape("actions", actions.shape(), &shape)?;
    check_shape("noise", noise.shape(), &shape)?;
    check_shape("next_obs", &[batch.obs.ncols()], &[actor.inputs()])?;
    check_shape("critic", &[critic.inputs(), critic.outputs()], &[actor.inputs() + actor.outputs(), 1])?;
    check_shape("policy", &[state.policy.len()], &[actor.len()])?;
    check_shape("policy_target", &[state.policy_target.len()], &[actor.len()])?;
    state.policy_adam.validate(actor.len())?;
    state.critics.validate(critic)?;
    // Nothing is left that could end the step half way.
    step(networks, settings, state, batch, actions, noise)
}

/// The step itself, on arrays that fit each other.
fn step<F: Real>(
    [critic, actor]: [&FlatMlp; 2],
    settings: &Td3Settings,
    state: &mut Td3State<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView2<'_, F>,
    noise: ArrayView2<'_, F>,
) -> Result<Td3Stats<F>> {
    let (policy, target) = (actor.with(&state.policy)?, actor.with(&state.policy_target)?);
    let due = state.updates.wrapping_add(1).is_multiple_of(settings.policy_frequency);
    let own = || due.then(|| policy.forward(batch.obs)).transpose();
    let (tape, next): (Result<_>, Result<_>) =
        both(batch.rows() * actor.len(), own, || outputs(&target, batch.next_obs));
    let (tape, next) = (tape?, next?);
    let next_actions = noisy_actions(next.view(), noise, settings.policy_noise, settings.noise_clip)?;
    let next = state.critics.least_of_targets(critic, joined(batch.next_obs, next_actions.view())?.view())?;
    let targets = batch.targets(next.view())?;
    let seen = joined(batch.obs, actions)?;
    let critics =
        critic_step(critic, &mut state.critics, &settings.adam, settings.q_lr, seen.view(), targets, F::one())?;

    state.updates = state.updates.wrapping_add(1);
    let (mut of_actor, mut actor_stepped) = (None, true);
    if let Some(tape) = tape {
        let a = tape.output().mapv(F::tanh);
        let q = critic.with(&state.critics.online[0])?;
        let rows = F::count(batch.rows());
        let (values, by_seen) = outputs_and_gradient(&q, joined(batch.obs, a.view())?.view(), -F::one() / rows)?;
        let loss = -values.sum() / rows;
        let mut by_output = by_seen.slice(s![.., batch.obs.ncols()..]).to_owned();
        by_output.zip_mut_with(&a, |d, a| *d *= F::one() - *a * *a);
        let by_policy = by_numbers(&policy, &tape, by_output.view())?;
        tape.give();
        actor_stepped =
            state.policy_adam.step(&settings.adam, settings.policy_lr, &mut state.policy, &by_policy)?.stepped;
        let tau = F::of(settings.tau);
        state.critics.follow(tau)?;
        polyak(&mut state.policy_target, &state.policy, tau)?;
        of_actor = Some((loss, by_policy));
    }
    Ok(Td3Stats { critics, next_actions, actor: of_actor, actor_stepped })
}

/// clip(tanh(outputs) + clip(`sigma` · noise, ±`clip`), ±1), `[rows, dims]`: the smoothed actions of TD3's target (Fujimoto et al. 2018,
/// equation 14), and with an infinite `clip` those that TD3 and DDPG explore with.
///
/// # Errors
/// [`Error::Shape`] if the noise has another shape.
pub fn noisy_actions<F: Real>(
    outputs: ArrayView2<'_, F>,
    noise: ArrayView2<'_, F>,
    sigma: f64,
    clip: f64,
) -> Result<Array2<F>> {
    check_shape("noise", noise.shape(), outputs.shape())?;
    let (sigma, clip) = (F::of(sigma), F::of(clip));
    let within = |x: F, limit: F| x.max(-limit).min(limit);
    let mut actions = outputs.mapv(F::tanh);
    actions.zip_mut_with(&noise, |a, noise| *a = within(*a + within(sigma * *noise, clip), F::one()));
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::policy::Activation;
    use ndarray::array;

    #[test]
    fn noise_and_actions_are_clipped() {
        let (outputs, noise) = (array![[0.0, 3.0, -3.0]], array![[10.0, 1.0, -0.5]]);
        let actions = noisy_actions(outputs.view(), noise.view(), 0.2, 0.5).unwrap();
        assert_eq!(actions, array![[0.5, 1.0, -1.0]]);
        assert_eq!(noisy_actions(outputs.view(), noise.view(), 0.0, 0.5).unwrap(), outputs.mapv(f64::tanh));
        assert!(noisy_actions(outputs.view(), array![[1.0]].view(), 0.2, 0.5).is_err());
    }

    /// Moments of another length are found when the actor steps, after the critics did.
    #[test]
    fn an_error_half_way_changes_nothing() {
        let [critic, actor] = [vec![2, 1], vec![1, 1]].map(|sizes| FlatMlp::new(sizes, Activation::Relu).unwrap());
        let settings = Td3Settings {
            policy_noise: 0.2,
            noise_clip: 0.5,
            policy_frequency: 1,
            tau: 0.5,
            adam: AdamSettings::new(&Config::cleanrl(), 0..0),
            q_lr: 0.1,
            policy_lr: 0.1,
        };
        let (q, pi) = (vec![0.5, -0.25, 0.125], vec![0.5, 0.25]);
        let critics = Critics { online: vec![q.clone()], targets: vec![q], adam: vec![Adam::new(3)] };
        let policy_adam = Adam::new(2);
        let sound = Td3State { critics, policy: pi.clone(), policy_target: pi, policy_adam, updates: 0 };
        let one = array![[1.0]];
        let (rewards, terminated, discounts) = (array![1.0], array![0], array![0.9]);
        let batch = Transitions {
            obs: one.view(),
            next_obs: one.view(),
            rewards: rewards.view(),
            terminated: terminated.view(),
            discounts: discounts.view(),
        };
        let run = |state: &mut Td3State<f64>| {
            td3_update([&critic, &actor], &settings, state, &batch, one.view(), one.view()).map(|_| ())
        };
        let mut moved = sound.clone();
        run(&mut moved).unwrap();
        assert!(moved.critics != sound.critics && moved.policy != sound.policy);
        let broken = Td3State { policy_adam: Adam::new(1), ..sound.clone() };
        let mut state = broken.clone();
        assert!(run(&mut state).is_err());
        assert_eq!(state, broken);
        let mut lacking = Td3State { critics: Critics { adam: Vec::new(), ..sound.critics.clone() }, ..sound };
        assert!(run(&mut lacking).is_err(), "a critic without moments would stand still");
    }
}
