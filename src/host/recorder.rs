//! A rollout, step by step, for whoever owns the loop.

use super::window::{Window, check_window, matrix};
use crate::agent::{ActMode, OnPolicy};
use crate::data::{Actions, Autoreset, Rollout, check_shape, finite};
use crate::error::{Error, Result};
use crate::policy::{Head, PolicySpec};
use crate::state::EpisodeStats;
use ndarray::{Array1, ArrayView2};

/// What a step of all environments did, as [`RolloutRecorder::outcome`] takes it.
#[derive(Debug, Clone, Copy)]
pub struct StepOutcome<'a> {
    /// `[envs]`.
    pub rewards: &'a [f32],
    /// Whether the episode ended in a true terminal state, `[envs]`.
    pub terminated: &'a [bool],
    /// Whether it was cut off by a limit, `[envs]`; `terminated` wins where both are set.
    pub truncated: &'a [bool],
    /// The observations after the step and before any reset, `[envs, obs_dim]`. Only rows of truncated episodes are read, and with
    /// [`Autoreset::NextStep`] none.
    pub last_obs: ArrayView2<'a, f32>,
}

/// Records windows of `steps` steps of `envs` environments that somebody else steps: an engine, a simulator, a [`Collector`].
///
/// ```text
/// repeat as often as is_full() says no:
///     act(learner, obs)       what the environments are to do
///     outcome(learner, …)     what came of it
/// finish(learner, obs)        the window, for OnPolicy::update
/// ```
///
/// Nothing here waits or runs anything but the learner: a call per frame is as good as a loop. Actions are drawn
/// ([`ActMode::Sample`]), and V of the real last observation of a truncated episode is asked for right after its step, with the running
/// statistics of that step, as the built-in trainers do.
///
/// The window is kept as [`Autoreset`] says of the environments:
///
/// - [`SameStep`](Autoreset::SameStep): an environment whose episode ended is reset before the next [`act`](Self::act), which sees the
///   new episode's first observation.
/// - [`NextStep`](Autoreset::NextStep): the next [`act`](Self::act) sees the real last observation once more, and the step after it only
///   resets: its action and its reward are ignored, and its flags must not be set.
/// - [`Disabled`](Autoreset::Disabled): rows of an environment are padding from the end of its episode to that of the window. Whatever is
///   given for them is ignored, but observations must be finite. All that have ended are to be reset after [`finish`](Self::finish).
///
/// A call that returns an error has changed nothing here, but the learner may have drawn.
///
/// [`Collector`]: super::Collector
#[derive(Debug, Clone)]
pub struct RolloutRecorder {
    head: Head,
    obs_dim: usize,
    steps: usize,
    envs: usize,
    autoreset: Autoreset,
    window: Window,
    /// Whether actions were given whose outcome was not.
    pending: bool,
    /// Whether the last step ended the episode (next step), or any of the window did (disabled).
    ended: Vec<bool>,
    /// `ended` where the window began.
    ended_before: Vec<bool>,
    /// Returns and lengths of the episodes so far.
    returns: Vec<f64>,
    lengths: Vec<u64>,
}

impl RolloutRecorder {
    /// An empty window for the actions of `spec`.
    ///
    /// # Errors
    /// [`Error::Config`] if `spec` is out of range, `steps` or `envs` is 0, or a window is more than fits in memory's addresses;
    /// [`Error::Memory`] if it is more than is free.
    pub fn new(spec: &PolicySpec, steps: usize, envs: usize, autoreset: Autoreset) -> Result<Self> {
        spec.validate()?;
        check_window(spec.obs_dim(), &spec.head, steps, envs)?;
        Ok(Self {
            head: spec.head.clone(),
            obs_dim: spec.obs_dim(),
            steps,
            envs,
            autoreset,
            window: Window::default(),
            pending: false,
            ended: vec![false; envs],
            ended_before: vec![false; envs],
            returns: vec![0.0; envs],
            lengths: vec![0; envs],
        })
    }

    pub(super) const fn head(&self) -> &Head {
        &self.head
    }

