//! Rollouts that another trainer recorded.

use super::file::File;
use super::format::FORMAT;
use super::numbers::Converted;
use super::read::read;
use super::write::write_atomically;
use super::writer::Writer;
use crate::data::{Actions, Autoreset, Rollout, mask_bits};
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2, ArrayView1};
use std::path::Path;

/// A rollout from a file, and what only the file knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The transitions.
    pub rollout: Rollout,
    /// The rows of each epoch in the order that another trainer took them, `[epochs, T · N]`; row t · N + n is step t of environment n. For
    /// [`OnPolicy::update_in_order`](crate::agent::OnPolicy::update_in_order).
    pub order: Option<Array2<u32>>,
    /// Tensors that were converted, if the conversion matters: F16, BF16, whole numbers as observations, flags as floats.
    pub converted: Vec<Converted>,
    /// Unit roundoff of what `obs` was stored as: 2⁻²⁴ (F32), 2⁻¹¹ (F16), 2⁻⁸ (BF16).
    pub obs_roundoff: f64,
    /// The same of `logp`.
    pub logp_roundoff: f64,
}

/// Largest positive log-probability of an index that rounding explains, per action dimension. A library computes logit − log Σ exp logits;
/// the sum's logarithm is at least the logit, and each of the two is rounded to f32, 2⁻²⁴ of itself: for logits up to 2¹² that is
/// 2 · 2⁻²⁴ · 2¹² = 2⁻¹¹, and as much again for the sum's own rounding.
const LOGP_ROUNDING: f32 = 1.0 / 1024.0;

/// Reads a rollout of T steps × N environments as [`read_recording`] does, without the rest of the file.
///
/// # Errors
/// As [`read_recording`].
pub fn read_rollout(path: &Path, spec: &PolicySpec) -> Result<Rollout> {
    Ok(read_recording(path, spec)?.rollout)
}

/// Reads a rollout of T steps × N environments.
///
/// | tensor | shape | type |
/// | --- | --- | --- |
/// | `obs` | `[T, N, obs_dim]` | F32, or whole numbers |
/// | `actions` | `[T, N, action_dims]`, or `[T, N]` where `action_dims` is 1 | whole numbers for discrete heads, else F32 |
/// | `allowed` | `[T, N, raw_outputs]`, 0 or 1: the choices that were allowed; masked heads only | BOOL or whole numbers |
/// | `logp` | `[T, N]`; at most 0 for discrete heads | F32 |
/// | `rewards` | `[T, N]` | F32, or whole numbers |
/// | `values` | `[T + 1, N]`, the last row is V of the observation after the window | F32 |
/// | `final_values` | `[T, N]`, V of the real last observation where truncated; may be left out if every truncated row is terminated, too | F32 |
/// | `terminated`, `truncated` | `[T, N]`, 0 or 1 | BOOL or whole numbers |
/// | `valid` | `[T, N]`, 0 in masked rows; may be left out | BOOL or whole numbers |
/// | `ended_before` | `[N]`, 1 where the transition before the window ended its episode; may be left out | BOOL or whole numbers |
/// | `order` | `[epochs, T · N]`, row indices, each once in an epoch; may be left out | whole numbers |
///
/// F64, F16 and BF16 are accepted for F32, and floats that are whole for whole numbers. The key `autoreset` of the metadata is [`Autoreset::name`], `same_step` if there is none. Numbers
/// are finite in masked rows, too.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] naming the tensor that is missing, has another shape or type, is not finite or out of
/// range for `spec`.
pub fn read_recording(path: &Path, spec: &PolicySpec) -> Result<Recording> {
    recording(&File::open(path, &read(path)?)?, spec)
}

/// Reads a rollout from the bytes of a file that [`read_recording`] reads; `name` stands in errors where the path of a file would.
///
/// # Errors
/// As [`read_recording`], but there is no file that could not be read.
pub fn recording_from_bytes(name: &str, bytes: &[u8], spec: &PolicySpec) -> Result<Recording> {
    recording(&File::of_bytes(Path::new(name), bytes)?, spec)
}

fn recording(file: &File<'_>, spec: &PolicySpec) -> Result<Recording> {
    let rollout = rollout(file, &Window::of(file, spec)?, spec)?;
    match rollout.validate(spec) {
        Err(error @ (Error::Shape { .. } | Error::Value { .. } | Error::Config { .. })) => {
            return Err(file.error(error.to_string()));
        }
        other => other?,
    }
    if spec.head.is_discrete() {
        check_logp(file, &rollout, spec)?;
    }
    let order = order(file, rollout.rows())?;
    let (obs_roundoff, logp_roundoff) = (file.roundoff("obs"), file.roundoff("logp"));
    Ok(Recording { rollout, order, converted: file.converted(), obs_roundoff, logp_roundoff })
}

