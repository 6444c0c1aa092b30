//! The kernels and plans on a device as a backend.

use super::library::{LibraryCase, LibraryRun};
use super::ppo::{PpoCase, PpoRun, actions, activation, head};
use super::{
    Backend, Case, Kind, Outputs, Rule, check, gpu_env, gpu_loss, gpu_normalize, gpu_off_policy,
    gpu_off_policy_updates, gpu_trust,
};
use std::error::Error;
use wgpo::gpu::{Buffer, Call, Gpu, Slot};
use wgpo::low_level::algo::{AdvantagePlan, Estimator, RolloutBuffers};
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{
    advantage_gae, advantage_gae_chunked, head_evaluate, head_fisher, loss_statistics, mlp_backward_input,
    mlp_backward_weight, mlp_forward, mlp_jvp, optim_adam, optim_clip, reduce_partials,
};
use wgpo::policy::{Activation, Head};
use wgpo::{Agent, BatchBuffers, GpuLearner, Model, OnPolicy, PpoUpdate};

pub(super) type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Device {
    gpu: Gpu,
}

impl Device {
    pub fn new(gpu: Gpu) -> Self {
        Self { gpu }
    }
}

impl Backend for Device {
    fn name(&self) -> String {
        self.gpu.describe()
    }

    fn rule(&self) -> Rule {
        // No allowance: the built-ins of a software driver and the kernels' own polynomials stay within the files' advice.
        Rule::File(1.0)
    }

    fn run(&mut self, kind: Kind, case: &Case) -> std::result::Result<Outputs, String> {
        let gpu = &self.gpu;
        let outputs = match kind {
            Kind::Gae => gae(gpu, case, self.rule()),
            Kind::KStepAdvantage | Kind::DiscountedReturn | Kind::TdLambda | Kind::Vtrace => estimator(gpu, kind, case),
            Kind::Dist => dist(gpu, case),
            Kind::Surrogate => gpu_loss::run(gpu, case),
            Kind::Mlp => mlp(gpu, case),
            Kind::Adam => adam(gpu, case),
            Kind::PpoUpdate | Kind::PpoUpdateCleanrl => ppo(gpu, PpoCase::read(kind, case)?),
            Kind::PpoPenaltyUpdate => ppo(gpu, PpoCase::read_penalty(case)?),
            Kind::Fvp => gpu_trust::fvp(gpu, case),
            Kind::TrpoUpdate => gpu_trust::trpo(gpu, case),
            Kind::Env => gpu_env::run(gpu, case),
            Kind::ObsNorm => gpu_normalize::obs(gpu, case),
            Kind::RewardScaling => gpu_normalize::reward(gpu, case),
            Kind::LibraryUpdate => library(gpu, &LibraryCase::read(case)?),
            Kind::TdTarget => gpu_off_policy::td_target(gpu, case),
            Kind::Polyak => gpu_off_policy::polyak(gpu, case),
            Kind::SquashedReparam => gpu_off_policy::squashed(gpu, case),
            Kind::DqnUpdate | Kind::DdpgUpdate | Kind::Td3Update | Kind::SacUpdate => {
                gpu_off_policy_updates::run(gpu, kind, case)
            }
        };
        outputs.map_err(|error| error.to_string())
    }

    fn lacks_case(&self, kind: Kind, case: &Case) -> bool {
        kind == Kind::TdTarget && gpu_off_policy::is_walk(case)
    }

    fn leaves_out(&self, kind: Kind, case: &Case, output: &str) -> bool {
        match kind {
            Kind::Surrogate => gpu_loss::leaves_out(case, output),
            // Where Huber's error is clipped, its gradient does not say the target; the mean of them is a statistic (tests/off_policy_gpu.rs).
            Kind::DqnUpdate => output == "out.trace.targets" && case.text("loss").is_ok_and(|loss| loss == "smooth_l1"),
            // What lies before tanh is nowhere stored.
            Kind::SquashedReparam => output == "out.pre_squash",
            // Moments of rows that count are those of a learner, which `tests/normalize.rs` holds to the reference.
            Kind::RewardScaling => case.has("in.valid") && output != "out.discounted_return",
            _ => false,
        }
    }
}

