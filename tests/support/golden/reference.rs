//! The reference as a backend, in f64 and in f32.

use super::library::LibraryCase;
use super::ppo::{PpoCase, PpoRun, actions, activation, head};
use super::trust_region::{FvpCase, TrpoCase, TrpoRun};
use super::{Backend, Case, Kind, Outputs, Rule, off_policy};
use ndarray::{Array1, Array2, Axis, Ix2, concatenate, s};
use std::marker::PhantomData;
use wgpo::config::{ObsNorm, Optimizer, RewardNorm};
use wgpo::data::UpdateStats;
use wgpo::env::Env;
use wgpo::low_level::reference::advantage_gae::{
    Window, advantage_gae, discounted_return, discounted_reward, td_lambda,
};
use wgpo::low_level::reference::advantage_k_step::advantage_k_step;
use wgpo::low_level::reference::advantage_normalize::advantage_normalize;
use wgpo::low_level::reference::advantage_vtrace::{VtraceBars, vtrace};
use wgpo::low_level::reference::env::{EnvAction, observe, step};
use wgpo::low_level::reference::fisher::fisher_vector_product;
use wgpo::low_level::reference::mlp::{Dense, Mlp};
use wgpo::low_level::reference::normalize::{RewardScale, Running, normalize_obs, scale_valid};
use wgpo::low_level::reference::optim::{Adam, AdamSettings};
use wgpo::low_level::reference::ppo_update::{Order, Rows, minibatch_gradient, ppo_update};
use wgpo::low_level::reference::ratio_stats::ratio_stats;
use wgpo::low_level::reference::reduce_moments::explained_variance;
use wgpo::low_level::reference::trpo_update::{critic_update, policy_step, trpo_update};
use wgpo::low_level::reference::{Real, head as heads, surrogate};
use wgpo::policy::Head;

pub struct Reference<F> {
    rule: Rule,
    number: PhantomData<F>,
}

impl Reference<f64> {
    pub fn oracle() -> Self {
        Self { rule: Rule::Oracle, number: PhantomData }
    }
}

impl Reference<f32> {
    pub fn single() -> Self {
        Self { rule: Rule::File(1.0), number: PhantomData }
    }
}

impl<F: Real> Backend for Reference<F> {
    fn name(&self) -> String {
        format!("reference in {}", std::any::type_name::<F>())
    }

    fn rule(&self) -> Rule {
        self.rule
    }

    fn run(&mut self, kind: Kind, case: &Case) -> Result<Outputs, String> {
        match kind {
            Kind::Gae | Kind::KStepAdvantage | Kind::DiscountedReturn | Kind::TdLambda | Kind::Vtrace => {
                estimator::<F>(kind, case)
            }
            Kind::Dist => dist::<F>(case),
            Kind::Surrogate => losses::<F>(case),
            Kind::Mlp => mlp::<F>(case),
            Kind::Adam => adam::<F>(case),
            Kind::PpoUpdate | Kind::PpoUpdateCleanrl => ppo::<F>(&PpoCase::read(kind, case)?),
            Kind::PpoPenaltyUpdate => ppo::<F>(&PpoCase::read_penalty(case)?),
            Kind::Fvp => fvp::<F>(&FvpCase::read(case)?),
            Kind::TrpoUpdate => trpo::<F>(&TrpoCase::read(case)?),
            Kind::Env => env::<F>(case),
            Kind::ObsNorm => obs_norm::<F>(case),
            Kind::RewardScaling => reward_scaling::<F>(case),
            Kind::TdTarget => off_policy::td_target::<F>(case),
            Kind::Polyak => off_policy::polyak_update::<F>(case),
            Kind::SquashedReparam => off_policy::squashed::<F>(case),
            Kind::DqnUpdate => off_policy::dqn::<F>(case),
            Kind::DdpgUpdate | Kind::Td3Update => off_policy::td3::<F>(kind, case),
            Kind::SacUpdate => off_policy::sac::<F>(case),
            Kind::LibraryUpdate => {
                let case = LibraryCase::read(case)?;
                Ok(case.outputs(&case.run::<F>()?))
            }
        }
    }
}

fn text(error: wgpo::Error) -> String {
    error.to_string()
}

