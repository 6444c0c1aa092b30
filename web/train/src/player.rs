//! An environment on the host, acted on by a policy: for the picture.

use serde_json::json;
use wasm_bindgen::prelude::*;
use wgpo::checkpoint::trainer_from_bytes;
use wgpo::data::Actions;
use wgpo::env::{Autoreset, Env};
use wgpo::low_level::reference::vec_env::VecEnv;
use wgpo::policy::PolicySpec;
use wgpo::solved::evaluation_seed;
use wgpo::state::LearnerState;
use wgpo::{ActMode, Agent, Config, CpuLearner, CpuOffPolicy};
use wgpo_web::{Fault, Outcome};

/// One environment, and a policy that acts greedily in it, by the CPU's forward pass in f64: on the device it would wait for the training.
#[wasm_bindgen]
pub struct Player {
    env: Env,
    agent: Box<dyn Agent>,
    envs: VecEnv,
    seed: u64,
    episode: u64,
    total: f64,
    steps: u32,
    ended: bool,
}

impl Player {
    /// Of a learner's state.
    pub(crate) fn new(env: Env, spec: PolicySpec, config: Config, state: &LearnerState, seed: u64) -> Outcome<Self> {
        let state = state.clone().frozen();
        // One environment: a memory has no part in acting.
        let agent: Box<dyn Agent> = match config.algorithm.kind().is_off_policy() {
            true => Box::new(CpuOffPolicy::<f64>::from_state(spec, small(config), &state)?),
            false => Box::new(CpuLearner::<f64>::from_state(spec, config, &state)?),
        };
        let envs = first(env, seed)?;
        Ok(Self { env, agent, envs, seed, episode: 0, total: 0.0, steps: 0, ended: false })
    }

    /// The policy of `state` from now on.
    pub(crate) fn take(&mut self, state: &LearnerState) -> Outcome<()> {
        Ok(self.agent.set_state(&state.clone().frozen())?)
    }
}

fn first(env: Env, seed: u64) -> Outcome<VecEnv> {
    Ok(VecEnv::new(env, 1, evaluation_seed(seed))?.with_autoreset(Autoreset::Disabled))
}

/// A memory of a few places, since none is used.
fn small(mut config: Config) -> Config {
    if let Some(replay) = config.replay_mut() {
        replay.buffer_size = replay.buffer_size.min(replay.batch_size.max(1024));
    }
    config
}

#[wasm_bindgen]
impl Player {
    /// The policy of a trainer's file, in the environment that the file names.
    ///
    /// # Errors
    /// A file that is none, or that names no built-in environment.
    #[wasm_bindgen(js_name = fromPolicy)]
    pub fn from_policy(bytes: Vec<u8>, seed: u64) -> Outcome<Player> {
        let saved = trainer_from_bytes("the file", &bytes)?;
        let env = saved.state.env.ok_or_else(|| Fault::config("the file names no environment that is built in"))?;
        Self::new(env, saved.spec, saved.config, &saved.state.learner, seed)
    }

    /// One step, as JSON: `state` (the physical state before it), `action`, `reward`, `ended`, `episode_return`, `step`. After an end the next
    /// step begins a new episode.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(js_name = stepJson)]
    pub fn step_json(&mut self) -> Outcome<String> {
        if self.ended {
            self.episode += 1;
            (self.total, self.steps, self.ended) = (0.0, 0, false);
            self.envs = first(self.env, self.seed.wrapping_add(self.episode))?;
        }
        let state: Vec<f32> =
            self.envs.words().iter().take(self.env.state_dim()).map(|word| f32::from_bits(*word)).collect();
        let acted = self.agent.act(self.envs.obs().view(), ActMode::Greedy)?;
        let step = self.envs.step(&acted.env_actions)?;
        let action: Vec<f64> = match &acted.env_actions {
            Actions::Continuous(array) => array.iter().copied().map(f64::from).collect(),
            Actions::Discrete(array) | Actions::Masked { indices: array, .. } => {
                array.iter().copied().map(f64::from).collect()
            }
        };
        let reward = f64::from(step.rewards[0]);
        self.total += reward;
        self.steps += 1;
        self.ended = step.ended[0].is_some();
        let told = json!({
            "state": state,
            "action": action,
            "reward": reward,
            "ended": self.ended,
            "episode_return": self.total,
            "step": self.steps,
        });
        Ok(told.to_string())
    }

    /// Seconds of a step, for the animation.
    pub fn seconds(&self) -> f64 {
        self.env.seconds_shown().unwrap_or(1.0 / 30.0)
    }

    /// The environment's name.
    pub fn env(&self) -> String {
        self.env.name().to_owned()
    }
}
