//! Whether a piece's results are right: against the reference in f64, whoever computed them.

use super::data::{SEED, Setup, WindowData, no_actions, wide};
use crate::agent::{Agent, OnPolicy};
use crate::check::{CheckRow, EPS, Report, advantage_sizes};
use crate::config::FisherForm;
use crate::config::{AdvantageNorm, Config};
use crate::cpu::{CpuLearner, CpuTrainer};
use crate::data::{Actions, Batch, Rollout};
use crate::env::Env;
use crate::error::Result;
use crate::policy::{Branch, PolicySpec};
use crate::reference::actor_critic::ActorCritic;
use crate::reference::advantage_gae::{Window, advantage_gae};
use crate::reference::advantage_normalize::advantage_normalize;
use crate::reference::env::{EnvAction, observe, step};
use crate::reference::fisher::Fisher;
use crate::reference::head::log_prob;
use crate::reference::head_actions::greedy;
use crate::reference::optim::{Adam, AdamSettings};
use crate::reference::ppo_update::{Rows, minibatch_gradient};
use ndarray::{Array2, ArrayView2};

/// γ and λ of all windows here.
pub(super) const DISCOUNT: (f32, f32) = (0.99, 0.95);

/// Roundings of a chain of layers: √n of n terms survive where they add like a random walk, and the sum of |terms| is
/// about √n of the largest result; so n in all, and 2 for bias and activation, whose function adds 1.5e-6 of its own size.
pub(super) fn chain(spec: &PolicySpec) -> f64 {
    let widths: usize =
        spec.branches.iter().flat_map(|branch| spec.sizes(&branch.name).into_iter().map(|size| size + 2)).sum();
    EPS * widths as f64 + 1.5e-6
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1e-30, |most: f64, value| most.max(value.abs()))
}

const FORWARD: &str =
    "roundings of a chain of layers, √n of n and √n for |terms| over the largest result; scale: the largest";

/// Greedy actions, their log-probabilities and the values.
pub(super) fn forward(setup: &Setup, actions: &Actions, logp: &[f32], values: &[f32]) -> Result<CheckRow> {
    let (layout, parameters) = (setup.spec.layout(), setup.wide_parameters());
    let tape = ActorCritic::new(&setup.spec, &layout, &parameters)?.forward(setup.obs().mapv(f64::from).view())?;
    let report = Report::new("forward", "", 2.0 * chain(&setup.spec), FORWARD);
    let want = tape.values.to_vec();
    let most = largest(&want);
    report.floats("values", values, &want, |_| most);
    let best = greedy(&setup.spec.head, tape.dist.view())?;
    if let (Actions::Continuous(got), Actions::Continuous(want)) = (actions, &best) {
        let (got, want): (Vec<f32>, _) = (got.iter().copied().collect(), wide(want));
        let most = largest(&want);
        report.floats("actions", &got, &want, |_| most);
    }
    // Of two choices that are as good as equal, rounding may take either: both have the same log-probability.
    let want = log_prob(&setup.spec.head, tape.dist.view(), &best)?.to_vec();
    let most = largest(&want).max(1.0);
    report.floats("logp", logp, &want, |_| most);
    Ok(report.row())
}

/// The gradient of a minibatch, and the parameters after a step along it.
pub(super) fn step_of(setup: &Setup, batch: &Batch, gradient: &[f32], parameters: &[f32]) -> Result<CheckRow> {
    let (spec, config, layout) = (&setup.spec, &setup.config, setup.spec.layout());
    let mut rows = Rows::<f64>::from_batch(batch);
    if config.norm_adv != AdvantageNorm::None {
        rows.advantages =
            advantage_normalize(rows.advantages.view(), config.adv_ddof, config.adv_eps, config.adv_std_floor)?;
    }
    let before = setup.wide_parameters();
    let (_, want) = minibatch_gradient(spec, &layout, config, &before, &rows)?;
    let reason = "forward and backward chains (see forward), a ratio's exp, √rows of a sum over rows; scale: the largest \
                  element, and of the parameters, after Adam on this very gradient, |parameter| + learning rate";
    let tolerance = 4.0 * chain(spec) + EPS * (64.0 + (rows.len() as f64).sqrt());
    let report = Report::new("ppo_step", "", tolerance, reason);
    let most = largest(&want);
    report.floats("gradient", gradient, &want, |_| most);
    // Adam divides a gradient by its own size and so makes much of its rounding; the step is judged by the gradient that
    // was there.
    let (mut adam, mut after) = (Adam::<f64>::new(before.len()), before);
    let rate = config.learning_rate_at(0.0);
    adam.step(&AdamSettings::new(config, layout.own_range(Branch::VALUE)), rate, &mut after, &wide(gradient))?;
    report.floats("parameters", parameters, &after, |i| after[i].abs() + rate);
    Ok(report.row())
}

