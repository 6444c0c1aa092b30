//! What the off-policy algorithms share: who has which settings, and what of the rest they leave aside.

use super::algorithm::Algorithm;
use super::choices::{AdamEps, AdvantageNorm, Optimizer, ValueLoss};
use super::config::Config;
use super::dqn::Dqn;
use super::kind::AlgorithmKind;
use super::replay::Replay;
use super::sac::Sac;
use super::td3::Td3;
use crate::error::{Error, Result};
use crate::policy::{Init, InitScheme};

impl AlgorithmKind {
    /// Whether it learns from a replay memory: DQN, DDPG, TD3 and SAC.
    pub const fn is_off_policy(self) -> bool {
        self.critics().is_some()
    }

    /// Critics on observation and action, the branches `q1` and `q2`, of an off-policy algorithm; 0 with DQN, whose branch `policy` is Q
    /// itself.
    pub const fn critics(self) -> Option<usize> {
        match self {
            Self::Dqn => Some(0),
            Self::Ddpg => Some(1),
            Self::Td3 | Self::Sac => Some(2),
            Self::Ppo | Self::PpoPenalty | Self::Trpo | Self::Npg | Self::A2c | Self::Reinforce => None,
        }
    }
}

impl Algorithm {
    /// The replay memory's settings, if it is an off-policy algorithm.
    pub const fn replay(&self) -> Option<&Replay> {
        match self {
            Self::Dqn(own) => Some(&own.replay),
            Self::Ddpg(own) | Self::Td3(own) => Some(&own.replay),
            Self::Sac(own) => Some(&own.replay),
            _ => None,
        }
    }

    /// [`replay`](Self::replay), to change it.
    pub const fn replay_mut(&mut self) -> Option<&mut Replay> {
        match self {
            Self::Dqn(own) => Some(&mut own.replay),
            Self::Ddpg(own) | Self::Td3(own) => Some(&mut own.replay),
            Self::Sac(own) => Some(&mut own.replay),
            _ => None,
        }
    }
}

impl Config {
    /// The replay memory's settings, if the algorithm is off-policy.
    pub const fn replay(&self) -> Option<&Replay> {
        self.algorithm.replay()
    }

    /// [`replay`](Self::replay), to change it.
    pub const fn replay_mut(&mut self) -> Option<&mut Replay> {
        self.algorithm.replay_mut()
    }

    /// DQN's settings, if that is the algorithm.
    pub const fn dqn(&self) -> Option<&Dqn> {
        if let Algorithm::Dqn(own) = &self.algorithm { Some(own) } else { None }
    }

    /// [`dqn`](Self::dqn), to change them.
    pub const fn dqn_mut(&mut self) -> Option<&mut Dqn> {
        if let Algorithm::Dqn(own) = &mut self.algorithm { Some(own) } else { None }
    }

    /// DDPG's or TD3's settings, if the algorithm is one of them.
    pub const fn td3(&self) -> Option<&Td3> {
        if let Algorithm::Ddpg(own) | Algorithm::Td3(own) = &self.algorithm { Some(own) } else { None }
    }

    /// [`td3`](Self::td3), to change them.
    pub const fn td3_mut(&mut self) -> Option<&mut Td3> {
        if let Algorithm::Ddpg(own) | Algorithm::Td3(own) = &mut self.algorithm { Some(own) } else { None }
    }

    /// SAC's settings, if that is the algorithm.
    pub const fn sac(&self) -> Option<&Sac> {
        if let Algorithm::Sac(own) = &self.algorithm { Some(own) } else { None }
    }

    /// [`sac`](Self::sac), to change them.
    pub const fn sac_mut(&mut self) -> Option<&mut Sac> {
        if let Algorithm::Sac(own) = &mut self.algorithm { Some(own) } else { None }
    }

    /// ε of DQN's exploration once `env_steps` environment steps are done; `None` with other algorithms.
    pub fn epsilon_at(&self, env_steps: u64) -> Option<f64> {
        Some(self.dqn()?.epsilon_at(env_steps, self.total_timesteps))
    }