fn wide<'a, F: Real>(values: impl IntoIterator<Item = &'a F>) -> Vec<f64> {
    values.into_iter().map(|value| value.as_f64()).collect()
}

struct Out(Outputs);

impl Out {
    fn put<'a, F: Real>(&mut self, name: &str, values: impl IntoIterator<Item = &'a F>) {
        self.0.insert(format!("out.{name}"), wide(values));
    }
}

fn estimator<F: Real>(kind: Kind, case: &Case) -> Result<Outputs, String> {
    let (rewards, values) = (case.matrix::<F>("in.rewards")?, case.matrix::<F>("in.values")?);
    let last = case.vector::<F>("in.last_values")?.insert_axis(Axis(0));
    let values = concatenate(Axis(0), &[values.view(), last.view()]).map_err(|error| error.to_string())?;
    let final_values = case.matrix::<F>("in.final_values")?;
    let (terminated, truncated) = (case.flags("in.terminated")?, case.flags("in.truncated")?);
    let window = Window {
        rewards: rewards.view(),
        values: values.view(),
        final_values: final_values.view(),
        terminated: terminated.view(),
        truncated: truncated.view(),
    };
    let gamma = F::of(case.number("gamma")?);
    let mut out = Out(Outputs::new());
    match kind {
        Kind::Gae | Kind::KStepAdvantage => {
            let (advantages, returns) = if kind == Kind::Gae {
                advantage_gae(&window, gamma, F::of(case.number("gae_lambda")?)).map_err(text)?
            } else {
                advantage_k_step(&window, case.number("k")? as usize, gamma).map_err(text)?
            };
            out.put("advantages", &advantages);
            out.put("returns", &returns);
        }
        Kind::Vtrace => {
            let bar = |name| case.number(name).map(F::of);
            let bars = VtraceBars { rho_bar: bar("rho_bar")?, c_bar: bar("c_bar")?, pg_rho_bar: bar("pg_rho_bar")? };
            let log_rhos = case.matrix::<F>("in.log_rhos")?;
            let (pg_advantages, vs) =
                vtrace(&window, log_rhos.view(), gamma, bar("vtrace_lambda")?, bars).map_err(text)?;
            out.put("vs", &vs);
            out.put("pg_advantages", &pg_advantages);
        }
        Kind::TdLambda => {
            out.put("returns", &td_lambda(&window, gamma, F::of(case.number("td_lambda")?)).map_err(text)?);
        }
        _ => {
            out.put("bootstrapped", &discounted_return(&window, gamma).map_err(text)?);
            out.put("rewards_only", &discounted_reward(&window, gamma).map_err(text)?);
        }
    }
    Ok(out.0)
}

/// Distribution rows: raw outputs, and log_std on every row where there is one.
pub fn rows<F: Real>(case: &Case, params: &str, log_std: &str) -> Result<Array2<F>, String> {
    let raw = case.matrix::<F>(params)?;
    if !case.has(log_std) {
        return Ok(raw);
    }
    let log_std = case.vector::<F>(log_std)?;
    let copies = log_std.broadcast((raw.nrows(), log_std.len())).ok_or("log_std")?;
    concatenate(Axis(1), &[raw.view(), copies]).map_err(|error| error.to_string())
}

