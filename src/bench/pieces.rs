//! The pieces that an update is made of: forward, a step on a minibatch, a Fisher product, advantages.

use super::data::{SEED, Setup, WindowData, no_actions, wave};
use super::work::Macs;
use super::{Case, Prepared, Table, verdicts};
use crate::algo::{ActPlan, AdvantagePlan, BatchBuffers, Estimator, FisherPlan, Model, PpoUpdate, RolloutBuffers};
use crate::check::Work;
use crate::config::Config;
use crate::config::FisherForm;
use crate::data::{Actions, Batch};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Slot};
use crate::policy::{Branch, PolicySpec};
use crate::reference::actor_critic::ActorCritic;
use crate::reference::advantage_gae::{Window, advantage_gae};
use crate::reference::fisher::Fisher;
use crate::reference::head::log_prob;
use crate::reference::head_actions::greedy;
use crate::reference::optim::{Adam, AdamSettings};
use crate::reference::ppo_update::{Rows, minibatch_gradient};
use ndarray::Array2;
use std::sync::Arc;
use web_time::Instant;

pub(super) fn cases(table: &Table) -> Vec<Case> {
    let mut cases = Vec::new();
    type Make = fn(&str, &PolicySpec, usize) -> Case;
    for make in [forward as Make, ppo_step, fvp] {
        cases.extend(table.nets.iter().map(|(name, spec, rows)| make(name, spec, *rows)));
    }
    cases.extend(table.windows.iter().map(|window| advantages(&window.name, window.steps, window.envs)));
    cases
}

/// `16,384 rows of 27-256-256 Gaussian 8`.
pub(super) fn shape(spec: &PolicySpec, rows: usize) -> String {
    let hidden: String = spec.hidden(Branch::POLICY).iter().map(|width| format!("-{width}")).collect();
    format!("{rows} rows, {}{hidden}, {} {}", spec.obs_dim(), spec.head.name(), spec.head.raw_outputs())
}

fn flat(matrix: &Array2<f32>) -> Vec<f32> {
    matrix.iter().copied().collect()
}

pub(super) fn upload(gpu: &Gpu, batch: &Batch) -> Result<BatchBuffers> {
    let vector = |name: &str, values: &ndarray::Array1<f32>| gpu.upload(name, &values.to_vec());
    Ok(BatchBuffers {
        rows: batch.obs.nrows() as u32,
        obs: gpu.upload("obs", &flat(&batch.obs))?,
        actions: gpu.upload("actions", &batch.actions.words())?,
        logp_old: vector("logp_old", &batch.logp_old)?,
        advantages: vector("advantages", &batch.advantages)?,
        returns: vector("returns", &batch.returns)?,
        values_old: vector("values_old", &batch.values_old)?,
        old_dist: None,
        valid: None,
    })
}

/// Puts a model back to its first parameters and fresh moments.
pub(super) fn fresh(model: Arc<Model>, parameters: Vec<f32>) -> impl Fn(&Gpu) -> Result<()> {
    let zeros = vec![0.0; parameters.len()];
    move |gpu| {
        gpu.write(&model.parameters, 0, &parameters)?;
        for moments in [&model.exp_avg, &model.exp_avg_sq, &model.search_direction] {
            gpu.write(moments, 0, &zeros)?;
        }
        gpu.write(&model.optimizer_step, 0, &[0])
    }
}

pub(super) fn model(gpu: &Gpu, setup: &Setup) -> Result<(Arc<Model>, Slot)> {
    let model = Model::new(gpu, &setup.spec, &setup.config, setup.parameters(), SEED)?;
    let slot = model.push_schedule(gpu, &setup.config, 0)?;
    Ok((Arc::new(model), slot))
}

