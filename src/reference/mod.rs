//! The oracle: what every kernel and every update means, in plain ndarray mathematics.
//!
//! One file per stem, written as the formula reads in its paper, and generic over [`Real`]: in `f64` it says what is right, in
//! `f32` it is what runs on a machine without a GPU ([`cpu`](mod@crate::cpu)). It shares no code with the kernels and
//! never imports wgpu.
//!
//! Rows of a batch are independent until they are summed. Work is spread over threads in blocks of rows whose size does not
//! depend on the number of threads, and block sums are added in order, so results have the same bits on any number of threads.
//! What `f32` does apart from `f64`, for speed, are its functions of [`Real`] in `src/reference/fast` and nothing else; a test holds them
//! to the plain ones, which are those of `f64`.

mod activation;
pub mod actor_critic;
pub mod actor_critic_parts;
pub mod advantage_gae;
pub mod advantage_k_step;
pub mod advantage_normalize;
pub mod advantage_return;
pub mod advantage_vtrace;
pub mod batch_shuffle;
pub mod batch_valid;
pub mod cg;
mod critic_step;
pub mod critics;
mod distribution;
pub mod dqn_update;
pub mod env;
pub mod env_acrobot;
pub mod env_bandit_bounded;
pub mod env_bandit_bumps;
pub mod env_bandit_sparse;
pub mod env_cartpole;
pub mod env_mountain_car;
pub mod env_pendulum;
pub mod exploration;
pub(crate) mod fast;
pub mod fisher;
pub mod flat_mlp;
pub mod head;
pub mod head_actions;
pub mod head_bernoulli;
mod head_beta;
pub mod head_categorical;
pub mod head_gaussian;
pub mod loss_ppo;
mod minibatch_gradient;
pub mod mlp;
mod normal;
pub mod normalize;
mod numpy;
pub mod optim;
pub(crate) mod plain;
mod policy_step;
pub mod ppo_update;
pub mod q_network;
pub mod ranks;
pub mod ratio_stats;
pub mod real;
pub mod reduce_moments;
pub mod replay;
mod rollout_rows;
pub(crate) mod row_blocks;
pub mod rows;
pub mod running;
pub mod sac_choices;
pub mod sac_update;
pub(crate) mod squash;
pub mod squashed_sample;
pub mod surrogate;
pub mod td3_update;
pub mod td_target;
pub mod transitions;
pub mod trpo_update;
pub mod vec_env;

pub use real::Real;
