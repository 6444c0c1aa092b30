//! One row of metrics.csv.

use serde::{Deserialize, Serialize};
use wgpo::Config;
use wgpo::config::Anneal;
use wgpo::solved::{Evaluation, Solved};
use wgpo::trainer::IterationStats;

/// One row. A number that does not exist (no episode ended, not finite) is an empty field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Updates since the start.
    pub update: u64,
    /// Environment steps since the start, all environments together.
    pub env_steps: u64,
    /// Seconds of training since the start, pauses left out.
    pub seconds: f64,
    /// Environment steps per second of this iteration, update included.
    pub steps_per_second: f64,
    /// Mean return over the last [`wgpo::solved::WINDOW`] episodes or a few more: whole updates are taken.
    pub mean_return: Option<f64>,
    /// Episodes that ended in this iteration.
    pub episodes: u64,
    /// Their mean return.
    pub episode_return: Option<f64>,
    /// Their smallest return.
    pub episode_return_min: Option<f64>,
    /// Their largest return.
    pub episode_return_max: Option<f64>,
    /// Their mean length.
    pub episode_length: Option<f64>,
    /// Of the last minibatch in which a row counted, as CleanRL logs it; of all rows at the start, negative surrogate, for a trust region.
    pub policy_loss: Option<f64>,
    /// Of the last minibatch.
    pub value_loss: Option<f64>,
    /// Of the last minibatch; of all rows at the start for a trust region.
    pub entropy: Option<f64>,
    /// Of the last minibatch; k3. Not with a trust region.
    pub approx_kl: Option<f64>,
    /// Mean over the rows of all minibatches. Not with a trust region.
    pub clipfrac: Option<f64>,
    /// Of the rollout.
    pub explained_variance: Option<f64>,
    /// Mean over the minibatches whose step was taken, before clipping.
    pub grad_norm: Option<f64>,
    /// Of this update.
    pub learning_rate: f64,
    /// Steps that the optimiser took.
    pub optimizer_steps: u32,
    /// Steps left out because the gradient, or its norm, was not finite.
    pub skipped_steps: u32,
    /// Mean analytic KL over all rows at the end of the update: with a KL penalty or a trust region.
    pub kl: Option<f64>,
    /// β of the next update, with a KL penalty.
    pub kl_coef: Option<f64>,
    /// Iterations of conjugate gradients, with a trust region.
    pub cg_iterations: Option<u32>,
    /// 1 if the policy's step was taken, else 0, with a trust region.
    pub step_accepted: Option<u32>,
    /// Candidates that were looked at, with a trust region.
    pub line_search_tries: Option<u32>,
    /// Surrogate after less surrogate before, with a trust region.
    pub surrogate_improvement: Option<f64>,
    /// Limits of the action distribution that were met (of standard deviations, or nothing allowed), over the rows and
    /// dimensions of all minibatches. Not with a trust region.
    #[serde(default)]
    pub head_hits: Option<u64>,
    /// Weight of the entropy in this update, where it has a schedule.
    #[serde(default)]
    pub ent_coef: Option<f64>,
    /// Clip range in this update, where it has a schedule.
    #[serde(default)]
    pub clip_coef: Option<f64>,
    /// Mean return of the greedy policy after this update, where it was evaluated ([`wgpo::solved`]).
    #[serde(default)]
    pub greedy_return: Option<f64>,
    /// Its smallest return.
    #[serde(default)]
    pub greedy_return_min: Option<f64>,
    /// Its largest return.
    #[serde(default)]
    pub greedy_return_max: Option<f64>,
    /// Gradient steps since the start, of an off-policy algorithm.
    #[serde(default)]
    pub gradient_steps: Option<u64>,
    /// Mean Q of the last batch's stored actions.
    #[serde(default)]
    pub q_values: Option<f64>,
    /// α of SAC.
    #[serde(default)]
    pub alpha: Option<f64>,
    /// ε of DQN.
    #[serde(default)]
    pub epsilon: Option<f64>,
    /// The run that it is of. After it, the file has a checksum of the row.
    #[serde(default)]
    pub run: Option<u64>,
}