/// Observations to greedy actions, their log-probabilities and values.
fn forward(net: &str, spec: &PolicySpec, rows: usize) -> Case {
    let setup = Setup::new(spec, Config::cleanrl(), rows);
    let cpu = setup.clone();
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let obs = gpu.upload("obs", &flat(&setup.obs()))?;
        let plan = ActPlan::new(gpu, &model, &obs, rows as u32)?;
        gpu.run("bench", plan.calls(true), slot)?;
        let actions = Actions::from_words(&setup.spec.head, rows, &gpu.read_async(&plan.actions).await?)?;
        let check = verdicts::forward(
            &setup,
            &actions,
            &gpu.read_async(&plan.logp).await?,
            &gpu.read_async(&plan.values).await?,
        )?;
        Ok(Prepared::calls_of(check, plan.calls(true).to_vec(), slot))
    };
    let on_cpu = move || {
        let setup = cpu.clone();
        let (layout, obs) = (setup.spec.layout(), setup.obs());
        let run = move |setup: &Setup| {
            let networks = ActorCritic::new(&setup.spec, &layout, setup.parameters())?;
            let dist = networks.distribution(obs.view())?;
            let actions = greedy(&setup.spec.head, dist.view())?;
            let logp = log_prob(&setup.spec.head, dist.view(), &actions)?;
            Ok((actions, logp, networks.values(obs.view())?))
        };
        let (actions, logp, values) = run(&setup)?;
        let check = verdicts::forward(&setup, &actions, &logp.to_vec(), &values.to_vec())?;
        Ok(Prepared::host(check, move || run(&setup).map(|_| ())))
    };
    let work = Macs::new(spec).forward(rows);
    Case::new(format!("forward/{net}"), shape(spec, rows), work).of_net(net).on_gpu(on_gpu).on_cpu(on_cpu)
}

/// Forward of both networks, loss, backward, clip and Adam on one minibatch that lies ready.
pub(super) fn ppo_step(net: &str, spec: &PolicySpec, rows: usize) -> Case {
    let setup = Setup::new(spec, verdicts::one_step(), rows);
    let cpu = setup.clone();
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let batch = setup.batch()?;
        // An update of one epoch and one minibatch; what its gathering left stays for the steps that are timed.
        let update = PpoUpdate::new(gpu, &model, &setup.config, &upload(gpu, &batch)?, None)?;
        let mut encoder = gpu.encoder("bench");
        update.record(gpu, &mut encoder, slot);
        gpu.submit(encoder)?;
        let (gradient, after) = (gpu.read_async(update.gradient()).await?, gpu.read_async(&model.parameters).await?);
        let check = verdicts::step_of(&setup, &batch, &gradient, &after)?;
        let calls = update.step(0).to_vec();
        let restore = fresh(model, setup.parameters().clone());
        Ok(Prepared::calls_of(check, calls, slot).restoring(restore))
    };
    let on_cpu = move || {
        let setup = cpu.clone();
        let (batch, layout, config) = (setup.batch()?, setup.spec.layout(), setup.config.clone());
        let mut rows = Rows::<f32>::from_batch(&batch);
        let normalize = crate::reference::advantage_normalize::advantage_normalize;
        rows.advantages =
            normalize(rows.advantages.view(), config.adv_ddof, config.adv_eps as f32, config.adv_std_floor as f32)?;
        let settings = AdamSettings::new(&config, layout.own_range(Branch::VALUE));
        let (mut parameters, mut adam) = (setup.parameters().clone(), Adam::new(setup.parameters().len()));
        let (spec, rate) = (setup.spec.clone(), config.learning_rate_at(0.0));
        let mut run = move || {
            let (_, gradient) = minibatch_gradient(&spec, &layout, &config, &parameters, &rows)?;
            adam.step(&settings, rate, &mut parameters, &gradient)?;
            Ok::<_, crate::error::Error>((gradient, parameters.clone()))
        };
        let (gradient, after) = run()?;
        let check = verdicts::step_of(&setup, &batch, &gradient, &after)?;
        Ok(Prepared::host(check, move || run().map(|_| ())))
    };
    let work = Macs::new(spec).ppo_step(rows);
    Case::new(format!("ppo_step/{net}"), shape(spec, rows), work).of_net(net).on_gpu(on_gpu).on_cpu(on_cpu)
}

