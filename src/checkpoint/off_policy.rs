//! The off-policy part of a learner's file: targets, counters, the temperature, and the transitions if they were saved.

use super::file::File;
use super::writer::Writer;
use crate::config::Config;
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::memory::product;
use crate::policy::{ParamLayout, PolicySpec};
use crate::state::{OffPolicyState, ReplayState};

/// Before the names of the parameters: the target networks' numbers.
const TARGET: &str = "target.";

/// Bytes of the transitions, for the memory that saving takes.
pub(super) fn bytes(state: Option<&OffPolicyState>) -> u128 {
    let Some(replay) = state.and_then(|own| own.replay.as_ref()) else { return 0 };
    let numbers = replay.obs.len() + replay.next_obs.len() + replay.actions.len() + 3 * replay.rewards.len();
    product(&[numbers, size_of::<f32>()])
}

/// Adds `state` to a file, if there is one.
pub(super) fn write(
    mut writer: Writer,
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    state: Option<&OffPolicyState>,
) -> Result<Writer> {
    let Some(own) = state else { return Ok(writer) };
    check_shape("targets", &[own.targets.len()], &[layout.len()])?;
    for range in layout.ranges() {
        writer = writer.f32(format!("{TARGET}{}", range.name), range.shape.clone(), &own.targets[range.indices()]);
    }
    writer = writer
        .text("gradient_steps", own.gradient_steps)
        .text("policy_optimizer_step", own.policy_optimizer_step)
        .text("log_alpha", own.log_alpha)
        .text("alpha_exp_avg", own.alpha_exp_avg)
        .text("alpha_exp_avg_sq", own.alpha_exp_avg_sq)
        .text("alpha_optimizer_step", own.alpha_optimizer_step);
    let Some(replay) = &own.replay else { return Ok(writer) };
    let (obs_dim, words) = (spec.obs_dim(), spec.head.action_words());
    let places = config.expect_replay()?.places(config.num_envs);
    replay.check([places, config.num_envs], obs_dim, words)?;
    let rows = replay.rewards.len();
    Ok(writer
        .text("replay.next_write", replay.next_write)
        .text("replay.stored", replay.stored)
        .f32("replay.obs", vec![rows, obs_dim], &replay.obs)
        .f32("replay.next_obs", vec![rows, obs_dim], &replay.next_obs)
        .u32("replay.actions", vec![rows, words], &replay.actions)
        .f32("replay.rewards", vec![rows], &replay.rewards)
        .u32("replay.terminated", vec![rows], &replay.terminated)
        .u32("replay.truncated", vec![rows], &replay.truncated))
}

/// What [`write`] wrote. `None` where there is nothing of it, as in files of on-policy learners and of earlier versions.
pub(super) fn read(
    file: &File<'_>,
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
) -> Result<Option<OffPolicyState>> {
    if !file.has_text("gradient_steps") {
        return Ok(None);
    }
    let number = |key: &str| -> Result<f32> {
        let value: f32 = file.number(key)?;
        let fits = value.is_finite() && (value >= 0.0 || key != "alpha_exp_avg_sq");
        let least = if key == "alpha_exp_avg_sq" { " from 0" } else { "" };
        if fits {
            Ok(value)
        } else {
            Err(file.error(format!("key \"{key}\" is {value}, expected a finite number{least}")))
        }
    };
    Ok(Some(OffPolicyState {
        targets: file.flat(layout, TARGET)?,
        gradient_steps: file.number("gradient_steps")?,
        policy_optimizer_step: file.number("policy_optimizer_step")?,
        log_alpha: number("log_alpha")?,
        alpha_exp_avg: number("alpha_exp_avg")?,
        alpha_exp_avg_sq: number("alpha_exp_avg_sq")?,
        alpha_optimizer_step: file.number("alpha_optimizer_step")?,
        replay: if file.has_text("replay.stored") { Some(read_replay(file, spec, config)?) } else { None },
    }))
}

/// What a policy's file of another program says of targets and temperature: tensors `target.<name>`, each for a parameter of that name, and the key
/// `log_alpha`, 0 without. Targets that it leaves out are the parameters. `None` where it has no target.
pub(super) fn read_bare(file: &File<'_>, layout: &ParamLayout, parameters: &[f32]) -> Result<Option<OffPolicyState>> {
    let mut targets = parameters.to_vec();
    let given = |name: &str| file.has(&format!("{TARGET}{name}"));
    if !layout.ranges().iter().any(|range| given(&range.name)) {
        return Ok(None);
    }
    for range in layout.ranges().iter().filter(|range| given(&range.name)) {
        let values = file.f32(&format!("{TARGET}{}", range.name), &range.shape)?;
        targets[range.indices()].copy_from_slice(&values);
    }
    let log_alpha: f32 = if file.has_text("log_alpha") { file.number("log_alpha")? } else { 0.0 };
    if !log_alpha.is_finite() {
        return Err(file.error(format!("key \"log_alpha\" is {log_alpha}, expected a finite number")));
    }
    Ok(Some(OffPolicyState {
        targets,
        gradient_steps: 0,
        policy_optimizer_step: 0,
        log_alpha,
        alpha_exp_avg: 0.0,
        alpha_exp_avg_sq: 0.0,
        alpha_optimizer_step: 0,
        replay: None,
    }))
}

fn read_replay(file: &File<'_>, spec: &PolicySpec, config: &Config) -> Result<ReplayState> {
    let in_file = |error: Error| file.error(error.to_string());
    let places = config.expect_replay().map_err(in_file)?.places(config.num_envs);
    let (obs_dim, words) = (spec.obs_dim(), spec.head.action_words());
    let stored: u64 = file.number("replay.stored")?;
    let rows = usize::try_from(stored).unwrap_or(usize::MAX).saturating_mul(config.num_envs);
    let replay = ReplayState {
        next_write: file.number("replay.next_write")?,
        stored,
        obs: file.f32("replay.obs", &[rows, obs_dim])?,
        actions: file.u32("replay.actions", &[rows, words])?,
        rewards: file.f32("replay.rewards", &[rows])?,
        next_obs: file.f32("replay.next_obs", &[rows, obs_dim])?,
        terminated: file.u32("replay.terminated", &[rows])?,
        truncated: file.u32("replay.truncated", &[rows])?,
    };
    replay.check([places, config.num_envs], obs_dim, words).map_err(in_file)?;
    Ok(replay)
}
