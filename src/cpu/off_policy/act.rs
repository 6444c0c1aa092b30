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
use crate::reference::head_actions::squashed_to_env;
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
                epsilon_greedy(&mut indices, raw.ncols() as u32, epsilon, self.seed, self.policy_step);
            }
            let actions = Actions::Discrete(Array1::from(indices).insert_axis(Axis(1)));
            return Ok(Acted { env_actions: actions.clone(), actions, logp: Array1::zeros(rows), values, obs });
        }
        let dims = self.spec.head.action_dims();
        let (shape, seed, step) = ((rows, dims), self.seed, self.policy_step);
        let mut logp = Array1::zeros(rows);
        let learns = self.config.replay().is_none_or(|replay| self.env_steps >= replay.learning_starts);
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

    /// Q of the greedy action of each row of `obs`, which was checked; the least of two critics.
    pub(super) fn greedy_values(&self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let acted = self.choose(obs, ActMode::Greedy)?;
        let (Some(critics), Actions::Continuous(floats)) = (self.method.critics(), &acted.actions) else {
            return Ok(acted.values);
        };
        let seen = concatenate![Axis(1), obs, floats.view()].mapv(|value| F::of(f64::from(value)));
        let of_one = |parameters: &Vec<F>| {
            Ok(self.networks.critic.with(parameters)?.forward(seen.view())?.output().column(0).to_owned())
        };
        let values = critics.online.iter().map(of_one).collect::<Result<Vec<_>>>()?;
        Ok(least_of(&values)?.0.mapv(F::as_f32))
    }
}
