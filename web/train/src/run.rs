//! A training run on the device.

use crate::player::Player;
use crate::settings::Settings;
use crate::statistics;
use js_sys::Promise;
use std::cell::RefCell;
use std::collections::VecDeque;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use wgpo::checkpoint::{Labels, learner_from_bytes, trainer_from_bytes, trainer_to_bytes};
use wgpo::state::TrainerState;
use wgpo::trainer::Trainer as _;
use wgpo::{GpuOffPolicyTrainer, GpuTrainer, Iteration};
use wgpo_web::{Device, Fault, Outcome};

enum Trainer {
    OnPolicy(Box<GpuTrainer>),
    OffPolicy(Box<GpuOffPolicyTrainer>),
}

/// An environment, a policy that learns in it, and iterations in flight.
#[wasm_bindgen]
pub struct Run {
    settings: Settings,
    trainer: Trainer,
    in_flight: RefCell<VecDeque<Iteration>>,
}

impl Run {
    /// A new run.
    pub(crate) async fn of(device: &Device, settings: Settings) -> Outcome<Self> {
        let Settings { env, spec, config, seed } = settings.clone();
        let gpu = device.gpu();
        let trainer = match config.algorithm.kind().is_off_policy() {
            true => Trainer::OffPolicy(Box::new(GpuOffPolicyTrainer::new(gpu, env, spec, config, seed)?)),
            false => Trainer::OnPolicy(Box::new(GpuTrainer::new(gpu, env, spec, config, seed)?)),
        };
        Self::begun(settings, trainer).await
    }

    /// Errors of a browser come later: what was made is whole once the device has caught up.
    async fn begun(settings: Settings, trainer: Trainer) -> Outcome<Run> {
        let run = Self { settings, trainer, in_flight: RefCell::default() };
        run.gpu().wait_async().await?;
        Ok(run)
    }

    fn gpu(&self) -> &wgpo::Gpu {
        match &self.trainer {
            Trainer::OnPolicy(trainer) => trainer.gpu(),
            Trainer::OffPolicy(trainer) => trainer.gpu(),
        }
    }

    async fn state(&self, replay: bool) -> Outcome<TrainerState> {
        Ok(match &self.trainer {
            Trainer::OnPolicy(trainer) => trainer.state_async().await?,
            Trainer::OffPolicy(trainer) => trainer.state_async(replay).await?,
        })
    }
}

#[wasm_bindgen]
impl Run {
    /// A new run. `settings` is JSON: `env`, `algorithm`, `preset`, and if wanted `head`, `seed`, `hidden`, `activation`, `num_envs`, and `config`,
    /// which changes single settings of the preset by their names in the program's files.
    ///
    /// # Errors
    /// `Config` with the sentence that says which setting cannot be; a device error.
    pub async fn create(device: &Device, settings: String) -> Outcome<Run> {
        Self::of(device, Settings::read(&settings)?).await
    }

    /// A run that goes on from what [`state_bytes`](Self::state_bytes) gave, with the same settings.
    ///
    /// # Errors
    /// As [`create`](Self::create), and for bytes that are no such state.
    pub async fn resume(device: &Device, settings: String, state: Vec<u8>) -> Outcome<Run> {
        let settings = Settings::read(&settings)?;
        let saved = trainer_from_bytes("the state", &state)?;
        if saved.spec != settings.spec || saved.state.env != Some(settings.env) {
            return Err(Fault::config("the state is of another environment, network or head than the settings say"));
        }
        let Settings { spec, config, .. } = settings.clone();
        let gpu = device.gpu();
        let trainer = match config.algorithm.kind().is_off_policy() {
            true => Trainer::OffPolicy(Box::new(GpuOffPolicyTrainer::from_state(gpu, spec, config, &saved.state)?)),
            false => Trainer::OnPolicy(Box::new(GpuTrainer::from_state(gpu, spec, config, &saved.state)?)),
        };
        Self::begun(settings, trainer).await
    }

    /// All settings as they are used, as JSON.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(js_name = settingsJson)]
    pub fn settings_json(&self) -> Outcome<String> {
        self.settings.to_json()
    }

    /// Records and submits the next iteration and asks for its statistics.
    ///
    /// # Errors
    /// With two in flight, or a device error.
    pub fn submit(&mut self) -> Outcome<()> {
        let iteration = match &mut self.trainer {
            Trainer::OnPolicy(trainer) => trainer.submit()?,
            Trainer::OffPolicy(trainer) => trainer.submit()?,
        };
        self.in_flight.borrow_mut().push_back(iteration);
        Ok(())
    }