    /// Another length of the windows to come.
    ///
    /// # Errors
    /// [`Error::Config`] for 0 steps, for more than fit in memory's addresses, or in the middle of a window; [`Error::Memory`] for more
    /// than is free.
    pub fn set_steps(&mut self, steps: usize) -> Result<()> {
        if self.window.done > 0 || self.pending {
            if steps == self.steps {
                // What is recorded has its memory already: it is not asked for again.
                return Ok(());
            }
            let message = format!("cannot become {steps}: step {} of {} is recorded", self.window.done, self.steps);
            return Err(Error::config("num_steps", message));
        }
        check_window(self.obs_dim, &self.head, steps, self.envs)?;
        self.steps = steps;
        Ok(())
    }

    /// Steps of the window that are recorded.
    pub fn recorded(&self) -> usize {
        self.window.done
    }

    /// Whether the window is to be [finished](Self::finish).
    pub fn is_full(&self) -> bool {
        self.window.done == self.steps
    }

    /// Environments whose present row is filler or padding, `[envs]`: their actions are ignored.
    pub fn idle(&self) -> &[bool] {
        &self.ended
    }

    /// Draws actions for `obs` `[envs, obs_dim]`, as the environments gave them; returns what the environments are to do, mapped to the
    /// head's bounds, indices or floats `[envs, action_dims]`. `allowed` is for masked heads, see [`Agent::act_masked`](crate::Agent::act_masked).
    ///
    /// # Errors
    /// [`Error::Config`] if the window is full, the last actions' outcome was not given, or the learner normalises observations and
    /// resets are disabled, for its statistics would take the padding in; whatever [`Agent::act_masked`](crate::Agent::act_masked) returns.
    pub fn act(
        &mut self,
        learner: &mut dyn OnPolicy,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
    ) -> Result<Actions> {
        if self.pending {
            return Err(Error::config(
                "recorder",
                "was asked for actions again before the outcome of the last was given",
            ));
        }
        if self.is_full() {
            return Err(Error::config("recorder", format!("has all {} steps of the window, finish it", self.steps)));
        }
        if learner.spec().head != self.head {
            let message =
                format!("is {:?} in the learner, the recorder was made for {:?}", learner.spec().head, self.head);
            return Err(Error::config("head", message));
        }
        let learns = learner.config().norm_obs.is_some_and(|norm| !norm.frozen);
        if self.autoreset == Autoreset::Disabled && learns {
            let message = "takes in padding where resets are disabled: take same_step or next_step, or freeze it";
            return Err(Error::config("norm_obs", message));
        }
        check_shape("obs", obs.shape(), &[self.envs, self.obs_dim])?;
        let acted = learner.act_masked(obs, allowed, ActMode::Sample)?;
        let window = &mut self.window;
        window.obs.extend(&acted.obs);
        window.words.extend(acted.actions.words());
        window.logp.extend(&acted.logp);
        window.values.extend(&acted.values);
        self.pending = true;
        Ok(acted.env_actions)
    }

    /// What came of the actions.
    ///
    /// # Errors
    /// [`Error::Config`] if no actions were asked for; [`Error::Shape`] for arrays of another length; [`Error::Value`] for a reward that
    /// is not finite, a flag where [`Autoreset::NextStep`] only resets, or last observations that are not finite; a device error.
    pub fn outcome(&mut self, learner: &mut dyn OnPolicy, outcome: &StepOutcome<'_>) -> Result<()> {
        if !self.pending {
            return Err(Error::config("recorder", "was given an outcome before it was asked for actions"));
        }
        let StepOutcome { rewards, terminated, truncated, last_obs } = *outcome;
        check_shape("rewards", &[rewards.len()], &[self.envs])?;
        check_shape("terminated", &[terminated.len()], &[self.envs])?;
        check_shape("truncated", &[truncated.len()], &[self.envs])?;
        check_shape("last_obs", last_obs.shape(), &[self.envs, self.obs_dim])?;
        let live = |n: &usize| !self.ended[*n];
        finite("rewards", rewards.iter().enumerate().filter(|(n, _)| live(n)).map(|(_, reward)| reward))?;
        if self.autoreset == Autoreset::NextStep
            && let Some(index) = (0..self.envs).find(|n| !live(n) && (terminated[*n] || truncated[*n]))
        {
            let tensor = if terminated[index] { "terminated" } else { "truncated" };
            let expected = "0: with next-step resets this step only resets".into();
            return Err(Error::Value { tensor: tensor.into(), index, value: "1".into(), expected });
        }
        let final_values = self.final_values(learner, outcome)?;

        let window = &mut self.window;
        if let Some(values) = final_values {
            // Zeros before, which nobody reads: no step there was truncated.
            let all = window.final_values.get_or_insert_default();
            all.resize(window.done * self.envs, 0.0);
            all.extend(values);
        }
        for n in 0..self.envs {
            let idle = self.ended[n];
            let (reward, over, cut) =
                if idle { (0.0, false, false) } else { (rewards[n], terminated[n], truncated[n]) };
            window.rewards.push(reward);
            window.terminated.push(over.into());
            window.truncated.push(cut.into());
            if !idle {
                self.returns[n] += f64::from(reward);
                self.lengths[n] += 1;
            }
            if over || cut {
                let (total, length) = (std::mem::take(&mut self.returns[n]), std::mem::take(&mut self.lengths[n]));
                window.episodes = window.episodes.merge(EpisodeStats::of(total, length));
            }
            self.ended[n] = match self.autoreset {
                Autoreset::SameStep => false,
                Autoreset::NextStep => over || cut,
                Autoreset::Disabled => idle || over || cut,
            };
        }
        window.done += 1;
        self.pending = false;
        Ok(())
    }