/// Sizes of a rollout, by its observations.
struct Window {
    steps: usize,
    envs: usize,
    /// Of the observations.
    shape: Vec<usize>,
}

impl Window {
    fn of(file: &File<'_>, spec: &PolicySpec) -> Result<Self> {
        let shape = file.shape("obs")?;
        let [steps, envs, width] = shape[..] else {
            return Err(file.error(format!("\"obs\" has shape {shape:?}, expected [steps, envs, obs_dim]")));
        };
        if width != spec.obs_dim() {
            let wanted = spec.obs_dim();
            return Err(file.error(format!("\"obs\" has shape {shape:?}, expected [{steps}, {envs}, {wanted}]")));
        }
        if steps == 0 || envs == 0 {
            let wanted = "expected at least one step and one environment";
            return Err(file.error(format!("\"obs\" has shape {shape:?}, {wanted}")));
        }
        Ok(Self { steps, envs, shape })
    }

    fn rows(&self) -> usize {
        self.steps * self.envs
    }

    fn flags(&self, file: &File<'_>, name: &str) -> Result<Array2<u32>> {
        Array2::from_shape_vec((self.steps, self.envs), file.counts(name, &[self.steps, self.envs])?)
            .map_err(|error| file.error(format!("\"{name}\": {error}")))
    }
}

/// The transitions, not yet checked against each other.
fn rollout(file: &File<'_>, sizes: &Window, spec: &PolicySpec) -> Result<Rollout> {
    let Window { steps, envs, ref shape } = *sizes;
    let (rows, window) = (sizes.rows(), [steps, envs]);
    let matrix = |name: &str, rows: usize, columns: usize, values: Vec<f32>| {
        Array2::from_shape_vec((rows, columns), values).map_err(|error| file.error(format!("\"{name}\": {error}")))
    };
    let words = action_words(file, sizes, spec)?;
    let truncated = sizes.flags(file, "truncated")?;
    let autoreset = if file.has_text("autoreset") {
        let name = file.text("autoreset")?;
        name.parse().map_err(|error: Error| file.error(error.to_string()))?
    } else {
        Autoreset::default()
    };
    let final_values = if file.has("final_values") {
        Some(matrix("final_values", steps, envs, file.recorded("final_values", &window, false)?)?)
    } else {
        None
    };
    Ok(Rollout {
        steps,
        envs,
        obs: matrix("obs", rows, spec.obs_dim(), file.recorded("obs", shape, true)?)?,
        actions: Actions::from_words(&spec.head, rows, &words)?,
        logp: Array1::from_vec(file.recorded("logp", &window, false)?),
        rewards: matrix("rewards", steps, envs, file.recorded("rewards", &window, true)?)?,
        values: matrix("values", steps + 1, envs, file.recorded("values", &[steps + 1, envs], false)?)?,
        final_values,
        terminated: sizes.flags(file, "terminated")?,
        truncated,
        valid: if file.has("valid") { Some(sizes.flags(file, "valid")?) } else { None },
        autoreset,
        ended_before: if file.has("ended_before") {
            Some(Array1::from_vec(file.counts("ended_before", &[envs])?))
        } else {
            None
        },
    })
}

/// Actions as words, with their masks behind them where the head has some.
fn action_words(file: &File<'_>, sizes: &Window, spec: &PolicySpec) -> Result<Vec<u32>> {
    let (window, dims) = ([sizes.steps, sizes.envs], spec.head.action_dims());
    let flat = dims == 1 && file.shape("actions")?.len() == 2;
    let action_shape: &[usize] = if flat { &window } else { &[sizes.steps, sizes.envs, dims] };
    let words: Vec<u32> = if spec.head.is_discrete() {
        file.counts("actions", action_shape)?
    } else {
        file.recorded("actions", action_shape, false)?.into_iter().map(f32::to_bits).collect()
    };
    if !spec.head.is_masked() {
        return Ok(words);
    }
    let raw = spec.head.raw_outputs();
    let flags = file.counts("allowed", &[sizes.steps, sizes.envs, raw])?;
    if let Some(flag) = flags.iter().find(|flag| **flag > 1) {
        return Err(file.error(format!("\"allowed\" holds {flag}, expected 0 or 1")));
    }
    let allowed: Vec<bool> = flags.iter().map(|flag| *flag == 1).collect();
    let rows = words.chunks(dims).zip(allowed.chunks(raw));
    Ok(rows.flat_map(|(own, mask)| [own, &mask_bits(ArrayView1::from(mask))].concat()).collect())
}

