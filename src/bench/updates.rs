//! Whole updates, rollouts, and training.

use super::data::{SEED, Setup};
use super::pieces::{fresh, model, shape, upload};
use super::work::Macs;
use super::{Case, Prepared, Table, verdicts};
use crate::agent::{Agent, OnPolicy};
use crate::algo::{GpuTrainer, PpoUpdate, RolloutPlan, TrustRegionUpdate};
use crate::config::{Config, TrustRegion};
use crate::cpu::{CpuLearner, CpuTrainer};
use crate::data::{Actions, Rollout};
use crate::env::Autoreset;
use crate::env::Env;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::policy::PolicySpec;
use crate::trainer::Trainer;
use ndarray::Array2;
use std::sync::Arc;

/// Operations of a comparison in f64 beyond which it takes minutes on a few cores.
const HEAVY: f64 = 1e11;

pub(super) fn cases(table: &Table) -> Vec<Case> {
    let mut cases = Vec::new();
    for (net, spec, rows) in &table.nets {
        cases.push(ppo_update(net, spec, *rows));
    }
    for (net, spec, rows) in &table.nets {
        cases.push(trpo_update(net, spec, *rows));
    }
    if let Some((steps, envs)) = table.rollout {
        // CartPole's own net, or the one that is asked for.
        let fits = |spec: &PolicySpec| {
            spec.obs_dim() == Env::CartPole.obs_dim() && Env::CartPole.check_head(&spec.head).is_ok()
        };
        let net = table.nets.iter().find(|(_, spec, _)| fits(spec));
        cases.extend(
            net.iter().flat_map(|(net, spec, _)| [rollout(net, spec, steps, envs), train(net, spec, steps, envs)]),
        );
    }
    cases
}

/// CleanRL's four epochs of four minibatches.
fn ppo_update(net: &str, spec: &PolicySpec, rows: usize) -> Case {
    let setup = Setup::new(spec, Config::cleanrl(), rows);
    let (cpu, work) = (setup.clone(), Macs::new(spec).ppo_update(&setup.config, rows));
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let batch = setup.batch()?;
        let update = Arc::new(PpoUpdate::new(gpu, &model, &setup.config, &upload(gpu, &batch)?, None)?);
        let mut encoder = gpu.encoder("bench");
        update.record(gpu, &mut encoder, slot);
        gpu.submit(encoder)?;
        let check = verdicts::update("ppo_update", &setup, &batch, &gpu.read_async(&model.parameters).await?)?;
        let (calls, restore) = (update.calls().to_vec(), fresh(model, setup.parameters().clone()));
        let start = move |encoder: &mut wgpu::CommandEncoder| update.record_start(encoder);
        Ok(Prepared::calls_of(check, calls, slot).starting(start).restoring(restore))
    };
    Case::new(format!("ppo_update/{net}"), shape(spec, rows) + ", 4 epochs × 4 minibatches", work)
        .of_net(net)
        .heavy(work.flops > HEAVY)
        .on_gpu(on_gpu)
        .on_cpu(move || on_cpu("ppo_update", &cpu))
}

/// sb3-contrib's settings, except for the critic's minibatches: four, as PPO has them.
fn trpo_update(net: &str, spec: &PolicySpec, rows: usize) -> Case {
    let (num_minibatches, minibatch_size) = (4, None);
    let region = TrustRegion::sb3_contrib();
    let config = Config { num_minibatches, minibatch_size, ..Config::trpo_sb3_contrib() };
    let setup = Setup::new(spec, config, rows);
    let (cpu, work) = (setup.clone(), Macs::new(spec).trpo_update(&setup.config, &region, rows));
    let rest = format!(", {} iterations, {} candidates", region.cg_iterations, region.line_search_steps);
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let batch = setup.batch()?;
        let update = Arc::new(TrustRegionUpdate::new(gpu, &model, &setup.config, &upload(gpu, &batch)?, None)?);
        let mut encoder = gpu.encoder("bench");
        update.record(gpu, &mut encoder, slot);
        gpu.submit(encoder)?;
        let check = verdicts::update("trpo_update", &setup, &batch, &gpu.read_async(&model.parameters).await?)?;
        let (calls, restore) = (update.calls().to_vec(), fresh(model, setup.parameters().clone()));
        let start = move |encoder: &mut wgpu::CommandEncoder| update.record_start(encoder);
        Ok(Prepared::calls_of(check, calls, slot).starting(start).restoring(restore))
    };
    Case::new(format!("trpo_update/{net}"), shape(spec, rows) + &rest, work)
        .of_net(net)
        .heavy(work.flops > HEAVY)
        .on_gpu(on_gpu)
        .on_cpu(move || on_cpu("trpo_update", &cpu))
}

