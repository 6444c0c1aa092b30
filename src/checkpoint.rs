//! Parameters, state and rollouts on disk: one safetensors file each, written whole or not at all; or the same bytes without a file
//! ([`learner_to_bytes`], [`trainer_from_bytes`], …), with the same checks. [`SaveAgent`] and [`SaveTrainer`] are `save` and `load` for whatever
//! learns.
//!
//! A learner's file holds, as `f32`, every parameter under its name in [`ParamLayout`](crate::policy::ParamLayout) (`policy.0.weight` `[out, in]`,
//! …, `log_std`) and Adam's moments as `optimizer.exp_avg.<name>` and `optimizer.exp_avg_sq.<name>`. Where TRPO starts warm, its last
//! direction is `trust_region.direction.<name>`. A trainer's file adds `env.state` `[num_envs, words]` as `u32` (built-in environments). `__metadata__` holds strings: `format` = `wgpo-1`,
//! `contents` (`learner` or `trainer`), `spec` and `config` (JSON), `seed`, `update`, `env_steps` (rows that the
//! updates took in; where it is absent, `update` times the configured batch), `policy_step`, `optimizer_step`, `kl_coef`,
//! `learning_rate` (both 0 where nothing adapts them; they may be absent), and for a
//! trainer `env_step` and, if it is a built-in environment's, `env`. The best policy of a run has its score beside it, `evaluation` (JSON). Running statistics, where there are any, are `normalizer.<obs, reward, value>.mean` and `.variance`
//! with the keys `.count` and `.initial_count`, and `normalizer.discounted_returns` `[num_envs]`.
//!
//! An off-policy learner's file adds the targets as `target.<name>` and the keys `gradient_steps`, `policy_optimizer_step`, `log_alpha`, `alpha_exp_avg`,
//! `alpha_exp_avg_sq` and `alpha_optimizer_step`. If its transitions were saved they are `replay.obs` and `replay.next_obs` `[rows, obs_dim]`,
//! `replay.rewards` `[rows]` as `f32` and `replay.actions` `[rows, words]`, `replay.terminated` and `replay.truncated` `[rows]` as `u32`, place
//! after place with its environments, with the keys `replay.next_write` and `replay.stored` in places.
//!
//! A file with `contents` = `policy` needs only `format`, `spec` and the parameters: that is what
//! other trainers write; moments and counters begin at 0.
//!
//! The key `checksum` is over all of that, so a damaged file is refused; a file without the key is not checked. Keys that begin with
//! `label.` are the caller's own ([`Labels`]). PyTorch reads the policy as it is:
//!
//! ```python
//! state = safetensors.torch.load_file("policy.safetensors")
//! hidden = torch.tanh(obs @ state["policy.0.weight"].T + state["policy.0.bias"])
//! ```

mod best;
mod checksum;
mod file;
mod format;
mod learner;
mod normalizer;
mod numbers;
mod off_policy;
mod read;
mod rollout;
mod save;
mod saved;
mod trainer;
mod transitions;
mod write;
mod writer;

pub use best::{load_best, save_best};
pub use format::FORMAT;
pub use learner::{learner_from_bytes, learner_to_bytes, load_learner, save_learner, save_learner_labelled};
pub use numbers::Converted;
pub use rollout::{Recording, read_recording, read_rollout, recording_from_bytes, rollout_to_bytes, write_rollout};
pub use save::{SaveAgent, SaveTrainer};
pub use saved::{Labels, Saved};
pub use trainer::{
    load_learner_and_env, load_trainer, save_trainer, save_trainer_labelled, trainer_from_bytes, trainer_to_bytes,
};
pub use transitions::{read_batches, write_batches};
pub use write::{remove_stale, separate, write_atomically};

#[cfg(test)]
mod tests;
