//! Off-policy kinds, by the reference.

use super::{Case, Kind, Outputs};
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, Ix3};
use wgpo::Config;
use wgpo::config::TdLoss;
use wgpo::low_level::reference::Real;
use wgpo::low_level::reference::critics::{CriticStats, Critics};
use wgpo::low_level::reference::dqn_update::{DqnSettings, DqnState, dqn_update};
use wgpo::low_level::reference::flat_mlp::FlatMlp;
use wgpo::low_level::reference::optim::{Adam, AdamSettings};
use wgpo::low_level::reference::sac_update::{SacSettings, SacState, sac_update};
use wgpo::low_level::reference::squashed_sample::SquashSettings;
use wgpo::low_level::reference::td_target::{Ring, polyak, td_target as target_of};
use wgpo::low_level::reference::td3_update::{Td3Settings, Td3State, td3_update};
use wgpo::low_level::reference::transitions::Transitions;
use wgpo::policy::Activation;

fn text(error: wgpo::Error) -> String {
    error.to_string()
}

fn wide<'a, F: Real>(values: impl IntoIterator<Item = &'a F>) -> Vec<f64> {
    values.into_iter().map(|value| value.as_f64()).collect()
}

/// Outputs, of which those with one entry for each gradient step grow.
#[derive(Default)]
struct Out(Outputs);

impl Out {
    fn add<'a, F: Real>(&mut self, name: &str, values: impl IntoIterator<Item = &'a F>) {
        self.0.entry(format!("out.{name}")).or_default().extend(wide(values));
    }

    fn trace<'a, F: Real>(&mut self, name: &str, values: impl IntoIterator<Item = &'a F>) {
        self.add(&format!("trace.{name}"), values);
    }
}

/// A network of the file: its shape, and the names and lengths of its tensors in the flat order.
struct Net {
    name: String,
    flat: FlatMlp,
    tensors: Vec<(String, usize)>,
}

impl Net {
    fn read(case: &Case, name: &str, sizes: &str) -> Result<Self, String> {
        let sizes = case.list(sizes)?;
        let activation = match case.text("activation")? {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            other => return Err(format!("unknown activation \"{other}\"")),
        };
        let tensors = sizes.windows(2).enumerate().flat_map(|(layer, pair)| {
            [(format!("{layer}.weight"), pair[0] * pair[1]), (format!("{layer}.bias"), pair[1])]
        });
        let tensors = tensors.collect();
        Ok(Self { name: name.into(), flat: FlatMlp::new(sizes, activation).map_err(text)?, tensors })
    }

    fn parameters<F: Real>(&self, case: &Case, suffix: &str) -> Result<Vec<F>, String> {
        let mut flat = Vec::new();
        for (tensor, _) in &self.tensors {
            flat.extend(case.values::<F>(&format!("in.{}{suffix}.{tensor}", self.name))?);
        }
        Ok(flat)
    }

    /// `flat` under `prefix`, the network's name with `suffix`, and each tensor's.
    fn put<F: Real>(&self, out: &mut Out, prefix: &str, suffix: &str, flat: &[F]) {
        let mut rest = flat;
        for (tensor, len) in &self.tensors {
            let (values, after) = rest.split_at(*len);
            out.0.insert(format!("out.{prefix}{}{suffix}.{tensor}", self.name), wide(values));
            rest = after;
        }
        assert!(rest.is_empty());
    }

    fn put_moments<F: Real>(&self, out: &mut Out, adam: &Adam<F>) {
        self.put(out, "adam_m.", "", &adam.exp_avg);
        self.put(out, "adam_v.", "", &adam.exp_avg_sq);
    }
}

fn adam_settings(case: &Case) -> Result<AdamSettings, String> {
    let max_grad_norm = if case.metadata.contains_key("max_grad_norm") { case.option("max_grad_norm")? } else { None };
    Ok(AdamSettings {
        beta1: case.number("adam_beta1")?,
        beta2: case.number("adam_beta2")?,
        eps: case.number("adam_eps")?,
        max_grad_norm,
        ..AdamSettings::new(&Config::cleanrl(), 0..0)
    })
}

