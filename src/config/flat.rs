//! Settings from their form in files and back.

use super::a2c::A2c;
use super::algorithm::Algorithm;
use super::choices::GradClip;
use super::config::Config;
use super::flat_keys::Flat;
use super::kind::AlgorithmKind;
use super::minibatches::{MinibatchRest, Shuffle};
use super::ppo::Ppo;
use super::reinforce::{Baseline, Reinforce};
use super::schedule::Anneal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One form of the settings from the other: what all algorithms share is copied, the rest is given.
macro_rules! copied {
    ($form:ident from $from:ident, $($own:ident: $value:expr),* $(,)?) => {
        $form {
            $($own: $value,)*
            num_envs: $from.num_envs, num_steps: $from.num_steps, total_timesteps: $from.total_timesteps,
            learning_rate: $from.learning_rate, gamma: $from.gamma, minibatch_size: $from.minibatch_size,
            clip_coef_vf: $from.clip_coef_vf, max_grad_norm: $from.max_grad_norm, optimizer: $from.optimizer,
            adam_eps: $from.adam_eps, adam_beta1: $from.adam_beta1, adam_beta2: $from.adam_beta2,
            weight_decay: $from.weight_decay, advantage: $from.advantage, grad_clip_formula: $from.grad_clip_formula,
            adam_eps_placement: $from.adam_eps_placement, value_learning_rate: $from.value_learning_rate,
            init: $from.init, norm_obs: $from.norm_obs, norm_reward: $from.norm_reward, norm_value: $from.norm_value,
        }
    };
}

/// The keys that whatever learns from rollouts has and what learns from a replay memory leaves aside, each with what stands for it in a file that
/// lacks it; without that, such a file is not whole.
macro_rules! rollout_keys {
    ($then:ident!($($before:tt)*)) => {
        $then!(
            $($before)*
            anneal_lr, gae_lambda, num_minibatches, update_epochs, norm_adv, adv_ddof, adv_eps, value_loss, vf_loss_scale, ent_coef, vf_coef;
            minibatch_rest = MinibatchRest::default(), shuffle = Shuffle::default(), adv_std_floor = 0.0,
            // PyTorch's, and Stable-Baselines3's for A2C.
            rmsprop_alpha = 0.99, rmsprop_eps = 1e-5,
            ent_coef_schedule = Anneal::default(), clip_coef_vf_schedule = Anneal::default(), grad_clip = GradClip::default()
        )
    };
}

macro_rules! to_flat {
    ($config:ident, $clip:ident, $ppo:ident; $($needed:ident),*; $($default:ident = $value:expr),*) => {{
        let rollouts = !$config.algorithm.kind().is_off_policy();
        copied!(Flat from $config,
            $($needed: rollouts.then_some($config.$needed),)*
            $($default: rollouts.then_some($config.$default),)*
            algorithm: $config.algorithm.kind(),
            clip_coef: $clip.map(|(range, _)| range),
            clip_coef_schedule: $clip.map(|(_, schedule)| schedule),
            dual_clip: $ppo.and_then(|ppo| ppo.dual_clip),
            target_kl: $ppo.and_then(|ppo| ppo.target_kl),
            target_kl_factor: $ppo.map(|ppo| ppo.target_kl_factor),
            kl_stop: $ppo.map(|ppo| ppo.kl_stop),
            kl_penalty: $ppo.and_then(|ppo| ppo.kl_penalty),
            adaptive_lr: $ppo.and_then(|ppo| ppo.adaptive_lr),
            trust_region: $config.trust_region().copied(),
            baseline: $config.reinforce().map(|own| own.baseline),
            buffer_size: None, batch_size: None, learning_starts: None, train_frequency: None,
            gradient_steps: None, n_steps: None, compact: None, exploration_hold: None, double: None,
            dueling: None, td_loss: None,
            target_network_frequency: None, tau: None, start_e: None, end_e: None,
            exploration_fraction: None, policy_lr: None, policy_noise: None, noise_clip: None,
            policy_frequency: None, exploration_noise: None, alpha: None, autotune: None, alpha_lr:
            None, target_entropy: None, squash_epsilon: None,
        )
    }};
}

macro_rules! from_flat {
    ($flat:ident, $algorithm:ident, $neutral:ident; $($needed:ident),*; $($default:ident = $value:expr),*) => {
        copied!(Config from $flat,
            algorithm: $algorithm,
            $($needed: match ($flat.$needed, &$neutral) {
                (Some(value), _) => value,
                (None, Some(neutral)) => neutral.$needed,
                (None, None) => return Err(Wrong::Missing(stringify!($needed))),
            },)*
            $($default: $flat.$default.unwrap_or_else(|| $neutral.as_ref().map_or($value, |neutral| neutral.$default)),)*
        )
    };
}