fn on_cpu(kind: &str, setup: &Setup) -> Result<Prepared> {
    let batch = setup.batch()?;
    let mut learner = CpuLearner::<f32>::new(setup.spec.clone(), setup.config.clone(), SEED)?;
    learner.update_batch(&batch, None)?;
    let check = verdicts::update(kind, setup, &batch, &learner.parameters()?)?;
    Ok(Prepared::host(check, move || learner.update_batch(&batch, None).map(|_| ())))
}

/// A window of CartPole's with the values of everything that was seen.
fn rollout(net: &str, spec: &PolicySpec, steps: usize, envs: usize) -> Case {
    let env = Env::CartPole;
    let config = Config { num_steps: steps, num_envs: envs, ..Config::cleanrl() };
    let setup = Setup::new(spec, config, steps * envs);
    let cpu = setup.clone();
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let plan = RolloutPlan::new(gpu, &model, env, steps as u32, envs as u32)?;
        gpu.run("bench", plan.reset(), slot)?;
        gpu.run("bench", plan.calls(), slot)?;
        let check = verdicts::rollout(&setup, env, &read(gpu, &plan, &setup, (steps, envs)).await?)?;
        Ok(Prepared::calls_of(check, plan.calls().to_vec(), slot))
    };
    let on_cpu = move || {
        let (spec, config) = (cpu.spec.clone(), cpu.config.clone());
        let mut trainer = CpuTrainer::new(env, spec, config, SEED)?;
        let check = verdicts::rollout(&cpu, env, &trainer.rollout()?.0)?;
        Ok(Prepared::host(check, move || trainer.rollout().map(|_| ())))
    };
    let work = Macs::new(spec).rollout(steps, envs);
    let shape = format!("{} {steps} steps × {envs} environments", env.name());
    Case::new(format!("rollout/{net}"), shape, work).of_net(net).on_gpu(on_gpu).on_cpu(on_cpu)
}

async fn read(gpu: &Gpu, plan: &RolloutPlan, setup: &Setup, (steps, envs): (usize, usize)) -> Result<Rollout> {
    let rows = steps * envs;
    let floats = async |buffer| verdicts::matrix(gpu.read_async(buffer).await?, steps, envs);
    let flags = async |buffer| -> Result<Array2<u32>> {
        let words = gpu.read_async(buffer).await?;
        Ok(Array2::from_shape_fn((steps, envs), |(t, n)| words[t * envs + n]))
    };
    let obs = verdicts::matrix(gpu.read_async(&plan.obs).await?, rows + envs, setup.spec.obs_dim())?;
    Ok(Rollout {
        steps,
        envs,
        obs: verdicts::head_of(&obs, rows).to_owned(),
        actions: Actions::from_words(&setup.spec.head, rows, &gpu.read_async(&plan.actions).await?)?,
        logp: gpu.read_async(&plan.logp).await?.into(),
        rewards: floats(&plan.buffers.rewards).await?,
        values: verdicts::matrix(gpu.read_async(&plan.buffers.values).await?, steps + 1, envs)?,
        final_values: Some(floats(&plan.buffers.final_values).await?),
        terminated: flags(&plan.buffers.terminated).await?,
        truncated: flags(&plan.buffers.truncated).await?,
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    })
}

/// Whole iterations: rollout, advantages, CleanRL's update, statistics read back.
fn train(net: &str, spec: &PolicySpec, steps: usize, envs: usize) -> Case {
    let env = Env::CartPole;
    let config = Config { num_steps: steps, num_envs: envs, ..Config::cleanrl() };
    let setup = Setup::new(spec, config, steps * envs);
    let (cpu, work) = (setup.clone(), Macs::new(spec).train(&setup.config, steps, envs));
    let on_gpu = async move |gpu: &Gpu| {
        let (spec, config) = (setup.spec.clone(), setup.config.clone());
        let mut trainer = GpuTrainer::new(gpu, env, spec, config, SEED)?;
        trainer.iterate_async().await?;
        let check = verdicts::iteration(&setup, env, &trainer.state_async().await?.learner.parameters)?;
        let calls = trainer.calls().to_vec();
        let run = async move || trainer.iterate_async().await.map(|_| ());
        Ok(Prepared::host_async(check, run).submitting(calls))
    };
    let on_cpu = move || {
        let (spec, config) = (cpu.spec.clone(), cpu.config.clone());
        let mut trainer = CpuTrainer::new(env, spec, config, SEED)?;
        // The update is the row above; what comes before it is compared here.
        let check = verdicts::rollout(&cpu, env, &trainer.rollout()?.0)?;
        Ok(Prepared::host(check, move || trainer.iterate().map(|_| ())))
    };
    let shape = format!("{} {steps} steps × {envs} environments, 4 epochs × 4 minibatches", env.name());
    Case::new(format!("train/{net}"), shape, work).of_net(net).on_gpu(on_gpu).on_cpu(on_cpu)
}