/// The K batches of a file.
struct Batches<F> {
    obs: Array3<F>,
    next_obs: Array3<F>,
    rewards: Array2<F>,
    terminated: Array2<u32>,
    discounts: Array2<F>,
}

impl<F: Real> Batches<F> {
    fn read(case: &Case) -> Result<Self, String> {
        let rewards = case.matrix::<F>("in.rewards")?;
        let discounts = if case.flag("per_row_discounts")? {
            case.matrix::<F>("in.discounts")?
        } else {
            Array2::from_elem(rewards.dim(), F::of(case.number("gamma")?))
        };
        let (obs, next_obs) = (cube(case, "in.obs")?, cube(case, "in.next_obs")?);
        Ok(Self { obs, next_obs, rewards, terminated: case.flags("in.terminated")?, discounts })
    }

    fn steps(&self) -> usize {
        self.rewards.nrows()
    }

    fn at(&self, k: usize) -> Transitions<'_, F> {
        Transitions {
            obs: self.obs.index_axis(Axis(0), k),
            next_obs: self.next_obs.index_axis(Axis(0), k),
            rewards: self.rewards.row(k),
            terminated: self.terminated.row(k),
            discounts: self.discounts.row(k),
        }
    }
}

fn cube<F: Real>(case: &Case, name: &str) -> Result<Array3<F>, String> {
    case.array::<F>(name)?.into_dimensionality::<Ix3>().map_err(|error| format!("\"{name}\": {error}"))
}

fn counts(case: &Case, name: &str) -> Result<Vec<usize>, String> {
    Ok(case.tensor(name)?.values.iter().map(|count| *count as usize).collect())
}

pub fn td_target<F: Real>(case: &Case) -> Result<Outputs, String> {
    if case.text("algorithm")? == "n_step" {
        return n_step::<F>(case);
    }
    let rewards = case.vector::<F>("in.rewards")?;
    let terminated = case.vector::<f64>("in.terminated")?.mapv(|flag| flag as u32);
    let discounts = Array1::from_elem(rewards.len(), F::of(case.number("gamma")?));
    let smaller = || -> Result<Array1<F>, String> {
        let (first, second) = (case.vector::<F>("in.next_q1")?, case.vector::<F>("in.next_q2")?);
        Ok(first.iter().zip(&second).map(|(a, b)| a.min(*b)).collect())
    };
    let best = |row: ArrayView1<'_, F>| (1..row.len()).fold(0, |best, a| if row[a] > row[best] { a } else { best });
    let next = match case.text("algorithm")? {
        "dqn" | "double_dqn" => {
            let target = case.matrix::<F>("in.next_q_target")?;
            let double = case.has("in.next_q_online");
            let chooser = if double { case.matrix::<F>("in.next_q_online")? } else { target.clone() };
            chooser.outer_iter().enumerate().map(|(r, row)| target[[r, best(row)]]).collect()
        }
        "ddpg" => case.vector("in.next_q1")?,
        "td3" => smaller()?,
        "sac" => {
            let alpha = F::of(case.number("ent_coef")?);
            smaller()? - case.vector::<F>("in.next_log_prob")?.mapv(|log_prob| alpha * log_prob)
        }
        other => return Err(format!("unknown algorithm \"{other}\"")),
    };
    let mut out = Out::default();
    out.add("targets", &target_of(rewards.view(), terminated.view(), discounts.view(), next.view()).map_err(text)?);
    Ok(out.0)
}

