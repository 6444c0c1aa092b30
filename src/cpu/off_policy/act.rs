//! Acting: greedy, and with the exploration of each algorithm.

use super::learner::CpuOffPolicy;
use super::method::{Method, squash};
use crate::agent::ActMode;
use crate::data::{Acted, Actions};
use crate::error::{Error, Result};
use crate::reference::Real;
use crate::reference::critics::least_of;
use crate::reference::dqn_update::greedy;
use crate::reference::exploration::{epsilon_greedy, exploration_noise, uniform_actions};
use crate::reference::head::log_prob;
use crate::reference::head_actions::{self, squashed_to_env};
use crate::reference::td3_update::noisy_actions;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

impl<F: Real> CpuOffPolicy<F> {
    /// Actions for `obs`, which was checked.
    pub(super) fn choose(&self, obs: ArrayView2<'_, f32>, mode: ActMode) -> Result<Acted> {
        let seen: Array2<F> = obs.mapv(|value| F::of(f64::from(value)));
        let raw = self.networks.q.forward(self.method.policy(), seen.view())?;
        let (raw, rows) = (raw.output(), obs.nrows());
        if let Some(index) = raw.iter().position(|output| output.is_nan()) {
            let (tensor, value, expected) = ("the policy's outputs".into(), "NaN".into(), "numbers".into());
            return Err(Error::Value { tensor, index, value, expected });
        }
        let obs = obs.to_owned();
        if let Method::Dqn(_) = &self.method {
            let best = greedy(raw);
            let values = best.iter().enumerate().map(|(row, best)| raw[[row, *best]].as_f32()).collect();
            let mut indices: Vec<_> = best.into_iter().map(|best| best as u32).collect();
            if mode == ActMode::Sample {
                let epsilon = self.config.epsilon_at(self.env_steps).unwrap_or(0.0) as f32;
                epsilon_greedy(&mut indices, raw.ncols() as u32, epsilon, self.seed, self.held());
            }
            let actions = Actions::Discrete(Array1::from(indices).insert_axis(Axis(1)));
            return Ok(Acted { env_actions: actions.clone(), actions, logp: Array1::zeros(rows), values, obs });
        }
        if self.spec.head.is_discrete() {
            return self.choose_index(raw, mode, obs);
        }
        let dims = self.spec.head.action_dims();
        let (shape, seed, step) = ((rows, dims), self.seed, self.held());
        let mut logp = Array1::zeros(rows);
        let learns = self.learns();
        let floats = match &self.method {
            _ if mode == ActMode::Sample && !learns => uniform_actions(shape, seed, step),
            Method::Sac(_) if mode == ActMode::Sample => {
                let epsilon = self.config.sac().map_or(0.0, |sac| sac.squash_epsilon);
                let noise = exploration_noise(shape, seed, step);
                let (mean, log_std) = (raw.slice(s![.., ..dims]), raw.slice(s![.., dims..]));
                let sample = squash(&self.spec, epsilon).sample(mean, log_std, noise.view())?;
                logp = sample.log_prob.mapv(F::as_f32);
                sample.action.mapv(F::as_f32)
            }
            Method::Td3(_) if mode == ActMode::Sample => {
                let sigma = self.config.td3().map_or(0.0, |td3| td3.exploration_noise);
                let noise = exploration_noise(shape, seed, step);
                noisy_actions(raw, noise.view(), sigma, f64::INFINITY)?.mapv(F::as_f32)
            }
            _ => raw.slice(s![.., ..dims]).mapv(|mean| mean.tanh().as_f32()),
        };
        let env_actions = Actions::Continuous(squashed_to_env(&self.spec.head, &floats));
        Ok(Acted { actions: Actions::Continuous(floats), env_actions, logp, values: Array1::zeros(rows), obs })
    }

    /// The step whose draws exploration goes by now.
    fn held(&self) -> u64 {
        self.config.replay().map_or(self.policy_step, |replay| replay.held_step(self.policy_step))
    }

    /// Whether learning has started.
    fn learns(&self) -> bool {
        self.config.replay().is_none_or(|replay| self.env_steps >= replay.learning_starts)
    }

    /// Choices of SAC by its logits `raw`: the most probable ones, draws of its distribution, or any of them before learning starts.
    fn choose_index(&self, raw: ArrayView2<'_, F>, mode: ActMode, obs: Array2<f32>) -> Result<Acted> {
        let (head, rows, seed, step) = (&self.spec.head, raw.nrows(), self.seed, self.held());
        let mut logp = Array1::zeros(rows);
        let actions = match mode {
            ActMode::Sample if self.learns() => {
                let drawn = head_actions::sample(head, raw, seed, step)?;
                logp = log_prob(head, raw, &drawn)?.mapv(F::as_f32);
                drawn
            }
            ActMode::Sample => {
                let mut indices = vec![0; rows];
                epsilon_greedy(&mut indices, raw.ncols() as u32, 1.0, seed, step);
                Actions::Discrete(Array1::from(indices).insert_axis(Axis(1)))
            }
            ActMode::Greedy => head_actions::greedy(head, raw)?,
        };
        Ok(Acted { env_actions: actions.clone(), actions, logp, values: Array1::zeros(rows), obs })
    }

    /// Q of the greedy action of each row of `obs`, which was checked; the least of two critics.
    pub(super) fn greedy_values(&self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let acted = self.choose(obs, ActMode::Greedy)?;
        let Some(critics) = self.method.critics() else { return Ok(acted.values) };
        // The outputs of interest: the only one, or that of the choice.
        let (seen, columns) = match &acted.actions {
            Actions::Continuous(floats) => (concatenate![Axis(1), obs, floats.view()], Array1::zeros(obs.nrows())),
            Actions::Discrete(indices) | Actions::Masked { indices, .. } => {
                (obs.to_owned(), indices.column(0).to_owned())
            }
        };
        let seen = seen.mapv(|value| F::of(f64::from(value)));
        let of_one = |parameters: &Vec<F>| {
            let tape = self.networks.critic.with(parameters)?.forward(seen.view())?;
            let output = tape.output();
            let values = output.rows().into_iter().zip(&columns).map(|(row, column)| row[*column as usize]);
            Ok(values.collect::<Array1<F>>())
        };
        let values = critics.online.iter().map(of_one).collect::<Result<Vec<_>>>()?;
        Ok(least_of(&values)?.0.mapv(F::as_f32))
    }
}