pub(super) fn put(outputs: &mut Outputs, name: &str, values: &[f32]) {
    outputs.insert(format!("out.{name}"), values.iter().map(|value| f64::from(*value)).collect());
}

/// The case's rollout with its T and N.
fn rollout(gpu: &Gpu, case: &Case) -> Result<RolloutBuffers> {
    let shape = &case.tensor("in.rewards")?.shape;
    let mut values = case.values::<f32>("in.values")?;
    values.extend(case.values::<f32>("in.last_values")?);
    let flags = |name: &str| -> Result<Buffer<u32>> {
        Ok(gpu.upload(name, &case.flags(name)?.iter().copied().collect::<Vec<_>>())?)
    };
    Ok(RolloutBuffers {
        steps: shape[0] as u32,
        envs: shape[1] as u32,
        rewards: gpu.upload("rewards", &case.values::<f32>("in.rewards")?)?,
        values: gpu.upload("values", &values)?,
        final_values: gpu.upload("final_values", &case.values::<f32>("in.final_values")?)?,
        terminated: flags("in.terminated")?,
        truncated: flags("in.truncated")?,
        log_rhos: None,
        valid: None,
    })
}

/// Advantages and returns.
fn advantages(gpu: &Gpu, case: &Case, estimator: Estimator) -> Result<[Vec<f32>; 2]> {
    let mut rollout = rollout(gpu, case)?;
    if case.has("in.log_rhos") {
        rollout.log_rhos = Some(gpu.upload("log_rhos", &case.values::<f32>("in.log_rhos")?)?);
    }
    let plan = AdvantagePlan::new(gpu, &rollout, case.number("gamma")? as f32, estimator)?;
    gpu.run("advantages", plan.calls(), Slot::default())?;
    Ok([gpu.read(&plan.advantages)?, gpu.read(&plan.returns)?])
}

fn estimator(gpu: &Gpu, kind: Kind, case: &Case) -> Result<Outputs> {
    let mut outputs = Outputs::new();
    match kind {
        Kind::KStepAdvantage => {
            let [advantages, returns] = advantages(gpu, case, Estimator::KStep { k: case.number("k")? as u32 })?;
            put(&mut outputs, "advantages", &advantages);
            put(&mut outputs, "returns", &returns);
        }
        Kind::Vtrace => {
            let number = |name| case.number(name).map(|number| number as f32);
            let estimator = Estimator::Vtrace {
                gae_lambda: number("vtrace_lambda")?,
                rho_bar: number("rho_bar")?,
                c_bar: number("c_bar")?,
                pg_rho_bar: number("pg_rho_bar")?,
            };
            let [advantages, returns] = advantages(gpu, case, estimator)?;
            put(&mut outputs, "pg_advantages", &advantages);
            put(&mut outputs, "vs", &returns);
        }
        Kind::TdLambda => {
            let gae_lambda = case.number("td_lambda")? as f32;
            put(&mut outputs, "returns", &advantages(gpu, case, Estimator::Gae { gae_lambda })?[1]);
        }
        _ => {
            let bootstrapped = advantages(gpu, case, Estimator::Gae { gae_lambda: 1.0 })?;
            put(&mut outputs, "bootstrapped", &bootstrapped[1]);
            put(&mut outputs, "rewards_only", &advantages(gpu, case, Estimator::RewardsOnly)?[1]);
        }
    }
    Ok(outputs)
}

