//! How many bytes the CPU path is going to need, counted before anything is made: of the moments of a call the one at which most is held,
//! and of that what is held for sure, so that a refusal is never wrong. Left out are what threads may have kept from an earlier pass
//! ([`scratch`]), what the numbers themselves decide (a stop, rows that do not count), and small change (names, a few rows).

use crate::config::{Config, TrustRegion};
use crate::data::MinibatchStats;
use crate::memory::{product, total};
use crate::policy::{Branch, InitScheme, PolicySpec};
use crate::reference::actor_critic::parts;
use crate::reference::fast::scratch;

#[cfg(test)]
mod tests;

/// A learner with numbers of `size` bytes: parameters and both moments; and while it is made, the weights as they are drawn.
pub(super) fn learner(spec: &PolicySpec, config: &Config, size: usize, draws: bool) -> u128 {
    let parameters = spec.parameter_count();
    let held = parameters.saturating_mul(3 * size as u128);
    if !draws {
        return held;
    }
    // The factorisation of a layer in f64, its orthogonal factor, and the numbers that become of it. Threads draw several at once, but
    // which ones is theirs: the largest may be alone.
    let of_layer = |pair: &[usize]| match config.init.scheme {
        InitScheme::Orthogonal => total(&[&[pair[0], pair[1], 20]]),
        InitScheme::PytorchDefault => total(&[&[pair[0], pair[1], 4]]),
    };
    let of_branch = |branch: &Branch| spec.sizes(&branch.name).windows(2).map(of_layer).collect::<Vec<_>>();
    let largest = spec.branches.iter().flat_map(of_branch).max().unwrap_or(0);
    held.max(parameters.saturating_mul(4).saturating_add(largest))
}

/// An update on `rows` rows, of which `counted` count: beside the rollout or the batch that it is given.
pub(super) fn update(spec: &PolicySpec, config: &Config, size: usize, rows: usize, counted: usize) -> u128 {
    let update = Update { spec, config, size, rows, counted, lost: rows.saturating_sub(counted) };
    match config.trust_region() {
        Some(region) => update.of_trust_region(region),
        None => update.of_ppo(),
    }
}

struct Update<'a> {
    spec: &'a PolicySpec,
    config: &'a Config,
    size: usize,
    rows: usize,
    counted: usize,
    lost: usize,
}

impl Update<'_> {
    /// The rows as they came; those that count; those with normalised advantages, the only ones to which distributions are added. Then a
    /// minibatch, its sums and its losses.
    fn of_ppo(&self) -> u128 {
        let width = if self.config.kl_direction().is_some() { self.spec.head.width() } else { 0 };
        let three = self.of_rows(self.rows, 0) + self.of_rows(self.rows, width) + self.of_rows(self.counted, 0);
        // A limit on the KL may end the update after its first minibatch.
        let minibatches = self.config.minibatches(self.rows);
        let ends = self.config.kl_stop().is_some();
        let (most, passed) = match ends {
            true => (minibatches.ranges().next().map_or(0, |first| first.len()), 0),
            false => (minibatches.largest(), self.passed()),
        };
        let sure = most.saturating_sub(self.lost);
        let own = self.of_rows(sure, width);
        let losses = product(&[sure, self.spec.head.width().saturating_add(1), self.size]);
        let moments = [
            // As it was gathered, and what of it counts.
            self.of_rows(most, width).saturating_add(own),
            own.saturating_add(losses).saturating_add(self.sums(sure)),
            // The losses of its blocks, and all in one, with the gradient.
            own.saturating_add(losses.saturating_mul(2)).saturating_add(self.vectors(1)),
        ];
        let in_minibatch = moments.into_iter().max().unwrap_or(0).saturating_add(self.order());
        // At the end the rows that count once more, for the KL by which the penalty goes on.
        let at_end = if self.config.kl_penalty().is_some() { self.of_rows(self.counted, width) } else { 0 };
        three.saturating_add(passed).saturating_add(in_minibatch.max(at_end))
    }

    /// The rows as they came, those that count, those of the policy; of the latter those that count, with their forward pass; then the
    /// critic's minibatches.
    fn of_trust_region(&self, region: &TrustRegion) -> u128 {
        let of_policy = self.rows.div_ceil(region.subsample.max(1));
        let of_fisher = of_policy.div_ceil(region.fisher_subsample.max(1)).saturating_sub(self.lost);
        let three = self.of_rows(self.rows, 0) + self.of_rows(self.counted, 0) + self.of_rows(of_policy, 0);
        let sure = of_policy.saturating_sub(self.lost);
        let width = self.spec.head.width();
        let passed = |rows, output| {
            let dist = if output == Branch::POLICY { width } else { 1 };
            self.of_rows(rows, 0) + self.tape(rows, output) + product(&[rows, dist, self.size])
        };
        let gradient = product(&[sure, width.saturating_add(1), self.size]).saturating_add(self.sums(sure));
        // The gradient and the solution, residual and direction of the conjugate gradients; then a product with the solution.
        let solved = self.vectors(4).max(self.vectors(2).saturating_add(self.sums(of_fisher)));
        let solved = passed(of_fisher, Branch::POLICY).saturating_add(solved);
        let step = passed(sure, Branch::POLICY).saturating_add(gradient.max(solved));
        let most = self.config.minibatches(self.rows).largest();
        let sure = most.saturating_sub(self.lost);
        // With the parameters after the step, and the gradient that led there.
        let minibatch = self.of_rows(most, 0).saturating_add(self.of_rows(sure, 0));
        let minibatch = minibatch.max(passed(sure, Branch::VALUE).saturating_add(self.sums(sure)));
        let critic = self.vectors(2) + self.passed() + self.order();
        three.saturating_add(step.max(critic.saturating_add(minibatch)))
    }

    /// `rows` rows with `dist` numbers of a distribution each: observations, log-probability, advantage, return, value, action.
    fn of_rows(&self, rows: usize, dist: usize) -> u128 {
        let head = &self.spec.head;
        let flags = if head.is_masked() { head.raw_outputs() } else { 0 };
        let numbers = self.spec.obs_dim().saturating_add(4).saturating_add(dist);
        total(&[&[rows, numbers, self.size], &[rows, head.action_dims(), 4], &[rows, flags]])
    }

    fn vectors(&self, count: usize) -> u128 {
        self.spec.parameter_count().saturating_mul((count * self.size) as u128)
    }

    /// A sum over `rows` rows: its parts, unless they may be there from the last one, and their total.
    fn sums(&self, rows: usize) -> u128 {
        let parts = self.spec.parameter_count().saturating_mul(parts(rows) as u128);
        let kept = self.size == size_of::<f32>() && parts <= scratch::LARGEST as u128;
        let parts = if kept { 0 } else { parts.saturating_mul(self.size as u128) };
        parts.saturating_add(self.vectors(1))
    }

    /// What a forward pass to the branch called `output` keeps of `rows` rows, less what threads may have had.
    fn tape(&self, rows: usize, output: &str) -> u128 {
        let widths = self.spec.path_sizes(output).into_iter();
        let (all, widest) =
            widths.fold((0_usize, 0), |(all, widest), width| (all.saturating_add(width), widest.max(width)));
        let kept = if self.size == size_of::<f32>() { scratch::most_kept(widest) } else { 0 };
        product(&[rows, all, self.size]).saturating_sub(kept)
    }

    /// The order of an epoch.
    fn order(&self) -> u128 {
        product(&[self.config.minibatches(self.rows).rows(), size_of::<u32>()])
    }

    /// Statistics of the epochs before the last.
    fn passed(&self) -> u128 {
        let count = self.config.minibatches(self.rows).count();
        product(&[self.config.update_epochs.saturating_sub(1), count, size_of::<MinibatchStats>()])
    }
}

