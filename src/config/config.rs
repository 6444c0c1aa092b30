//! The settings of a run.

use super::advantage::AdvantageKind;
use super::algorithm::Algorithm;
use super::choices::{AdamEps, AdvantageNorm, ClipFormula, GradClip, KlDirection, KlStop, Optimizer, ValueLoss};
use super::kl_penalty::{AdaptiveLr, KlPenalty, RateStep};
use super::minibatches::{MinibatchRest, Minibatches, Shuffle};
use super::norm_obs::ObsNorm;
use super::norm_reward::RewardNorm;
use super::norm_value::ValueNorm;
use super::ppo::Ppo;
use super::schedule::Anneal;
use super::trust_region::TrustRegion;
use crate::error::{Error, Result};
use crate::policy::Init;

/// All settings of a run, for the GPU and the CPU alike: what the algorithms share, and in [`algorithm`](Self::algorithm) what one of them
/// alone reads.
///
/// - `ppo`, `ppo_penalty` ([`Ppo`]) and `a2c` ([`A2c`](super::A2c)): the loss below.
/// - `reinforce` ([`Reinforce`](super::Reinforce)): the loss below without its value loss; there is no critic.
/// - `dqn`, `ddpg`, `td3`, `sac` ([`Dqn`](super::Dqn), [`Td3`](super::Td3), [`Sac`](super::Sac)): losses of their own on a replay memory. They read `num_envs`, `num_steps`,
///   `total_timesteps`, `learning_rate`, `gamma`, `max_grad_norm`, the optimiser and `init` of what is here; the rest must be as their presets have it.
/// - `trpo`, `npg` ([`TrustRegion`]): their own step for the policy. The rest is the critic's: `update_epochs` passes
///   in minibatches over `vf_loss_scale · mean (v − R)²`, whatever `value_loss` and `vf_coef` say, on the parameters of
///   the value network alone.
///
/// Loss of a minibatch, to be minimised (Schulman et al. 2017, equations 7 and 9), with the algorithm's own `policy`:
///
/// ```text
/// loss   = policy − ent_coef · mean entropy + vf_coef · vf_loss_scale · value_loss (+ kl_penalty)
/// ```
///
/// The value loss and the weights of this sum are among the shared settings, because PPO and A2C read all of them and TRPO's critic some:
/// a critic is the same thing whatever moves the policy. A setting is the algorithm's own if it says how the policy moves.
///
/// Start from a preset and change fields; [`validate`](Self::validate) is called wherever a configuration is used.
///
/// ```
/// use wgpo::{Config, config::Ppo};
///
/// // What all share: fields of Config. What PPO alone reads: another Ppo, or ppo_mut.
/// let mut config = Config { num_envs: 8, ..Config::cleanrl() }.with_algorithm(Ppo { clip_coef: 0.1, ..Ppo::cleanrl() });
/// if let Some(ppo) = config.ppo_mut() {
///     ppo.target_kl = Some(0.02);
/// }
/// assert!(config.validate().is_ok());
/// assert!(config.trust_region().is_none());
/// ```
///
/// # In files
///
/// Files know no nesting here: `clip_coef = 0.2` stands beside `num_envs = 8`, and `algorithm = "ppo"` says who reads it. Only the keys
/// that the algorithm reads are written. Keys of other algorithms may stand in a file (earlier versions wrote them all) and are
/// not kept, unless they ask for something that the algorithm does not do, which is an error.
///
/// # One more algorithm
///
/// A file beside `ppo.rs` with a struct of its own settings (buffer size, target rate, …), its ranges and its presets; a variant
/// of [`AlgorithmKind`](super::AlgorithmKind) and of [`Algorithm`]; its keys in `flat.rs`, which is the form in files. What it reads of the rest
/// (`num_envs`, `total_timesteps`, `gamma`, `learning_rate`, optimiser, `init`, `norm_obs`) is here already. The compiler
/// then names every `match` that has to know about it; `docs/presets.md` needs a row per key, which `tests/switches.rs` checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which algorithm, and the settings that it alone reads.
    pub algorithm: Algorithm,
    /// Environments that step side by side (N).
    pub num_envs: usize,
    /// Steps of each environment per update (T); a batch has T × N rows.
    pub num_steps: usize,
    /// Environment steps of the whole run; sets the number of updates, and where schedules end ([`progress`](Self::progress)).
    pub total_timesteps: u64,
    /// The optimiser's step size at the start.
    pub learning_rate: f64,
    /// Learning rate falls linearly: `learning_rate · (1 − progress)`, see [`progress`](Self::progress).
    pub anneal_lr: bool,
    /// Discount γ, in [0, 1].
    pub gamma: f64,
    /// λ of generalised advantage estimation, in [0, 1].
    pub gae_lambda: f64,
    /// Minibatches per epoch; [`minibatch_rest`](Self::minibatch_rest) says what happens to rows that are left. Ignored if `minibatch_size` is set.
    pub num_minibatches: usize,
    /// Rows of a minibatch, in place of `num_minibatches`.
    pub minibatch_size: Option<usize>,
    /// Sizes of the minibatches if the rows do not divide evenly.
    pub minibatch_rest: MinibatchRest,
    /// Order of the rows in each epoch.
    pub shuffle: Shuffle,
    /// Passes over the batch (K).
    pub update_epochs: usize,
    /// Scope of advantage normalisation.
    pub norm_adv: AdvantageNorm,
    /// 1: divide by n − 1 (PyTorch); 0: divide by n (NumPy, JAX). A scope of one row is left as it is.
    pub adv_ddof: u32,
    /// Added to the standard deviation.
    pub adv_eps: f64,
    /// Least standard deviation that advantages are divided by, before `adv_eps`.
    pub adv_std_floor: f64,
    /// Form of the value loss (CleanRL's `clip_vloss`, as three choices).
    pub value_loss: ValueLoss,
    /// Clip range of the value; the algorithm's `clip_coef` if absent.
    pub clip_coef_vf: Option<f64>,
    /// Factor of the mean squared error before `vf_coef`: ½ (CleanRL) or 1 (Stable-Baselines3). The reported
    /// `value_loss` includes it.
    pub vf_loss_scale: f64,
    /// Weight of the entropy bonus.
    pub ent_coef: f64,
    /// Weight of the value loss.
    pub vf_coef: f64,
    /// Limit of the gradient's norm, see [`GradClip`] and [`ClipFormula`]; off if absent.
    pub max_grad_norm: Option<f64>,
    /// Adam, AdamW or RMSProp.
    pub optimizer: Optimizer,
    /// ε of Adam, outside the root; [`adam_eps_placement`](Self::adam_eps_placement) says before or after the correction.
    pub adam_eps: f64,
    /// Decay of the first moment, in [0, 1).
    pub adam_beta1: f64,
    /// Decay of the second moment, in [0, 1).
    pub adam_beta2: f64,
    /// Weight decay, see [`Optimizer`].
    pub weight_decay: f64,
    /// α of RMSProp's mean square, in [0, 1).
    pub rmsprop_alpha: f64,
    /// ε of RMSProp, added outside the root.
    pub rmsprop_eps: f64,
    /// Which advantages an update from a rollout takes.
    pub advantage: AdvantageKind,
    /// How `ent_coef` moves over the run.
    pub ent_coef_schedule: Anneal,
    /// How `clip_coef_vf` moves over the run, if it is set.
    pub clip_coef_vf_schedule: Anneal,
    /// Whether actor and critic are clipped together or apart. The reported norm is the joint one either way.
    pub grad_clip: GradClip,
    /// Factor of a clipped gradient.
    pub grad_clip_formula: ClipFormula,
    /// Where Adam's ε stands.
    pub adam_eps_placement: AdamEps,
    /// Step size of the value network's own layers at the start, if it differs; it falls with `learning_rate` if that
    /// does. A shared trunk keeps `learning_rate`. Not for `trpo` and `npg`, whose `learning_rate` is the critic's.
    pub value_learning_rate: Option<f64>,
    /// Initial parameters.
    pub init: Init,
    /// Observations normalised by running statistics; off if absent.
    pub norm_obs: Option<ObsNorm>,
    /// Rewards scaled or normalised by running statistics; off if absent.
    pub norm_reward: Option<RewardNorm>,
    /// Value targets normalised by running statistics; off if absent.
    pub norm_value: Option<ValueNorm>,
}

