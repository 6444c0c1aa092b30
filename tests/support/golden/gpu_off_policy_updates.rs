//! Whole off-policy updates on the device, on the files' batches and noise.

use super::gpu::Result;
use super::ppo::activation;
use super::{Case, Kind, Outputs};
use ndarray::{Array2, Array3, Axis, Ix3};
use wgpo::config::{Dqn, Sac, Td3, TdLoss};
use wgpo::data::{Actions, TransitionBatch};
use wgpo::gpu::Gpu;
use wgpo::policy::{Bounds, Head, ParamLayout, PolicySpec, Std, StdLimit};
use wgpo::{Agent, Algorithm, BatchRows, Config, GpuOffPolicy, Moves};

/// The learner of a file, and what the file calls its networks.
struct Run {
    learner: GpuOffPolicy,
    layout: ParamLayout,
    /// (in the file, as a branch).
    names: Vec<(&'static str, &'static str)>,
    outputs: Outputs,
}

fn put(outputs: &mut Outputs, name: &str, values: impl IntoIterator<Item = f32>) {
    outputs.entry(format!("out.{name}")).or_default().extend(values.into_iter().map(f64::from));
}

/// The parts of a network, `0.weight` and so on.
fn tensors(layout: &ParamLayout, branch: &str) -> Vec<String> {
    (0..layout.layers(branch).len()).flat_map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]).collect()
}

impl Run {
    fn new(
        gpu: &Gpu,
        case: &Case,
        spec: PolicySpec,
        config: Config,
        names: &[(&'static str, &'static str)],
    ) -> Result<Self> {
        let adam = |name| case.number(name);
        let max_grad_norm =
            if case.metadata.contains_key("max_grad_norm") { case.option("max_grad_norm")? } else { None };
        let config = Config {
            learning_rate: case.number("lr")?,
            adam_beta1: adam("adam_beta1")?,
            adam_beta2: adam("adam_beta2")?,
            adam_eps: adam("adam_eps")?,
            max_grad_norm,
            ..config
        };
        let layout = spec.layout();
        let mut learner = GpuOffPolicy::new(gpu, spec, config, 0)?;
        let mut state = learner.state()?;
        let own = state.off_policy.as_mut().ok_or("no state of its own")?;
        for (file, branch) in names {
            for tensor in tensors(&layout, branch) {
                let range = layout.get(&format!("{branch}.{tensor}")).ok_or("no such tensor")?.indices();
                let online: Vec<f32> = case.values(&format!("in.{file}.{tensor}"))?;
                let target = format!("in.{file}_target.{tensor}");
                let target = if case.has(&target) { case.values(&target)? } else { online.clone() };
                state.parameters[range.clone()].copy_from_slice(&online);
                own.targets[range].copy_from_slice(&target);
            }
        }
        if case.metadata.contains_key("n_updates_before") {
            own.gradient_steps = case.number("n_updates_before")? as u64;
        }
        if case.has("in.log_ent_coef") {
            own.log_alpha = case.values::<f32>("in.log_ent_coef")?[0];
        }
        learner.set_state(&state)?;
        Ok(Self { learner, layout, names: names.to_vec(), outputs: Outputs::new() })
    }

    fn trace(&mut self, name: &str, values: impl IntoIterator<Item = f32>) {
        put(&mut self.outputs, &format!("trace.{name}"), values);
    }