fn n_step<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (rewards, next_values) = (case.matrix::<F>("in.rewards")?, case.matrix::<F>("in.next_values")?);
    let (terminated, truncated) = (case.flags("in.terminated")?, case.flags("in.truncated")?);
    let next_write = case.number("next_write")? as usize;
    let ring = Ring {
        rewards: rewards.view(),
        terminated: terminated.view(),
        truncated: truncated.view(),
        next_write,
        stored: if case.flag("full")? { rewards.nrows() } else { next_write },
    };
    let (gamma, steps) = (F::of(case.number("gamma")?), case.number("n_steps")? as usize);
    let mut out = Out::default();
    for (index, env) in counts(case, "in.index")?.into_iter().zip(counts(case, "in.env")?) {
        let walk = ring.n_step(index, env, steps, gamma).map_err(text)?;
        let (rewards, discounts) = (Array1::from_elem(1, walk.reward), Array1::from_elem(1, walk.discount));
        let (over, next) = (Array1::from_elem(1, u32::from(walk.terminated)), next_values[[walk.last, env]]);
        let next = Array1::from_elem(1, next);
        out.add("returns", &rewards);
        out.add("discounts", &discounts);
        out.add("done", &[F::count(usize::from(walk.terminated))]);
        out.add("last_index", &[F::count(walk.last)]);
        out.add("targets", &target_of(rewards.view(), over.view(), discounts.view(), next.view()).map_err(text)?);
    }
    Ok(out.0)
}

pub fn polyak_update<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (mut target, online) = (case.values::<F>("in.target")?, case.matrix::<F>("in.online")?);
    let tau = F::of(case.number("tau")?);
    let mut out = Out::default();
    for online in online.outer_iter() {
        polyak(&mut target, &online.to_vec(), tau).map_err(text)?;
        out.add("target", &target);
    }
    Ok(out.0)
}

fn squash(case: &Case) -> Result<SquashSettings, String> {
    Ok(SquashSettings {
        log_std_min: case.number("log_std_min")?,
        log_std_max: case.number("log_std_max")?,
        log_std_tanh: false,
        epsilon: case.number("squash_epsilon")?,
    })
}

pub fn squashed<F: Real>(case: &Case) -> Result<Outputs, String> {
    let matrix = |name: &str| case.matrix::<F>(&format!("in.{name}"));
    let (mean, log_std, noise) = (matrix("mean")?, matrix("log_std")?, matrix("noise")?);
    let sample = squash(case)?.sample(mean.view(), log_std.view(), noise.view()).map_err(text)?;
    let (ones, zeros) = (Array1::ones(mean.nrows()), Array1::zeros(mean.nrows()));
    let (all, none) = (Array2::ones(mean.dim()), Array2::zeros(mean.dim()));
    let of_log_prob = sample.gradient(ones.view(), none.view()).map_err(text)?;
    let of_action = sample.gradient(zeros.view(), all.view()).map_err(text)?;
    let weights = case.vector::<F>("in.w_log_prob")?;
    let both = sample.gradient(weights.view(), matrix("w_action")?.view()).map_err(text)?;
    let mut out = Out::default();
    out.add("pre_squash", &sample.pre_squash);
    out.add("action", &sample.action);
    out.add("log_prob", &sample.log_prob);
    out.add("dlogp_dmean", &of_log_prob.0);
    out.add("dlogp_dlog_std", &of_log_prob.1);
    out.add("daction_dmean", &of_action.0);
    out.add("daction_dlog_std", &of_action.1);
    out.add("grad.mean", &both.0);
    out.add("grad.log_std", &both.1);
    Ok(out.0)
}

