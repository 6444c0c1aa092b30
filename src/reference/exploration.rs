//! The draws of off-policy learning besides batches: how actions explore, and the noise of gradient steps.

use super::Real;
use crate::rng::{Draw, below, block, normal_f64, uniform};
use ndarray::{Array2, ArrayViewMut2};

/// The words of a row's dimension: [`Draw::Exploration`], step = policy steps taken.
fn words(seed: u64, step: u64, row: usize, d: usize) -> [u32; 4] {
    block(seed, Draw::Exploration, row as u32, d as u32, step)
}

/// Standard normals of exploration, `[rows, dims]`: word 0.
pub fn exploration_noise<F: Real>(shape: (usize, usize), seed: u64, step: u64) -> Array2<F> {
    Array2::from_shape_fn(shape, |(row, d)| F::of(normal_f64(words(seed, step, row, d)[0])))
}

/// Uniform actions in (−1, 1), `[rows, dims]`, 2u − 1: word 0, too.
pub fn uniform_actions(shape: (usize, usize), seed: u64, step: u64) -> Array2<f32> {
    Array2::from_shape_fn(shape, |(row, d)| 2.0 * uniform(words(seed, step, row, d)[0]) - 1.0)
}

/// ε-greedy: with probability `epsilon` (word 2 of dimension 0), one of `choices` in place of the greedy action (words 0 and 1). `choices` is
/// at least 1.
pub fn epsilon_greedy(actions: &mut [u32], choices: u32, epsilon: f32, seed: u64, step: u64) {
    for (row, action) in actions.iter_mut().enumerate() {
        let words = words(seed, step, row, 0);
        if uniform(words[2]) < epsilon {
            *action = below(words, choices);
        }
    }
}

/// Standard normals of gradient step `step` for rows from `first` on, `[rows, dims]`: [`Draw::Noise`], word 0.
pub fn update_noise<F: Real>(mut noise: ArrayViewMut2<'_, F>, first: usize, seed: u64, step: u64) {
    for ((row, d), value) in noise.indexed_iter_mut() {
        *value = F::of(normal_f64(block(seed, Draw::Noise, (first + row) as u32, d as u32, step)[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As often as ε says, and then each of them as often: of 20,000 rows with a deviation of 65 and 58.
    #[test]
    fn epsilon_is_how_often_an_action_is_drawn() {
        let mut actions = vec![9; 20_000];
        epsilon_greedy(&mut actions, 4, 0.3, 7, 11);
        let count = |which| actions.iter().filter(|action| **action == which).count();
        assert!((13_700..14_300).contains(&count(9)), "{}", count(9));
        assert!((0..4).all(|which| (1_350..1_650).contains(&count(which))), "{:?}", [0, 1, 2, 3].map(count));
        let mut none = vec![9; 100];
        epsilon_greedy(&mut none, 4, 0.0, 7, 11);
        assert_eq!(none, vec![9; 100]);
        epsilon_greedy(&mut none, 1, 1.0, 7, 11);
        assert_eq!(none, vec![0; 100]);
    }

    #[test]
    fn draws_go_by_row_dimension_and_step() {
        let noise = exploration_noise::<f64>((3, 2), 5, 1);
        assert!(noise != exploration_noise::<f64>((3, 2), 5, 2) && noise != exploration_noise::<f64>((3, 2), 6, 1));
        assert_eq!(noise.row(2), exploration_noise::<f64>((9, 2), 5, 1).row(2));
        assert!(uniform_actions((500, 2), 5, 1).iter().all(|a| a.abs() < 1.0));
        let mut all = Array2::<f64>::zeros((4, 2));
        update_noise(all.view_mut(), 0, 5, 1);
        let mut last = Array2::<f64>::zeros((1, 2));
        update_noise(last.view_mut(), 3, 5, 1);
        assert_eq!(all.row(3), last.row(0));
        assert!(all.row(0) != noise.row(0), "of another kind");
    }
}