impl Config {
    /// The same with another algorithm and its settings.
    #[must_use]
    pub fn with_algorithm(self, algorithm: impl Into<Algorithm>) -> Self {
        Self { algorithm: algorithm.into(), ..self }
    }

    /// PPO's settings, if the algorithm is PPO, with or without a penalty.
    pub const fn ppo(&self) -> Option<&Ppo> {
        self.algorithm.ppo()
    }

    /// [`ppo`](Self::ppo), to change them.
    pub const fn ppo_mut(&mut self) -> Option<&mut Ppo> {
        self.algorithm.ppo_mut()
    }

    /// The policy's step of `trpo` and `npg`, if the algorithm is one of them.
    pub const fn trust_region(&self) -> Option<&TrustRegion> {
        self.algorithm.trust_region()
    }

    /// [`trust_region`](Self::trust_region), to change it.
    pub const fn trust_region_mut(&mut self) -> Option<&mut TrustRegion> {
        self.algorithm.trust_region_mut()
    }

    /// [`trust_region`](Self::trust_region) for what cannot do without.
    pub(crate) fn expect_trust_region(&self) -> Result<&TrustRegion> {
        let message = || format!("is {}, which has no trust region", self.algorithm.name());
        self.trust_region().ok_or_else(|| Error::config("algorithm", message()))
    }