impl Row {
    /// The row of one iteration; `solved` has counted and judged it. `run` is filled in by [`Metrics::push`](super::file::Metrics::push).
    pub fn new(stats: &IterationStats, config: &Config, solved: &Solved, seconds: f64, steps_per_second: f64) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        let (episodes, update) = (&stats.episodes, &stats.update);
        let last = update.last_counted();
        let region = update.trust_region.as_ref();
        // A critic's minibatch has no ratio, hence no estimate and no clip.
        let of_ratio = |value: f64| if region.is_none() && update.off_policy.is_none() { finite(value) } else { None };
        // Before this update.
        let rows = config.batch_size();
        let progress = config.progress(stats.env_steps.saturating_sub(rows as u64), rows);
        let moves = |schedule| schedule != Anneal::None;
        let clip = config.algorithm.clip();
        let greedy = solved.current();
        let off_policy = update.off_policy.as_ref();
        // Before `learning_starts` there is no gradient step that could have losses.
        let learnt = off_policy.filter(|_| update.optimizer_steps > 0);
        let idle = off_policy.is_some() && learnt.is_none();
        // What only rollouts have: ratios, and values that are compared with returns.
        let of_rollout = |value: f64| if off_policy.is_some() { None } else { finite(value) };
        let of_step = |value: f64| if idle { None } else { finite(value) };
        Self {
            update: stats.updates,
            env_steps: stats.env_steps,
            seconds,
            steps_per_second,
            mean_return: solved.sampled().map(|(mean, _)| mean),
            episodes: episodes.count,
            episode_return: episodes.mean_return(),
            episode_return_min: finite(episodes.return_min),
            episode_return_max: finite(episodes.return_max),
            episode_length: episodes.mean_length(),
            policy_loss: of_step(region.map_or(last.policy_loss, |region| -region.surrogate_before)),
            value_loss: of_step(last.value_loss),
            entropy: of_step(region.map_or(last.entropy, |region| region.entropy)),
            approx_kl: of_ratio(last.approx_kl),
            clipfrac: of_ratio(update.mean(|minibatch| minibatch.clipfrac)),
            explained_variance: of_rollout(update.explained_variance),
            grad_norm: update.mean_grad_norm().and_then(finite),
            learning_rate: update.learning_rate,
            optimizer_steps: update.optimizer_steps,
            skipped_steps: update.skipped_steps,
            kl: region.map(|region| region.kl_after).or(update.kl).and_then(finite),
            kl_coef: update.kl_coef.and_then(finite),
            cg_iterations: region.map(|region| region.cg_iterations),
            step_accepted: region.map(|region| region.accepted.into()),
            line_search_tries: region.map(|region| region.tries),
            surrogate_improvement: region.and_then(|region| finite(region.surrogate_after - region.surrogate_before)),
            head_hits: off_policy.is_none().then(|| update.head_hits()),
            ent_coef: moves(config.ent_coef_schedule).then(|| config.ent_coef_at(progress)),
            clip_coef: clip.filter(|(_, schedule)| moves(*schedule)).and_then(|_| config.clip_coef_at(progress)),
            greedy_return: greedy.and_then(|greedy| finite(greedy.mean_return)),
            greedy_return_min: greedy.and_then(|greedy| finite(greedy.return_min)),
            greedy_return_max: greedy.and_then(|greedy| finite(greedy.return_max)),
            gradient_steps: off_policy.map(|own| own.gradient_steps),
            q_values: learnt.and_then(|own| finite(own.q_values)),
            alpha: off_policy.and_then(|own| own.alpha).and_then(finite),
            epsilon: off_policy.and_then(|own| own.epsilon),
            run: None,
        }
    }

    /// The evaluation of `episodes` greedy episodes that the row tells of.
    pub fn evaluation(&self, episodes: u64) -> Option<Evaluation> {
        Some(Evaluation {
            update: self.update,
            env_steps: self.env_steps,
            episodes,
            mean_return: self.greedy_return?,
            return_min: self.greedy_return_min?,
            return_max: self.greedy_return_max?,
        })
    }
}
