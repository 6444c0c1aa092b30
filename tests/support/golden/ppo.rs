//! The three kinds of PPO update: what a file asks for, and its outputs from what a run returns.

use super::{Case, Kind, Outputs};
use ndarray::{Array1, Array2};
use wgpo::config::{AdvantageNorm, KlPenalty, Ppo, ValueLoss};
use wgpo::data::{Actions, Batch, MinibatchStats, UpdateStats};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std};
use wgpo::{Algorithm, Config};

/// Everything that an implementation needs; all inputs of the files are exact in f32.
pub struct PpoCase {
    pub spec: PolicySpec,
    pub config: Config,
    pub parameters: Vec<f32>,
    pub batch: Batch,
    /// `[n_epochs, rows]`.
    pub order: Vec<u32>,
}

/// What an implementation returns.
pub struct PpoRun {
    /// Parameters after the update.
    pub parameters: Vec<f64>,
    /// Gradient of the first minibatch, before clipping.
    pub gradient1: Vec<f64>,
    /// Parameters after the first optimiser step.
    pub step1: Vec<f64>,
    pub stats: UpdateStats,
}

pub fn activation(name: &str) -> Result<Activation, String> {
    match name {
        "identity" => Ok(Activation::Identity),
        "tanh" => Ok(Activation::Tanh),
        "relu" => Ok(Activation::Relu),
        "elu" => Ok(Activation::Elu),
        "silu" => Ok(Activation::Silu),
        "gelu_tanh" => Ok(Activation::GeluTanh),
        "gelu_erf" => Ok(Activation::GeluErf),
        other => Err(format!("unknown activation \"{other}\"")),
    }
}

const FROM_STATE: Std = Std { from_state: true, ..Std::FREE };

/// The head of a case whose raw outputs are `raw` wide.
pub fn head(case: &Case, raw: usize) -> Result<Head, String> {
    match case.text("head")? {
        "categorical" => Ok(Head::categorical(raw)),
        "masked_categorical" => Ok(Head::Categorical { actions: raw, masked: true }),
        "multi_discrete" => Ok(Head::multi_discrete(case.list("nvec")?)),
        "bernoulli" => Ok(Head::bernoulli(raw)),
        "discretised" => {
            let bins = case.number("bins")? as usize;
            let (low, high) = (case.number("low")? as f32, case.number("high")? as f32);
            Ok(Head::Discretised { dims: raw / bins, bins, bounds: Bounds::uniform(raw / bins, low, high) })
        }
        // σ = exp(log_std), as the files have it.
        "gaussian" => Ok(Head::Gaussian { dims: raw, std: Std::FREE, bounds: None }),
        // The free parameter is σ, as rsl_rl has it.
        "gaussian_std" => Ok(Head::Gaussian { dims: raw, std: Std::SCALAR, bounds: None }),
        "gaussian_state_std" => Ok(Head::Gaussian { dims: raw / 2, std: FROM_STATE, bounds: None }),
        "gaussian_state_scalar_std" => {
            Ok(Head::Gaussian { dims: raw / 2, std: Std { from_state: true, ..Std::SCALAR }, bounds: None })
        }
        // The files' actions are tanh u, x: on these intervals they are what the environment gets.
        "tanh_gaussian" => {
            Ok(Head::TanhGaussian { dims: raw, std: Std::FREE, bounds: Bounds::uniform(raw, -1.0, 1.0) })
        }
        "tanh_gaussian_state_std" => {
            Ok(Head::TanhGaussian { dims: raw / 2, std: FROM_STATE, bounds: Bounds::uniform(raw / 2, -1.0, 1.0) })
        }
        "beta" => Ok(Head::Beta { dims: raw / 2, bounds: Bounds::uniform(raw / 2, 0.0, 1.0) }),
        other => Err(format!("unknown head \"{other}\"")),
    }
}