fn dist<F: Real>(case: &Case) -> Result<Outputs, String> {
    let raw = case.tensor("in.params")?.shape[1];
    let head: Head = head(case, raw)?;
    let (mut new, mut old) =
        (rows::<F>(case, "in.params", "in.log_std")?, rows::<F>(case, "in.old_params", "in.old_log_std")?);
    let actions = actions(case, &head)?;
    heads::forbid(&mut new, &actions).map_err(text)?;
    heads::forbid(&mut old, &actions).map_err(text)?;
    let (new, old) = (new.view(), old.view());
    // A head without a closed entropy has no weight for it.
    let ones = Array1::ones(new.nrows());
    let w = |name: &str| match format!("in.w_{name}") {
        weights if case.has(&weights) => case.vector::<F>(&weights),
        _ => Ok(ones.clone()),
    };
    let mut out = Out(Outputs::new());
    out.put("log_prob", &heads::log_prob(&head, new, &actions).map_err(text)?);
    out.put("entropy", &heads::entropy(&head, new).map_err(text)?);
    out.put("kl_old_new", &heads::kl(&head, old, new).map_err(text)?);
    out.put("kl_new_old", &heads::kl(&head, new, old).map_err(text)?);
    let gradients = [
        ("log_prob", heads::log_prob_grad(&head, new, &actions, w("log_prob")?.view())),
        ("entropy", heads::entropy_grad(&head, new, w("entropy")?.view())),
        ("kl_old_new", heads::kl_old_new_grad(&head, old, new, w("kl_old_new")?.view())),
        ("kl_new_old", heads::kl_new_old_grad(&head, old, new, w("kl_new_old")?.view())),
    ];
    for (name, gradient) in gradients {
        let gradient = gradient.map_err(text)?;
        out.put(&format!("grad.{name}.params"), gradient.slice(s![.., ..raw]).iter());
        out.put(&format!("grad.{name}.log_std"), &gradient.slice(s![.., raw..]).sum_axis(Axis(0)));
    }
    let tangent = case.matrix::<F>("in.tangent")?;
    out.put("fisher_vector", &heads::fisher_vector(&head, new, tangent.view()).map_err(text)?);
    Ok(out.0)
}

fn losses<F: Real>(case: &Case) -> Result<Outputs, String> {
    let column = |name: &str| case.vector::<F>(&format!("in.{name}"));
    let setting = |key: &str| case.number(key).map(F::of);
    let (new, old, advantages) = (column("log_prob_new")?, column("log_prob_old")?, column("advantages")?);
    let (values, values_old, returns) = (column("values_new")?, column("values_old")?, column("returns")?);
    let (low, high, range) = (setting("clip_low")?, setting("clip_high")?, setting("clip_range_vf")?);
    let dual = setting("dual_clip")?;
    let (new, old, a) = (new.view(), old.view(), advantages.view());
    let (v, v_old, target) = (values.view(), values_old.view(), returns.view());
    let mut out = Out(Outputs::new());
    let all = [
        ("loss_clip", surrogate::clip(new, old, a, low, high, None)),
        ("loss_dual_clip", surrogate::clip(new, old, a, low, high, Some(dual))),
        ("loss_kl_penalty", surrogate::kl_penalty(new, old, a, column("kl")?.view(), setting("beta")?)),
        ("loss_unclipped", surrogate::unclipped(new, old, a)),
        ("value_mse", surrogate::value_mse(v, target)),
        ("value_clip_max", surrogate::value_clip_max(v, v_old, target, range)),
        ("value_clip_only", surrogate::value_clip_only(v, v_old, target, range)),
        ("value_huber", surrogate::value_huber(v, target, setting("huber_delta")?)),
    ];
    for (name, loss) in all {
        let (loss, gradient) = loss.map_err(text)?;
        out.put(name, [&loss]);
        out.put(&format!("grad.{name}"), &gradient);
    }
    let ratio = ratio_stats(new, old, low, high).map_err(text)?;
    for (name, value) in [
        ("clip_fraction", ratio.clip_fraction),
        ("approx_kl_k1", ratio.k1),
        ("approx_kl_k2", ratio.k2),
        ("approx_kl_k3", ratio.k3),
        ("ratio_mean", ratio.mean),
        ("ratio_min", ratio.min),
        ("ratio_max", ratio.max),
        ("ratio_std", ratio.std),
        ("explained_variance", explained_variance(v_old, target)),
    ] {
        out.put(name, [&value]);
    }
    let eps = setting("advantage_eps")?;
    for ddof in [0, 1] {
        // One row: ours returns it unchanged, the files' formula gives 0.
        let mut normal = advantage_normalize(a, ddof, eps, F::of(0.0)).map_err(text)?;
        if normal.len() == 1 {
            normal.fill(F::zero());
        }
        out.put(&format!("advantages_ddof{ddof}"), &normal);
    }
    Ok(out.0)
}

fn dense<F: Real>((weight, bias): &(Array2<F>, Array1<F>)) -> Dense<'_, F> {
    Dense { weight: weight.view(), bias: bias.view() }
}

