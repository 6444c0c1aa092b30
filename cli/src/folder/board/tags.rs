//! The numbers of an update under the tags that Stable-Baselines3 logs the same numbers by.

use crate::folder::metrics::row::Row;
use wgpo::data::{MinibatchStats, UpdateStats};
use wgpo::solved::WINDOW;
use wgpo::{AlgorithmKind, Config};

/// Tags and their values.
pub type Tags = Vec<(&'static str, f64)>;

/// What the update that `rows` ends with did. Means are over minibatches, each with the same weight, as there. What does not exist is NaN.
pub fn tags(rows: &[Row], stats: &UpdateStats, config: &Config) -> Tags {
    let Some(row) = rows.last() else { return Tags::new() };
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let mut tags = vec![
        ("rollout/ep_rew_mean", or_nan(row.mean_return)),
        ("rollout/ep_len_mean", mean_length(rows)),
        // Rows that were lost have their seconds with them.
        ("time/fps", if rows[0].update > 1 { f64::NAN } else { row.env_steps as f64 / row.seconds }),
        ("time/time_elapsed", row.seconds),
        ("time/iterations", row.update as f64),
        ("eval/mean_reward", or_nan(row.greedy_return)),
        ("train/learning_rate", row.learning_rate),
        ("train/grad_norm", or_nan(row.grad_norm)),
    ];
    let kind = config.algorithm.kind();
    tags.extend(if kind.is_off_policy() { off_policy(row, kind) } else { on_policy(row, stats, config) });
    tags
}

/// Mean length over the episodes that [`Row::mean_return`] is of: the fewest latest updates that have as many as the window.
fn mean_length(rows: &[Row]) -> f64 {
    let (mut count, mut sum) = (0, 0.0);
    for row in rows.iter().rev() {
        if count >= WINDOW {
            break;
        }
        count += row.episodes;
        sum += row.episode_length.map_or(0.0, |length| length * row.episodes as f64);
    }
    sum / count as f64
}

fn off_policy(row: &Row, kind: AlgorithmKind) -> Tags {
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let mut tags = vec![("train/n_updates", row.gradient_steps.map_or(f64::NAN, |steps| steps as f64))];
    let q = or_nan(row.value_loss);
    match kind {
        AlgorithmKind::Dqn => tags.extend([("train/loss", q), ("rollout/exploration_rate", or_nan(row.epsilon))]),
        _ => tags.extend([
            ("train/critic_loss", q),
            ("train/actor_loss", or_nan(row.policy_loss)),
            ("train/ent_coef", or_nan(row.alpha)),
        ]),
    }
    tags
}

fn on_policy(row: &Row, stats: &UpdateStats, config: &Config) -> Tags {
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let kind = config.algorithm.kind();
    let mut tags = Tags::new();
    if kind != AlgorithmKind::Reinforce {
        tags.push(("train/value_loss", mean(&stats.minibatches, |minibatch| minibatch.value_loss)));
        tags.push(("train/explained_variance", or_nan(row.explained_variance)));
    }
    if let Some(region) = &stats.trust_region {
        tags.extend([
            ("train/policy_objective", region.surrogate_after),
            ("train/kl_divergence_loss", region.kl_after),
            ("train/is_line_search_success", f64::from(u8::from(region.accepted))),
            ("train/entropy_loss", -region.entropy),
        ]);
        return tags;
    }
    tags.push(("train/entropy_loss", -mean(&stats.minibatches, |minibatch| minibatch.entropy)));
    let policy_loss = mean(&stats.minibatches, |minibatch| minibatch.policy_loss);
    if matches!(kind, AlgorithmKind::A2c | AlgorithmKind::Reinforce) {
        tags.push(("train/policy_loss", policy_loss));
        return tags;
    }
    let rows = config.batch_size();
    let progress = config.progress(row.env_steps.saturating_sub(rows as u64), rows);
    tags.extend([
        ("train/policy_gradient_loss", policy_loss),
        ("train/loss", stats.last().loss),
        ("train/approx_kl", mean(last_epoch(stats), |minibatch| minibatch.approx_kl)),
        ("train/clip_fraction", mean(&stats.minibatches, |minibatch| minibatch.clipfrac)),
        ("train/clip_range", or_nan(config.clip_coef_at(progress).filter(|_| kind == AlgorithmKind::Ppo))),
        ("train/kl_coef", or_nan(stats.kl_coef)),
    ]);
    tags
}

/// The minibatches of the last epoch that was begun, of which Stable-Baselines3 has the KL.
fn last_epoch(stats: &UpdateStats) -> &[MinibatchStats] {
    stats.minibatches.get(stats.last_epoch as usize..).unwrap_or_default()
}

fn mean(of: &[MinibatchStats], field: impl Fn(&MinibatchStats) -> f64) -> f64 {
    let counted = || of.iter().filter(|minibatch| minibatch.rows > 0);
    counted().map(field).sum::<f64>() / counted().count() as f64
}