    /// V of the real last observations of episodes that this step truncates, `[envs]`, 0 elsewhere; `None` where it truncates none or
    /// the next row has them.
    fn final_values(&self, learner: &mut dyn OnPolicy, outcome: &StepOutcome<'_>) -> Result<Option<Vec<f32>>> {
        let cut: Vec<usize> =
            (0..self.envs).filter(|n| outcome.truncated[*n] && !outcome.terminated[*n] && !self.ended[*n]).collect();
        if cut.is_empty() || self.autoreset == Autoreset::NextStep {
            return Ok(None);
        }
        let last_obs = outcome.last_obs.select(ndarray::Axis(0), &cut);
        let mut values = vec![0.0; self.envs];
        for (n, value) in cut.into_iter().zip(learner.values(last_obs.view())?) {
            values[n] = value;
        }
        Ok(Some(values))
    }

    /// The whole window, and the episodes that ended in it. `obs` `[envs, obs_dim]` are the present observations, which
    /// [`act`](Self::act) would have got next. The recorder goes on with an empty window.
    ///
    /// # Errors
    /// [`Error::Config`] if the window is not full; whatever [`Agent::values`](crate::Agent::values) returns.
    pub fn finish(&mut self, learner: &mut dyn OnPolicy, obs: ArrayView2<'_, f32>) -> Result<(Rollout, EpisodeStats)> {
        if !self.is_full() {
            let message = format!("has {} of the {} steps of the window", self.window.done, self.steps);
            return Err(Error::config("recorder", message));
        }
        check_shape("obs", obs.shape(), &[self.envs, self.obs_dim])?;
        let last = learner.values(obs)?;
        let (steps, envs) = (self.steps, self.envs);
        let mut window = std::mem::take(&mut self.window);
        window.values.extend(&last);
        if let Some(values) = &mut window.final_values {
            values.resize(steps * envs, 0.0);
        }
        let next_step = self.autoreset == Autoreset::NextStep;
        // Always there with next-step resets, so that the learner sees windows of one kind.
        let before =
            next_step.then(|| self.ended_before.iter().map(|ended| u32::from(*ended)).collect::<Array1<u32>>());
        if !next_step {
            self.ended.fill(false);
        }
        self.ended_before.clone_from(&self.ended);
        let rollout = Rollout {
            steps,
            envs,
            obs: matrix("obs", steps * envs, self.obs_dim, window.obs)?,
            actions: Actions::from_words(&self.head, steps * envs, &window.words)?,
            logp: window.logp.into(),
            rewards: matrix("rewards", steps, envs, window.rewards)?,
            values: matrix("values", steps + 1, envs, window.values)?,
            final_values: window.final_values.map(|all| matrix("final_values", steps, envs, all)).transpose()?,
            terminated: matrix("terminated", steps, envs, window.terminated)?,
            truncated: matrix("truncated", steps, envs, window.truncated)?,
            valid: None,
            autoreset: self.autoreset,
            ended_before: before,
        };
        Ok((rollout, window.episodes))
    }

    /// Drops what was recorded of the window and of unfinished episodes: all environments are about to be reset.
    pub fn restart(&mut self) {
        self.window = Window::default();
        self.pending = false;
        self.ended.fill(false);
        self.ended_before.fill(false);
        self.returns.fill(0.0);
        self.lengths.fill(0);
    }
}