    /// Settings of an off-policy algorithm but for what it reads: those of rollouts, minibatches, advantages and losses ask for nothing, since none
    /// of them is read.
    pub(super) fn of_replay(algorithm: impl Into<Algorithm>) -> Self {
        Self {
            algorithm: algorithm.into(),
            num_envs: 1,
            num_steps: 256,
            total_timesteps: 1_000_000,
            gae_lambda: 1.0,
            anneal_lr: false,
            num_minibatches: 1,
            update_epochs: 1,
            norm_adv: AdvantageNorm::None,
            adv_ddof: 0,
            adv_eps: 0.0,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            ent_coef: 0.0,
            vf_coef: 0.0,
            max_grad_norm: None,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::default() },
            ..Self::cleanrl()
        }
    }

    /// Refuses settings that an off-policy algorithm would silently leave aside, and what its own settings and the shared ones cannot be together.
    pub(super) fn validate_off_policy(&self, replay: &Replay) -> Result<()> {
        let name = self.algorithm.name();
        let neutral = Self::of_replay(self.algorithm);
        let aside = Self {
            num_envs: self.num_envs,
            num_steps: self.num_steps,
            total_timesteps: self.total_timesteps,
            learning_rate: self.learning_rate,
            gamma: self.gamma,
            max_grad_norm: self.max_grad_norm,
            optimizer: self.optimizer,
            weight_decay: self.weight_decay,
            adam_eps: self.adam_eps,
            adam_beta1: self.adam_beta1,
            adam_beta2: self.adam_beta2,
            grad_clip_formula: self.grad_clip_formula,
            adam_eps_placement: self.adam_eps_placement,
            init: self.init,
            ..neutral.clone()
        };
        for (set, field) in [
            (self.gae_lambda != neutral.gae_lambda, "gae_lambda"),
            (self.anneal_lr, "anneal_lr"),
            (self.num_minibatches != 1 || self.minibatch_size.is_some(), "num_minibatches"),
            (self.update_epochs != 1, "update_epochs"),
            (self.norm_adv != neutral.norm_adv, "norm_adv"),
            (self.value_loss != neutral.value_loss, "value_loss"),
            (self.ent_coef != 0.0, "ent_coef"),
            (self.vf_coef != 0.0, "vf_coef"),
            (self.norm_obs.is_some(), "norm_obs"),
            (self.norm_reward.is_some(), "norm_reward"),
            (self.norm_value.is_some(), "norm_value"),
            (*self != aside, "a setting of rollouts"),
        ] {
            if set {
                return Err(Error::config(field, format!("is set, {name} does not read it")));
            }
        }
        if self.optimizer == Optimizer::RmsProp {
            return Err(Error::config("optimizer", format!("is rmsprop, {name} takes adam or adamw")));
        }
        if self.adam_eps_placement != AdamEps::Outside {
            return Err(Error::config("adam_eps_placement", format!("is baselines, {name} takes outside")));
        }
        if replay.places(self.num_envs) == 0 {
            let (has, envs) = (replay.buffer_size, self.num_envs);
            return Err(Error::config("buffer_size", format!("is {has}, must be at least num_envs {envs}")));
        }
        match &self.algorithm {
            Algorithm::Ddpg(own) if own.policy_noise != 0.0 => {
                let noise = own.policy_noise;
                Err(Error::config("policy_noise", format!("is {noise}, must be 0: ddpg has none on its target")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an off-policy algorithm, for what learns from rollouts.
    pub(crate) fn expect_on_policy(&self) -> Result<()> {
        if self.algorithm.kind().is_off_policy() {
            let message = format!("is {}, which learns from a replay memory, not from rollouts", self.algorithm.name());
            return Err(Error::config("algorithm", message));
        }
        Ok(())
    }

    /// The replay memory's settings for what cannot do without.
    pub(crate) fn expect_replay(&self) -> Result<&Replay> {
        let message = || format!("is {}, which learns from rollouts, not from a replay memory", self.algorithm.name());
        self.replay().ok_or_else(|| Error::config("algorithm", message()))
    }
}
