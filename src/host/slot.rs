//! One environment of a collector: where it stands, and its calls with their faults caught.

use super::{EnvResult, HostAction, HostEnv, HostStep, Start};
use crate::data::Autoreset;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Sound after any fault once [`begin`](Self::begin) succeeds.
pub(super) struct Slot {
    env: Box<dyn HostEnv>,
    /// The present observation.
    pub obs: Vec<f32>,
    /// The observation after the last step, before a reset.
    pub last_obs: Vec<f32>,
    /// Flags of the present observation, `[raw_outputs]`; empty where nobody asks for them.
    pub allowed: Vec<bool>,
    /// What the last step did; nothing where it only reset or stayed.
    pub outcome: HostStep,
    /// Steps of the episode.
    steps: u32,
    /// Whether the episode has ended and none has begun since.
    pub ended: bool,
    /// What went wrong in the last call.
    pub fault: Option<String>,
}

impl Slot {
    pub fn new(env: Box<dyn HostEnv>, obs_dim: usize) -> Self {
        Self {
            env,
            obs: vec![0.0; obs_dim],
            last_obs: vec![0.0; obs_dim],
            allowed: Vec::new(),
            outcome: HostStep::default(),
            steps: 0,
            ended: false,
            fault: None,
        }
    }

    /// Asks for masks of `choices` flags from the next reset on, 0 for none.
    pub fn ask(&mut self, choices: usize) {
        if self.allowed.len() != choices {
            self.allowed = vec![true; choices];
        }
    }

    /// A new episode.
    pub fn begin(&mut self, start: Start) {
        self.fault = self.reset(start).err();
    }

    /// One step by `action`, with the reset that `autoreset` has in it, if any.
    pub fn step(&mut self, action: HostAction<'_>, autoreset: Autoreset, start: Start) {
        self.fault = self.advance(action, autoreset, start).err();
    }

    fn advance(&mut self, action: HostAction<'_>, autoreset: Autoreset, start: Start) -> Result<(), String> {
        if self.ended {
            self.outcome = HostStep::default();
            return if autoreset == Autoreset::Disabled { Ok(()) } else { self.reset(start) };
        }
        let Self { env, obs, last_obs, .. } = self;
        last_obs.copy_from_slice(obs);
        let mut outcome = caught("step", || env.step(action, last_obs))?;
        finite("step", last_obs)?;
        if !outcome.reward.is_finite() {
            return Err(format!("step gave the reward {}, expected a finite number", outcome.reward));
        }
        obs.copy_from_slice(last_obs);
        self.steps = self.steps.saturating_add(1);
        let limit = caught("time_limit", || Ok(self.env.time_limit()))?;
        outcome.truncated |= limit.is_some_and(|limit| self.steps >= limit);
        self.outcome = outcome;
        self.ended = outcome.terminated || outcome.truncated;
        if self.ended && autoreset == Autoreset::SameStep { self.reset(start) } else { self.refresh() }
    }

    fn reset(&mut self, start: Start) -> Result<(), String> {
        let Self { env, obs, .. } = self;
        caught("reset", || env.reset(&start, obs))?;
        finite("reset", obs)?;
        (self.steps, self.ended) = (0, false);
        self.refresh()
    }

    fn refresh(&mut self) -> Result<(), String> {
        let Self { env, allowed, ended, .. } = self;
        allowed.fill(true);
        // What follows an end is no action.
        if allowed.is_empty() || *ended {
            return Ok(());
        }
        caught("allowed", || {
            env.allowed(allowed);
            Ok(())
        })
    }
}

fn finite(call: &str, obs: &[f32]) -> Result<(), String> {
    match obs.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(format!("{call} gave obs[{index}] = {}, expected a finite number", obs[index])),
        None => Ok(()),
    }
}

/// What `call` returned, or in words how it failed or panicked.
pub(super) fn caught<T>(name: &str, call: impl FnOnce() -> EnvResult<T>) -> Result<T, String> {
    // Whatever a panic left behind is the environment's own, and its next reset makes it sound.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{name} failed: {error}")),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(ToString::to_string);
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            if words.is_none() {
                // A payload of the environment's own may panic where it is dropped.
                std::mem::forget(panic);
            }
            Err(format!("{name} panicked: {}", words.unwrap_or_else(|| "without words".into())))
        }
    }
}
