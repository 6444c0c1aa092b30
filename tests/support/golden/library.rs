//! Updates of real libraries (kind `library_update`): ours with the preset of that library's name, and how far it is from theirs.

use super::ppo::{actions, file_name, separate};
use super::{Case, Outputs, Rule};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use serde_json::Value;
use wgpo::data::{Batch, UpdateStats};
use wgpo::low_level::reference::Real;
use wgpo::low_level::reference::advantage_gae::{Window, advantage_gae};
use wgpo::low_level::reference::optim::Adam;
use wgpo::low_level::reference::ppo_update::{Order, Rows, ppo_update};
use wgpo::low_level::reference::trpo_update::trpo_update;
use wgpo::policy::PolicySpec;
use wgpo::{AlgorithmKind, Config};

pub struct LibraryCase {
    pub spec: PolicySpec,
    pub config: Config,
    pub rows: Rows<f64>,
    /// Of all epochs, as the learner takes it.
    pub order: Vec<u32>,
    pub parameters: Vec<f64>,
}

/// What an implementation returns.
pub struct LibraryRun {
    pub parameters: Vec<f64>,
    pub stats: UpdateStats,
}

/// `changes` over `base`: objects key by key, everything else as a whole.
fn merge(base: &mut Value, changes: &Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(base.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
        (base, changes) => *base = changes.clone(),
    }
}

/// The preset by its name, with what the file changes.
fn config(case: &Case, spec: &PolicySpec) -> Result<Config, String> {
    let text = |error: &dyn std::fmt::Display| format!("preset: {error}");
    let name = case.text("algorithm")?;
    let algorithm = AlgorithmKind::ALL.into_iter().find(|own| own.name() == name).ok_or("algorithm")?;
    let preset = Config::preset(case.text("preset")?, algorithm, spec.head.is_discrete()).map_err(|e| text(&e))?;
    // A file holds observations and rewards as an update meets them.
    let preset = Config { norm_obs: None, norm_reward: None, ..preset };
    let mut config = serde_json::to_value(&preset).map_err(|e| text(&e))?;
    let overrides: Value = serde_json::from_str(case.text("overrides")?).map_err(|e| text(&e))?;
    merge(&mut config, &overrides);
    serde_json::from_value(config).map_err(|e| text(&e))
}

/// Advantages and returns of the recorded window, by the preset's γ and λ; rows are time-major.
fn estimate(case: &Case, config: &Config) -> Result<(Array1<f64>, Array1<f64>), String> {
    let (rewards, values) = (case.matrix::<f64>("in.rewards")?, case.matrix::<f64>("in.values")?);
    let last = case.vector::<f64>("in.last_values")?.insert_axis(Axis(0));
    let values = concatenate(Axis(0), &[values.view(), last.view()]).map_err(|error| error.to_string())?;
    let final_values = if case.has("in.final_values") {
        case.matrix::<f64>("in.final_values")?
    } else {
        Array2::zeros(rewards.raw_dim())
    };
    let (terminated, truncated) = (case.flags("in.terminated")?, case.flags("in.truncated")?);
    let window = Window {
        rewards: rewards.view(),
        values: values.view(),
        final_values: final_values.view(),
        terminated: terminated.view(),
        truncated: truncated.view(),
    };
    let (advantages, returns) =
        advantage_gae(&window, config.gamma, config.gae_lambda).map_err(|error| error.to_string())?;
    Ok((advantages.iter().copied().collect(), returns.iter().copied().collect()))
}

impl LibraryCase {
    pub fn read(case: &Case) -> Result<Self, String> {
        let spec = separate(case, "pi_sizes")?;
        let config = config(case, &spec)?;
        let (advantages, returns, values_old) = if case.has("in.rewards") {
            let (advantages, returns) = estimate(case, &config)?;
            (advantages, returns, case.matrix::<f64>("in.values")?.iter().copied().collect())
        } else {
            (case.vector("in.advantages")?, case.vector("in.returns")?, case.vector("in.old_values")?)
        };
        let rows = Rows {
            obs: case.matrix("in.obs")?,
            actions: actions(case, &spec.head)?,
            logp_old: case.vector("in.old_log_prob")?,
            advantages,
            returns,
            values_old,
            old_dist: if case.has("in.old_params") { Some(case.matrix("in.old_params")?) } else { None },
            valid: None,
        };
        let mut order: Vec<u32> = case.tensor("in.minibatch_order")?.values.iter().map(|row| *row as u32).collect();
        if case.has("in.policy_order") {
            // The rows of the policy's step first; what else is in that permutation nobody looks at.
            let drawn = &case.tensor("in.policy_order")?.values;
            let every = config.trust_region().map_or(1, |region| region.subsample);
            let thinned = (0..every).flat_map(|first| drawn.iter().skip(first).step_by(every));
            order.extend(thinned.map(|row| *row as u32));
        }
        let mut parameters = Vec::new();
        for range in spec.layout().ranges() {
            parameters.extend(case.values::<f64>(&format!("in.{}", file_name(&range.name)))?);
        }
        Ok(Self { spec, config, rows, order, parameters })
    }

