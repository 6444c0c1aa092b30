//! Fisher-vector products and TRPO updates: what a file asks for, and its outputs from what a run returns.

use super::ppo::{actions, file_name, flat, separate};
use super::{Case, Outputs};
use ndarray::Array2;
use wgpo::config::{Acceptance, AdvantageNorm, FisherForm, KlDirection, TrustRegion};
use wgpo::data::{Actions, Batch, UpdateStats};
use wgpo::gpu::{Gpu, Slot};
use wgpo::low_level::algo::FisherPlan;
use wgpo::low_level::kernels::cg_step;
use wgpo::low_level::reference::Real;
use wgpo::low_level::reference::cg::{CgSettings, conjugate_gradient};
use wgpo::low_level::reference::fisher::Fisher;
use wgpo::policy::{Head, PolicySpec};
use wgpo::{Algorithm, Config, Model, OnPolicy};

/// A product of the Fisher matrix; the value network of `spec` is nothing that the file has, its numbers are 0.
pub struct FvpCase {
    pub spec: PolicySpec,
    pub parameters: Vec<f32>,
    pub obs: Array2<f32>,
    pub v: Vec<f32>,
    pub damping: f64,
}

impl FvpCase {
    pub fn read(case: &Case) -> Result<Self, String> {
        let spec = separate(case, "sizes")?;
        let (parameters, v) = (flat(case, &spec, "in.")?, flat(case, &spec, "in.v.")?);
        Ok(Self { parameters, v, obs: case.matrix("in.obs")?, damping: case.number("damping")?, spec })
    }

    /// ‖r‖² before and after each of `iterations` iterations of conjugate gradients for F x = v.
    pub fn residuals<F: Real>(&self, iterations: usize) -> wgpo::Result<Vec<f64>> {
        let real = |values: &[f32]| values.iter().map(|x| F::of(f64::from(*x))).collect::<Vec<F>>();
        let (layout, parameters) = (self.spec.layout(), real(&self.parameters));
        let obs = self.obs.mapv(|x| F::of(f64::from(x)));
        let none = Actions::Discrete(Array2::zeros((0, 0)));
        let (form, damping) = (FisherForm::GaussNewton, F::of(self.damping));
        let fisher = Fisher::new(&self.spec, &layout, &parameters, obs.view(), &none, form, 1, damping)?;
        let settings = CgSettings { iterations, tolerance: 0.0, absolute_tolerance: 0.0 };
        Ok(conjugate_gradient(|v| fisher.apply(v), &real(&self.v), None, &settings)?.1.residuals)
    }

    /// The same on a device.
    pub fn residuals_on(&self, gpu: &Gpu, iterations: usize) -> wgpo::Result<Vec<f64>> {
        let model = Model::new(gpu, &self.spec, &Config::trpo_sb3_contrib(), &self.parameters, 0)?;
        let obs = gpu.upload("obs", &self.obs.iter().copied().collect::<Vec<f32>>())?;
        let actions = gpu.buffer("actions", 1)?;
        let rows = self.obs.nrows() as u32;
        let plan = FisherPlan::new(gpu, &model, &obs, &actions, rows, 1, FisherForm::GaussNewton)?;
        let count = self.v.len() as u64;
        let gradient = gpu.upload("gradient", &self.v.iter().map(|v| -v).collect::<Vec<f32>>())?;

        let (product, direction) = (gpu.buffer("product", count)?, gpu.buffer("direction", count)?);
        let (solution, residual) = (gpu.buffer("solution", count)?, gpu.buffer("residual", count)?);
        let cg = gpu.buffer("cg", cg_step::scalars(iterations as u32))?;
        let io = cg_step::Io {
            gradient: &gradient,
            product: &product,
            direction: &direction,
            solution: &solution,
            residual: &residual,
            cg_partials: &gpu.buffer("cg_partials", u64::from(cg_step::groups(count as u32)))?,
            cg: &cg,
        };
        let (count, cg_iterations, damping) = (count as u32, iterations as u32, self.damping as f32);
        let params = cg_step::Params { count, cg_iterations, damping, max_kl: 0.01, ..Default::default() };
        let mut calls = plan.prepare().to_vec();
        calls.extend(cg_step::bind(gpu, &cg_step::start(params), &io)?);
        for index in 0..cg_iterations {
            calls.extend(plan.product(gpu, &model, &direction, &product)?);
            calls.extend(cg_step::bind(gpu, &cg_step::iteration(params, index), &io)?);
        }
        gpu.run("solve", &calls, Slot::default())?;
        let cg = gpu.read(&cg)?;
        let taken = cg[cg_step::ITERATIONS] as usize;
        Ok(cg[cg_step::TRACE..=cg_step::TRACE + taken].iter().map(|rr| f64::from(*rr)).collect())
    }