pub fn dqn<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (net, batches) = (Net::read(case, "q", "q_sizes")?, Batches::<F>::read(case)?);
    let actions = case.flags("in.actions")?;
    let settings = DqnSettings {
        double: case.text("algorithm")? == "double_dqn",
        loss: match case.text("loss")? {
            "smooth_l1" => TdLoss::Huber,
            "mse" => TdLoss::Squared,
            other => return Err(format!("unknown loss \"{other}\"")),
        },
        adam: adam_settings(case)?,
        lr: case.number("lr")?,
    };
    let mut state = DqnState {
        q: net.parameters(case, "")?,
        q_target: net.parameters(case, "_target")?,
        adam: Adam::new(net.flat.len()),
    };
    let (tau, updates) = (F::of(case.number("tau")?), counts(case, "in.target_updates")?);
    let follow = |state: &mut DqnState<F>, k: usize| {
        (0..updates[k]).try_for_each(|_| polyak(&mut state.q_target, &state.q, tau)).map_err(text)
    };
    let mut out = Out::default();
    for k in 0..batches.steps() {
        follow(&mut state, k)?;
        let seen = dqn_update(&net.flat.clone().into(), &settings, &mut state, &batches.at(k), actions.row(k))
            .map_err(text)?;
        if k == 0 {
            net.put(&mut out, "grad1.", "", &seen.gradient);
        }
        out.trace("q_values", &seen.q_values);
        out.trace("targets", &seen.targets);
        out.trace("loss", &[seen.loss]);
        out.trace("grad_norm", &[seen.stepped.grad_norm]);
    }
    follow(&mut state, batches.steps())?;
    net.put(&mut out, "", "", &state.q);
    net.put(&mut out, "", "_target", &state.q_target);
    net.put_moments(&mut out, &state.adam);
    Ok(out.0)
}

/// The critics of a file.
fn critics<F: Real>(case: &Case, nets: &[Net]) -> Result<Critics<F>, String> {
    let all = |suffix| nets.iter().map(|net| net.parameters::<F>(case, suffix)).collect::<Result<Vec<_>, _>>();
    let adam = nets.iter().map(|net| Adam::new(net.flat.len())).collect();
    Ok(Critics { online: all("")?, targets: all("_target")?, adam })
}

fn critic_nets(case: &Case) -> Result<Vec<Net>, String> {
    (1..=case.number("critics")? as usize).map(|i| Net::read(case, &format!("q{i}"), "q_sizes")).collect()
}

fn trace_critics<F: Real>(out: &mut Out, nets: &[Net], k: usize, seen: &CriticStats<F>) {
    if k == 0 {
        nets.iter().zip(&seen.gradients).for_each(|(net, gradient)| net.put(out, "grad1.", "", gradient));
    }
    out.trace("q_values", &seen.q_values);
    out.trace("targets", &seen.targets);
    out.trace("critic_loss", &[seen.loss]);
}

fn put_critics<F: Real>(out: &mut Out, nets: &[Net], critics: &Critics<F>) {
    for (index, net) in nets.iter().enumerate() {
        net.put(out, "", "", &critics.online[index]);
        net.put(out, "", "_target", &critics.targets[index]);
        net.put_moments(out, &critics.adam[index]);
    }
}

pub fn td3<F: Real>(kind: Kind, case: &Case) -> Result<Outputs, String> {
    let (pi, nets, batches) = (Net::read(case, "pi", "pi_sizes")?, critic_nets(case)?, Batches::<F>::read(case)?);
    let actions = cube::<F>(case, "in.actions")?;
    let td3 = kind == Kind::Td3Update;
    let of_td3 = |key: &str, else_: f64| if td3 { case.number(key) } else { Ok(else_) };
    let noise = if td3 { cube::<F>(case, "in.noise")? } else { Array3::zeros(actions.dim()) };
    let lr = case.number("lr")?;
    let settings = Td3Settings {
        policy_noise: of_td3("target_policy_noise", 0.0)?,
        noise_clip: of_td3("target_noise_clip", 0.0)?,
        policy_frequency: of_td3("policy_delay", 1.0)? as u64,
        tau: case.number("tau")?,
        adam: adam_settings(case)?,
        q_lr: lr,
        policy_lr: lr,
    };
    let mut state = Td3State {
        critics: critics(case, &nets)?,
        policy: pi.parameters(case, "")?,
        policy_target: pi.parameters(case, "_target")?,
        policy_adam: Adam::new(pi.flat.len()),
        updates: of_td3("n_updates_before", 0.0)? as u64,
    };
    let mut out = Out::default();
    let mut actor_steps = 0;
    for k in 0..batches.steps() {
        let (actions, noise) = (actions.index_axis(Axis(0), k), noise.index_axis(Axis(0), k));
        let networks = [&nets[0].flat, &pi.flat];
        let seen = td3_update(networks, &settings, &mut state, &batches.at(k), actions, noise).map_err(text)?;
        trace_critics(&mut out, &nets, k, &seen.critics);
        out.trace("next_actions", &seen.next_actions);
        if let Some((loss, gradient)) = seen.actor {
            if actor_steps == 0 {
                pi.put(&mut out, "grad1.", "", &gradient);
            }
            actor_steps += 1;
            out.trace("actor_loss", &[loss]);
        }
    }
    put_critics(&mut out, &nets, &state.critics);
    pi.put(&mut out, "", "", &state.policy);
    pi.put(&mut out, "", "_target", &state.policy_target);
    pi.put_moments(&mut out, &state.policy_adam);
    Ok(out.0)
}

