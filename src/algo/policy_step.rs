//! The policy's step of TRPO or NPG as lists of calls: gradient, conjugate gradients, line search.

use super::batch::BatchBuffers;
use super::clean::pack_in_order;
use super::fisher::{FisherPlan, networks, sum_partials};
use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Activations, Block, Gradients};
use super::normalized::{Normalized, Stretch};
use super::rows;
use super::update_build::ACTOR;
use crate::config::{Acceptance, AdvantageNorm, Algorithm, Config, TrustRegion};
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{
    batch_count, cg_step, loss_ppo, loss_statistics, loss_trust_region, optim_line_search, reduce_moments,
};
use crate::memory::small;

/// Buffers and sizes while the policy's step is put together.
pub(super) struct PolicyStep<'a> {
    gpu: &'a Gpu,
    model: &'a Model,
    config: &'a Config,
    region: &'a TrustRegion,
    rows: u32,
    samples: Buffer<[f32; 4]>,
    /// Its element with the weight of a row; 0 where all rows count.
    valid_sample: u32,
    /// Of the policy at the start; its distribution rows are the old ones.
    kept: Activations,
    pub gradient: Buffer<f32>,
    trust_partials: Buffer<[f32; 4]>,
    pub control: Buffer<u32>,
    pub trace: Buffer<f32>,
    pub cg: Buffer<f32>,
    pub search: Buffer<f32>,
}

impl<'a> PolicyStep<'a> {
    /// Buffers for a step on the rows of `batch`.
    pub fn new(gpu: &'a Gpu, model: &'a Model, config: &'a Config, batch: &BatchBuffers) -> Result<Self> {
        let region = config.expect_trust_region()?;
        Ok(Self {
            gpu,
            model,
            config,
            region,
            rows: batch.rows,
            // After the rows: what one weighs, and what one that the Fisher matrix looks at does.
            samples: gpu.buffer("samples", u64::from(batch.rows) + if batch.valid.is_some() { 2 } else { 0 })?,
            valid_sample: if batch.valid.is_some() { batch.rows } else { 0 },
            kept: Activations::new(gpu, &model.spec, batch.rows, &ACTOR)?,
            gradient: gpu.buffer("gradient", model.layout.len() as u64)?,
            trust_partials: gpu.buffer("trust_partials", u64::from(loss_trust_region::groups(batch.rows)))?,
            control: gpu.buffer("control", loss_statistics::CONTROL_WORDS)?,
            trace: gpu.buffer("trace", loss_statistics::TRACE_WIDTH)?,
            cg: gpu.buffer("cg", cg_step::scalars(region.cg_iterations as u32))?,
            search: gpu.buffer("search", optim_line_search::words(region.line_search_steps as u32))?,
        })
    }

    fn count(&self) -> u32 {
        self.model.layout.len() as u32
    }

    fn block(&self) -> Block {
        let obs_stride = self.model.spec.obs_dim() as u32;
        Block { rows: self.rows, obs_offset: 0, obs_stride, value_offset: 0 }
    }

    /// All rows in their own order, packed, with advantages normalised over all of them.
    pub fn advantages(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let (gpu, rows, config) = (self.gpu, self.rows, self.config);
        let mut calls = pack_in_order(gpu, self.model, batch, &self.samples)?;
        if config.norm_adv != AdvantageNorm::None {
            let (moments, all) = (gpu.buffer("moments", 1)?, [Stretch::whole(rows)]);
            let partials = gpu.buffer("moment partials", reduce_moments::partials(rows, rows))?;
            let of = Normalized { gpu, config, samples: &self.samples, moments: &moments };
            calls.extend(of.measure(&partials, batch.valid.is_some(), &all)?);
            calls.extend(of.apply(&all)?);
        }
        Ok(calls)
    }

    /// The gradient of −L at the start, and the entropy there.
    pub fn policy_gradient(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let (gpu, model, rows) = (self.gpu, self.model, self.rows);
        let networks = networks(gpu, model);
        let blocks = [self.block()];
        let gradients = Gradients::new(gpu, &model.spec, &model.layout, &[rows], rows)?;
        let mut calls: Vec<Call> = networks
            .forward(&ACTOR, &batch.obs, &self.kept, &batch.values_old, &blocks)?
            .into_iter()
            .flatten()
            .collect();
        let loss_partials = gpu.buffer("loss_partials", u64::from(loss_ppo::groups(rows)) * 3)?;
        let io = loss_ppo::Io {
            head_outputs: self.kept.head_outputs(&batch.obs),
            values: &batch.values_old,
            actions: &batch.actions,
            samples: &self.samples,
            d_head_outputs: &gradients.d_head_outputs,
            d_values: &gradients.d_values,
            loss_partials: &loss_partials,
            head_outputs_old: self.kept.head_outputs(&batch.obs),
        };
        // Without a clip range (the schedule's is out of reach) the loss is −mean r A.
        let params = loss_ppo::Params { rows, valid_sample: self.valid_sample, ..Default::default() };
        calls.extend(rows::loss(gpu, &model.spec.head, &[params], &io, &model.ring)?.into_iter().flatten());
        let io = loss_statistics::Io { loss_partials: &loss_partials, control: &self.control, trace: &self.trace };
        calls.extend(loss_statistics::bind(gpu, &[(Default::default(), rows)], &io, &model.ring)?);
        let backward = networks.backward(&ACTOR, &batch.obs, &self.kept, &gradients, &blocks)?;
        calls.extend(backward.into_iter().flatten());
        calls.extend(sum_partials(gpu, model, rows, &gradients.partials, &self.gradient)?);
        Ok(calls)
    }