    pub fn outputs(&self, product: &[f64]) -> Outputs {
        policy_parts(&self.spec, "fvp", product, 1.0).collect()
    }
}

/// The actor's parts of a flat vector, times `factor`.
fn policy_parts<'a>(
    spec: &PolicySpec,
    prefix: &'a str,
    flat: &'a [f64],
    factor: f64,
) -> impl Iterator<Item = (String, Vec<f64>)> + 'a {
    let ranges = spec.layout().ranges().to_vec();
    ranges.into_iter().filter(|range| !range.name.starts_with("value.")).map(move |range| {
        let values = flat[range.indices()].iter().map(|value| factor * value).collect();
        (format!("out.{prefix}.{}", file_name(&range.name)), values)
    })
}

/// A TRPO update with the settings for a KL that is summed over action dimensions, as ours is.
pub struct TrpoCase {
    pub spec: PolicySpec,
    pub config: Config,
    pub parameters: Vec<f32>,
    /// All rows; the critic sees them all.
    pub batch: Batch,
    /// The rows of the policy's step, where they are not all in order (sb3-contrib's `sub_sampling_factor`, our `subsample`).
    pub policy_rows: Option<Vec<u32>>,
    /// Of the critic, and then of the policy where it has its own rows: `[order_epochs, rows]`.
    pub order: Vec<u32>,
    /// Our KL is this times the file's.
    dims: f64,
}

/// What an implementation returns.
pub struct TrpoRun {
    /// After policy and critic.
    pub parameters: Vec<f64>,
    pub gradient: Vec<f64>,
    pub direction: Vec<f64>,
    /// (L, KL) of each candidate.
    pub tries: Vec<[f64; 2]>,
    pub stats: UpdateStats,
}

