//! WGSL compute kernels for policy-optimisation reinforcement learning, with a thin host layer that schedules them and a
//! CPU reference that says what the right answer is.
//!
//! # Where to begin
//!
//! **Train in a built-in environment**, wholly on the device:
//!
//! ```no_run
//! use wgpo::{Env, Gpu, GpuOptions, GpuTrainer, Trainer};
//!
//! let gpu = Gpu::new(&GpuOptions::default())?;
//! let (config, hidden) = Env::CartPole.tuned();
//! let mut trainer = GpuTrainer::new(&gpu, Env::CartPole, Env::CartPole.policy(&hidden), config, 1)?;
//! for _ in 0..50 {
//!     let stats = trainer.iterate()?;
//!     println!("{} steps: mean return {:?}", stats.env_steps, stats.episodes.mean_return());
//! }
//! # Ok::<(), wgpo::Error>(())
//! ```
//!
//! **Keep your own trainer**, with rollouts as host arrays: take an [`Agent`] that learns [`OnPolicy`]. [`GpuLearner`] computes on the device,
//! [`CpuLearner`] on the CPU, and they are interchangeable:
//!
//! ```
//! use ndarray::array;
//! use wgpo::{ActMode, Activation, Agent, Config, CpuLearner, Head, PolicySpec};
//!
//! let spec = PolicySpec::separate(3, &[32, 32], Activation::Tanh, Head::gaussian(1));
//! let mut learner = CpuLearner::<f32>::new(spec, Config::cleanrl_continuous(), 1)?;
//! let acted = learner.act(array![[0.1, -0.2, 0.3]].view(), ActMode::Sample)?;
//! assert_eq!((acted.actions.shape(), acted.logp.len(), acted.values.len()), ([1, 1], 1, 1));
//! # Ok::<(), wgpo::Error>(())
//! ```
//!
//! **Train in your own environment**: implement [`HostEnv`]. In an engine's loop, take a [`RolloutRecorder`].
//!
//! **Record into your own encoder**, over your own buffers: [`PpoUpdate`] is a whole update on rows with advantages, [`RolloutUpdate`] one on a rollout; nothing that it decides is read back.
//! See `examples/embed.rs`, and `examples/custom_loop.rs` for single kernels.
//!
//! **Build a trainer of other parts**, or compare with formulas: [`low_level`] has each plan, kernel and formula, and is not stable.
//!
//! **Choose where to compute** as the program does: [`place`]. **Measure** how fast it runs here: [`mod@bench`]. **Compare** every kernel with
//! the reference: [`check`].
//!
//! # What can be chosen
//!
//! - The distribution over actions: a [`policy::Head`], with masks, bounds, and the source and limit of a deviation. Each works with every
//!   algorithm that learns from rollouts; [`AlgorithmKind::fitted`] gives the others theirs.
//! - The algorithm: [`Config::algorithm`] selects PPO, PPO with a KL penalty, TRPO, the natural policy gradient, A2C or REINFORCE, which every learner
//!   from rollouts ([`OnPolicy`]) takes, or DQN, DDPG, TD3 or SAC, which every learner from a replay memory ([`OffPolicy`]) takes; on the device and on the CPU. The other fields of [`Config`] are its tricks; [`Preset::named`] has what other libraries
//!   publish.
//! - Running statistics of observations, rewards and value targets: [`config::ObsNorm`], [`config::RewardNorm`], [`config::ValueNorm`]. They are part of a
//!   learner's state.
//! - The advantages: [`config::AdvantageKind`]. The resets of environments: [`env::Autoreset`]. Masked rows: [`data::Rollout::valid`].
//! - The environment: any [`Env`], or your own behind [`HostEnv`].
//!
//! # Features
//!
//! - `backends` (on by default): wgpu's own choice of native and web backends, so that [`gpu::Gpu::new`] finds an adapter. Whoever has a
//!   [`wgpu::Device`] already can do without.
//! - `cpu` (on by default): the [reference](mod@low_level::reference), learner and trainer on the CPU ([`mod@cpu`]), the built-in environments on
//!   the host ([`cpu::BuiltIn`]), and what compares with or measures against them, [`mod@check`] and [`mod@bench`]. Its dependencies
//!   (faer, pulp, rayon, statrs) are most of what there is to compile. Without it all that runs on the device is there, and
//!   [`host`] with a learner on the device. Greedy evaluations go with it, since they step environments on the host: `SolvedRule::evaluate`,
//!   `Solved::after`, `HostTrainer::on_cpu`.
//!
//! An embedder with a device of their own writes `wgpo = { version = "0.2", default-features = false }`.
//!
//! # Conventions
//!
//! - Rollouts are time-major `[T, N]`: row `t · N + n` is step t of environment n. `terminated` and `truncated` belong to the
//!   transition that ended the episode.
//! - All trainable numbers are one flat vector, [`policy::ParamLayout`]; weights are `[out, in]` as in PyTorch.
//! - Log-probabilities, entropies and KL divergences are in nats, summed over action dimensions.
//! - Random draws are a function of (seed, step, environment, dimension), [`low_level::rng`].
//! - A bad input is an [`Error`], before anything has changed. The few functions that may panic say when, under "Panics".

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a library says nothing, and they panic where nobody listens"
)]