fn mlp<F: Real>(case: &Case) -> Result<Outputs, String> {
    let layers = case.list("sizes")?.len() - 1;
    let read = |prefix: &str| {
        (0..layers)
            .map(|i| {
                let name = |part: &str| format!("in.{prefix}net.{i}.{part}");
                Ok((case.matrix::<F>(&name("weight"))?, case.vector::<F>(&name("bias"))?))
            })
            .collect::<Result<Vec<_>, String>>()
    };
    let (net, tangent) = (read("")?, read("tangent.")?);
    let mlp = Mlp {
        layers: net.iter().map(dense).collect(),
        activation: activation(case.text("activation")?)?,
        activate_output: false,
    };
    let (x, cotangent) = (case.matrix::<F>("in.x")?, case.matrix::<F>("in.cotangent")?);
    let tape = mlp.forward(x.view()).map_err(text)?;
    let gradient = mlp.backward(&tape, cotangent.view()).map_err(text)?;
    let tangent: Vec<_> = tangent.iter().map(dense).collect();
    let mut out = Out(Outputs::new());
    out.put("y", tape.output().iter());
    out.put("grad.x", &gradient.input);
    out.put("jvp", &mlp.jvp(&tape, &tangent).map_err(text)?);
    for (i, (weight, bias)) in gradient.layers.iter().enumerate() {
        out.put(&format!("grad.net.{i}.weight"), weight);
        out.put(&format!("grad.net.{i}.bias"), bias);
    }
    Ok(out.0)
}

fn adam<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (steps, tensors) = (case.number("steps")? as usize, case.number("tensors")? as usize);
    let settings = AdamSettings {
        optimizer: match case.text("algorithm")? {
            "adam" => Optimizer::Adam,
            "adamw" => Optimizer::AdamW,
            other => return Err(format!("unknown algorithm \"{other}\"")),
        },
        beta1: case.number("beta1")?,
        beta2: case.number("beta2")?,
        eps: case.number("eps")?,
        weight_decay: case.number("weight_decay")?,
        max_grad_norm: case.option("max_grad_norm")?,
        ..AdamSettings::new(&wgpo::Config::cleanrl(), 0..0)
    };
    let mut parameters = Vec::new();
    let mut ranges = Vec::new();
    for j in 0..tensors {
        let values = case.values::<F>(&format!("in.param.{j}"))?;
        ranges.push(parameters.len()..parameters.len() + values.len());
        parameters.extend(values);
    }
    let gradients = (0..tensors).map(|j| case.values::<F>(&format!("in.grad.{j}"))).collect::<Result<Vec<_>, _>>()?;
    let lr = case.values::<f64>("in.lr")?;
    let mut adam = Adam::new(parameters.len());
    let mut outputs = Outputs::new();
    for step in 0..steps {
        let gradient: Vec<F> = gradients
            .iter()
            .zip(&ranges)
            .flat_map(|(stacked, range)| stacked[step * range.len()..(step + 1) * range.len()].to_vec())
            .collect();
        let done = adam.step(&settings, lr[step], &mut parameters, &gradient).map_err(text)?;
        outputs.entry("out.grad_norm".into()).or_default().push(done.grad_norm.as_f64());
        for (j, range) in ranges.iter().enumerate() {
            for (name, flat) in [("param", &parameters), ("exp_avg", &adam.exp_avg), ("exp_avg_sq", &adam.exp_avg_sq)] {
                outputs.entry(format!("out.{name}.{j}")).or_default().extend(wide(&flat[range.clone()]));
            }
        }
    }
    Ok(outputs)
}

fn fvp<F: Real>(case: &FvpCase) -> Result<Outputs, String> {
    let obs = case.obs.mapv(|value| F::of(f64::from(value)));
    let (parameters, v) = (real(&case.parameters), real(&case.v));
    let product = fisher_vector_product(&case.spec, &parameters, obs.view(), F::of(case.damping), &v).map_err(text)?;
    Ok(case.outputs(&wide(&product)))
}