    /// The same rows for a learner.
    pub fn batch(&self) -> Batch {
        let narrow = |column: &Array1<f64>| column.mapv(|value| value as f32);
        let matrix = |rows: ArrayView2<'_, f64>| rows.mapv(|value| value as f32);
        Batch {
            obs: matrix(self.rows.obs.view()),
            actions: self.rows.actions.clone(),
            logp_old: narrow(&self.rows.logp_old),
            advantages: narrow(&self.rows.advantages),
            returns: narrow(&self.rows.returns),
            values_old: narrow(&self.rows.values_old),
            old_dist: self.rows.old_dist.as_ref().map(|rows| matrix(rows.view())),
            valid: None,
        }
    }

    /// The reference's update.
    pub fn run<F: Real>(&self) -> Result<LibraryRun, String> {
        let mut parameters: Vec<F> = self.parameters.iter().map(|value| F::of(*value)).collect();
        let column = |column: &Array1<f64>| column.mapv(F::of);
        let rows = Rows {
            obs: self.rows.obs.mapv(F::of),
            actions: self.rows.actions.clone(),
            logp_old: column(&self.rows.logp_old),
            advantages: column(&self.rows.advantages),
            returns: column(&self.rows.returns),
            values_old: column(&self.rows.values_old),
            old_dist: self.rows.old_dist.as_ref().map(|rows| rows.mapv(F::of)),
            valid: None,
        };
        let (spec, config, order) = (&self.spec, &self.config, Order::Given(&self.order));
        let mut adam = Adam::new(parameters.len());
        let lr = config.learning_rate_at(0.0);
        let stats = if config.trust_region().is_some() {
            trpo_update(spec, config, lr, &mut parameters, &mut adam, &mut Vec::new(), &rows, order)
        } else {
            ppo_update(spec, config, lr, &mut parameters, &mut adam, &rows, order)
        };
        let stats = stats.map_err(|error| error.to_string())?;
        Ok(LibraryRun { parameters: parameters.iter().map(|value| value.as_f64()).collect(), stats })
    }

    /// All outputs under the file's names.
    pub fn outputs(&self, run: &LibraryRun) -> Outputs {
        let stats = &run.stats;
        let mut outputs = Outputs::new();
        for range in self.spec.layout().ranges() {
            outputs.insert(format!("out.{}", file_name(&range.name)), run.parameters[range.indices()].to_vec());
        }
        outputs.insert("out.returns".into(), self.rows.returns.to_vec());
        // Libraries weigh their minibatches alike, whatever their rows.
        let minibatches = &stats.minibatches;
        let mean = |field: fn(&wgpo::data::MinibatchStats) -> f64| {
            minibatches.iter().map(field).sum::<f64>() / minibatches.len() as f64
        };
        let last = stats.last();
        let mut one = |name: &str, value: f64| outputs.insert(format!("out.{name}"), vec![value]);
        one("policy_loss", mean(|m| m.policy_loss));
        one("value_loss", mean(|m| m.value_loss));
        one("entropy", mean(|m| m.entropy));
        one("loss", mean(|m| m.loss));
        one("last.policy_loss", last.policy_loss);
        one("last.value_loss", last.value_loss);
        one("last.entropy", last.entropy);
        one("learning_rate", stats.learning_rate);
        one("optimizer_steps", stats.optimizer_steps.into());
        if let (Some(kl), Some(beta)) = (stats.kl, stats.kl_coef) {
            one("kl", kl);
            one("kl_coef", beta);
        }
        if let (Some(region), Some(settings)) = (&stats.trust_region, self.config.trust_region()) {
            let tries = f64::from(region.accepted_try.unwrap_or(0));
            one("kl_after", region.kl_after);
            one("surrogate_after", region.surrogate_after);
            one("accepted", f64::from(u8::from(region.accepted)));
            one("step_size", region.step_scale * settings.line_search_factor.powf(tries));
        }
        outputs
    }
}