/// One Fisher product, the forward pass done before.
fn fvp(net: &str, spec: &PolicySpec, rows: usize) -> Case {
    let form = FisherForm::GaussNewton;
    let setup = Setup::new(spec, Config::trpo_sb3_contrib(), rows);
    let cpu = setup.clone();
    let on_gpu = async move |gpu: &Gpu| {
        let (model, slot) = model(gpu, &setup)?;
        let obs = gpu.upload("obs", &flat(&setup.obs()))?;
        let v = wave(setup.parameters().len(), 0.2).to_vec();
        // The form reads no actions.
        let unused: Buffer<u32> = gpu.buffer("actions", 1)?;
        let plan = FisherPlan::new(gpu, &model, &obs, &unused, rows as u32, 1, form)?;
        let (vector, product) = (gpu.upload("v", &v)?, gpu.buffer::<f32>("product", v.len() as u64)?);
        let calls = plan.product(gpu, &model, &vector, &product)?;
        gpu.run("bench", plan.prepare(), slot)?;
        gpu.run("bench", &calls, slot)?;
        let check = verdicts::product(&setup, &v, &gpu.read_async(&product).await?)?;
        Ok(Prepared::calls_of(check, calls, slot))
    };
    let on_cpu = move || {
        let setup = cpu.clone();
        let v = wave(setup.parameters().len(), 0.2).to_vec();
        let (layout, obs, none) = (setup.spec.layout(), setup.obs(), no_actions());
        // The operator borrows what it is made of: its forward pass is done anew every time, and not timed.
        let run = move |setup: &Setup| {
            let fisher = Fisher::new(&setup.spec, &layout, setup.parameters(), obs.view(), &none, form, 1, 0.0)?;
            let begun = Instant::now();
            let product = fisher.apply(&v)?;
            Ok::<_, crate::error::Error>((begun.elapsed(), product))
        };
        let v = wave(setup.parameters().len(), 0.2).to_vec();
        let check = verdicts::product(&setup, &v, &run(&setup)?.1)?;
        Ok(Prepared::host_timed(check, move || run(&setup).map(|(taken, _)| taken)))
    };
    let work = Macs::new(spec).fvp(rows);
    Case::new(format!("fvp/{net}"), shape(spec, rows), work).of_net(net).on_gpu(on_gpu).on_cpu(on_cpu)
}

/// Advantages and returns of a window.
fn advantages(name: &str, steps: usize, envs: usize) -> Case {
    let (gamma, gae_lambda) = verdicts::DISCOUNT;
    let on_gpu = async move |gpu: &Gpu| {
        let data = WindowData::new(steps, envs);
        let flags = |name: &str, flags: &Array2<u32>| gpu.upload(name, &flags.iter().copied().collect::<Vec<u32>>());
        let buffers = RolloutBuffers {
            steps: steps as u32,
            envs: envs as u32,
            rewards: gpu.upload("rewards", &flat(&data.rewards))?,
            values: gpu.upload("values", &flat(&data.values))?,
            final_values: gpu.upload("final_values", &flat(&data.final_values))?,
            terminated: flags("terminated", &data.terminated)?,
            truncated: flags("truncated", &data.truncated)?,
            log_rhos: None,
            valid: None,
        };
        let plan = AdvantagePlan::new(gpu, &buffers, gamma, Estimator::Gae { gae_lambda })?;
        gpu.run("bench", plan.calls(), Slot::default())?;
        let check = verdicts::advantages(
            &data,
            &gpu.read_async(&plan.advantages).await?,
            &gpu.read_async(&plan.returns).await?,
        )?;
        Ok(Prepared::calls_of(check, plan.calls().to_vec(), Slot::default()))
    };
    let on_cpu = move || {
        let data = WindowData::new(steps, envs);
        let run = move |data: &WindowData| {
            let window = Window {
                rewards: data.rewards.view(),
                values: data.values.view(),
                final_values: data.final_values.view(),
                terminated: data.terminated.view(),
                truncated: data.truncated.view(),
            };
            advantage_gae(&window, gamma, gae_lambda)
        };
        let (advantages, returns) = run(&data)?;
        let check = verdicts::advantages(&data, &flat(&advantages), &flat(&returns))?;
        Ok(Prepared::host(check, move || run(&data).map(|_| ())))
    };
    let shape = format!("{steps} steps × {envs} environments");
    Case::new(format!("gae/{name}"), shape, Work::gae(steps, envs)).on_gpu(on_gpu).on_cpu(on_cpu)
}
