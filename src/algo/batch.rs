//! Rows ready for an update, and what is asked of them before one is recorded.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::gpu::Buffer;

/// Rows ready for an update, as they lie on the device; longer buffers will do.
#[derive(Debug, Clone)]
pub struct BatchBuffers {
    /// Number of rows.
    pub rows: u32,
    /// `[rows, obs_dim]`.
    pub obs: Buffer<f32>,
    /// Words, `[rows, action_words]`, see [`Actions::words`](crate::data::Actions::words). Indices must be below the number of
    /// choices.
    pub actions: Buffer<u32>,
    /// `[rows]`.
    pub logp_old: Buffer<f32>,
    /// Not normalised, `[rows]`. Left as they are.
    pub advantages: Buffer<f32>,
    /// `[rows]`.
    pub returns: Buffer<f32>,
    /// `[rows]`.
    pub values_old: Buffer<f32>,
    /// Distribution rows of the old policy, `[rows, head.width()]`, for analytic KL divergences. Without, the policy at
    /// the start of the update is the old one.
    pub old_dist: Option<Buffer<f32>>,
    /// `[rows]`: 0 where a row is masked: it is padding or filler, and its numbers mean nothing and need not be finite. 1 elsewhere. No row is
    /// masked without. Means are over the other rows of a minibatch; one of masked rows alone has loss 0 and steps with gradient 0.
    /// At most 3.8 million rows in a minibatch.
    pub valid: Option<Buffer<u32>>,
}

/// Refuses settings that an update on given rows does not carry out itself. Otherwise it would silently learn from rewards and value targets
/// that nobody has normalised.
pub(super) fn refuse_unprepared(config: &Config) -> Result<()> {
    let on = [("norm_reward", config.norm_reward.is_some()), ("norm_value", config.norm_value.is_some())];
    match on.into_iter().find(|(_, on)| *on) {
        Some((field, _)) => Err(Error::config(
            field,
            "is on, but a plan on rows takes rewards and values as they come: RolloutUpdate records all of it. Where you record \
             NormalizerBuffers::rewards and targets yourself, leave it out of this plan's settings",
        )),
        None => Ok(()),
    }
}
