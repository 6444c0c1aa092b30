//! A window of transitions.

use super::actions::Actions;
use super::checks::{check_shape, finite, flags};
use super::counted::Counted;
use super::valid::{Autoreset, batch_valid, final_values};
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2};

/// Transitions of `steps × envs`, time-major: row `t · envs + n` is step t of environment n.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// T.
    pub steps: usize,
    /// N.
    pub envs: usize,
    /// Observations that were acted on, as the networks saw them ([`Acted::obs`](super::Acted::obs)), `[steps · envs, obs_dim]`.
    pub obs: Array2<f32>,
    /// `[steps · envs, action_dims]`.
    pub actions: Actions,
    /// log-probability of each action when it was drawn, `[steps · envs]`.
    pub logp: Array1<f32>,
    /// Reward of each transition, `[steps, envs]`.
    pub rewards: Array2<f32>,
    /// V of each observation, and in the last row V of the observation after the window, `[steps + 1, envs]`.
    pub values: Array2<f32>,
    /// V of the real last observation, before the reset, where truncated; not read elsewhere. `[steps, envs]`. `None` is for a window
    /// that needs none: [`validate`](Self::validate) refuses it where a step was truncated and not terminated. With
    /// [`Autoreset::NextStep`] it is never read: the filler's own value stands for it.
    pub final_values: Option<Array2<f32>>,
    /// 1 where the transition ended its episode in a true terminal state, else 0. `[steps, envs]`.
    pub terminated: Array2<u32>,
    /// 1 where the transition ended its episode by a limit, else 0; terminated wins where both are set. `[steps, envs]`.
    pub truncated: Array2<u32>,
    /// 1 where a row counts, 0 where it is to be left out of every mean, loss and gradient, `[steps, envs]`; all count without. Rewards
    /// and values of a row that is left out still take part in the advantages of those before it in its episode.
    pub valid: Option<Array2<u32>>,
    /// How the environments are reset, which decides what the window holds after an end: rows that are no transitions are masked,
    /// whatever `valid` says.
    pub autoreset: Autoreset,
    /// 1 where the transition before the window ended its episode, `[envs]`, so that the window begins with a filler or with padding;
    /// none did without. Not read with [`Autoreset::SameStep`].
    pub ended_before: Option<Array1<u32>>,
}

impl Rollout {
    /// Rows: `steps · envs`.
    pub fn rows(&self) -> usize {
        self.steps.saturating_mul(self.envs)
    }

    /// 1 where a row counts, by [`valid`](Self::valid) and by [`autoreset`](Self::autoreset), `[steps, envs]`; `None` where all do.
    pub fn counted(&self) -> Option<Array2<u32>> {
        let by_mode = self.autoreset != Autoreset::SameStep;
        (by_mode || self.valid.is_some()).then(|| self.rows_by(self.valid.as_ref()))
    }

    fn rows_by(&self, given: Option<&Array2<u32>>) -> Array2<u32> {
        let before = self.ended_before.as_ref().map(|ended| ended.view());
        let given = given.map(|valid| valid.view());
        batch_valid(self.autoreset, self.terminated.view(), self.truncated.view(), before, given)
    }

    /// [`final_values`](Self::final_values), or what stands for them with [`Autoreset::NextStep`], `[steps, envs]`; zeros, which nobody
    /// reads, where none are given and none are needed.
    ///
    /// # Errors
    /// [`Error::Value`] naming the first row that needs one and has none.
    pub fn last_values(&self) -> Result<Array2<f32>> {
        if self.autoreset == Autoreset::NextStep {
            return Ok(final_values(self.values.view()));
        }
        self.check_final_values()?;
        Ok(self.final_values.clone().unwrap_or_else(|| Array2::zeros((self.steps, self.envs))))
    }

    /// That a value is there for every truncated step. Zeros in their place would pass for the values of worthless states, and a policy
    /// would learn to avoid what lies before a time limit, without a word.
    fn check_final_values(&self) -> Result<()> {
        if self.final_values.is_some() || self.autoreset == Autoreset::NextStep {
            return Ok(());
        }
        check_shape("truncated", self.truncated.shape(), self.terminated.shape())?;
        // What a mode says is padding has no end of its own. A mask of the caller's leaves a row in the recurrence.
        let transitions = self.rows_by(None);
        let ends = self.truncated.iter().zip(&self.terminated).zip(&transitions);
        let needs = ends.enumerate().find(|(_, ((cut, over), is))| **cut != 0 && **over == 0 && **is != 0);
        needs.map_or(Ok(()), |(index, _)| {
            let (t, n) = (index / self.envs.max(1), index % self.envs.max(1));
            let expected =
                format!("V of the real last observation, as \"truncated\" is 1 at step {t} of environment {n}");
            Err(Error::Value { tensor: "final_values".into(), index, value: "absent".into(), expected })
        })
    }