impl From<&Config> for Flat {
    fn from(config: &Config) -> Self {
        let clip = config.algorithm.clip();
        let ppo = config.ppo();
        let config = config.clone();
        let mut flat = rollout_keys!(to_flat!(config, clip, ppo;));
        flat.put_off_policy(&config.algorithm);
        flat
    }
}

/// What is wrong with a file for its algorithm.
pub(super) enum Wrong {
    /// It lacks a key.
    Missing(&'static str),
    /// It asks for what the algorithm does not do.
    Asks(String),
}

impl Flat {
    /// The settings.
    fn config(self) -> Result<Config, Wrong> {
        let algorithm = self.algorithm()?;
        let neutral = self.algorithm.is_off_policy().then(|| Config::of_replay(algorithm));
        let flat = self;
        Ok(rollout_keys!(from_flat!(flat, algorithm, neutral;)))
    }

    /// The algorithm with its own settings. Those of others are left aside if they ask for nothing.
    fn algorithm(&self) -> Result<Algorithm, Wrong> {
        let clip_coef = || self.clip_coef.ok_or(Wrong::Missing("clip_coef"));
        let clip_coef_schedule = self.clip_coef_schedule.unwrap_or_default();
        let ppo = || {
            Ok(Ppo {
                clip_coef: clip_coef()?,
                clip_coef_schedule,
                dual_clip: self.dual_clip,
                target_kl: self.target_kl,
                target_kl_factor: self.target_kl_factor.ok_or(Wrong::Missing("target_kl_factor"))?,
                kl_stop: self.kl_stop.ok_or(Wrong::Missing("kl_stop"))?,
                kl_penalty: self.kl_penalty,
                adaptive_lr: self.adaptive_lr,
            })
        };
        let no_clip = || {
            self.nothing_of_ppo()?;
            if clip_coef_schedule != Anneal::None {
                return Err(Wrong::Asks("clip_coef_schedule: is set, but nothing is clipped by clip_coef".into()));
            }
            Ok(())
        };
        let region = || no_clip().map(|()| self.trust_region.unwrap_or_default());
        let baseline = self.baseline.unwrap_or_default();
        if self.algorithm != AlgorithmKind::Reinforce && baseline != Baseline::None {
            let name = self.algorithm.name();
            return Err(Wrong::Asks(format!("baseline: is set, {name} compares with its critic")));
        }
        self.nothing_of_others()?;
        Ok(match self.algorithm {
            AlgorithmKind::Ppo => Algorithm::Ppo(ppo()?),
            AlgorithmKind::PpoPenalty => Algorithm::PpoPenalty(ppo()?),
            AlgorithmKind::Trpo => Algorithm::Trpo(region()?),
            AlgorithmKind::Npg => Algorithm::Npg(region()?),
            AlgorithmKind::A2c => {
                self.nothing_of_ppo()?;
                Algorithm::A2c(A2c { clip_coef: clip_coef()?, clip_coef_schedule })
            }
            AlgorithmKind::Reinforce => no_clip().map(|()| Algorithm::Reinforce(Reinforce { baseline }))?,
            AlgorithmKind::Dqn | AlgorithmKind::Ddpg | AlgorithmKind::Td3 | AlgorithmKind::Sac => {
                no_clip()?;
                return self.off_policy();
            }
        })
    }

    /// Refuses what only PPO does.
    fn nothing_of_ppo(&self) -> Result<(), Wrong> {
        let name = self.algorithm.name();
        for (set, field, has_not) in [
            (self.kl_penalty.is_some(), "kl_penalty", "has no such penalty"),
            (self.adaptive_lr.is_some(), "adaptive_lr", "does not adapt its learning rate"),
            (self.dual_clip.is_some(), "dual_clip", "does not clip the ratio"),
            (self.target_kl.is_some(), "target_kl", "does not stop early"),
        ] {
            if set {
                return Err(Wrong::Asks(format!("{field}: is set, {name} {has_not}")));
            }
        }
        Ok(())
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Flat::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        flat.config().map_err(|wrong| match wrong {
            Wrong::Missing(field) => D::Error::missing_field(field),
            Wrong::Asks(message) => D::Error::custom(message),
        })
    }
}