/// The plan takes one of the two kernels by shape; here both must pass on every shape.
fn gae(gpu: &Gpu, case: &Case, rule: Rule) -> Result<Outputs> {
    let rollout = rollout(gpu, case)?;
    let (gamma, gae_lambda) = (case.number("gamma")? as f32, case.number("gae_lambda")? as f32);
    let RolloutBuffers { steps, envs, rewards, values, final_values, terminated, truncated, .. } = &rollout;
    let (steps, envs) = (*steps, *envs);
    let count = u64::from(steps) * u64::from(envs);
    let (advantages, returns) = (gpu.buffer("advantages", count)?, gpu.buffer("returns", count)?);
    let carries = gpu.buffer("carries", advantage_gae_chunked::carries(steps, envs))?;
    let (advantages, returns) = (&advantages, &returns);
    let io = advantage_gae::Io { rewards, values, final_values, terminated, truncated, advantages, returns };
    let params = advantage_gae::Params { steps, envs, gamma, gae_lambda, bootstrap: 1, ..Default::default() };
    let column = advantage_gae::bind(gpu, &[params], &io)?;
    let carries = &carries;
    let io = advantage_gae_chunked::Io {
        rewards,
        values,
        final_values,
        terminated,
        truncated,
        advantages,
        returns,
        carries,
    };
    let params = advantage_gae_chunked::Params { steps, envs, gamma, gae_lambda, bootstrap: 1, ..Default::default() };
    let chunked = advantage_gae_chunked::bind(gpu, &[params], &io)?;
    let run = |calls: &[Call]| -> Result<Outputs> {
        // Of the other kernel's results nothing must be left.
        for buffer in [advantages, returns] {
            gpu.write(buffer, 0, &vec![f32::NAN; count as usize])?;
        }
        gpu.run("advantage_gae", calls, Slot::default())?;
        let mut outputs = Outputs::new();
        put(&mut outputs, "advantages", &gpu.read(advantages)?);
        put(&mut outputs, "returns", &gpu.read(returns)?);
        Ok(outputs)
    };
    let failures = check(case, &run(&column)?, rule, |_| false);
    if !failures.is_empty() {
        return Err(format!("column kernel: {}", failures.join(", ")).into());
    }
    run(&chunked)
}

/// Distribution rows: raw outputs, and log_std on every row where there is one.
fn rows(gpu: &Gpu, case: &Case, params: &str, log_std: &str) -> Result<Buffer<f32>> {
    let raw = case.matrix::<f32>(params)?;
    let free = if case.has(log_std) { case.values(log_std)? } else { Vec::new() };
    let rows: Vec<f32> = raw.rows().into_iter().flat_map(|row| row.into_iter().chain(&free).copied()).collect();
    Ok(gpu.upload(params, &rows)?)
}

fn dist(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let [count, raw] = case.tensor("in.params")?.shape[..] else { return Err("in.params".into()) };
    let head: Head = head(case, raw)?;
    let (rows, width) = (count as u32, head.width());
    let weights = gpu.buffer::<[f32; 4]>("weights", u64::from(rows))?;
    let row_values = gpu.buffer::<[f32; 4]>("row_values", u64::from(rows))?;
    let d_head_outputs = gpu.buffer("d_head_outputs", (count * width) as u64)?;
    let io = head_evaluate::Io {
        head_outputs: &self::rows(gpu, case, "in.params", "in.log_std")?,
        head_outputs_old: &self::rows(gpu, case, "in.old_params", "in.old_log_std")?,
        actions: &gpu.upload("actions", &actions(case, &head)?.words())?,
        weights: &weights,
        row_values: &row_values,
        d_head_outputs: &d_head_outputs,
    };
    let calls = head_evaluate::bind(gpu, &head, &[head_evaluate::Params { rows, ..Default::default() }], &io)?;
    let mut outputs = Outputs::new();
    for (place, name) in ["log_prob", "entropy", "kl_old_new", "kl_new_old"].into_iter().enumerate() {
        // Weights of the other three are 0.
        let mut w = vec![[0.0; 4]; count];
        // A head without a closed entropy has no weight for it.
        let own = format!("in.w_{name}");
        if case.has(&own) {
            w.iter_mut().zip(case.values(&own)?).for_each(|(row, weight)| row[place] = weight);
        }
        gpu.write(&weights, 0, &w)?;
        gpu.run("head_evaluate", &calls, Slot::default())?;
        let values: Vec<f32> = gpu.read(&row_values)?.iter().map(|row| row[place]).collect();
        put(&mut outputs, name, &values);
        let gradient = gpu.read(&d_head_outputs)?;
        let of_raw: Vec<f32> = gradient.chunks(width).flat_map(|row| &row[..raw]).copied().collect();
        put(&mut outputs, &format!("grad.{name}.params"), &of_raw);
        let mut of_log_std = vec![0.0; width - raw];
        for row in gradient.chunks(width) {
            of_log_std.iter_mut().zip(&row[raw..]).for_each(|(sum, g)| *sum += f64::from(*g));
        }
        outputs.insert(format!("out.grad.{name}.log_std"), of_log_std);
    }
    let tangents = gpu.upload("tangents", &case.values::<f32>("in.tangent")?)?;
    let io = head_fisher::Io {
        head_outputs: io.head_outputs,
        head_tangents: &tangents,
        actions: io.actions,
        samples: &gpu.buffer("no samples", 1)?,
        d_head_outputs: &d_head_outputs,
    };
    let params = head_fisher::Params { rows, row_stride: 1, scale: 1.0, ..Default::default() };
    gpu.run("head_fisher", &head_fisher::bind(gpu, &head, &[params], &io)?, Slot::default())?;
    put(&mut outputs, "fisher_vector", &gpu.read(&d_head_outputs)?);
    Ok(outputs)
}

