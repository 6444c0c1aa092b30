//! `wgpo bench --only allreduce`: what the ranks' messages take, and an update that is spread over them.

use super::launch::{Ranks, threads};
use crate::program::{SUCCESS, Status};
use anyhow::Result;
use ndarray::{Array1, Array2};
use std::sync::Arc;
use std::time::Instant;
use wgpo::bench::nets;
use wgpo::collective::{Collective, Share, Threads, broadcast};
use wgpo::data::Batch;
use wgpo::policy::PolicySpec;
use wgpo::{ActMode, Agent, Config, CpuLearner, OnPolicy};

/// The pattern of `--only` that asks for it.
pub const NAME: &str = "allreduce";

/// Rounds of each row, of which the median counts.
const ROUNDS: usize = 15;

/// Elements of the sums, f32.
const LENGTHS: [usize; 6] = [16, 256, 2048, 16_384, 131_072, 1 << 20];

/// Measures with these ranks, or as the only one. Rank 0 prints.
pub fn bench(ranks: Option<Ranks>, seconds: f64, quick: bool) -> Result<Status> {
    let (collective, here): (Arc<dyn Collective>, usize) = match ranks {
        Some(ranks) => (ranks.collective, ranks.here),
        None => match Threads::new(1).pop() {
            Some(alone) => (Arc::new(alone), 1),
            None => return Ok(SUCCESS),
        },
    };
    let own = threads(here)?;
    let said = |line: String| {
        if collective.rank() == 0 {
            say!("{line}");
        }
    };
    said(format!("ranks: {}, of {here} on this machine; threads of each: {own}", collective.size()));
    said(format!("{:<24} {:>12} {:>12} {:>10}", "what", "bytes", "median", ""));
    let team = collective.as_ref();
    if team.size() > 1 {
        messages(team, seconds, &said)?;
    }
    for (name, spec, rows) in nets() {
        let rows = if quick { rows / 64 } else { rows };
        let (mut learner, batch) = learner(&collective, &spec, rows)?;
        let took = median(team, seconds, || Ok(learner.update_batch(&batch, None).map(drop)?))?;
        said(row(&format!("update/{name}"), 0, took, format!("{:.0} rows/s of {rows}", rows as f64 / took)));
    }
    Ok(SUCCESS)
}

/// What all ranks send each other: statistics of a minibatch, sums of some lengths, and the gradients of the nets.
fn messages(team: &dyn Collective, seconds: f64, said: &dyn Fn(String)) -> Result<()> {
    let own = vec![0_u8; 112];
    let mut all = vec![0_u8; 112 * team.size()];
    let took = median(team, seconds, || Ok(team.all_gather(&own, &mut all)?))?;
    said(row("gather/statistics", own.len(), took, String::new()));
    let parameters = nets().map(|(name, spec, _)| (format!("allreduce/{name}"), spec.layout().len()));
    let plain = LENGTHS.map(|len| (format!("allreduce/{len}"), len));
    for (name, len) in plain.into_iter().chain(parameters) {
        let mut values = vec![1e-3_f32; len];
        let took = median(team, seconds, || Ok(team.sum_f32(&mut values)?))?;
        said(row(&name, 4 * len, took, format!("{:.2} GB/s", 4e-9 * len as f64 / took)));
    }
    Ok(())
}

fn row(name: &str, bytes: usize, took: f64, more: String) -> String {
    let bytes = if bytes == 0 { String::new() } else { bytes.to_string() };
    format!("{name:<24} {bytes:>12} {:>9.4} ms {more:>10}", 1e3 * took)
}

/// Median seconds of a call that all ranks make, each round as often as takes `seconds` at rank 0.
fn median(team: &dyn Collective, seconds: f64, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let begun = Instant::now();
    call()?;
    let calls = (seconds / ROUNDS as f64 / begun.elapsed().as_secs_f64().max(1e-9)).clamp(1.0, 1e5) as u64;
    let calls = broadcast(team, &calls.to_ne_bytes())?;
    let calls = u64::from_ne_bytes(calls.try_into().unwrap_or_default()).max(1);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        broadcast(team, &[])?;
        let begun = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        times.push(begun.elapsed().as_secs_f64() / calls as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

/// A learner of all ranks, and this one's share of `rows` rows: one minibatch, one epoch of PPO.
fn learner(collective: &Arc<dyn Collective>, spec: &PolicySpec, rows: usize) -> Result<(CpuLearner, Batch)> {
    let usual = Config::cleanrl();
    let config =
        Config { num_envs: rows, num_steps: 1, num_minibatches: 1, update_epochs: 1, anneal_lr: false, ..usual };
    let mut learner = CpuLearner::<f32>::new_among(collective.clone(), spec.clone(), config, 1)?;
    let share = Share::even(collective.rank(), collective.size(), rows);
    let wave = |row: usize, phase: f32| (((share.first + row) as f32 * 0.7371 + phase) * 1.37).sin();
    let column = |phase| Array1::from_shape_fn(share.own, |row| wave(row, phase));
    let obs = Array2::from_shape_fn((share.own, spec.obs_dim()), |(row, column)| wave(row, column as f32 * 3.1));
    let acted = learner.act(obs.view(), ActMode::Greedy)?;
    let batch = Batch {
        obs,
        actions: acted.actions,
        logp_old: acted.logp,
        advantages: column(0.3),
        returns: column(0.6),
        values_old: acted.values,
        old_dist: None,
        valid: None,
    };
    Ok((learner, batch))
}