/// Refuses what is no logarithm of a probability.
fn check_logp(file: &File<'_>, rollout: &Rollout, spec: &PolicySpec) -> Result<()> {
    let counted = rollout.counted();
    let counts = |row: usize| counted.as_ref().is_none_or(|valid| valid[[row / rollout.envs, row % rollout.envs]] != 0);
    let most = LOGP_ROUNDING * spec.head.action_dims() as f32;
    match rollout.logp.iter().enumerate().find(|(row, logp)| **logp > most && counts(*row)) {
        Some((row, logp)) => Err(file.error(format!(
            "\"logp\"[{row}] is {logp}, expected at most 0: the logarithm of a probability (not the probability, nor its \
             negative)"
        ))),
        None => Ok(()),
    }
}

/// The order of the rows in each epoch, if the file has one.
fn order(file: &File<'_>, rows: usize) -> Result<Option<Array2<u32>>> {
    if !file.has("order") {
        return Ok(None);
    }
    let shape = file.shape("order")?;
    let [epochs, width] = shape[..] else {
        return Err(file.error(format!("\"order\" has shape {shape:?}, expected [epochs, {rows}]")));
    };
    if width != rows || epochs == 0 {
        return Err(
            file.error(format!("\"order\" has shape {shape:?}, expected [epochs, {rows}]: a row of the rollout each"))
        );
    }
    let indices = file.counts("order", &shape)?;
    if let Some(index) = indices.iter().position(|row| *row as usize >= rows) {
        return Err(file.error(format!("\"order\"[{index}] is {}, expected a row below {rows}", indices[index])));
    }
    // As many indices as rows, so that none is missing if none comes twice.
    for (epoch, own) in indices.chunks(rows).enumerate() {
        let mut first = vec![None; rows];
        for (at, row) in own.iter().enumerate() {
            if let Some(before) = first[*row as usize].replace(at) {
                return Err(file.error(format!(
                    "\"order\"[{epoch}, {at}] is {row}, as \"order\"[{epoch}, {before}] is: expected each row of the rollout once \
                     in an epoch"
                )));
            }
        }
    }
    let order = Array2::from_shape_vec((epochs, rows), indices);
    order.map(Some).map_err(|error| file.error(format!("\"order\": {error}")))
}

/// Writes a rollout as [`read_rollout`] reads it.
///
/// # Errors
/// [`Error::Format`] if the shapes do not belong together, [`Error::Io`].
pub fn write_rollout(path: &Path, rollout: &Rollout) -> Result<()> {
    write_atomically(path, &writer(rollout).finish(path)?)
}

/// The bytes that [`write_rollout`] writes.
///
/// # Errors
/// [`Error::Format`] if the shapes do not belong together.
pub fn rollout_to_bytes(rollout: &Rollout) -> Result<Vec<u8>> {
    writer(rollout).finish(Path::new("a rollout"))
}

fn writer(rollout: &Rollout) -> Writer {
    let (steps, envs) = (rollout.steps, rollout.envs);
    let window = || vec![steps, envs];
    let action_shape = vec![steps, envs, rollout.actions.shape()[1]];
    let writer = Writer::default()
        .text("format", FORMAT)
        .text("contents", "rollout")
        .text("autoreset", rollout.autoreset.name())
        .f32("obs", vec![steps, envs, rollout.obs.ncols()], &rollout.obs)
        .f32("logp", window(), &rollout.logp)
        .f32("rewards", window(), &rollout.rewards)
        .f32("values", vec![steps.saturating_add(1), envs], &rollout.values)
        .u32("terminated", window(), &rollout.terminated)
        .u32("truncated", window(), &rollout.truncated);
    let writer = match &rollout.final_values {
        Some(values) => writer.f32("final_values", window(), values),
        None => writer,
    };
    let writer = match &rollout.valid {
        Some(valid) => writer.u32("valid", window(), valid),
        None => writer,
    };
    let writer = match &rollout.ended_before {
        Some(ended) => writer.u32("ended_before", vec![envs], ended),
        None => writer,
    };
    match &rollout.actions {
        Actions::Discrete(array) => writer.u32("actions", action_shape, array),
        Actions::Continuous(array) => writer.f32("actions", action_shape, array),
        Actions::Masked { indices, allowed } => {
            let flags = allowed.mapv(u32::from);
            writer.u32("actions", action_shape, indices).u32("allowed", vec![steps, envs, allowed.ncols()], &flags)
        }
    }
}