/// A Fisher product.
pub(super) fn product(setup: &Setup, vector: &[f32], product: &[f32]) -> Result<CheckRow> {
    let (layout, parameters) = (setup.spec.layout(), setup.wide_parameters());
    let (obs, form, none) = (setup.obs().mapv(f64::from), FisherForm::GaussNewton, no_actions());
    let want = Fisher::new(&setup.spec, &layout, &parameters, obs.view(), &none, form, 1, 0.0)?.apply(&wide(vector))?;
    let reason = "three chains of layers (see forward), √rows of a sum over rows; scale: the largest element";
    let tolerance = 4.0 * chain(&setup.spec) + EPS * (64.0 + (setup.rows as f64).sqrt());
    let report = Report::new("fvp", "", tolerance, reason);
    let most = largest(&want);
    report.floats("product", product, &want, |_| most);
    Ok(report.row())
}

/// Advantages and returns of a window.
pub(super) fn advantages(window: &WindowData, advantages: &[f32], returns: &[f32]) -> Result<CheckRow> {
    let (rewards, values) = (window.rewards.mapv(f64::from), window.values.mapv(f64::from));
    let final_values = window.final_values.mapv(f64::from);
    let view = Window {
        rewards: rewards.view(),
        values: values.view(),
        final_values: final_values.view(),
        terminated: window.terminated.view(),
        truncated: window.truncated.view(),
    };
    let (gamma, lambda) = (f64::from(DISCOUNT.0), f64::from(DISCOUNT.1));
    let (want_advantages, want_returns) = advantage_gae(&view, gamma, lambda)?;
    let memory = (1.0 / (1.0 - gamma * lambda)).min(window.rewards.nrows() as f64);
    let reason = "a few roundings per step over the recurrence's memory; scale: the discounted |terms|";
    let report = Report::new("gae", "", EPS * (4.0 + 5.0 * memory), reason);
    let sizes = advantage_sizes(&view, gamma, lambda);
    let flat = |array: Array2<f64>| array.into_iter().collect::<Vec<_>>();
    report.floats("advantages", advantages, &flat(want_advantages), |i| sizes[i]);
    report.floats("returns", returns, &flat(want_returns), |i| sizes[i]);
    Ok(report.row())
}

/// ‖got − want‖ / ‖want‖ of the changes of the parameters: a whole update amplifies roundings where Adam divides small
/// gradients by their own size or conjugate gradients meet small eigenvalues, in single elements a great deal, in all of
/// them little.
fn changes(kind: &str, tolerance: f64, before: &[f64], got: &[f64], want: &[f64]) -> CheckRow {
    let reason =
        "root mean square of the changes' errors over that of the changes: roundings, amplified by the optimiser";
    let report = Report::new(kind, "", tolerance, reason);
    if got.len() != want.len() {
        report.fault(format!("{} parameters, expected {}", got.len(), want.len()));
        return report.row();
    }
    let size = before.iter().zip(want).map(|(b, w)| (w - b) * (w - b)).sum::<f64>().sqrt();
    let error = got.iter().zip(want).map(|(g, w)| (g - w) * (g - w)).sum::<f64>().sqrt();
    // As a number that should be 0 on the scale of the change.
    report.floats("changes of the parameters", &[(error / size.max(1e-300)) as f32], &[0.0], |_| 1.0);
    report.row()
}

