//! CartPole-v1 and Pendulum-v1 with Gymnasium's dynamics, one at a time and many side by side.

use super::Real;
use crate::data::{Actions, check_shape};
use crate::env::Env;
use crate::rng::{Draw, block, uniform};
use crate::trainer::EpisodeStats;
use crate::{Error, Result};
use ndarray::{Array1, Array2};
use std::f64::consts::PI;

/// One environment's action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EnvAction {
    /// A choice.
    Index(u32),
    /// A torque; clipped inside the environment.
    Float(f32),
}

/// What one step did, without a time limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<F> {
    /// The physical state after the step, [`Env::state_dim`] numbers.
    pub state: Vec<F>,
    /// The reward.
    pub reward: F,
    /// Whether the state is terminal.
    pub terminated: bool,
}

/// One step from `state`.
///
/// CartPole (Barto, Sutton and Anderson 1983, with Gymnasium's numbers), state (x, ẋ, θ, θ̇), force F = ±10:
///
/// ```text
/// temp = (F + 0.05 θ̇² sin θ) / 1.1
/// θ̈ = (9.8 sin θ − cos θ · temp) / (0.5 (4/3 − 0.1 cos²θ / 1.1));   ẍ = temp − 0.05 θ̈ cos θ / 1.1
/// x += 0.02 ẋ;  ẋ += 0.02 ẍ;  θ += 0.02 θ̇;  θ̇ += 0.02 θ̈             (positions with the old velocities)
/// terminal: |x| > 2.4 or |θ| > 12°;  reward 1, on the last step too
/// ```
///
/// Pendulum, state (θ, θ̇), torque u clipped to ±2:
///
/// ```text
/// reward = −(wrap(θ)² + 0.1 θ̇² + 0.001 u²)                            (of the state before the step)
/// θ̇ ← clip(θ̇ + (15 sin θ + 3 u) · 0.05, ±8);   θ ← θ + 0.05 θ̇          (the new velocity); never terminal
/// ```
///
/// # Errors
/// [`Error::Shape`] if `state` has another length; [`Error::Value`] for an action of the wrong kind or out of range.
pub fn step<F: Real>(env: Env, state: &[F], action: EnvAction) -> Result<Outcome<F>> {
    let n = F::of;
    match (env, state, action) {
        (Env::CartPole, &[x, x_dot, theta, theta_dot], EnvAction::Index(index @ (0 | 1))) => {
            let force = if index == 1 { n(10.0) } else { n(-10.0) };
            let (sin, cos) = (theta.sin(), theta.cos());
            let temp = (force + n(0.05) * theta_dot * theta_dot * sin) / n(1.1);
            let theta_acc = (n(9.8) * sin - cos * temp) / (n(0.5) * (n(4.0 / 3.0) - n(0.1) * cos * cos / n(1.1)));
            let x_acc = temp - n(0.05) * theta_acc * cos / n(1.1);
            let tau = n(0.02);
            let state =
                vec![x + tau * x_dot, x_dot + tau * x_acc, theta + tau * theta_dot, theta_dot + tau * theta_acc];
            let terminated = state[0].abs() > n(2.4) || state[2].abs() > n(12.0 * 2.0 * PI / 360.0);
            Ok(Outcome { state, reward: F::one(), terminated })
        }
        (Env::Pendulum, &[theta, theta_dot], EnvAction::Float(torque)) if torque.is_finite() => {
            let u = n(f64::from(torque.clamp(-2.0, 2.0)));
            let turn = n(2.0 * PI);
            let shifted = theta + n(PI);
            let wrapped = shifted - turn * (shifted / turn).floor() - n(PI);
            let reward = -(wrapped * wrapped + n(0.1) * theta_dot * theta_dot + n(0.001) * u * u);
            let speed = theta_dot + (n(15.0) * theta.sin() + n(3.0) * u) * n(0.05);
            let speed = speed.max(n(-8.0)).min(n(8.0));
            Ok(Outcome { state: vec![theta + n(0.05) * speed, speed], reward, terminated: false })
        }
        _ if state.len() != env.state_dim() => Err(Error::shape("state", &[state.len()], &[env.state_dim()])),
        _ => Err(Error::Value {
            tensor: "action".into(),
            index: 0,
            value: format!("{action:?}"),
            expected: format!("an action of {}", env.name()),
        }),
    }
}

/// The observation of a physical state: itself for CartPole, (cos θ, sin θ, θ̇) for Pendulum.
pub fn observe<F: Real>(env: Env, state: &[F]) -> Vec<F> {
    match (env, state) {
        (Env::Pendulum, [theta, theta_dot, ..]) => vec![theta.cos(), theta.sin(), *theta_dot],
        _ => state.to_vec(),
    }
}

/// The start state of environment `index` at environment step `at`, with u from the draw (reset, index, at):
/// CartPole −0.05 + 0.1 u, word i for number i; Pendulum θ = −π + 2π u (word 0), θ̇ = −1 + 2 u (word 1).
pub fn start(env: Env, seed: u64, index: u32, at: u64) -> Vec<f32> {
    let u = block(seed, Draw::Reset, index, 0, at).map(uniform);
    match env {
        Env::CartPole => u.iter().map(|u| -0.05 + 0.1 * u).collect(),
        Env::Pendulum => {
            let pi = std::f32::consts::PI;
            vec![-pi + 2.0 * pi * u[0], -1.0 + 2.0 * u[1]]
        }
    }
}