    /// x ≈ (F + damping)⁻¹ g and the length of the step; and how many dispatches one product with F is.
    pub fn solve(&self, batch: &BatchBuffers) -> Result<(Vec<Call>, usize)> {
        let (gpu, model, region) = (self.gpu, self.model, self.region);
        let count = u64::from(self.count());
        let every = small("trust_region.fisher_subsample", region.fisher_subsample)?;
        let mut fisher = FisherPlan::new(gpu, model, &batch.obs, &batch.actions, self.rows, every, region.fisher)?;
        let mut weigh = Vec::new();
        if self.valid_sample != 0 {
            let (rows, place) = (self.rows.div_ceil(every), self.rows + 1);
            let params = batch_count::Params { rows, segment: rows, stride: every, place, ..Default::default() };
            weigh = batch_count::bind(gpu, &[params], &batch_count::Io { samples: &self.samples })?;
            fisher = fisher.masked(&self.samples, place);
        }
        let (direction, residual) = (gpu.buffer("direction", count)?, gpu.buffer("residual", count)?);
        let (solution, product) = (&model.search_direction, gpu.buffer("product", count)?);
        let params = cg_step::Params {
            count: self.count(),
            cg_iterations: region.cg_iterations as u32,
            damping: region.damping as f32,
            tolerance: region.cg_tolerance as f32,
            absolute: region.cg_absolute_tolerance.unwrap_or(0.0) as f32,
            max_kl: region.max_kl as f32,
            warm: u32::from(region.cg_warm_start),
            step_size: region.step_size.unwrap_or(0.0) as f32,
            ..Default::default()
        };
        let io = cg_step::Io {
            gradient: &self.gradient,
            product: &product,
            direction: &direction,
            solution,
            residual: &residual,
            cg_partials: &gpu.buffer("cg_partials", u64::from(cg_step::groups(self.count())))?,
            cg: &self.cg,
        };
        let along_direction = fisher.product(gpu, model, &direction, &product)?;
        let along_solution = fisher.product(gpu, model, solution, &product)?;

        let mut calls = weigh;
        calls.extend(fisher.prepare().iter().cloned());
        if region.cg_warm_start {
            calls.extend(along_solution.iter().cloned());
        }
        calls.extend(cg_step::bind(gpu, &cg_step::start(params), &io)?);
        for index in 0..region.cg_iterations as u32 {
            calls.extend(along_direction.iter().cloned());
            calls.extend(cg_step::bind(gpu, &cg_step::iteration(params, index), &io)?);
        }
        let dispatches = along_solution.len();
        calls.extend(along_solution);
        calls.extend(cg_step::bind(gpu, &cg_step::finish(params), &io)?);
        Ok((calls, dispatches))
    }

    /// Candidates along x, each evaluated over all rows and taken or refused.
    pub fn line_search(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let (gpu, model, region) = (self.gpu, self.model, self.region);
        let trial = ForwardOnly::new(gpu, &model.spec, self.rows, &ACTOR)?;
        let old = self.kept.head_outputs(&batch.obs);
        let evaluate = |new: &Buffer<f32>| -> Result<Vec<Call>> {
            let io = loss_trust_region::Io {
                head_outputs: new,
                head_outputs_old: old,
                actions: &batch.actions,
                samples: &self.samples,
                trust_partials: &self.trust_partials,
            };
            let (rows, valid_sample) = (self.rows, self.valid_sample);
            let params = loss_trust_region::Params { rows, valid_sample, ..Default::default() };
            Ok(rows::trust_region(gpu, &model.spec.head, &[params], &io)?.into_iter().flatten().collect())
        };
        let search = !matches!(self.config.algorithm, Algorithm::Npg(_));
        let steps = if search { region.line_search_steps as u32 } else { 1 };
        let ratio = if let Acceptance::Ratio(ratio) = region.acceptance { ratio as f32 } else { 0.0 };
        let params = optim_line_search::Params {
            count: self.count(),
            groups: loss_trust_region::groups(self.rows),
            line_search_steps: region.line_search_steps as u32,
            max_kl: region.max_kl as f32,
            kl_margin: region.kl_margin as f32,
            kl_direction: region.kl_direction.code(),
            acceptance: region.acceptance.code(),
            ratio,
            inverse_rows: (1.0 / f64::from(self.rows)) as f32,
            line_search: u32::from(search),
            ..Default::default()
        };
        let io = optim_line_search::Io {
            parameters: &model.parameters,
            parameters_old: &gpu.buffer("parameters_old", u64::from(self.count()))?,
            solution: &model.search_direction,
            cg: &self.cg,
            trust_partials: &self.trust_partials,
            search: &self.search,
        };
        // The order in which they run: keep, before, (candidate, decide) × steps, restore.
        let mut all = vec![optim_line_search::keep(params), optim_line_search::before(params)];
        for index in 0..steps {
            let factor = region.line_search_factor.powi(index as i32) as f32;
            all.push(optim_line_search::candidate(params, index, factor));
            all.push(optim_line_search::decide(params, index, factor));
        }
        all.push(optim_line_search::restore(params));
        let mut phases = optim_line_search::bind(gpu, &all, &io)?.into_iter();
        let forward: Vec<Call> = networks(gpu, model)
            .forward_only(&batch.obs, &trial, None, &[self.block()])?
            .into_iter()
            .flatten()
            .collect();
        let (at_start, at_trial) = (evaluate(old)?, evaluate(trial.head_outputs())?);

        let mut calls: Vec<Call> = phases.by_ref().take(1).collect();
        calls.extend(at_start);
        calls.extend(phases.by_ref().take(1));
        for _ in 0..steps {
            calls.extend(phases.by_ref().take(1));
            calls.extend(forward.iter().cloned());
            calls.extend(at_trial.iter().cloned());
            calls.extend(phases.by_ref().take(1));
        }
        calls.extend(phases);
        Ok(calls)
    }
}
