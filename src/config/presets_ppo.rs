//! Settings that other libraries publish for PPO.

use super::advantage::AdvantageKind;
use super::algorithm::Algorithm;
use super::choices::{AdamEps, AdvantageNorm, ClipFormula, GradClip, Optimizer, ValueLoss};
use super::config::Config;
use super::minibatches::{MinibatchRest, Shuffle};
use super::norm_obs::ObsNorm;
use super::norm_reward::RewardNorm;
use super::ppo::Ppo;
use super::schedule::Anneal;
use crate::policy::{Init, InitScheme};

impl Config {
    /// CleanRL's `ppo.py` (discrete actions).
    pub fn cleanrl() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::cleanrl()),
            num_envs: 4,
            num_steps: 128,
            total_timesteps: 500_000,
            learning_rate: 2.5e-4,
            anneal_lr: true,
            gamma: 0.99,
            gae_lambda: 0.95,
            num_minibatches: 4,
            minibatch_size: None,
            minibatch_rest: MinibatchRest::Keep,
            shuffle: Shuffle::Epoch,
            update_epochs: 4,
            norm_adv: AdvantageNorm::Minibatch,
            adv_ddof: 1,
            adv_eps: 1e-8,
            adv_std_floor: 0.0,
            value_loss: ValueLoss::ClipMax,
            clip_coef_vf: None,
            vf_loss_scale: 0.5,
            ent_coef: 0.01,
            vf_coef: 0.5,
            max_grad_norm: Some(0.5),
            optimizer: Optimizer::Adam,
            adam_eps: 1e-5,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            weight_decay: 0.0,
            rmsprop_alpha: 0.99,
            rmsprop_eps: 1e-5,
            advantage: AdvantageKind::Gae,
            ent_coef_schedule: Anneal::None,
            clip_coef_vf_schedule: Anneal::None,
            grad_clip: GradClip::Joint,
            grad_clip_formula: ClipFormula::Torch,
            adam_eps_placement: AdamEps::Outside,
            value_learning_rate: None,
            init: Init::ORTHOGONAL,
            norm_obs: None,
            norm_reward: None,
            norm_value: None,
        }
    }

    /// CleanRL's `ppo_continuous_action.py`, with the observations and rewards that its wrappers normalise and clip at 10.
    pub fn cleanrl_continuous() -> Self {
        Self {
            num_envs: 1,
            num_steps: 2048,
            total_timesteps: 1_000_000,
            learning_rate: 3e-4,
            num_minibatches: 32,
            update_epochs: 10,
            ent_coef: 0.0,
            norm_obs: Some(ObsNorm::sb3()),
            norm_reward: Some(RewardNorm::cleanrl()),
            ..Self::cleanrl()
        }
    }

    /// Stable-Baselines3's `PPO` defaults. It normalises nothing unless its user wraps the environment in `VecNormalize`
    /// ([`ObsNorm::sb3`], [`RewardNorm::sb3`]).
    pub fn sb3() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::sb3()),
            num_envs: 1,
            num_steps: 2048,
            total_timesteps: 1_000_000,
            learning_rate: 3e-4,
            anneal_lr: false,
            num_minibatches: 32,
            minibatch_size: Some(64),
            update_epochs: 10,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            ent_coef: 0.0,
            ..Self::cleanrl()
        }
    }

    /// OpenAI baselines' `ppo2` with its settings for MuJoCo: CleanRL's arithmetic, except for TensorFlow's Adam and gradient
    /// clip, NumPy's standard deviation, and the `VecNormalize` that its program puts around MuJoCo's tasks.
    pub fn baselines_ppo2() -> Self {
        Self {
            adv_ddof: 0,
            grad_clip_formula: ClipFormula::Tensorflow,
            adam_eps_placement: AdamEps::Baselines,
            norm_reward: Some(RewardNorm::sb3()),
            ..Self::cleanrl_continuous()
        }
    }

    /// rsl_rl's `PPO` with its own defaults. It leaves environments and steps to the task: 4096 × 24 are legged_gym's, 1500
    /// updates, too. Normalised observations are its user's choice ([`ObsNorm::rsl_rl`]) and are off.
    pub fn rsl_rl() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::rsl_rl()),
            num_envs: 4096,
            num_steps: 24,
            total_timesteps: 1500 * 4096 * 24,
            learning_rate: 1e-3,
            anneal_lr: false,
            num_minibatches: 4,
            minibatch_rest: MinibatchRest::Cut,
            shuffle: Shuffle::Update,
            update_epochs: 5,
            norm_adv: AdvantageNorm::Batch,
            vf_loss_scale: 1.0,
            vf_coef: 1.0,
            ent_coef: 0.01,
            max_grad_norm: Some(1.0),
            grad_clip: GradClip::Separate,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::ORTHOGONAL },
            ..Self::cleanrl()
        }
    }

    /// skrl's `PPO` with its own defaults (2.1.1). It leaves environments to the task: 4096 are ours, 16 steps are its own. Its learning rate
    /// is fixed unless its user names a scheduler, for which take [`AdaptiveLr::skrl`](super::AdaptiveLr::skrl); and so it is with normalised observations and
    /// values.
    pub fn skrl() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::skrl()),
            num_envs: 4096,
            num_steps: 16,
            total_timesteps: 1500 * 4096 * 16,
            learning_rate: 1e-3,
            anneal_lr: false,
            num_minibatches: 2,
            minibatch_rest: MinibatchRest::Even,
            update_epochs: 8,
            norm_adv: AdvantageNorm::Batch,
            value_loss: ValueLoss::ClipOnly,
            clip_coef_vf: Some(0.2),
            vf_loss_scale: 1.0,
            vf_coef: 2.5,
            ent_coef: 0.0,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::ORTHOGONAL },
            ..Self::cleanrl()
        }
    }

    /// Tianshou's `PPO` with the defaults of its class and trainer (2.0.1): no clipped values, no limit of the gradient, one pass over
    /// the batch. Environments and steps are ours, 2,048 transitions per update its own.
    pub fn tianshou() -> Self {
        Self {
            num_envs: 16,
            num_steps: 128,
            total_timesteps: 1_000_000,
            learning_rate: 1e-3,
            anneal_lr: false,
            minibatch_size: Some(64),
            minibatch_rest: MinibatchRest::Merge,
            update_epochs: 1,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            max_grad_norm: None,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::ORTHOGONAL },
            ..Self::cleanrl()
        }
    }

    /// TorchRL's `ClipPPOLoss` with its own defaults (0.14.1), smooth L1 of the values among them, and PyTorch's Adam. What a loss
    /// leaves to its user, sizes, passes and learning rate, is CleanRL's for continuous actions, without its annealing and its wrappers. Where
    /// `norm_adv` is switched on (`normalize_advantage`), deviations have its floor.
    pub fn torchrl() -> Self {
        Self {
            anneal_lr: false,
            norm_adv: AdvantageNorm::None,
            adv_eps: 0.0,
            adv_std_floor: 1e-6,
            value_loss: ValueLoss::Huber { delta: 1.0 },
            vf_loss_scale: 0.5,
            vf_coef: 1.0,
            ent_coef: 0.01,
            max_grad_norm: None,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::ORTHOGONAL },
            norm_obs: None,
            norm_reward: None,
            ..Self::cleanrl_continuous()
        }
    }

    /// OpenAI Spinning Up's `ppo` (PyTorch). Its value function takes all 80 steps, ours stops with the policy.
    pub fn spinningup() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::spinningup()),
            num_envs: 1,
            num_steps: 4000,
            total_timesteps: 200_000,
            learning_rate: 3e-4,
            value_learning_rate: Some(1e-3),
            anneal_lr: false,
            gae_lambda: 0.97,
            num_minibatches: 1,
            update_epochs: 80,
            norm_adv: AdvantageNorm::Batch,
            adv_ddof: 0,
            adv_eps: 0.0,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            vf_coef: 1.0,
            ent_coef: 0.0,
            max_grad_norm: None,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, log_std: -0.5, ..Init::ORTHOGONAL },
            ..Self::cleanrl()
        }
    }

    /// Lizhi-sjtu's PPO-continuous with its ten tricks. Of reward scaling and reward normalisation it takes the first, as the
    /// project does unless told otherwise.
    pub fn ten_tricks() -> Self {
        Self {
            total_timesteps: 3_000_000,
            minibatch_size: Some(64),
            norm_adv: AdvantageNorm::Batch,
            adv_eps: 1e-5,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            vf_coef: 1.0,
            ent_coef: 0.01,
            grad_clip: GradClip::Separate,
            init: Init { hidden_gain: 1.0, ..Init::ORTHOGONAL },
            norm_obs: Some(ObsNorm::lizhi()),
            norm_reward: Some(RewardNorm::lizhi_scaling()),
            ..Self::cleanrl_continuous()
        }
    }

    /// RLlib's `PPO` defaults: clip and adaptive KL penalty together, squared value errors clamped at 10.
    pub fn rllib_penalty() -> Self {
        Self {
            algorithm: Algorithm::Ppo(Ppo::rllib()),
            num_envs: 2,
            num_steps: 2000,
            total_timesteps: 1_000_000,
            learning_rate: 5e-5,
            anneal_lr: false,
            gae_lambda: 1.0,
            minibatch_size: Some(128),
            shuffle: Shuffle::AfterFirst,
            update_epochs: 30,
            norm_adv: AdvantageNorm::Batch,
            adv_ddof: 0,
            adv_eps: 0.0,
            adv_std_floor: 1e-4,
            value_loss: ValueLoss::ClampError { max: 10.0 },
            vf_loss_scale: 1.0,
            vf_coef: 1.0,
            ent_coef: 0.0,
            max_grad_norm: None,
            adam_eps: 1e-8,
            init: Init { scheme: InitScheme::PytorchDefault, ..Init::ORTHOGONAL },
            ..Self::cleanrl()
        }
    }

    /// PPO with the adaptive KL penalty in place of the clip (Schulman et al. 2017, section 4 and table 3); what the paper does not
    /// say is CleanRL's: annealing, gradient clip, Adam's epsilon, advantages normalised per minibatch. Observations and rewards
    /// are not normalised, of which the paper does not speak.
    pub fn ppo_penalty() -> Self {
        Self {
            algorithm: Algorithm::PpoPenalty(Ppo::penalty()),
            value_loss: ValueLoss::Plain,
            norm_obs: None,
            norm_reward: None,
            ..Self::cleanrl_continuous()
        }
    }
}
