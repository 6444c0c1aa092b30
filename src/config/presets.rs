//! Settings that other libraries publish for TRPO, the natural policy gradient, A2C and REINFORCE.

use super::a2c::A2c;
use super::algorithm::Algorithm;
use super::choices::{AdvantageNorm, Optimizer};
use super::config::Config;
use super::minibatches::MinibatchRest;
use super::reinforce::Reinforce;
use super::trust_region::TrustRegion;

impl Config {
    /// sb3-contrib's `TRPO` defaults. See [`TrustRegion::sb3_contrib`] on Gaussians.
    pub fn trpo_sb3_contrib() -> Self {
        Self {
            algorithm: Algorithm::Trpo(TrustRegion::sb3_contrib()),
            learning_rate: 1e-3,
            minibatch_size: Some(128),
            max_grad_norm: None,
            norm_adv: AdvantageNorm::Batch,
            ..Self::sb3()
        }
    }

    /// OpenAI baselines' `trpo_mpi` for MuJoCo.
    pub fn trpo_baselines() -> Self {
        Self {
            algorithm: Algorithm::Trpo(TrustRegion::baselines()),
            num_steps: 1024,
            gae_lambda: 0.98,
            update_epochs: 5,
            minibatch_size: Some(64),
            minibatch_rest: MinibatchRest::Drop,
            adv_ddof: 0,
            adv_eps: 0.0,
            adam_eps: 1e-8,
            ..Self::trpo_sb3_contrib()
        }
    }

    /// OpenAI Spinning Up's `trpo`. Its critic takes 80 steps of the whole batch.
    pub fn trpo_spinningup() -> Self {
        Self {
            algorithm: Algorithm::Trpo(TrustRegion::spinningup()),
            num_steps: 4000,
            gae_lambda: 0.97,
            update_epochs: 80,
            num_minibatches: 1,
            minibatch_size: None,
            adv_ddof: 0,
            adv_eps: 0.0,
            adam_eps: 1e-8,
            ..Self::trpo_sb3_contrib()
        }
    }

    /// Tianshou's `TRPO` with the defaults of its class (2.0.1), for a whole batch at once: its trainer's `batch_size` is `None` then. Its
    /// critic takes 5 steps of the batch.
    pub fn trpo_tianshou() -> Self {
        Self {
            algorithm: Algorithm::Trpo(TrustRegion::tianshou()),
            ent_coef: 0.0,
            norm_adv: AdvantageNorm::Batch,
            adv_eps: 0.0,
            update_epochs: 5,
            num_minibatches: 1,
            minibatch_size: None,
            ..Self::tianshou()
        }
    }

    /// Tianshou's `NPG`, likewise: a constant step.
    pub fn npg_tianshou() -> Self {
        Self {
            algorithm: Algorithm::Npg(TrustRegion { step_size: Some(0.5), ..TrustRegion::tianshou() }),
            ..Self::trpo_tianshou()
        }
    }

    /// The natural policy gradient: TRPO without its line search.
    pub fn npg() -> Self {
        Self { algorithm: Algorithm::Npg(TrustRegion::spinningup()), ..Self::trpo_spinningup() }
    }

    /// Stable-Baselines3's `A2C` defaults, with more environments side by side: RMSProp, one step per 5 steps of each.
    pub fn a2c() -> Self {
        Self {
            algorithm: Algorithm::A2c(A2c::sb3()),
            num_envs: 16,
            num_steps: 5,
            learning_rate: 7e-4,
            gae_lambda: 1.0,
            update_epochs: 1,
            num_minibatches: 1,
            minibatch_size: None,
            norm_adv: AdvantageNorm::None,
            optimizer: Optimizer::RmsProp,
            ..Self::sb3()
        }
    }

    /// OpenAI Spinning Up's example of a plain policy gradient with returns to go (`examples/pytorch/pg_math/2_rtg_pg.py`): no discount,
    /// no baseline, one step of Adam per 5000 steps. It waits for the last episode's end, where a window leaves that one out.
    pub fn reinforce_spinningup() -> Self {
        Self {
            algorithm: Algorithm::Reinforce(Reinforce::spinningup()),
            num_envs: 1,
            num_steps: 5000,
            total_timesteps: 50 * 5000,
            learning_rate: 1e-2,
            value_learning_rate: None,
            gamma: 1.0,
            gae_lambda: 1.0,
            update_epochs: 1,
            norm_adv: AdvantageNorm::None,
            vf_coef: 0.0,
            ..Self::spinningup()
        }
    }
}
