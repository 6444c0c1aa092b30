//! Batches of transitions that another trainer recorded.

use super::file::File;
use super::format::FORMAT;
use super::read::read;
use super::write::write_atomically;
use super::writer::Writer;
use crate::data::{Actions, TransitionBatch};
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2};
use std::path::Path;

/// Reads K batches of B transitions, each for a gradient step of an off-policy algorithm.
///
/// | tensor | shape | type |
/// | --- | --- | --- |
/// | `obs`, `next_obs` | `[K, B, obs_dim]`; at an end the real last observation follows | F32, or whole numbers |
/// | `actions` | `[K, B, D]` in [−1, 1], or indices `[K, B]` or `[K, B, 1]` | F32, or whole numbers for choices |
/// | `rewards` | `[K, B]`, of n steps their discounted sum | F32, or whole numbers |
/// | `terminated` | `[K, B]`, 0 or 1; a truncation is 0 | BOOL or whole numbers |
/// | `discounts` | `[K, B]`, γ, of n steps γⁿ; `gamma` in all rows without | F32 |
/// | `next_noise` | `[K, B, D]`, standard normals: of TD3's target actions, of SAC's actions for `next_obs` | F32 |
/// | `noise` | `[K, B, D]`, standard normals of SAC's actions for `obs` | F32 |
///
/// F64, F16 and BF16 are accepted for F32, and floats that are whole for whole numbers.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] naming the tensor that is missing, has another shape or type, is not finite or out of range for `spec`.
pub fn read_batches(path: &Path, spec: &PolicySpec, gamma: f32) -> Result<Vec<TransitionBatch>> {
    let bytes = read(path)?;
    batches(&File::open(path, &bytes)?, spec, gamma)
}

fn batches(file: &File<'_>, spec: &PolicySpec, gamma: f32) -> Result<Vec<TransitionBatch>> {
    let (shape, obs_dim) = (file.shape("obs")?, spec.obs_dim());
    let (count, rows) = match shape[..] {
        [count, rows, width] if width == obs_dim && count > 0 && rows > 0 => (count, rows),
        _ => {
            let wanted = format!("expected [batches, rows, {obs_dim}], at least one of each");
            return Err(file.error(format!("\"obs\" has shape {shape:?}, {wanted}")));
        }
    };
    let dims = spec.head.action_dims();
    let (each, of_dims) = ([count, rows], [count, rows, dims]);
    let flat = dims == 1 && file.shape("actions")?.len() == 2;
    let action_shape: &[usize] = if flat { &each } else { &of_dims };
    let discrete = spec.head.is_discrete();
    let (indices, floats) = if discrete {
        (file.counts("actions", action_shape)?, Vec::new())
    } else {
        (Vec::new(), file.recorded("actions", action_shape, false)?)
    };
    let obs = file.recorded("obs", &shape, true)?;
    let next_obs = file.recorded("next_obs", &shape, true)?;
    let rewards = file.recorded("rewards", &each, true)?;
    let terminated = file.counts("terminated", &each)?;
    let optional = |name: &str, shape: &[usize]| {
        if file.has(name) { file.recorded(name, shape, false).map(Some) } else { Ok(None) }
    };
    let discounts = optional("discounts", &each)?.unwrap_or_else(|| vec![gamma; count * rows]);
    let (next_noise, noise) = (optional("next_noise", &of_dims)?, optional("noise", &of_dims)?);

    let batch = |k: usize| {
        let own = |all: &[f32], width: usize| all[k * rows * width..][..rows * width].to_vec();
        let matrix = |name: &str, all: &[f32], width: usize| {
            let own = Array2::from_shape_vec((rows, width), own(all, width));
            own.map_err(|error| file.error(format!("\"{name}\": {error}")))
        };
        let actions = if discrete {
            let own = Array2::from_shape_vec((rows, dims), indices[k * rows * dims..][..rows * dims].to_vec());
            Actions::Discrete(own.map_err(|error| file.error(format!("\"actions\": {error}")))?)
        } else {
            Actions::Continuous(matrix("actions", &floats, dims)?)
        };
        let of_noise = |name: &str, all: &Option<Vec<f32>>| all.as_ref().map(|all| matrix(name, all, dims)).transpose();
        let batch = TransitionBatch {
            obs: matrix("obs", &obs, obs_dim)?,
            actions,
            rewards: Array1::from_vec(own(&rewards, 1)),
            next_obs: matrix("next_obs", &next_obs, obs_dim)?,
            terminated: Array1::from_vec(terminated[k * rows..][..rows].to_vec()),
            discounts: Array1::from_vec(own(&discounts, 1)),
            next_noise: of_noise("next_noise", &next_noise)?,
            noise: of_noise("noise", &noise)?,
        };
        match batch.validate(spec) {
            Err(error @ (Error::Shape { .. } | Error::Value { .. } | Error::Config { .. })) => {
                Err(file.error(format!("batch {k}: {error}")))
            }
            other => other.map(|()| batch),
        }
    };
    (0..count).map(batch).collect()
}

/// Writes batches as [`read_batches`] reads them.
///
/// # Errors
/// [`Error::Config`] without a batch, [`Error::Shape`] where batches differ in shape or in what they have, [`Error::Io`].
pub fn write_batches(path: &Path, batches: &[TransitionBatch]) -> Result<()> {
    let Some(first) = batches.first() else {
        return Err(Error::config("batches", "are none, must be at least one"));
    };
    let (count, rows, obs_dim, dims) = (batches.len(), first.rows(), first.obs.ncols(), first.actions.shape()[1]);
    for batch in batches {
        crate::data::check_shape("obs", batch.obs.shape(), first.obs.shape())?;
        crate::data::check_shape("actions", &batch.actions.shape(), &first.actions.shape())?;
    }
    let floats = |of: fn(&TransitionBatch) -> Vec<f32>| batches.iter().flat_map(of).collect::<Vec<f32>>();
    let each = || vec![count, rows];
    let obs_shape = || vec![count, rows, obs_dim];
    let action_shape = || vec![count, rows, dims];
    let terminated: Vec<u32> = batches.iter().flat_map(|batch| batch.terminated.iter().copied()).collect();
    let mut writer = Writer::default()
        .text("format", FORMAT)
        .text("contents", "transitions")
        .f32("obs", obs_shape(), &floats(|batch| batch.obs.iter().copied().collect()))
        .f32("next_obs", obs_shape(), &floats(|batch| batch.next_obs.iter().copied().collect()))
        .f32("rewards", each(), &floats(|batch| batch.rewards.to_vec()))
        .f32("discounts", each(), &floats(|batch| batch.discounts.to_vec()))
        .u32("terminated", each(), &terminated);
    let words: Vec<u32> = batches.iter().flat_map(|batch| batch.actions.words()).collect();
    writer = match first.actions {
        Actions::Continuous(_) => {
            let floats: Vec<f32> = words.into_iter().map(f32::from_bits).collect();
            writer.f32("actions", action_shape(), &floats)
        }
        _ => writer.u32("actions", action_shape(), &words),
    };
    for (name, of) in [("next_noise", true), ("noise", false)] {
        let of = |batch: &TransitionBatch| if of { batch.next_noise.clone() } else { batch.noise.clone() };
        let has: Vec<_> = batches.iter().filter_map(of).collect();
        if has.is_empty() {
            continue;
        }
        crate::data::check_shape(name, &[has.len()], &[count])?;
        let all: Vec<f32> = has.into_iter().flatten().collect();
        writer = writer.f32(name, action_shape(), &all);
    }
    write_atomically(path, &writer.finish(path)?)
}