pub fn actions(case: &Case, head: &Head) -> Result<Actions, String> {
    // A discretised action is given by its value, and by its bin.
    let name = if case.has("in.bins") { "in.bins" } else { "in.actions" };
    let values = &case.tensor(name)?.values;
    let words: Vec<u32> = if head.is_discrete() {
        values.iter().map(|index| *index as u32).collect()
    } else {
        values.iter().map(|value| (*value as f32).to_bits()).collect()
    };
    let dims = head.action_dims();
    let indices = Array2::from_shape_vec((words.len() / dims, dims), words).map_err(|error| error.to_string())?;
    Ok(if head.is_masked() {
        Actions::Masked { indices, allowed: case.matrix::<f64>("in.mask")?.mapv(|flag| flag != 0.0) }
    } else if head.is_discrete() {
        Actions::Discrete(indices)
    } else {
        Actions::Continuous(indices.mapv(f32::from_bits))
    })
}

/// The files' name of one of our parameters: `policy` is `pi`, `value` is `vf`.
pub fn file_name(name: &str) -> String {
    match name.split_once('.') {
        Some(("policy", rest)) => format!("pi.{rest}"),
        Some(("value", rest)) => format!("vf.{rest}"),
        _ => name.to_owned(),
    }
}

/// The policy of a case with separate networks; where it has no value network, ours is one layer that nothing reads.
pub fn separate(case: &Case, pi: &str) -> Result<PolicySpec, String> {
    let hidden = |sizes: &[usize]| sizes[1..sizes.len() - 1].to_vec();
    let pi = case.list(pi)?;
    let with_value = case.metadata.get("vf_sizes").is_some_and(|sizes| sizes != "none");
    let value_hidden = if with_value { hidden(&case.list("vf_sizes")?) } else { Vec::new() };
    let (obs_dim, activation) = (case.tensor("in.obs")?.shape[1], activation(case.text("activation")?)?);
    Ok(PolicySpec::mlp(obs_dim, &[], &hidden(&pi), &value_hidden, activation, head(case, pi[pi.len() - 1])?))
}

/// The flat vector whose parts are `<prefix><name>`; a value network that the file does not have is 0.
pub fn flat(case: &Case, spec: &PolicySpec, prefix: &str) -> Result<Vec<f32>, String> {
    let mut flat = Vec::new();
    for range in spec.layout().ranges() {
        let name = format!("{prefix}{}", file_name(&range.name));
        if range.name.starts_with("value.") && !case.has(&name) {
            flat.extend(vec![0.0; range.len()]);
            continue;
        }
        let shape = &case.tensor(&name)?.shape;
        if *shape != range.shape {
            return Err(format!("\"{name}\" has shape {shape:?}, expected {:?}", range.shape));
        }
        flat.extend(case.values::<f32>(&name)?);
    }
    Ok(flat)
}

fn preset_of(algorithm: &str, name: &str, spec: &PolicySpec) -> Result<Config, String> {
    let algorithm = wgpo::AlgorithmKind::ALL.into_iter().find(|own| own.name() == algorithm).ok_or("algorithm")?;
    Config::preset(name, algorithm, spec.head.is_discrete()).map_err(|error| error.to_string())
}

impl PpoCase {
    /// The adaptive KL penalty.
    pub fn read_penalty(case: &Case) -> Result<Self, String> {
        let spec = separate(case, "pi_sizes")?;
        let whole = |key: &str| case.number(key).map(|value| value as usize);
        let penalty =
            KlPenalty { kl_coef: case.number("beta")?, target_kl: case.number("target_kl")?, ..KlPenalty::adaptive() };
        let config = Config {
            algorithm: Algorithm::PpoPenalty(Ppo { kl_penalty: Some(penalty), ..Ppo::penalty() }),
            learning_rate: case.number("lr")?,
            anneal_lr: false,
            update_epochs: whole("n_epochs")?,
            minibatch_size: Some(whole("batch_size")?),
            norm_adv: if case.flag("normalize_advantage")? { AdvantageNorm::Minibatch } else { AdvantageNorm::None },
            adv_eps: case.number("advantage_eps")?,
            vf_coef: case.number("vf_coef")?,
            max_grad_norm: case.option("max_grad_norm")?,
            adam_eps: case.number("adam_eps")?,
            adam_beta1: case.number("adam_beta1")?,
            adam_beta2: case.number("adam_beta2")?,
            ..preset_of("ppo-penalty", "paper", &spec)?
        };
        let parameters = flat(case, &spec, "in.")?;
        let logp_old: Array1<f32> = case.vector("in.old_log_prob")?;
        let zeros = Array1::zeros(logp_old.len());
        let batch = Batch {
            obs: case.matrix("in.obs")?,
            actions: actions(case, &spec.head)?,
            logp_old,
            advantages: case.vector("in.advantages")?,
            returns: if case.has("in.returns") { case.vector("in.returns")? } else { zeros.clone() },
            values_old: zeros,
            old_dist: Some(super::reference::rows(case, "in.old_params", "in.old_log_std")?),
            valid: None,
        };
        let order = case.tensor("in.minibatch_order")?.values.iter().map(|index| *index as u32).collect();
        Ok(Self { spec, config, parameters, batch, order })
    }