fn mlp(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let sizes: Vec<u32> = case.list("sizes")?.into_iter().map(|size| size as u32).collect();
    let layers = sizes.len() - 1;
    let rows = case.tensor("in.x")?.shape[0] as u32;
    let hidden = activation(case.text("activation")?)?;
    // As the networks of the plans do it: applied where it is stored, or, if its derivative needs the argument, where it is loaded.
    let (on_load, on_store) =
        if hidden.keeps_preactivation() { (hidden, Activation::Identity) } else { (Activation::Identity, hidden) };
    let input_activation = |layer: usize| if layer == 0 { Activation::Identity } else { on_load };
    let (mut flat, mut change, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for layer in 0..layers {
        let weight = flat.len() as u32;
        flat.extend(case.values::<f32>(&format!("in.net.{layer}.weight"))?);
        places.push((weight, flat.len() as u32));
        flat.extend(case.values::<f32>(&format!("in.net.{layer}.bias"))?);
        change.extend(case.values::<f32>(&format!("in.tangent.net.{layer}.weight"))?);
        change.extend(case.values::<f32>(&format!("in.tangent.net.{layer}.bias"))?);
    }
    let count = flat.len() as u32;
    let parameters = gpu.upload("parameters", &flat)?;
    let room = |name: &str, size: &u32| gpu.buffer::<f32>(name, u64::from(rows) * u64::from(*size));
    let mut kept = vec![gpu.upload("x", &case.values::<f32>("in.x")?)?];
    let mut d = vec![room("d_x", &sizes[0])?];
    for size in &sizes[1..] {
        kept.push(room("kept", size)?);
        d.push(room("d", size)?);
    }
    gpu.write(&d[layers], 0, &case.values::<f32>("in.cotangent")?)?;
    let slice_rows = mlp_backward_weight::slice_rows(rows, u64::from(count));
    let slices = rows.div_ceil(slice_rows);
    let partials = gpu.buffer("partials", u64::from(slices) * u64::from(count))?;
    let gradient = gpu.buffer("gradient", u64::from(count))?;

    let tangent = gpu.upload("tangent", &change)?;
    let tangents = sizes.iter().map(|size| room("tangents", size)).collect::<std::result::Result<Vec<_>, _>>()?;

    let mut calls = Vec::new();
    for (layer, &(weight, bias)) in places.iter().enumerate() {
        let (inputs, outputs) = (sizes[layer], sizes[layer + 1]);
        let params = mlp_forward::Params {
            rows,
            inputs,
            outputs,
            weight,
            bias,
            input_stride: inputs,
            output_stride: outputs,
            ..Default::default()
        };
        let io = mlp_forward::Io { parameters: &parameters, input: &kept[layer], output: &kept[layer + 1] };
        let stored = if layer + 1 == layers { Activation::Identity } else { on_store };
        calls.extend(mlp_forward::bind(gpu, input_activation(layer), stored, &[params], &io)?);
        let params = mlp_jvp::Params {
            rows,
            inputs,
            outputs,
            weight,
            bias,
            input_stride: inputs,
            with_input_tangent: u32::from(layer > 0),
            output_stride: outputs,
            ..Default::default()
        };
        let io = mlp_jvp::Io {
            parameters: &parameters,
            tangent: &tangent,
            input: &kept[layer],
            input_tangent: &tangents[layer],
            kept: &kept[layer + 1],
            output_tangent: &tangents[layer + 1],
        };
        let slope = if layer + 1 == layers { Activation::Identity } else { hidden };
        calls.extend(mlp_jvp::bind(gpu, input_activation(layer), slope, &[params], &io)?);
    }
    for (layer, &(weight, bias)) in places.iter().enumerate().rev() {
        let (inputs, outputs) = (sizes[layer], sizes[layer + 1]);
        let (input, d_output) = (&kept[layer], &d[layer + 1]);
        let params = mlp_backward_weight::Params {
            rows,
            inputs,
            outputs,
            weight,
            bias,
            input_stride: inputs,
            d_output_stride: outputs,
            slice_rows,
            partial_stride: count,
            ..Default::default()
        };
        let io = mlp_backward_weight::Io { d_output, input, partials: &partials };
        calls.extend(mlp_backward_weight::bind(gpu, input_activation(layer), &[params], &io)?);
        let params = mlp_backward_input::Params {
            rows,
            inputs,
            outputs,
            weight,
            d_output_stride: outputs,
            ..Default::default()
        };
        let io = mlp_backward_input::Io { parameters: &parameters, d_output, kept: input, d_input: &d[layer] };
        let of_input = if layer == 0 { Activation::Identity } else { hidden };
        calls.extend(mlp_backward_input::bind(gpu, of_input, &[params], &io)?);
    }
    let io = reduce_partials::Io { partials: &partials, gradient: &gradient };
    calls.extend(reduce_partials::bind(gpu, &[reduce_partials::Params { count, slices, ..Default::default() }], &io)?);
    gpu.run("mlp", &calls, Slot::default())?;

    let mut outputs = Outputs::new();
    put(&mut outputs, "jvp", &gpu.read(&tangents[layers])?);
    put(&mut outputs, "y", &gpu.read(&kept[layers])?);
    put(&mut outputs, "grad.x", &gpu.read(&d[0])?);
    let gradient = gpu.read(&gradient)?;
    for (layer, &(weight, bias)) in places.iter().enumerate() {
        let end = bias + sizes[layer + 1];
        put(&mut outputs, &format!("grad.net.{layer}.weight"), &gradient[weight as usize..bias as usize]);
        put(&mut outputs, &format!("grad.net.{layer}.bias"), &gradient[bias as usize..end as usize]);
    }
    Ok(outputs)
}

/// All tensors as one flat vector, one submission per step.
fn adam(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let (steps, tensors) = (case.number("steps")? as usize, case.number("tensors")? as usize);
    let (mut flat, mut ranges, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    for j in 0..tensors {
        let values = case.values::<f32>(&format!("in.param.{j}"))?;
        ranges.push(flat.len()..flat.len() + values.len());
        flat.extend(values);
        gradients.push(case.values::<f32>(&format!("in.grad.{j}"))?);
    }
    let count = flat.len() as u32;
    let (beta1, beta2) = (case.number("beta1")?, case.number("beta2")?);
    let ring = PerUpdate::ring(gpu)?;
    let parameters = gpu.upload("parameters", &flat)?;
    let (exp_avg, exp_avg_sq) = (gpu.buffer("exp_avg", u64::from(count))?, gpu.buffer("exp_avg_sq", u64::from(count))?);
    let gradient = gpu.buffer("gradient", u64::from(count))?;
    let control = gpu.buffer("control", loss_statistics::CONTROL_WORDS)?;
    let optimizer_step = gpu.buffer("optimizer_step", 1)?;
    let trace = gpu.buffer("trace", steps as u64 * loss_statistics::TRACE_WIDTH)?;
    let io = optim_clip::Io {
        gradient: &gradient,
        norm_partials: &gpu.buffer("norm_partials", u64::from(optim_clip::groups(count)))?,
        control: &control,
        optimizer_step: &optimizer_step,
        trace: &trace,
    };
    let max_grad_norm = case.option("max_grad_norm")?.unwrap_or(0.0) as f32;
    let params: Vec<_> = (0..steps as u32)
        .map(|index| optim_clip::Params { count, index, max_grad_norm, ..Default::default() })
        .collect();
    let clip = optim_clip::bind(gpu, &params, &io)?;
    let io = optim_adam::Io {
        gradient: &gradient,
        bias_correction: &gpu.upload("bias_correction", &optim_adam::bias_corrections(beta1, beta2)?)?,
        control: &control,
        optimizer_step: &optimizer_step,
        parameters: &parameters,
        exp_avg: &exp_avg,
        exp_avg_sq: &exp_avg_sq,
    };
    let params = optim_adam::Params {
        count,
        decoupled: match case.text("algorithm")? {
            "adam" => 0,
            "adamw" => 1,
            other => return Err(format!("unknown algorithm \"{other}\"").into()),
        },
        weight_decay: case.number("weight_decay")? as f32,
        beta1: beta1 as f32,
        one_minus_beta1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        one_minus_beta2: (1.0 - beta2) as f32,
        eps: case.number("eps")? as f32,
        ..Default::default()
    };
    let step = optim_adam::bind(gpu, &[params], &io, &ring)?;

    let mut outputs = Outputs::new();
    for (s, (clip, lr)) in clip.chunks(2).zip(case.values::<f32>("in.lr")?).enumerate() {
        let now = ranges.iter().zip(&gradients).flat_map(|(range, all)| &all[s * range.len()..(s + 1) * range.len()]);
        gpu.write(&gradient, 0, &now.copied().collect::<Vec<f32>>())?;
        let slot = ring.push(gpu, &PerUpdate { learning_rate: lr, ..Default::default() })?;
        gpu.run("adam", &[clip, &step].concat(), slot)?;
        for (name, buffer) in [("param", &parameters), ("exp_avg", &exp_avg), ("exp_avg_sq", &exp_avg_sq)] {
            let values = gpu.read(buffer)?;
            for (j, range) in ranges.iter().enumerate() {
                let stacked = outputs.entry(format!("out.{name}.{j}")).or_default();
                stacked.extend(values[range.clone()].iter().map(|value| f64::from(*value)));
            }
        }
    }
    let trace = gpu.read(&trace)?;
    let norms: Vec<f32> = trace.chunks(loss_statistics::TRACE_WIDTH as usize).map(|row| row[11]).collect();
    put(&mut outputs, "grad_norm", &norms);
    Ok(outputs)
}

fn library(gpu: &Gpu, case: &LibraryCase) -> Result<Outputs> {
    let mut learner = GpuLearner::new(gpu, case.spec.clone(), case.config.clone(), 0)?;
    learner.set_parameters(&case.parameters.iter().map(|value| *value as f32).collect::<Vec<_>>())?;
    let stats = learner.update_batch(&case.batch(), Some(&case.order))?;
    let parameters = learner.parameters()?.into_iter().map(f64::from).collect();
    Ok(case.outputs(&LibraryRun { parameters, stats }))
}

fn ppo(gpu: &Gpu, ppo: PpoCase) -> Result<Outputs> {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    let mut learner = GpuLearner::new(gpu, ppo.spec.clone(), ppo.config.clone(), 0)?;
    learner.set_parameters(&ppo.parameters)?;
    let stats = learner.update_batch(&ppo.batch, Some(&ppo.order))?;

    // The first minibatch through the plan itself, which gives access to the gradient.
    let PpoCase { spec, config, parameters, batch, order } = ppo.first_minibatch();
    let model = Model::new(gpu, &spec, &config, &parameters, 0)?;
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
    let order = gpu.upload("order", &order)?;
    let plan = PpoUpdate::new(gpu, &model, &config, &buffers, Some(&order))?;
    let slot = model.push_schedule(gpu, &config, 0)?;
    let mut encoder = gpu.encoder("first minibatch");
    plan.record(gpu, &mut encoder, slot);
    gpu.submit(encoder)?;
    Ok(ppo.outputs(&PpoRun {
        parameters: wide(learner.parameters()?),
        gradient1: wide(gpu.read(plan.gradient())?),
        step1: wide(gpu.read(&model.parameters)?),
        stats,
    }))
}
