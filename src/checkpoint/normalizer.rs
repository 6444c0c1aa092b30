//! Running statistics in a learner's file.

use super::file::File;
use super::writer::Writer;
use crate::error::Result;
use crate::state::{NormalizerState, RunningMoments};

/// Before all their names.
const PREFIX: &str = "normalizer.";

const RETURNS: &str = "normalizer.discounted_returns";

/// `normalizer.<part>.mean` and `.variance` as tensors of f64 (files of earlier versions have f32), `.count` and `.initial_count` as keys.
pub(super) fn write(mut writer: Writer, state: &NormalizerState) -> Writer {
    for (name, part) in [("obs", &state.obs), ("reward", &state.reward), ("value", &state.value)] {
        let Some(part) = part else { continue };
        writer = writer
            .f64(format!("{PREFIX}{name}.mean"), vec![part.mean.len()], &part.mean)
            .f64(format!("{PREFIX}{name}.variance"), vec![part.variance.len()], &part.variance)
            .text(&format!("{PREFIX}{name}.count"), part.count)
            .text(&format!("{PREFIX}{name}.initial_count"), part.initial_count);
    }
    if state.discounted_returns.is_empty() {
        return writer;
    }
    writer.f32(RETURNS, vec![state.discounted_returns.len()], &state.discounted_returns)
}

/// What the file has; files of versions without statistics have none.
pub(super) fn read(file: &File<'_>, obs_dim: usize) -> Result<NormalizerState> {
    let part = |name: &str, columns: usize| {
        let key = |part: &str| format!("{PREFIX}{name}.{part}");
        if !file.has(&key("mean")) && !file.has(&key("variance")) {
            return Ok(None);
        }
        let variance = file.f64(&key("variance"), &[columns])?;
        let initial_count: f32 = file.number(&key("initial_count"))?;
        if variance.iter().any(|square| *square < 0.0) {
            return Err(file.error(format!("\"{}\" has a negative element, expected variances", key("variance"))));
        }
        if !(initial_count >= 0.0 && initial_count.is_finite()) {
            let key = key("initial_count");
            return Err(file.error(format!("key \"{key}\" is {initial_count}, expected a finite number from 0")));
        }
        let (mean, count) = (file.f64(&key("mean"), &[columns])?, file.number(&key("count"))?);
        Ok(Some(RunningMoments { mean, variance, count, initial_count }))
    };
    Ok(NormalizerState {
        obs: part("obs", obs_dim)?,
        reward: part("reward", 1)?,
        discounted_returns: if file.has(RETURNS) { file.f32(RETURNS, &file.shape(RETURNS)?)? } else { Vec::new() },
        value: part("value", 1)?,
    })
}