/// What one step of many environments did; all `[count]` or `[count, …]`.
#[derive(Debug, Clone)]
pub struct VecStep {
    /// Rewards.
    pub rewards: Array1<f32>,
    /// 1 where a terminal state was reached.
    pub terminated: Array1<u32>,
    /// 1 where the time limit was reached; both flags may be set, as in Gymnasium.
    pub truncated: Array1<u32>,
    /// The observation after the step and before any reset.
    pub final_obs: Array2<f32>,
    /// Return and length of the episode that ended, per environment.
    pub ended: Vec<Option<(f32, u32)>>,
    /// The same, summed up.
    pub episodes: EpisodeStats,
}

/// Copies of one environment that step side by side, with same-step autoreset.
#[derive(Debug, Clone, PartialEq)]
pub struct VecEnv {
    env: Env,
    seed: u64,
    count: usize,
    words: Vec<u32>,
    step: u64,
}

impl VecEnv {
    /// `count` environments in their start states (step 0).
    pub fn new(env: Env, count: usize, seed: u64) -> Self {
        let words = (0..count).flat_map(|index| fresh(env, seed, index, 0)).collect();
        Self { env, seed, count, words, step: 0 }
    }

    /// `[count, env.state_words()]`, see [`Env::state_words`].
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Steps taken.
    pub fn steps_taken(&self) -> u64 {
        self.step
    }

    /// Continues from saved words.
    ///
    /// # Errors
    /// [`Error::Shape`] if they belong to another environment or number of copies.
    pub fn restore(&mut self, words: &[u32], step: u64, seed: u64) -> Result<()> {
        check_shape("env.state", &[words.len()], &[self.count * self.env.state_words()])?;
        (self.words, self.step, self.seed) = (words.to_vec(), step, seed);
        Ok(())
    }

    /// Current observations, `[count, obs_dim]`.
    pub fn obs(&self) -> Array2<f32> {
        let mut obs = Array2::zeros((self.count, self.env.obs_dim()));
        for (mut row, words) in obs.rows_mut().into_iter().zip(self.words.chunks(self.env.state_words())) {
            let state: Vec<f32> = words[..self.env.state_dim()].iter().map(|word| f32::from_bits(*word)).collect();
            row.assign(&Array1::from(observe(self.env, &state)));
        }
        obs
    }

    /// One step of all environments.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Value`] if `actions` do not fit; nothing was changed then.
    pub fn step(&mut self, actions: &Actions) -> Result<VecStep> {
        self.env.check_actions(actions, self.count)?;
        let (dim, width) = (self.env.state_dim(), self.env.state_words());
        let mut result = VecStep {
            rewards: Array1::zeros(self.count),
            terminated: Array1::zeros(self.count),
            truncated: Array1::zeros(self.count),
            final_obs: Array2::zeros((self.count, self.env.obs_dim())),
            ended: vec![None; self.count],
            episodes: EpisodeStats::NONE,
        };
        for (index, words) in self.words.chunks_mut(width).enumerate() {
            let action = match actions {
                Actions::Discrete(array) | Actions::Masked { indices: array, .. } => {
                    EnvAction::Index(array[[index, 0]])
                }
                Actions::Continuous(array) => EnvAction::Float(array[[index, 0]]),
            };
            let state: Vec<f32> = words[..dim].iter().map(|word| f32::from_bits(*word)).collect();
            let outcome = step(self.env, &state, action)?;
            let (total, length) = (f32::from_bits(words[dim]) + outcome.reward, words[dim + 1] + 1);
            let truncated = length >= self.env.time_limit();
            result.rewards[index] = outcome.reward;
            result.terminated[index] = outcome.terminated.into();
            result.truncated[index] = truncated.into();
            result.final_obs.row_mut(index).assign(&Array1::from(observe(self.env, &outcome.state)));
            if outcome.terminated || truncated {
                result.ended[index] = Some((total, length));
                result.episodes = result.episodes.merge(episode(total, length));
                words.copy_from_slice(&fresh(self.env, self.seed, index, self.step + 1));
            } else {
                for (word, value) in words.iter_mut().zip(outcome.state.iter().chain([&total])) {
                    *word = value.to_bits();
                }
                words[dim + 1] = length;
            }
        }
        self.step += 1;
        Ok(result)
    }
}

/// Statistics of one episode.
pub(super) fn episode(total: f32, length: u32) -> EpisodeStats {
    let total = f64::from(total);
    EpisodeStats { count: 1, return_sum: total, length_sum: f64::from(length), return_min: total, return_max: total }
}

fn fresh(env: Env, seed: u64, index: usize, at: u64) -> Vec<u32> {
    start(env, seed, index as u32, at).into_iter().map(f32::to_bits).chain([0_f32.to_bits(), 0]).collect()
}