    /// The KL penalty in the loss. Only PPO may have one.
    pub fn kl_penalty(&self) -> Option<KlPenalty> {
        self.ppo()?.kl_penalty
    }

    /// How the learning rate follows the KL. Only PPO's may.
    pub fn adaptive_lr(&self) -> Option<AdaptiveLr> {
        self.ppo()?.adaptive_lr
    }

    /// When an update, or an epoch, stops early, and the limit of `approx_kl`. Only PPO stops early.
    pub fn kl_stop(&self) -> Option<(KlStop, f64)> {
        self.ppo().and_then(|ppo| Some((ppo.kl_stop, ppo.kl_limit()?)))
    }

    /// Whether an update compares distributions, not only log-probabilities, and in which direction. Trust regions do so in a step of
    /// their own.
    pub fn kl_direction(&self) -> Option<KlDirection> {
        self.ppo()?.kl_direction()
    }

    /// Whether the learning rate moves before each step, by that minibatch's KL.
    pub(crate) fn rate_by_minibatch(&self) -> bool {
        self.adaptive_lr().is_some_and(|rate| rate.step == RateStep::Minibatch)
    }

    /// Rows of one batch: `num_steps × num_envs`.
    pub fn batch_size(&self) -> usize {
        self.num_steps.saturating_mul(self.num_envs)
    }

    /// Permutations of the rows that an update takes: one per epoch, and with [`TrustRegion::subsample`] one more, the last, whose first
    /// ⌈rows / `subsample`⌉ rows are the policy's.
    pub fn order_epochs(&self) -> usize {
        let of_policy = self.trust_region().is_some_and(|region| region.subsample > 1);
        self.update_epochs.saturating_add(usize::from(of_policy))
    }

    /// Updates of the whole run: `total_timesteps / batch_size`, rounded down as CleanRL does, at least 1.
    pub fn num_updates(&self) -> u64 {
        (self.total_timesteps / (self.batch_size().max(1) as u64)).max(1)
    }

    /// Step size of the value network's own layers in units of the others'.
    pub fn value_rate_factor(&self) -> f64 {
        self.value_learning_rate.map_or(1.0, |rate| rate / self.learning_rate)
    }

    /// How an epoch of a batch of `rows` (at least 1) is cut, see [`MinibatchRest`].
    pub fn minibatches(&self, rows: usize) -> Minibatches {
        Minibatches::of(rows, self.num_minibatches, self.minibatch_size, self.minibatch_rest)
    }

    /// Rows of the largest minibatch for a batch of `rows`, at least 1 and at most `rows`.
    pub fn minibatch_rows(&self, rows: usize) -> usize {
        self.minibatches(rows).largest()
    }
}