pub mod agent;
#[doc(hidden)] // documented in `low_level`
pub mod algo;
#[cfg(feature = "cpu")]
pub mod bench;
#[cfg(feature = "cpu")]
pub mod check;
pub mod checkpoint;
pub mod collective;
pub mod config;
#[cfg(feature = "cpu")]
pub mod cpu;
pub mod data;
pub mod env;
mod error;
pub mod gpu;
pub mod host;
#[doc(hidden)] // documented in `low_level`
pub mod kernels;
mod memory;
#[cfg(feature = "cpu")]
mod parallel;
pub mod place;
pub mod policy;
#[cfg(feature = "cpu")]
#[doc(hidden)] // documented in `low_level`
pub mod reference;
#[doc(hidden)] // documented in `low_level`
pub mod rng;
pub mod solved;
pub mod state;
pub mod trainer;

pub use agent::{ActMode, Agent, OffPolicy, OnPolicy};
pub use algo::{
    ActPlan, BatchBuffers, BatchRows, GpuLearner, GpuOffPolicy, GpuOffPolicyTrainer, GpuTrainer, GpuTrainerGroup,
    Iteration, Model, Moves, PpoUpdate, RolloutBuffers, RolloutRows, RolloutUpdate, StepBuffers, StorePlan,
};
pub use checkpoint::{SaveAgent, SaveTrainer};
pub use config::{Algorithm, AlgorithmKind, Config, Preset};
#[cfg(feature = "cpu")]
pub use cpu::{CpuLearner, CpuOffPolicy, CpuTrainer};
pub use data::{Batch, Rollout, UpdateStats};
pub use env::Env;
pub use error::{Error, Result};
pub use gpu::{Gpu, GpuOptions};
pub use host::{HostEnv, HostTrainer, RolloutRecorder};
pub use place::Place;
pub use policy::{Activation, Head, PolicySpec};
pub use trainer::{Trainer, train};
pub use wgpu;

/// Kernels, plans and the reference: for whoever builds a trainer of other parts, or compares with formulas. Most users need nothing of it.
///
/// **Not stable.** Names and signatures here may change in any version; those outside of `low_level` change as Semantic Versioning says.
///
/// [`kernels`] has a list of them by stage. `ARCHITECTURE.md` in the repository has the flow as a picture.
pub mod low_level {
    #[doc(inline)]
    pub use crate::algo;
    #[doc(inline)]
    pub use crate::kernels;
    #[cfg(feature = "cpu")]
    #[doc(inline)]
    pub use crate::reference;
    #[doc(inline)]
    pub use crate::rng;
}