    pub fn read(kind: Kind, case: &Case) -> Result<Self, String> {
        let (pi, vf) = (case.list("pi_sizes")?, case.list("vf_sizes")?);
        let shared = case.metadata.get("trunk").is_some_and(|trunk| trunk == "shared");
        let hidden = |sizes: &[usize]| sizes[1..sizes.len() - 1].to_vec();
        let trunk = if shared { case.list("trunk_sizes")?[1..].to_vec() } else { Vec::new() };
        let (obs_dim, activation) = (case.tensor("in.obs")?.shape[1], activation(case.text("activation")?)?);
        let head = head(case, pi[pi.len() - 1])?;
        let spec = PolicySpec::mlp(obs_dim, &trunk, &hidden(&pi), &hidden(&vf), activation, head);
        // What is not among the file's settings is the preset's: the file holds the preset to it.
        let preset = if kind == Kind::PpoUpdateCleanrl { "cleanrl" } else { "sb3" };
        let base = preset_of("ppo", preset, &spec)?;
        let clip_coef_vf = case.option("clip_range_vf")?;
        let value_loss = match (clip_coef_vf, kind) {
            (None, _) => ValueLoss::Plain,
            (Some(_), Kind::PpoUpdateCleanrl) => ValueLoss::ClipMax,
            (Some(_), _) => ValueLoss::ClipOnly,
        };
        let whole = |key: &str| case.number(key).map(|value| value as usize);
        let ppo = Ppo {
            clip_coef: case.number("clip_range")?,
            target_kl: case.option("target_kl")?,
            ..*base.ppo().ok_or("algorithm")?
        };
        let config = Config {
            algorithm: Algorithm::Ppo(ppo),
            learning_rate: case.number("lr")?,
            anneal_lr: false,
            update_epochs: whole("n_epochs")?,
            minibatch_size: Some(whole("batch_size")?),
            norm_adv: if case.flag("normalize_advantage")? {
                wgpo::config::AdvantageNorm::Minibatch
            } else {
                wgpo::config::AdvantageNorm::None
            },
            adv_eps: case.number("advantage_eps")?,
            value_loss,
            clip_coef_vf,
            ent_coef: case.number("ent_coef")?,
            vf_coef: case.number("vf_coef")?,
            max_grad_norm: case.option("max_grad_norm")?,
            adam_eps: case.number("adam_eps")?,
            adam_beta1: case.number("adam_beta1")?,
            adam_beta2: case.number("adam_beta2")?,
            // A file holds observations and returns as an update meets them: normalised before, if at all.
            norm_obs: None,
            norm_reward: None,
            ..base
        };
        let parameters = flat(case, &spec, "in.")?;
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
        let order = case.tensor("in.minibatch_order")?.values.iter().map(|index| *index as u32).collect();
        Ok(Self { spec, config, parameters, batch, order })
    }