fn trpo<F: Real>(case: &TrpoCase) -> Result<Outputs, String> {
    let (spec, layout, config) = (&case.spec, &case.spec.layout(), &case.config);
    let mut parameters: Vec<F> = real(&case.parameters);
    let rows = Rows::<F>::from_batch(&case.batch);
    let mut of_policy = case.policy_rows.as_ref().map_or_else(|| rows.clone(), |indices| rows.gather(indices));
    if config.norm_adv != wgpo::config::AdvantageNorm::None {
        let eps = F::of(config.adv_eps);
        of_policy.advantages = advantage_normalize(of_policy.advantages.view(), 1, eps, F::of(0.0)).map_err(text)?;
    }
    let step = policy_step(spec, layout, config, &parameters, &of_policy, None).map_err(text)?;
    let (lr, order) = (config.learning_rate_at(0.0), Order::Given(&case.order));
    let mut adam = Adam::new(parameters.len());
    let mut stats = UpdateStats { trust_region: Some(step.stats.clone()), ..UpdateStats::default() };
    let mut apart = step.parameters.clone();
    critic_update(spec, layout, config, lr, &mut apart, &mut adam, &rows, order, &mut stats).map_err(text)?;
    // The whole update is the same two parts.
    adam = Adam::new(parameters.len());
    let mut direction = Vec::new();
    stats = trpo_update(spec, config, lr, &mut parameters, &mut adam, &mut direction, &rows, order).map_err(text)?;
    if parameters != apart {
        return Err("trpo_update is not policy_step and critic_update".into());
    }
    let tries = step.tries.iter().map(|tried| [tried.surrogate.as_f64(), tried.kl.as_f64()]).collect();
    let (gradient, direction) = (wide(&step.gradient), wide(&step.direction));
    Ok(case.outputs(&TrpoRun { parameters: wide(&parameters), gradient, direction, tries, stats }))
}

fn real<F: Real>(values: &[f32]) -> Vec<F> {
    values.iter().map(|value| F::of(f64::from(*value))).collect()
}

fn ppo<F: Real>(ppo: &PpoCase) -> Result<Outputs, String> {
    let run = |ppo: &PpoCase| {
        let mut parameters: Vec<F> = ppo.parameters.iter().map(|value| F::of(f64::from(*value))).collect();
        let mut adam = Adam::new(parameters.len());
        let rows = Rows::from_batch(&ppo.batch);
        let lr = ppo.config.learning_rate_at(0.0);
        ppo_update(&ppo.spec, &ppo.config, lr, &mut parameters, &mut adam, &rows, Order::Given(&ppo.order))
            .map(|stats| (wide(&parameters), stats))
            .map_err(text)
    };
    let first = ppo.first_minibatch();
    let mut rows = Rows::<F>::from_batch(&first.batch);
    if first.config.norm_adv == wgpo::config::AdvantageNorm::Minibatch {
        let eps = F::of(first.config.adv_eps);
        rows.advantages =
            advantage_normalize(rows.advantages.view(), first.config.adv_ddof, eps, F::of(0.0)).map_err(text)?;
    }
    let start: Vec<F> = first.parameters.iter().map(|value| F::of(f64::from(*value))).collect();
    let (_, gradient1) =
        minibatch_gradient(&first.spec, &first.spec.layout(), &first.config, &start, &rows).map_err(text)?;
    let (parameters, stats) = run(ppo)?;
    let (step1, _) = run(&first)?;
    Ok(ppo.outputs(&PpoRun { parameters, gradient1: wide(&gradient1), step1, stats }))
}