    /// Shapes, finiteness and ranges against `spec`.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty rollout, [`Error::Shape`] or [`Error::Value`] naming the first bad tensor.
    pub fn validate(&self, spec: &PolicySpec) -> Result<()> {
        if self.rows() == 0 {
            return Err(Error::config("rollout", format!("has steps {} × envs {} = 0 rows", self.steps, self.envs)));
        }
        let (rows, window) = (self.rows(), [self.steps, self.envs]);
        check_shape("obs", self.obs.shape(), &[rows, spec.obs_dim()])?;
        check_shape("logp", self.logp.shape(), &[rows])?;
        check_shape("rewards", self.rewards.shape(), &window)?;
        check_shape("values", self.values.shape(), &[self.steps.saturating_add(1), self.envs])?;
        if let Some(values) = &self.final_values {
            check_shape("final_values", values.shape(), &window)?;
        }
        check_shape("terminated", self.terminated.shape(), &window)?;
        check_shape("truncated", self.truncated.shape(), &window)?;
        flags("terminated", self.terminated.iter())?;
        flags("truncated", self.truncated.iter())?;
        if let Some(valid) = &self.valid {
            check_shape("valid", valid.shape(), &window)?;
            flags("valid", valid.iter())?;
        }
        if let Some(ended) = &self.ended_before {
            check_shape("ended_before", ended.shape(), &[self.envs])?;
            flags("ended_before", ended.iter())?;
        }
        self.check_final_values()?;
        let counted = self.counted().map(|valid| valid.into_iter().collect::<Array1<u32>>());
        let counts = Counted::new("valid", counted.as_ref(), rows)?;
        counts.actions(&self.actions, spec, rows)?;
        counts.finite("obs", self.obs.iter(), spec.obs_dim())?;
        counts.finite("logp", self.logp.iter(), 1)?;
        self.validate_recurrence()
    }

    /// What the advantages read: everything but what a mode says is no transition.
    fn validate_recurrence(&self) -> Result<()> {
        let rows = self.rows();
        if self.autoreset == Autoreset::SameStep {
            finite("rewards", self.rewards.iter())?;
            finite("values", self.values.iter())?;
            return self.final_values.as_ref().map_or(Ok(()), |values| finite("final_values", values.iter()));
        }
        let transitions: Array1<u32> = self.rows_by(None).into_iter().collect();
        let counts = Counted::new("ended_before", Some(&transitions), rows)?;
        counts.finite("rewards", self.rewards.iter(), 1)?;
        if self.autoreset == Autoreset::NextStep {
            // A reset ends nothing.
            let wrong = |(name, flags): (&str, &Array2<u32>)| {
                let index = flags.iter().zip(&transitions).position(|(flag, is)| *flag != 0 && *is == 0)?;
                let expected = "0: with next-step resets this row is the reset after an end".into();
                Some(Error::Value { tensor: name.into(), index, value: "1".into(), expected })
            };
            let all = [("terminated", &self.terminated), ("truncated", &self.truncated)];
            return all.into_iter().find_map(wrong).map_or_else(|| finite("values", self.values.iter()), Err);
        }
        if let Some(values) = &self.final_values {
            counts.finite("final_values", values.iter(), 1)?;
        }
        counts.finite("values", self.values.iter().take(rows), 1)?;
        // Behind the window: read where the last transition did not end its episode.
        let ended = self.terminated.iter().zip(&self.truncated).map(|(a, b)| *a != 0 || *b != 0);
        let open: Vec<bool> = ended.zip(&transitions).map(|(ended, is)| !ended && *is != 0).collect();
        let last = open.get(rows - self.envs..).unwrap_or_default();
        let values = self.values.row(self.steps);
        finite("values (behind the window)", values.iter().zip(last).filter(|(_, open)| **open).map(|(value, _)| value))
    }
}