pub fn sac<F: Real>(case: &Case) -> Result<Outputs, String> {
    let (pi, nets, batches) = (Net::read(case, "pi", "pi_sizes")?, critic_nets(case)?, Batches::<F>::read(case)?);
    let actions = cube::<F>(case, "in.actions")?;
    let noise = [cube::<F>(case, "in.noise_pi")?, cube::<F>(case, "in.noise_next")?];
    let lr = case.number("lr")?;
    let settings = SacSettings {
        squash: squash(case)?,
        target_entropy: case.option("target_entropy")?,
        adam: adam_settings(case)?,
        q_lr: lr,
        policy_lr: lr,
        alpha_lr: lr,
        moves_policy: true,
    };
    let log_alpha = if case.has("in.log_ent_coef") {
        case.values("in.log_ent_coef")?
    } else {
        vec![F::of(case.number("ent_coef")?.ln())]
    };
    let mut state = SacState {
        critics: critics(case, &nets)?,
        policy: pi.parameters(case, "")?,
        policy_adam: Adam::new(pi.flat.len()),
        log_alpha,
        alpha_adam: Adam::new(1),
    };
    let (tau, follows) = (F::of(case.number("tau")?), counts(case, "in.target_updates")?);
    let mut out = Out::default();
    for (k, follows) in follows.into_iter().enumerate() {
        let at = |all: &'_ Array3<F>| all.index_axis(Axis(0), k).to_owned();
        let noise = [at(&noise[0]), at(&noise[1])];
        let (actions, noise) = (at(&actions), [noise[0].view(), noise[1].view()]);
        let networks = [&nets[0].flat, &pi.flat];
        let seen = sac_update(networks, &settings, &mut state, &batches.at(k), actions.view(), noise).map_err(text)?;
        if follows > 0 {
            state.critics.follow(tau).map_err(text)?;
        }
        trace_critics(&mut out, &nets, k, &seen.critics);
        let actor = seen.actor.ok_or("the actor did not step")?;
        if k == 0 {
            pi.put(&mut out, "grad1.", "", &actor.gradient);
        }
        out.trace("actor_loss", &[actor.loss]);
        out.trace("ent_coef", &[seen.alpha]);
        if let Some((loss, gradient)) = actor.alpha_loss {
            out.trace("ent_coef_loss", &[loss]);
            if k == 0 {
                out.add("grad1.log_ent_coef", &[gradient]);
            }
        }
        out.trace("actions_pi", &actor.sample.action);
        out.trace("next_actions", &seen.next_sample.action);
        out.trace("log_prob_pi", &actor.sample.log_prob);
        out.trace("log_prob_next", &seen.next_sample.log_prob);
    }
    put_critics(&mut out, &nets, &state.critics);
    pi.put(&mut out, "", "", &state.policy);
    pi.put_moments(&mut out, &state.policy_adam);
    out.add("log_ent_coef", &state.log_alpha);
    out.add("adam_m.log_ent_coef", &state.alpha_adam.exp_avg);
    out.add("adam_v.log_ent_coef", &state.alpha_adam.exp_avg_sq);
    Ok(out.0)
}