fn env<F: Real>(case: &Case) -> Result<Outputs, String> {
    let id = case.text("environment")?;
    let env = Env::ALL
        .into_iter()
        .find(|env| env.gymnasium_id() == id)
        .ok_or_else(|| format!("unknown environment \"{id}\""))?;
    // Files without the key gave float64 actions, in which Gymnasium's products are then float64, too.
    let single = case.metadata.get("actions_dtype").is_some_and(|dtype| dtype == "float32");
    let action = |a: &f64| match (env.head().is_discrete(), single) {
        (true, _) => EnvAction::Index(*a as u32),
        (false, true) => EnvAction::Float(*a as f32),
        (false, false) => EnvAction::Double(*a),
    };
    let actions: Vec<EnvAction> = case.tensor("in.actions")?.values.iter().map(action).collect();
    let trajectory = match case.text("mode")? {
        "trajectory" => true,
        "single_steps" => false,
        other => return Err(format!("unknown mode \"{other}\"")),
    };
    // Each step begins in the recorded state, so that errors do not add up: `[steps, copies, state]`.
    let first = case.matrix::<F>(if trajectory { "in.state0" } else { "in.state" })?;
    let copies = first.nrows();
    let recorded = case.array::<F>("out.state")?;
    let mut alive = vec![true; copies];
    let mut outputs = Outputs::new();
    for t in 0..actions.len() / copies {
        let state = if t == 0 {
            first.clone()
        } else {
            let before = recorded.index_axis(Axis(0), t - 1).to_owned();
            before.into_dimensionality::<Ix2>().map_err(|error| error.to_string())?
        };
        for n in 0..copies {
            let outcome = step(env, &state.row(n).to_vec(), actions[t * copies + n]).map_err(text)?;
            let truncated = t + 1 >= env.time_limit() as usize;
            let flag = |value: bool| f64::from(u8::from(value));
            let rows = [
                ("state", wide(&outcome.state)),
                // Gymnasium returns observations in f32.
                ("obs", observe(env, &outcome.state).iter().map(|o| f64::from(o.as_f32())).collect()),
                ("reward", vec![outcome.reward.as_f64()]),
                ("terminated", vec![flag(outcome.terminated)]),
                ("truncated", vec![flag(truncated)]),
                ("valid", vec![1.0]),
            ];
            for (name, values) in rows {
                let place = outputs.entry(format!("out.{name}")).or_default();
                place.extend(values.into_iter().map(|value| if alive[n] { value } else { 0.0 }));
            }
            alive[n] &= !trajectory || !(outcome.terminated || truncated);
        }
    }
    Ok(outputs)
}

fn obs_norm<F: Real>(case: &Case) -> Result<Outputs, String> {
    let norm = ObsNorm { clip: case.option("clip_obs")?, eps: case.number("epsilon")?, ..ObsNorm::sb3() };
    let initial: f64 = case.number("initial_count")?;
    let mut running = Running::new(case.number("dim")? as usize, initial);
    let mut out = Out(Outputs::new());
    for k in 0..case.list("batches")?.len() {
        let batch = case.matrix::<F>(&format!("in.batch.{k}"))?;
        running.merge(batch.view());
        out.put(&format!("mean.{k}"), &running.mean);
        out.put(&format!("var.{k}"), &running.variance);
        out.put(&format!("count.{k}"), &[running.count as f64 + initial]);
        out.put(&format!("normalised.{k}"), &normalize_obs(&norm, &running, batch.view()));
    }
    Ok(out.0)
}

fn reward_scaling<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (reset, [fell, late, valid]) = super::returns(case)?;
    let norm =
        RewardNorm { reset, clip: case.option("clip_reward")?, eps: case.number("epsilon")?, ..RewardNorm::sb3() };
    let rewards = case.matrix::<F>("in.rewards")?;
    let (gamma, initial): (F, f64) = (F::of(case.number("gamma")?), case.number("initial_count")?);
    let mut state = RewardScale { running: Running::new(1, initial), carried: Array1::zeros(rewards.ncols()) };
    let (mut scaled, mut returns) = (Vec::new(), Vec::new());
    let [mut mean, mut var, mut count] = [Vec::new(), Vec::new(), Vec::new()];
    for (t, rewards) in rewards.rows().into_iter().enumerate() {
        let [fell, late, valid] = [&fell, &late, &valid].map(|flags| flags.row(t));
        let (own, g) = scale_valid(&norm, gamma, &mut state, rewards, fell, late, Some(valid));
        scaled.extend(own);
        returns.extend(g);
        mean.push(state.running.mean[0]);
        var.push(state.running.variance[0]);
        count.push(state.running.count as f64 + initial);
    }
    let mut out = Out(Outputs::new());
    out.put("scaled", &scaled);
    out.put("discounted_return", &returns);
    out.put("mean", &mean);
    out.put("var", &var);
    out.put("count", &count);
    Ok(out.0)
}