    /// Iterations whose statistics were not asked for yet.
    #[wasm_bindgen(js_name = inFlight)]
    pub fn in_flight(&self) -> usize {
        self.in_flight.borrow().len()
    }

    /// A promise of the statistics of the oldest iteration in flight, as JSON. The next may be submitted meanwhile.
    ///
    /// # Errors
    /// Without an iteration in flight. The promise: a lost device.
    #[wasm_bindgen(js_name = statisticsJson)]
    pub fn statistics_json(&self) -> Outcome<Promise> {
        let oldest = self.in_flight.borrow_mut().pop_front();
        let Some(iteration) = oldest else { return Err(Fault::config("no iteration is in flight")) };
        Ok(future_to_promise(async move {
            let stats = iteration.statistics().await.map_err(Fault::from)?;
            Ok(JsValue::from(statistics::iteration(&stats).to_string()))
        }))
    }

    /// Everything that decides the future (safetensors): what [`resume`](Self::resume) takes, and `wgpo train --resume` as well. `replay` says whether
    /// the memory of an off-policy run is in it.
    ///
    /// # Errors
    /// A device error.
    #[wasm_bindgen(js_name = stateBytes)]
    pub async fn state_bytes(&self, replay: bool) -> Outcome<Vec<u8>> {
        let (state, settings) = (self.state(replay).await?, &self.settings);
        Ok(trainer_to_bytes(&settings.spec, &settings.config, &state, &Labels::new())?)
    }

    /// policy.safetensors as `wgpo train` writes it, and as `wgpo eval` and `wgpo play` read it; without the memory of an off-policy run.
    ///
    /// # Errors
    /// A device error.
    #[wasm_bindgen(js_name = policyBytes)]
    pub async fn policy_bytes(&self) -> Outcome<Vec<u8>> {
        self.state_bytes(false).await
    }

    /// Takes parameters and running statistics of a file with the same network; counters and moments of the optimiser stay.
    ///
    /// # Errors
    /// A file that is none, or of another network; a device error. Nothing has changed then.
    #[wasm_bindgen(js_name = loadPolicy)]
    pub async fn load_policy(&mut self, bytes: Vec<u8>) -> Outcome<()> {
        let saved = learner_from_bytes("the file", &bytes)?;
        if saved.spec != self.settings.spec {
            return Err(Fault::config("the file's network or head is another one than this run's"));
        }
        if self.settings.config.norm_obs.is_none() {
            // Nothing of the device is needed, least of all a memory of transitions.
            let learner = match &mut self.trainer {
                Trainer::OnPolicy(trainer) => trainer.learner_mut(),
                Trainer::OffPolicy(trainer) => trainer.learner_mut(),
            };
            return Ok(learner.set_parameters(&saved.state.parameters)?);
        }
        let mut state = self.state(true).await?;
        state.learner.parameters = saved.state.parameters;
        if state.learner.normalizer.obs.is_some() && saved.state.normalizer.obs.is_some() {
            state.learner.normalizer.obs = saved.state.normalizer.obs;
        }
        match &mut self.trainer {
            Trainer::OnPolicy(trainer) => trainer.set_state(&state)?,
            Trainer::OffPolicy(trainer) => trainer.set_state(&state)?,
        }
        Ok(())
    }

    /// The flat parameter vector.
    ///
    /// # Errors
    /// A device error.
    pub async fn parameters(&self) -> Outcome<Vec<f32>> {
        Ok(self.state(false).await?.learner.parameters)
    }

    /// Somebody who plays the environment with the policy as it is now, on the host.
    ///
    /// # Errors
    /// A device error.
    pub async fn player(&self, seed: u64) -> Outcome<Player> {
        let Settings { env, spec, config, .. } = self.settings.clone();
        Player::new(env, spec, config, &self.state(false).await?.learner, seed)
    }

    /// Gives `player` the policy as it is now; its episode goes on.
    ///
    /// # Errors
    /// A device error.
    #[wasm_bindgen(js_name = refreshPlayer)]
    pub async fn refresh_player(&self, player: &mut Player) -> Outcome<()> {
        player.take(&self.state(false).await?.learner)
    }

    /// Dispatches of one iteration; of an off-policy run those of one gradient step.
    ///
    /// # Errors
    /// A device error.
    pub fn dispatches(&mut self) -> Outcome<usize> {
        Ok(match &mut self.trainer {
            Trainer::OnPolicy(trainer) => {
                let (rollout, advantages, update) = trainer.dispatches();
                rollout + advantages + update
            }
            Trainer::OffPolicy(trainer) => trainer.dispatches(),
        })
    }
}
