//! How many bytes the CPU path is going to need, counted before anything is made: what is surely held at once, so that a refusal is
//! never wrong. Small change (names, statistics of a few rows) is left out.

use super::actor_critic::{BLOCK_ROWS, parts};
use crate::PpoConfig;
use crate::data::MinibatchStats;
use crate::memory::{product, total};
use crate::policy::{InitScheme, Network, PolicySpec};

/// A learner with numbers of `size` bytes: parameters and both moments; and while it is made, the weights as they are drawn.
pub(super) fn learner(spec: &PolicySpec, config: &PpoConfig, size: usize, draws: bool) -> u128 {
    let parameters = spec.parameter_count();
    let held = parameters.saturating_mul(3 * size as u128);
    if !draws {
        return held;
    }
    // The factorisation of a layer in f64, its orthogonal factor, and the numbers that become of it.
    let of_layer = |pair: &[usize]| match config.init.scheme {
        InitScheme::Orthogonal => total(&[&[pair[0], pair[1], 20]]),
        InitScheme::PytorchDefault => total(&[&[pair[0], pair[1], 4]]),
    };
    let of_network = |network| spec.sizes(network).windows(2).map(of_layer).collect::<Vec<_>>();
    let mut layers: Vec<u128> = Network::ALL.into_iter().flat_map(of_network).collect();
    // As many layers are drawn at once as there are threads.
    layers.sort_unstable_by(|a, b| b.cmp(a));
    let drawing = layers.into_iter().take(rayon::current_num_threads()).fold(0, u128::saturating_add);
    held.max(parameters.saturating_mul(4).saturating_add(drawing))
}

/// An update on `rows` rows: the rows in the working precision and in their order, sums of gradients, what blocks of rows keep of
/// their forward pass, statistics.
pub(super) fn update(spec: &PolicySpec, config: &PpoConfig, size: usize, rows: usize) -> u128 {
    let minibatches = config.minibatches(rows);
    let region = config.algorithm.is_trust_region();
    let at_once = if region { rows } else { minibatches.largest() };
    let width = spec.head.width();
    let distribution = if config.kl_direction().is_some() || region { width } else { 0 };
    let row =
        total(&[&[size, spec.obs_dim.saturating_add(5).saturating_add(distribution)], &[4, spec.head.action_words()]]);
    let of_rows = row.saturating_mul(2 * rows as u128).saturating_add(row.saturating_mul(at_once as u128));
    // The sums of the parts and their total; with a trust region the vectors of the conjugate gradients, and a candidate.
    let vectors = parts(at_once) as u128 + 1 + if region { 5 } else { 0 };
    let sums = spec.parameter_count().saturating_mul(size as u128).saturating_mul(vectors);
    let layers =
        |networks: &[Network]| networks.iter().flat_map(|network| spec.sizes(*network)).fold(0, usize::saturating_add);
    let block = if region {
        // The forward pass of all rows is kept.
        product(&[rows, size, layers(&[Network::Trunk, Network::Policy])])
    } else {
        product(&[at_once.min(BLOCK_ROWS), size, layers(&Network::ALL)])
    };
    let statistics = product(&[config.update_epochs, minibatches.count(), size_of::<MinibatchStats>()]);
    let losses = product(&[at_once, size, width.saturating_add(1), 2]);
    [of_rows, sums, block, statistics, losses].into_iter().fold(0, u128::saturating_add)
}

/// A rollout of environments with `obs_dim` numbers each, and the actions and distributions of its last step.
pub(super) fn rollout(spec: &PolicySpec, config: &PpoConfig) -> u128 {
    let row = spec.obs_dim.saturating_add(2 * spec.head.action_words()).saturating_add(6);
    let step = spec.obs_dim.saturating_mul(3).saturating_add(spec.head.width().saturating_mul(2));
    total(&[&[config.num_steps, config.num_envs, 4, row], &[config.num_envs, 4, step]])
}

/// Actions and values for `rows` rows.
pub(super) fn act(spec: &PolicySpec, size: usize, rows: usize) -> u128 {
    let numbers = spec.obs_dim.saturating_mul(2).saturating_add(spec.head.width().saturating_mul(2));
    total(&[&[rows, size, numbers], &[rows, 4, spec.head.action_words().saturating_mul(2)]])
}