/// ‖theirs − ours‖ / ‖their step‖ over all parameters.
fn rel(case: &Case, outputs: &Outputs) -> Result<f64, String> {
    let (mut off, mut step) = (0.0, 0.0);
    for (name, theirs) in case.tensors.iter().filter(|(name, _)| is_parameter(name)) {
        let before = &case.tensor(&name.replacen("out.", "in.", 1))?.values;
        let ours = outputs.get(name).ok_or_else(|| format!("\"{name}\" was not computed"))?;
        if ours.len() != before.len() {
            return Err(format!("\"{name}\" has {} elements, expected {}", ours.len(), before.len()));
        }
        for ((theirs, ours), before) in theirs.values.iter().zip(ours).zip(before) {
            off += (theirs - ours).powi(2);
            step += (theirs - before).powi(2);
        }
    }
    Ok((off / step).sqrt())
}

fn is_parameter(name: &str) -> bool {
    name.starts_with("out.pi.") || name.starts_with("out.vf.") || ["out.log_std", "out.std"].contains(&name)
}

/// How far ours may be, relative to the step.
///
/// f64: 1e-9; the rounding of a sum of a hundred terms is 1e-14, and Adam's division by √v of gradients that nearly cancel
/// makes some 10⁴ times that of it. To it comes what the library itself rounds to f32 (`library_rounding`).
///
/// f32: a parameter is rounded by 2⁻²⁵ of itself once per step, which is ‖θ‖ √steps 2⁻²⁵ / ‖step‖ where the roundings are
/// independent; and gradients are good to some 10⁻⁵, of which the step takes over as much. Sixteen times both. A natural gradient solves
/// (F + damping) x = g, which multiplies them by the matrix's condition: ten, for an eigenvalue of 0.9 beside a damping of 0.1.
fn tolerance(case: &Case, rule: Rule, steps: f64) -> Result<f64, String> {
    let own = case.number("library_rounding")?;
    let Rule::File(factor) = rule else { return Ok(1e-9 + own) };
    let before = case.tensors.iter().filter(|(name, _)| is_parameter(&name.replacen("in.", "out.", 1)));
    let size = before.flat_map(|(_, tensor)| &tensor.values).map(|value| value * value).sum::<f64>().sqrt();
    let rounding = size * steps.max(1.0).sqrt() * 2.0_f64.powi(-25) / case.number("step")?;
    let condition = if case.text("algorithm")? == "ppo" { 1.0 } else { 10.0 };
    Ok(16.0 * factor * condition * (rounding + 1e-5) + own)
}

/// Everything that is missing or off; the distance is printed.
pub fn check(case: &Case, outputs: &Outputs, rule: Rule) -> Vec<String> {
    let compare = || -> Result<Vec<String>, String> {
        let rel = rel(case, outputs)?;
        let steps = outputs.get("out.optimizer_steps").and_then(|steps| steps.first()).copied().unwrap_or(1.0);
        let bound = tolerance(case, rule, steps)?;
        println!("{}: rel {rel:.1e}, at most {bound:.1e}", case.text("case")?);
        let mut failures = Vec::new();
        if rel.is_nan() || rel > bound {
            failures.push(format!("parameters: rel {rel:.2e}, at most {bound:.1e}"));
        }
        for (name, theirs) in case.tensors.iter().filter(|(name, _)| name.starts_with("out.") && !is_parameter(name)) {
            let ours = outputs.get(name).ok_or_else(|| format!("\"{name}\" was not computed"))?;
            if ours.len() != theirs.values.len() {
                failures.push(format!("\"{name}\" has {} elements, expected {}", ours.len(), theirs.values.len()));
            }
            let exact = theirs.dtype == safetensors::Dtype::I32;
            // Losses are sums of terms near 1, whatever cancels in them.
            let scale = theirs.values.iter().fold(0.1_f64, |most, value| most.max(value.abs()));
            let (scale, bound) = match name.as_str() {
                // These are small numbers themselves.
                "out.learning_rate" | "out.kl_coef" | "out.step_size" => (theirs.values[0].abs(), bound),
                // A KL is a square of the step.
                "out.kl" | "out.kl_after" => (theirs.values[0].abs(), 4.0 * bound),
                _ => (scale, bound),
            };
            for (place, (theirs, ours)) in theirs.values.iter().zip(ours).enumerate() {
                let off = (theirs - ours).abs();
                let most = if exact { 0.0 } else { bound * scale };
                if off.is_nan() || off > most {
                    failures.push(format!("\"{name}\"[{place}] is {ours:e}, expected {theirs:e} ± {most:.1e}"));
                    break;
                }
            }
        }
        Ok(failures)
    };
    compare().unwrap_or_else(|message| vec![message])
}