impl TrpoCase {
    pub fn read(case: &Case) -> Result<Self, String> {
        let spec = separate(case, "pi_sizes")?;
        let whole = |key: &str| case.number(key).map(|value| value as usize);
        let indices = |name: &str| -> Result<Vec<u32>, String> {
            Ok(case.tensor(name)?.values.iter().map(|index| *index as u32).collect())
        };
        let every = whole("sub_sampling_factor")?;
        let normalize = case.flag("normalize_advantage")?;
        let config = Config {
            algorithm: Algorithm::Trpo(TrustRegion {
                max_kl: case.number("equivalent_target_kl_if_kl_is_summed")?,
                kl_direction: KlDirection::NewOld,
                damping: case.number("equivalent_cg_damping_if_kl_is_summed")?,
                cg_iterations: whole("cg_max_steps")?,
                cg_tolerance: 0.0,
                cg_absolute_tolerance: Some(case.number("cg_residual_tol")?),
                cg_warm_start: false,
                line_search_steps: whole("line_search_max_iter")?,
                line_search_factor: case.number("line_search_shrinking_factor")?,
                kl_margin: 1.0,
                acceptance: Acceptance::Improves,
                fisher_subsample: 1,
                subsample: every,
                step_size: None,
                fisher: FisherForm::GaussNewton,
            }),
            learning_rate: case.number("lr")?,
            update_epochs: whole("n_critic_updates")?,
            minibatch_size: Some(whole("batch_size")?),
            norm_adv: if normalize { AdvantageNorm::Batch } else { AdvantageNorm::None },
            adv_eps: case.number("advantage_eps")?,
            adam_eps: case.number("adam_eps")?,
            adam_beta1: case.number("adam_beta1")?,
            adam_beta2: case.number("adam_beta2")?,
            ..Config::trpo_sb3_contrib()
        };
        let mut order = indices("in.critic_order")?;
        let mut policy_rows = None;
        if every > 1 {
            // Every k-th of its permutation there, the first ones of ours; which of the others comes where makes no difference.
            let theirs = indices("in.policy_order")?;
            let taken: Vec<u32> = theirs.iter().copied().step_by(every).collect();
            order.extend(taken.iter().copied().chain(theirs.iter().copied().filter(|row| !taken.contains(row))));
            policy_rows = Some(taken);
        }
        let batch = Batch {
            obs: case.matrix("in.obs")?,
            actions: actions(case, &spec.head)?,
            logp_old: case.vector("in.old_log_prob")?,
            advantages: case.vector("in.advantages")?,
            returns: case.vector("in.returns")?,
            values_old: case.vector("in.old_values")?,
            old_dist: None,
            valid: None,
        };
        let dims = if let Head::Gaussian { dims, .. } = spec.head { dims as f64 } else { 1.0 };
        let parameters = flat(case, &spec, "in.")?;
        Ok(Self { config, parameters, batch, policy_rows, order, dims, spec })
    }

    /// ‖r‖² before and after each iteration of conjugate gradients of a learner with this case's settings.
    pub fn residuals(&self, mut learner: impl OnPolicy) -> Vec<f64> {
        learner.set_parameters(&self.parameters).unwrap();
        let stats = learner.update_batch(&self.batch, Some(&self.order)).unwrap();
        stats.trust_region.unwrap().residuals
    }

    /// All outputs under the file's names and in its units.
    pub fn outputs(&self, run: &TrpoRun) -> Outputs {
        let mut outputs: Outputs = policy_parts(&self.spec, "policy_gradient", &run.gradient, 1.0)
            .chain(policy_parts(&self.spec, "search_direction", &run.direction, self.dims))
            .collect();
        for range in self.spec.layout().ranges() {
            outputs.insert(format!("out.{}", file_name(&range.name)), run.parameters[range.indices()].to_vec());
        }
        let Some(step) = &run.stats.trust_region else { return outputs };
        // After the last permitted iteration the file has no residual.
        let iterations = self.config.trust_region().map_or(0, |region| region.cg_iterations);
        let residuals = step.residuals.iter().take(iterations).copied();
        outputs.insert("out.cg_residual_sq".into(), residuals.collect());
        outputs.insert("out.try_objective".into(), run.tries.iter().map(|[surrogate, _]| *surrogate).collect());
        outputs.insert("out.try_kl".into(), run.tries.iter().map(|[_, kl]| kl / self.dims).collect());
        for (name, value) in [
            ("direction_quadratic_form", step.quadratic_form * self.dims),
            ("step_scale", step.step_scale / self.dims),
            ("cg_iterations", step.cg_iterations.into()),
            ("accepted", f64::from(u8::from(step.accepted))),
            ("accepted_try", step.accepted_try.map_or(-1.0, f64::from)),
            ("tries", step.tries.into()),
            ("objective_before", step.surrogate_before),
            ("log.policy_objective", step.surrogate_after),
            ("log.kl_divergence_loss", step.kl_after / self.dims),
            (
                "log.value_loss",
                run.stats.minibatches.iter().map(|one| one.value_loss).sum::<f64>()
                    / run.stats.minibatches.len() as f64,
            ),
        ] {
            outputs.insert(format!("out.{name}"), vec![value]);
        }
        outputs
    }
}