/// Parameters after a whole update on `batch`.
pub(super) fn update(kind: &str, setup: &Setup, batch: &Batch, parameters: &[f32]) -> Result<CheckRow> {
    let mut oracle = CpuLearner::<f64>::new(setup.spec.clone(), setup.config.clone(), SEED)?;
    let before = setup.wide_parameters();
    oracle.update_batch(batch, None)?;
    Ok(changes(kind, 1e-3, &before, &wide(parameters), &wide(&oracle.parameters()?)))
}

/// A rollout of `env` whose observations and ends are given, step by step: the policy's log-probabilities and values at
/// them, and that each state follows from the one before (for environments whose observation is their state, like
/// CartPole's).
pub(super) fn rollout(setup: &Setup, env: Env, rollout: &Rollout) -> Result<CheckRow> {
    let (steps, envs) = (rollout.steps, rollout.envs);
    let (layout, parameters) = (setup.spec.layout(), setup.wide_parameters());
    let networks = ActorCritic::new(&setup.spec, &layout, &parameters)?;
    let obs = rollout.obs.mapv(f64::from);
    let tape = networks.forward(obs.view())?;
    let reason = "as forward; one step of an environment: ten roundings, sine and cosine to 1e-7; scale: the largest";
    let report = Report::new("rollout", "", 2.0 * chain(&setup.spec), reason);
    let want = log_prob(&setup.spec.head, tape.dist.view(), &rollout.actions)?.to_vec();
    let most = largest(&want).max(1.0);
    report.floats("logp", &rollout.logp.iter().copied().collect::<Vec<_>>(), &want, |_| most);
    let got: Vec<f32> = rollout.values.iter().take(steps * envs).copied().collect();
    let want = tape.values.to_vec();
    let most = largest(&want);
    report.floats("values", &got, &want, |_| most);
    let words = rollout.actions.words();
    let size = f64::from(env.info().state_range.iter().fold(1.0_f32, |most, [a, b]| most.max(a.abs()).max(b.abs())));
    for t in 0..steps.saturating_sub(1) {
        for n in 0..envs {
            let row = t * envs + n;
            let state = obs.row(row).to_vec();
            let outcome = step(env, &state, EnvAction::Index(words[row]))?;
            let ended = rollout.terminated[[t, n]] != 0;
            if ended != outcome.terminated {
                report.fault(format!("\"terminated\"[{t}, {n}] is {ended}, expected {}", outcome.terminated));
            } else if !ended && rollout.truncated[[t, n]] == 0 {
                let got = rollout.obs.row(row + envs).to_vec();
                report.floats("obs", &got, &observe(env, &outcome.state), |_| size);
            }
        }
    }
    Ok(report.row())
}

/// Parameters after the first iteration of a trainer, against the update in f64 of the reference's own rollout (in f32: environments have no f64).
/// Where rounding turns one draw round, an episode goes another way: of thousands, that leaves about a per cent.
pub(super) fn iteration(setup: &Setup, env: Env, parameters: &[f32]) -> Result<CheckRow> {
    let (spec, config) = (setup.spec.clone(), setup.config.clone());
    let (rollout, _) = CpuTrainer::new(env, spec.clone(), config.clone(), SEED)?.rollout()?;
    let mut oracle = CpuLearner::<f64>::new(spec, config, SEED)?;
    oracle.update(&rollout)?;
    let want = wide(&oracle.parameters()?);
    Ok(changes("train", 1e-2, &setup.wide_parameters(), &wide(parameters), &want))
}

/// The settings of each kind of piece.
pub(super) fn one_step() -> Config {
    let (update_epochs, num_minibatches, minibatch_size) = (1, 1, None);
    Config { update_epochs, num_minibatches, minibatch_size, learning_rate: 1e-3, ..Config::cleanrl() }
}

/// `rows` as a matrix of f32.
pub(super) fn matrix(data: Vec<f32>, rows: usize, columns: usize) -> Result<Array2<f32>> {
    let elements = data.len();
    Array2::from_shape_vec((rows, columns), data)
        .map_err(|_| crate::error::Error::shape("bench", &[elements], &[rows, columns]))
}

/// The first `rows` rows.
pub(super) fn head_of(matrix: &Array2<f32>, rows: usize) -> ArrayView2<'_, f32> {
    matrix.slice(ndarray::s![..rows, ..])
}