/// A rollout, while an update is made of it: observations and actions; log-probabilities, rewards, two flags and values, of which there is
/// one more for each environment.
pub(super) fn rollout(spec: &PolicySpec, config: &Config) -> u128 {
    let row = spec.obs_dim().saturating_add(spec.head.action_dims()).saturating_add(5);
    total(&[&[config.num_steps, config.num_envs, 4, row], &[config.num_envs, 4]])
}

/// Actions for `rows` rows: observations in f32 and in the working precision, the networks' outputs, and the distributions that are made
/// of them.
pub(super) fn act(spec: &PolicySpec, size: usize, rows: usize) -> u128 {
    let outputs = spec.head.raw_outputs().saturating_add(spec.head.width());
    total(&[&[rows, spec.obs_dim(), 4], &[rows, spec.obs_dim().saturating_add(outputs), size]])
}

/// An off-policy learner: parameters, both moments and the targets of all networks; and its ring, of which each transition has two
/// observations, a reward, the action's words and two flags.
pub(super) fn off_policy_learner(spec: &PolicySpec, config: &Config, size: usize, draws: bool) -> u128 {
    let targets = spec.parameter_count().saturating_mul(size as u128);
    let own = learner(spec, config, size, draws).saturating_add(targets);
    own.saturating_add(ring(spec, config, size, usize::MAX)).saturating_add(batch(spec, config, size))
}

/// The arrays of a batch and of its noise.
fn batch(spec: &PolicySpec, config: &Config, size: usize) -> u128 {
    let rows = config.replay().map_or(0, |replay| replay.batch_size);
    // Observations twice, actions, noise of both kinds, rewards, discounts, flags.
    let numbers = spec.obs_dim().saturating_mul(2).saturating_add(spec.head.action_dims().saturating_mul(3));
    product(&[rows, numbers.saturating_add(3), size])
}

/// An off-policy iteration: the numbers and places that are kept for the case of an error, and a gradient step.
pub(super) fn off_policy_iteration(spec: &PolicySpec, config: &Config, size: usize) -> u128 {
    let numbers = spec.parameter_count().saturating_mul(4 * size as u128);
    let rows = config.replay().map_or(0, |replay| replay.batch_size);
    numbers.saturating_add(ring(spec, config, size, config.num_steps)).saturating_add(gradient_step(spec, size, rows))
}

/// At most `most` places of the ring.
fn ring(spec: &PolicySpec, config: &Config, size: usize, most: usize) -> u128 {
    let places = config.replay().map_or(0, |replay| replay.places(config.num_envs)).min(most);
    let numbers = spec.obs_dim().saturating_mul(2).saturating_add(1);
    let words = spec.head.action_words().saturating_add(2);
    total(&[&[places, config.num_envs, numbers, size], &[places, config.num_envs, words, 4]])
}

/// A gradient step on `rows` transitions: the outputs of the policy's layers at the observations.
pub(super) fn gradient_step(spec: &PolicySpec, size: usize, rows: usize) -> u128 {
    let widths = spec.path_sizes(Branch::POLICY).into_iter().fold(0, usize::saturating_add);
    let kept = if size == size_of::<f32>() { scratch::most_kept(spec.widest()) } else { 0 };
    product(&[rows, widths, size]).saturating_sub(kept)
}