    /// Networks of `names` in `flat`, under `prefix`, with `suffix` behind their names.
    fn put_networks(&mut self, prefix: &str, suffix: &str, flat: &[f32], of: impl Fn(&str) -> bool) -> Result<()> {
        for (file, branch) in self.names.clone().into_iter().filter(|(file, _)| of(file)) {
            for tensor in tensors(&self.layout, branch) {
                let range = self.layout.get(&format!("{branch}.{tensor}")).ok_or("no such tensor")?.indices();
                put(&mut self.outputs, &format!("{prefix}{file}{suffix}.{tensor}"), flat[range].iter().copied());
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<Outputs> {
        let state = self.learner.state()?;
        let own = state.off_policy.ok_or("no state of its own")?;
        self.put_networks("", "", &state.parameters, |_| true)?;
        self.put_networks("", "_target", &own.targets, |_| true)?;
        self.put_networks("adam_m.", "", &state.exp_avg, |_| true)?;
        self.put_networks("adam_v.", "", &state.exp_avg_sq, |_| true)?;
        put(&mut self.outputs, "log_ent_coef", [own.log_alpha]);
        put(&mut self.outputs, "adam_m.log_ent_coef", [own.alpha_exp_avg]);
        put(&mut self.outputs, "adam_v.log_ent_coef", [own.alpha_exp_avg_sq]);
        Ok(self.outputs)
    }
}

fn cube(case: &Case, name: &str) -> Result<Array3<f32>> {
    Ok(case.array::<f32>(name)?.into_dimensionality::<Ix3>()?)
}

/// The batches of a file; noise by the names of the next actions' and of the own.
fn batches(case: &Case, discrete: bool, noise: [Option<&str>; 2]) -> Result<Vec<TransitionBatch>> {
    let rewards: Array2<f32> = case.matrix("in.rewards")?;
    let discounts = if case.flag("per_row_discounts")? {
        case.matrix("in.discounts")?
    } else {
        Array2::from_elem(rewards.dim(), case.number("gamma")? as f32)
    };
    let (obs, next_obs, terminated) = (cube(case, "in.obs")?, cube(case, "in.next_obs")?, case.flags("in.terminated")?);
    let (indices, floats) =
        if discrete { (Some(case.flags("in.actions")?), None) } else { (None, Some(cube(case, "in.actions")?)) };
    let noise: Vec<_> =
        noise.iter().map(|name| name.map(|name| cube(case, name)).transpose()).collect::<Result<_>>()?;
    let at = |all: &Array3<f32>, k: usize| all.index_axis(Axis(0), k).to_owned();
    let batch = |k: usize| TransitionBatch {
        obs: at(&obs, k),
        actions: match (&indices, &floats) {
            (Some(indices), _) => Actions::Discrete(indices.row(k).to_owned().insert_axis(Axis(1))),
            (_, Some(floats)) => Actions::Continuous(at(floats, k)),
            _ => unreachable!(),
        },
        rewards: rewards.row(k).to_owned(),
        next_obs: at(&next_obs, k),
        terminated: terminated.row(k).to_owned(),
        discounts: discounts.row(k).to_owned(),
        next_noise: noise[0].as_ref().map(|noise| at(noise, k)),
        noise: noise[1].as_ref().map(|noise| at(noise, k)),
    };
    Ok((0..rewards.nrows()).map(batch).collect())
}

/// Obs, hidden widths, outputs.
fn sizes(case: &Case, key: &str) -> Result<(usize, Vec<usize>, usize)> {
    let all = case.list(key)?;
    let [obs, hidden @ .., outputs] = &all[..] else { return Err(format!("{key} is {all:?}").into()) };
    Ok((*obs, hidden.to_vec(), *outputs))
}

fn counts(case: &Case, name: &str) -> Result<Vec<usize>> {
    Ok(case.tensor(name)?.values.iter().map(|count| *count as usize).collect())
}

pub fn run(gpu: &Gpu, kind: Kind, case: &Case) -> Result<Outputs> {
    match kind {
        Kind::DqnUpdate => dqn(gpu, case),
        Kind::SacUpdate => sac(gpu, case),
        _ => td3(gpu, kind, case),
    }
}

/// y = Q − d, from the gradient 2 scale d / rows by each Q.
fn targets(rows: &BatchRows, count: usize, scale: f32) -> Vec<f32> {
    let all = rows.q_values.iter().zip(&rows.d_q_values);
    all.take(count).map(|(q, d)| q - d * count as f32 / (2.0 * scale)).collect()
}

fn dqn(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let (obs_dim, hidden, choices) = sizes(case, "q_sizes")?;
    let spec = PolicySpec::actor(obs_dim, &hidden, activation(case.text("activation")?)?, Head::categorical(choices));
    let td_loss = if case.text("loss")? == "smooth_l1" { TdLoss::Huber } else { TdLoss::Squared };
    let own = Dqn { double: case.text("algorithm")? == "double_dqn", td_loss, tau: case.number("tau")?, ..Dqn::sb3() };
    let config = Config { algorithm: Algorithm::Dqn(own), ..Config::dqn_sb3() };
    let mut run = Run::new(gpu, case, spec, config, &[("q", "policy")])?;
    let updates = counts(case, "in.target_updates")?;
    for (k, batch) in batches(case, true, [None, None])?.into_iter().enumerate() {
        (0..updates[k]).try_for_each(|_| run.learner.follow_targets())?;
        let moves = Moves { actor: false, targets: false };
        let stats = run.learner.learn_batch(&batch, Some(moves))?.minibatches[0];
        if k == 0 {
            let gradient = run.learner.gradient()?;
            run.put_networks("grad1.", "", &gradient, |_| true)?;
        }
        let rows = run.learner.batch_rows()?;
        let actions = batch.actions.words();
        let own = |all: &[f32]| -> Vec<f32> {
            all.chunks(choices).zip(&actions).map(|(row, action)| row[*action as usize]).collect()
        };
        let of_actions = BatchRows { q_values: own(&rows.q_values), d_q_values: own(&rows.d_q_values), ..rows.clone() };
        run.trace("targets", targets(&of_actions, batch.rows(), 1.0));
        run.trace("q_values", of_actions.q_values);
        run.trace("loss", [stats.value_loss as f32]);
        run.trace("grad_norm", [stats.grad_norm as f32]);
    }
    (0..updates[updates.len() - 1]).try_for_each(|_| run.learner.follow_targets())?;
    run.end()
}

/// What all critics' algorithms trace.
fn trace_critics(
    run: &mut Run,
    k: usize,
    batch: &TransitionBatch,
    rows: &BatchRows,
    loss: f64,
    scale: f32,
) -> Result<()> {
    if k == 0 {
        let gradient = run.learner.gradient()?;
        run.put_networks("grad1.", "", &gradient, |file| file != "pi")?;
    }
    run.trace("q_values", rows.q_values.iter().copied());
    run.trace("targets", targets(rows, batch.rows(), scale));
    run.trace("critic_loss", [loss as f32]);
    run.trace("next_actions", rows.next_actions.iter().copied());
    Ok(())
}

fn names(case: &Case) -> Result<Vec<(&'static str, &'static str)>> {
    let critics = case.number("critics")? as usize;
    Ok([("pi", "policy"), ("q1", "q1"), ("q2", "q2")].into_iter().take(1 + critics).collect())
}

fn actor_critics(case: &Case, std: Std, dims: impl Fn(usize) -> usize) -> Result<PolicySpec> {
    let (obs_dim, hidden, outputs) = sizes(case, "pi_sizes")?;
    let (_, critic_hidden, _) = sizes(case, "q_sizes")?;
    let dims = dims(outputs);
    let head = Head::TanhGaussian { dims, std, bounds: Bounds::uniform(dims, -1.0, 1.0) };
    let critics = case.number("critics")? as usize;
    let spec = PolicySpec::actor_critics(obs_dim, &hidden, activation(case.text("activation")?)?, head, critics);
    Ok(["q1", "q2"].into_iter().fold(spec, |spec, name| spec.with_hidden(name, &critic_hidden)))
}

fn td3(gpu: &Gpu, kind: Kind, case: &Case) -> Result<Outputs> {
    let td3 = kind == Kind::Td3Update;
    let spec = actor_critics(case, Std::FREE, |outputs| outputs)?;
    let of_td3 = |key: &str, else_: f64| if td3 { case.number(key) } else { Ok(else_) };
    let own = Td3 {
        policy_lr: case.number("lr")?,
        policy_noise: of_td3("target_policy_noise", 0.0)?,
        noise_clip: of_td3("target_noise_clip", 0.0)?,
        policy_frequency: of_td3("policy_delay", 1.0)? as u64,
        tau: case.number("tau")?,
        ..Td3::sb3()
    };
    let algorithm = if td3 { Algorithm::Td3(own) } else { Algorithm::Ddpg(own) };
    let mut run = Run::new(gpu, case, spec, Config { algorithm, ..Config::td3_sb3() }, &names(case)?)?;
    let mut count = if td3 { case.number("n_updates_before")? as u64 } else { 0 };
    let mut actor_steps = 0;
    for (k, batch) in batches(case, false, [td3.then_some("in.noise"), None])?.into_iter().enumerate() {
        let stats = run.learner.learn_batch(&batch, None)?.minibatches[0];
        let rows = run.learner.batch_rows()?;
        trace_critics(&mut run, k, &batch, &rows, stats.value_loss, 1.0)?;
        count += 1;
        if count.is_multiple_of(own.policy_frequency) {
            if actor_steps == 0 {
                let gradient = run.learner.gradient()?;
                run.put_networks("grad1.", "", &gradient, |file| file == "pi")?;
            }
            actor_steps += 1;
            run.trace("actor_loss", [stats.policy_loss as f32]);
        }
    }
    run.end()
}

fn sac(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let limit = StdLimit::Clamp { low: case.number("log_std_min")? as f32, high: case.number("log_std_max")? as f32 };
    let spec = actor_critics(case, Std { from_state: true, limit, ..Std::default() }, |outputs| outputs / 2)?;
    let target_entropy = case.option("target_entropy")?;
    let lr = case.number("lr")?;
    let own = Sac {
        policy_lr: lr,
        alpha_lr: lr,
        policy_frequency: 1,
        tau: case.number("tau")?,
        alpha: if case.has("in.log_ent_coef") { 1.0 } else { case.number("ent_coef")? },
        autotune: target_entropy.is_some(),
        target_entropy,
        squash_epsilon: case.number("squash_epsilon")?,
        ..Sac::sb3()
    };
    let mut run =
        Run::new(gpu, case, spec, Config { algorithm: Algorithm::Sac(own), ..Config::sac_sb3() }, &names(case)?)?;
    let follows = counts(case, "in.target_updates")?;
    for (k, batch) in batches(case, false, [Some("in.noise_next"), Some("in.noise_pi")])?.into_iter().enumerate() {
        let before = run.learner.state_without_replay()?.off_policy.map_or(0.0, |own| own.log_alpha);
        let moves = Moves { actor: true, targets: follows[k] > 0 };
        let stats = run.learner.learn_batch(&batch, Some(moves))?.minibatches[0];
        let rows = run.learner.batch_rows()?;
        trace_critics(&mut run, k, &batch, &rows, stats.value_loss, 0.5)?;
        let [alpha, loss, gradient, _] = rows.temperature;
        if k == 0 {
            let all = run.learner.gradient()?;
            run.put_networks("grad1.", "", &all, |file| file == "pi")?;
            put(&mut run.outputs, "grad1.log_ent_coef", [gradient]);
        }
        run.trace("actor_loss", [stats.policy_loss as f32]);
        run.trace("ent_coef", [if own.autotune { alpha } else { before.exp() }]);
        run.trace("ent_coef_loss", [loss]);
        run.trace("actions_pi", rows.actions.iter().copied());
        let (next, of_own) = rows.logp.split_at(batch.rows());
        run.trace("log_prob_pi", of_own.iter().copied());
        run.trace("log_prob_next", next.iter().copied());
    }
    run.end()
}
