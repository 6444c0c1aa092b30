//! Fisher-vector products and TRPO updates on a device.

use super::gpu::Result;
use super::trust_region::{FvpCase, TrpoCase, TrpoRun};
use super::{Case, Outputs};
use wgpo::config::FisherForm;
use wgpo::gpu::{Gpu, Slot};
use wgpo::low_level::algo::{FisherPlan, TrustRegionUpdate};
use wgpo::low_level::kernels::optim_line_search::OF_TRIES;
use wgpo::{Agent, BatchBuffers, Config, GpuLearner, Model, OnPolicy};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

pub fn fvp(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let case = FvpCase::read(case)?;
    let model = Model::new(gpu, &case.spec, &Config::trpo_sb3_contrib(), &case.parameters, 0)?;
    let rows = case.obs.nrows() as u32;
    let obs = gpu.upload("obs", &case.obs.iter().copied().collect::<Vec<f32>>())?;
    let no_actions = gpu.buffer("actions", 1)?;
    let plan = FisherPlan::new(gpu, &model, &obs, &no_actions, rows, 1, FisherForm::GaussNewton)?;
    let (vector, product) = (gpu.upload("v", &case.v)?, gpu.buffer("product", case.v.len() as u64)?);
    let mut calls = plan.prepare().to_vec();
    calls.extend(plan.product(gpu, &model, &vector, &product)?);
    gpu.run("fvp", &calls, Slot::default())?;
    // The operator is without damping, which conjugate gradients add.
    let damped = gpu.read(&product)?.into_iter().zip(&case.v).map(|(f, v)| f64::from(f) + case.damping * f64::from(*v));
    Ok(case.outputs(&damped.collect::<Vec<f64>>()))
}

pub fn trpo(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let case = TrpoCase::read(case)?;
    let (spec, config) = (&case.spec, &case.config);
    // The whole update through a learner.
    let mut learner = GpuLearner::new(gpu, spec.clone(), config.clone(), 0)?;
    learner.set_parameters(&case.parameters)?;
    let stats = learner.update_batch(&case.batch, Some(&case.order))?;
    let parameters = learner.parameters()?;

    // The same through the plan, which gives access to gradient, direction and candidates.
    let batch = &case.batch;
    let model = Model::new(gpu, spec, config, &case.parameters, 0)?;
    let buffers = BatchBuffers {
        rows: batch.rows() as u32,
        obs: gpu.upload("obs", &batch.obs.iter().copied().collect::<Vec<f32>>())?,
        actions: gpu.upload("actions", &batch.actions.words())?,
        logp_old: gpu.upload("logp_old", &batch.logp_old.to_vec())?,
        advantages: gpu.upload("advantages", &batch.advantages.to_vec())?,
        returns: gpu.upload("returns", &batch.returns.to_vec())?,
        values_old: gpu.upload("values_old", &batch.values_old.to_vec())?,
        old_dist: None,
        valid: None,
    };
    let order = gpu.upload("order", &case.order)?;
    let plan = TrustRegionUpdate::new(gpu, &model, config, &buffers, Some(&order))?;
    let slot = model.push_schedule(gpu, config, 0)?;
    let mut encoder = gpu.encoder("policy step");
    plan.record(gpu, &mut encoder, slot);
    gpu.submit(encoder)?;
    if gpu.read(&model.parameters)? != parameters {
        return Err("the plan's parameters are not the learner's".into());
    }
    let search = gpu.read(plan.search())?;
    let tries = stats.trust_region.as_ref().map_or(0, |step| step.tries as usize);
    let tries = search[OF_TRIES..].chunks(2).take(tries).map(|pair| [f64::from(pair[1]), f64::from(pair[0])]).collect();
    let gradient: Vec<f64> = gpu.read(plan.gradient())?.iter().map(|g| -f64::from(*g)).collect();
    let direction = wide(&gpu.read(&model.search_direction)?);
    Ok(case.outputs(&TrpoRun { parameters: wide(&parameters), gradient, direction, tries, stats }))
}
