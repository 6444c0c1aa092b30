//! A step of environments, as a replay memory takes it.

use super::actions::Actions;
use super::checks::{check_shape, finite, flags};
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2};

/// What one step of N environments did: N transitions for a replay memory.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvStep {
    /// Observations that were acted on, `[N, obs_dim]`.
    pub obs: Array2<f32>,
    /// What was done there: indices `[N, 1]` with DQN, else numbers in [−1, 1], `[N, D]`, whatever the environment's bounds. An off-policy
    /// learner's [`Acted::actions`](super::Acted::actions) are these.
    pub actions: Actions,
    /// `[N]`, as the environment gave them.
    pub rewards: Array1<f32>,
    /// Observations that followed, `[N, obs_dim]`; at an end the real last one, before a reset.
    pub next_obs: Array2<f32>,
    /// 1 where the transition ended its episode in a true terminal state, else 0, `[N]`.
    pub terminated: Array1<u32>,
    /// 1 where it ended its episode by a limit, else 0, `[N]`; what followed is still looked at, unless it is terminated, too.
    pub truncated: Array1<u32>,
}

impl EnvStep {
    /// Refuses a step that is not one of `envs` environments under `spec`.
    ///
    /// # Errors
    /// [`Error::Shape`] where shapes differ, [`Error::Value`] for a number that is not finite, an action out of range or a flag other than 0
    /// and 1; [`Error::Config`] for actions of another kind than the head's.
    pub fn validate(&self, spec: &PolicySpec, envs: usize) -> Result<()> {
        let obs_shape = [envs, spec.obs_dim()];
        check_shape("obs", self.obs.shape(), &obs_shape)?;
        check_shape("next_obs", self.next_obs.shape(), &obs_shape)?;
        check_shape("rewards", &[self.rewards.len()], &[envs])?;
        check_shape("terminated", &[self.terminated.len()], &[envs])?;
        check_shape("truncated", &[self.truncated.len()], &[envs])?;
        finite("obs", self.obs.iter())?;
        finite("next_obs", self.next_obs.iter())?;
        finite("rewards", self.rewards.iter())?;
        flags("terminated", self.terminated.iter())?;
        flags("truncated", self.truncated.iter())?;
        let wrong = |index: usize, value: String, expected: String| {
            Err(Error::Value { tensor: "actions".into(), index, value, expected })
        };
        match (&self.actions, spec.head.choices().as_slice()) {
            (Actions::Discrete(indices), [choices]) => {
                check_shape("actions", indices.shape(), &[envs, 1])?;
                match indices.iter().enumerate().find(|(_, index)| **index as usize >= *choices) {
                    Some((row, index)) => wrong(row, index.to_string(), format!("an index below {choices}")),
                    None => Ok(()),
                }
            }
            (Actions::Continuous(floats), []) => {
                check_shape("actions", floats.shape(), &[envs, spec.head.action_dims()])?;
                finite("actions", floats.iter())?;
                match floats.iter().enumerate().find(|(_, action)| action.abs() > 1.0) {
                    Some((place, action)) => wrong(place, action.to_string(), "a number in [-1, 1]".into()),
                    None => Ok(()),
                }
            }
            _ => {
                let head = spec.head.name();
                Err(Error::config(
                    "actions",
                    format!("are of another kind than those of a {head} head in a replay memory"),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Activation, Head};
    use ndarray::array;

    #[test]
    fn what_is_no_step_is_refused() {
        let spec = PolicySpec::actor(2, &[3], Activation::Relu, Head::categorical(3));
        let step = EnvStep {
            obs: array![[1.0, 2.0], [3.0, 4.0]],
            actions: Actions::Discrete(array![[0], [2]]),
            rewards: array![1.0, -1.0],
            next_obs: array![[1.0, 2.0], [3.0, 4.0]],
            terminated: array![0, 1],
            truncated: array![1, 0],
        };
        step.validate(&spec, 2).unwrap();
        let broken = |change: fn(&mut EnvStep)| {
            let mut step = step.clone();
            change(&mut step);
            step.validate(&spec, 2).is_err()
        };
        assert!(step.validate(&spec, 3).is_err());
        assert!(broken(|step| step.actions = Actions::Discrete(array![[0], [3]])));
        assert!(broken(|step| step.actions = Actions::Continuous(array![[0.0], [0.5]])));
        assert!(broken(|step| step.rewards[1] = f32::NAN));
        assert!(broken(|step| step.next_obs[[0, 1]] = f32::INFINITY));
        assert!(broken(|step| step.terminated[0] = 2));
        assert!(broken(|step| step.obs = array![[1.0, 2.0]]));
        let bounds = crate::policy::Bounds::uniform(1, -2.0, 2.0);
        let head = Head::TanhGaussian { dims: 1, std: crate::policy::Std::FREE, bounds };
        let floats = PolicySpec::actor(2, &[3], Activation::Relu, head);
        let with = |actions| EnvStep { actions: Actions::Continuous(actions), ..step.clone() }.validate(&floats, 2);
        with(array![[-1.0], [1.0]]).unwrap();
        assert!(with(array![[-1.0], [1.1]]).is_err() && with(array![[0.0]]).is_err());
        assert!(step.validate(&floats, 2).is_err());
    }
}
