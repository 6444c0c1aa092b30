//! What came out of one variant.

use wgpo::env::FailureVariant;

/// Updates at the end over which a seed's reward is averaged to say whether it succeeded.
const LAST: usize = 10;

/// What came out of one variant.
pub struct Outcome {
    /// In the picture and on the terminal.
    pub label: &'static str,
    pub key: &'static str,
    /// Mean reward, `[updates][seeds]`.
    pub rewards: Vec<Vec<f64>>,
    /// Seeds whose mean over the last updates reached the mark.
    pub successes: usize,
    pub seeds: usize,
    pub last: f64,
}

impl Outcome {
    /// Of rewards `[updates][seeds]`; a seed succeeds at `mark`.
    pub fn new(variant: &FailureVariant, mark: f64, rewards: Vec<Vec<f64>>) -> Self {
        let seeds = rewards.first().map_or(0, Vec::len);
        let last = &rewards[rewards.len().saturating_sub(LAST)..];
        let of_seed = |seed: usize| last.iter().map(|row| row[seed]).sum::<f64>() / last.len().max(1) as f64;
        let each: Vec<f64> = (0..seeds).map(of_seed).collect();
        Self {
            label: variant.label,
            key: variant.key,
            successes: each.iter().filter(|reward| **reward >= mark).count(),
            last: each.iter().sum::<f64>() / seeds.max(1) as f64,
            seeds,
            rewards,
        }
    }
}
