//! A gradient step of TD3, and of DDPG, which is TD3 with one critic, no delay and no noise.

use super::Real;
use super::critics::{CriticStats, Critics, PASS};
use super::flat_mlp::{FlatMlp, added, by_input, by_numbers};
use super::mlp::{Mlp, give};
use super::optim::{Adam, AdamSettings};
use super::row_blocks::{both, each_of, halves};
use super::td_target::polyak;
use super::transitions::{Transitions, joined};
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use std::ops::Range;

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
    let (target, rows) = (actor.with(&state.policy_target)?, batch.rows());
    let size = rows * critic.len();
    let parts = halves(size, rows);
    let of_rows = |own: &Range<usize>| {
        let batch = batch.of_rows(own.clone());
        let tape = target.forward(batch.next_obs)?;
        let noise = noise.slice(s![own.clone(), ..]);
        let next_actions = noisy_actions(tape.output(), noise, settings.policy_noise, settings.noise_clip)?;
        tape.give();
        let seen_next = joined(batch.next_obs, next_actions.view())?;
        let next = state.critics.least_of_targets(critic, seen_next.view())?;
        give(seen_next);
        let seen = joined(batch.obs, actions.slice(s![own.clone(), ..]))?;
        let targets = batch.targets(next.view())?;
        let of_critics = state.critics.of_rows(critic, seen.view(), None, targets, (F::one(), rows))?;
        give(seen);
        Ok((next_actions, of_critics))
    };
    let (next_actions, of_critics): (Vec<_>, Vec<_>) =
        each_of(size, parts.len(), |index| of_rows(&parts[index]))?.into_iter().unzip();
    let next_actions: Vec<_> = next_actions.iter().map(|part| part.view()).collect();
    let next_actions =
        concatenate(Axis(0), &next_actions).map_err(|_| Error::shape("noise", noise.shape(), &[rows]))?;
    let critics = state.critics.step(&settings.adam, settings.q_lr, of_critics)?;

    state.updates = state.updates.wrapping_add(1);
    let (mut of_actor, mut actor_stepped) = (None, true);
    if state.updates.is_multiple_of(settings.policy_frequency) {
        let q = critic.with(&state.critics.online[0])?;
        let policy = actor.with(&state.policy)?;
        let all = each_of(size, parts.len(), |index| {
            actor_rows([&q, &policy], batch.of_rows(parts[index].clone()).obs, rows)
        })?;
        let (sums, gradients): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let (loss, by_policy) = (-sums.into_iter().sum::<F>() / F::count(rows), added(gradients));
        let tau = F::of(settings.tau);
        let Td3State { critics, policy, policy_target, policy_adam, .. } = state;
        let of_policy = || {
            let stepped = policy_adam.step(&settings.adam, settings.policy_lr, policy, &by_policy)?.stepped;
            polyak(policy_target, policy, tau)?;
            Ok(stepped)
        };
        let (stepped, followed) = both(actor.len() * PASS, of_policy, || critics.follow(tau));
        followed?;
        actor_stepped = stepped?;
        of_actor = Some((loss, by_policy));
    }
    Ok(Td3Stats { critics, next_actions, actor: of_actor, actor_stepped })
}

/// Σ Q(s, tanh π(s)) of the rows `obs`, of a batch of `all`, and the gradient of −Σ Q / `all` by the actor's numbers.
fn actor_rows<F: Real>([q, policy]: [&Mlp<'_, F>; 2], obs: ArrayView2<'_, F>, all: usize) -> Result<(F, Vec<F>)> {
    let tape = policy.forward(obs)?;
    let a = tape.output().mapv(F::tanh);
    let seen = joined(obs, a.view())?;
    let of_q = q.forward(seen.view())?;
    give(seen);
    let sum = of_q.output().sum();
    let w = Array2::from_elem((obs.nrows(), 1), -F::one() / F::count(all));
    let by_seen = by_input(q, &of_q, w.view())?;
    of_q.give();
    let mut by_output = by_seen.slice(s![.., obs.ncols()..]).to_owned();
    give(by_seen);
    by_output.zip_mut_with(&a, |d, a| *d *= F::one() - *a * *a);
    let gradient = by_numbers(policy, &tape, by_output.view())?;
    tape.give();
    Ok((sum, gradient))
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

    fn settings() -> Td3Settings {
        Td3Settings {
            policy_noise: 0.2,
            noise_clip: 0.5,
            policy_frequency: 1,
            tau: 0.5,
            adam: AdamSettings::new(&Config::cleanrl(), 0..0),
            q_lr: 0.1,
            policy_lr: 0.1,
        }
    }

    #[test]
    fn noise_and_actions_are_clipped() {
        let (outputs, noise) = (array![[0.0, 3.0, -3.0]], array![[10.0, 1.0, -0.5]]);
        let actions = noisy_actions(outputs.view(), noise.view(), 0.2, 0.5).unwrap();
        assert_eq!(actions, array![[0.5, 1.0, -1.0]]);
        assert_eq!(noisy_actions(outputs.view(), noise.view(), 0.0, 0.5).unwrap(), outputs.mapv(f64::tanh));
        assert!(noisy_actions(outputs.view(), array![[1.0]].view(), 0.2, 0.5).is_err());
    }

    /// A step of f32 that is worth two threads has the bits of one thread on any number of them.
    #[test]
    fn halves_of_the_rows_have_the_bits_of_one_thread() {
        let [critic, actor] =
            [vec![6, 65, 65, 1], vec![4, 65, 65, 2]].map(|sizes| FlatMlp::new(sizes, Activation::Relu).unwrap());
        let rows = 255;
        let wave = |r: usize, c: usize, phase: f32| ((r * 7 + c * 3) as f32 * 0.37 + phase).sin();
        let array = |columns, phase| Array2::from_shape_fn((rows, columns), |(r, c)| wave(r, c, phase));
        let numbers = |len, phase| (0..len).map(|i| 0.2 * wave(i, 1, phase)).collect::<Vec<f32>>();
        let online = vec![numbers(critic.len(), 0.1), numbers(critic.len(), 0.2)];
        let start = Td3State {
            critics: Critics { targets: online.clone(), online, adam: vec![Adam::new(critic.len()); 2] },
            policy: numbers(actor.len(), 0.3),
            policy_target: numbers(actor.len(), 0.4),
            policy_adam: Adam::new(actor.len()),
            updates: 0,
        };
        let (obs, next_obs, actions, noise) = (array(4, 0.5), array(4, 0.6), array(2, 0.7), array(2, 0.8));
        let rewards = array(1, 0.9).column(0).to_owned();
        let terminated = rewards.mapv(|r| u32::from(r > 0.9));
        let batch = Transitions {
            obs: obs.view(),
            next_obs: next_obs.view(),
            rewards: rewards.view(),
            terminated: terminated.view(),
            discounts: rewards.view(),
        };
        let run = |threads| {
            let mut state = start.clone();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                td3_update([&critic, &actor], &settings(), &mut state, &batch, actions.view(), noise.view()).map(drop)
            })
            .unwrap();
            state
        };
        let one = run(1);
        assert!(one.policy != start.policy && halves(rows * critic.len(), rows).len() == 2);
        assert_eq!((one == run(2), one == run(5)), (true, true));
    }

    /// Moments of another length are found when the actor steps, after the critics did.
    #[test]
    fn an_error_half_way_changes_nothing() {
        let [critic, actor] = [vec![2, 1], vec![1, 1]].map(|sizes| FlatMlp::new(sizes, Activation::Relu).unwrap());
        let settings = settings();
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
