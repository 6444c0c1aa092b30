//! A batch of transitions with given noise, for a gradient step that is compared with another trainer's.

use super::actions::Actions;
use super::checks::{check_shape, finite};
use super::env_step::EnvStep;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2};

/// B transitions, and the noise of the actions that a gradient step of TD3 or SAC draws for them.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionBatch {
    /// `[B, obs_dim]`.
    pub obs: Array2<f32>,
    /// Indices `[B, 1]`, or numbers in [−1, 1], `[B, D]`.
    pub actions: Actions,
    /// Rewards, or sums of n steps, `[B]`.
    pub rewards: Array1<f32>,
    /// What followed; at an end the real last observation, `[B, obs_dim]`.
    pub next_obs: Array2<f32>,
    /// 1 where the transition ended in a terminal state, `[B]`.
    pub terminated: Array1<u32>,
    /// γ, or γ^m of m steps, `[B]`.
    pub discounts: Array1<f32>,
    /// Standard normals of the actions for the next observations, `[B, D]`: of TD3's target, of SAC's actor.
    pub next_noise: Option<Array2<f32>>,
    /// Standard normals of the actor's actions for the observations, `[B, D]`, with SAC.
    pub noise: Option<Array2<f32>>,
}

impl TransitionBatch {
    /// B.
    pub fn rows(&self) -> usize {
        self.obs.nrows()
    }

    /// Refuses what is no batch under `spec`.
    ///
    /// # Errors
    /// As [`EnvStep::validate`]; [`Error::Config`] without a row.
    pub fn validate(&self, spec: &PolicySpec) -> Result<()> {
        let rows = self.rows();
        if rows == 0 {
            return Err(Error::config("batch", "has 0 rows"));
        }
        let step = EnvStep {
            obs: self.obs.clone(),
            actions: self.actions.clone(),
            rewards: self.rewards.clone(),
            next_obs: self.next_obs.clone(),
            terminated: self.terminated.clone(),
            truncated: Array1::zeros(rows),
        };
        step.validate(spec, rows)?;
        check_shape("discounts", &[self.discounts.len()], &[rows])?;
        finite("discounts", self.discounts.iter())?;
        for (name, noise) in [("next_noise", &self.next_noise), ("noise", &self.noise)] {
            if let Some(noise) = noise {
                check_shape(name, noise.shape(), &[rows, spec.head.action_dims()])?;
                finite(name, noise.iter())?;
            }
        }
        Ok(())
    }

    /// The noise of the next actions, row by row.
    ///
    /// # Errors
    /// [`Error::Config`] if there is none.
    pub fn next_noise(&self) -> Result<Vec<f32>> {
        given("next_noise", self.next_noise.as_ref())
    }

    /// The noise of the actor's own actions, row by row.
    ///
    /// # Errors
    /// [`Error::Config`] if there is none.
    pub fn own_noise(&self) -> Result<Vec<f32>> {
        given("noise", self.noise.as_ref())
    }
}

fn given(name: &'static str, noise: Option<&Array2<f32>>) -> Result<Vec<f32>> {
    let noise = noise.ok_or_else(|| Error::config(name, "is missing: the algorithm draws actions by it"))?;
    Ok(noise.iter().copied().collect())
}