    /// The first minibatch alone, as an update of one step: its parameters are `step1`.
    pub fn first_minibatch(&self) -> Self {
        let rows = self.config.minibatch_rows(self.batch.rows());
        let indices: Vec<usize> = self.order[..rows].iter().map(|index| *index as usize).collect();
        let axis = ndarray::Axis(0);
        let pick = |column: &ndarray::Array1<f32>| column.select(axis, &indices);
        let batch = Batch {
            obs: self.batch.obs.select(axis, &indices),
            actions: self.batch.actions.select(&indices),
            logp_old: pick(&self.batch.logp_old),
            advantages: pick(&self.batch.advantages),
            returns: pick(&self.batch.returns),
            values_old: pick(&self.batch.values_old),
            old_dist: self.batch.old_dist.as_ref().map(|rows| rows.select(axis, &indices)),
            valid: None,
        };
        let mut config = Config { update_epochs: 1, ..self.config.clone() };
        if let Some(ppo) = config.ppo_mut() {
            ppo.target_kl = None;
        }
        Self {
            spec: self.spec.clone(),
            config,
            parameters: self.parameters.clone(),
            batch,
            order: (0..rows as u32).collect(),
        }
    }

    /// All outputs under the file's names.
    pub fn outputs(&self, run: &PpoRun) -> Outputs {
        let mut outputs = Outputs::new();
        for range in self.spec.layout().ranges() {
            let name = file_name(&range.name);
            outputs.insert(format!("out.{name}"), run.parameters[range.indices()].to_vec());
            outputs.insert(format!("out.grad1.{name}"), run.gradient1[range.indices()].to_vec());
            outputs.insert(format!("out.step1.{name}"), run.step1[range.indices()].to_vec());
        }
        let stats = &run.stats;
        let minibatches = &stats.minibatches;
        let mut one = |name: &str, value: f64| outputs.insert(format!("out.{name}"), vec![value]);
        one("optimizer_steps", f64::from(stats.optimizer_steps));
        one("n_updates", f64::from(stats.epochs));
        one("epochs_done", f64::from(stats.epochs));
        // SB3 logs means over minibatches, whatever their rows.
        let mean = |of: fn(&MinibatchStats) -> f64| {
            stats.minibatches.iter().map(of).sum::<f64>() / stats.minibatches.len() as f64
        };
        one("log.policy_gradient_loss", mean(|m| m.policy_loss));
        one("log.value_loss", mean(|m| m.value_loss));
        one("log.clip_fraction", mean(|m| m.clipfrac));
        one("log.entropy_loss", -mean(|m| m.entropy));
        one("log.loss", stats.last().loss);
        one("log.explained_variance", stats.explained_variance);
        let rows = self.batch.rows();
        let per_epoch = self.config.minibatches(rows).count();
        let last_epoch = &minibatches[(stats.epochs as usize - 1) * per_epoch..];
        one("log.approx_kl", last_epoch.iter().map(|m| m.approx_kl).sum::<f64>() / last_epoch.len() as f64);
        if let Some(start) = self.spec.layout().log_std() {
            let log_std = &run.parameters[start..];
            one("log.std", log_std.iter().map(|value| value.exp()).sum::<f64>() / log_std.len() as f64);
        }
        let mut trace = |name: &str, field: fn(&wgpo::data::MinibatchStats) -> f64| {
            outputs.insert(format!("out.trace.{name}"), minibatches.iter().map(field).collect());
        };
        trace("policy_loss", |m| m.policy_loss);
        trace("value_loss", |m| m.value_loss);
        trace("entropy", |m| m.entropy);
        trace("loss", |m| m.loss);
        trace("approx_kl", |m| m.approx_kl);
        trace("clip_fraction", |m| m.clipfrac);
        trace("surrogate", |m| -m.policy_loss);
        trace("kl", |m| m.kl);
        if let (Some(kl), Some(beta)) = (stats.kl, stats.kl_coef) {
            outputs.insert("out.kl".into(), vec![kl]);
            outputs.insert("out.beta_next".into(), vec![beta]);
        }
        let norms = minibatches.iter().filter(|m| m.stepped).map(|m| m.grad_norm).collect();
        outputs.insert("out.trace.grad_norm".into(), norms);
        outputs
    }
}
