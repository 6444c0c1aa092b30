//! Returns to go of the episodes that end within a window.

use super::Real;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// Which rows of a window have a whole return: those that count (`given`, `[T, N]`; all without) and that an end of their episode
/// follows within the window, or comes with. `[T, N]`, 1 or 0.
///
/// # Errors
/// [`Error::Shape`] if the arrays do not belong together, [`Error::Config`] for T = 0.
pub fn whole_returns(
    terminated: ArrayView2<'_, u32>,
    truncated: ArrayView2<'_, u32>,
    given: Option<ArrayView2<'_, u32>>,
) -> Result<Array2<u32>> {
    let (steps, envs) = terminated.dim();
    if steps == 0 {
        return Err(Error::config("num_steps", "is 0, must be at least 1"));
    }
    check_shape("truncated", truncated.shape(), &[steps, envs])?;
    if let Some(given) = given {
        check_shape("valid", given.shape(), &[steps, envs])?;
    }
    let counts = |t, n| given.is_none_or(|given| given[[t, n]] != 0);
    let ends = |t, n| terminated[[t, n]] != 0 || truncated[[t, n]] != 0;
    Ok(Array2::from_shape_fn((steps, envs), |(t, n)| u32::from(counts(t, n) && (t..steps).any(|later| ends(later, n)))))
}

/// The return to go (Sutton and Barto 2018, equation 3.9) of each row that [`whole_returns`] has, and 0 in the others; `[T, N]`.
///
/// ```text
/// G_t = r_t + γ G_{t+1},   G = 0 behind a terminated or truncated transition
/// ```
///
/// A row that does not count (`given`) adds no reward and takes no time; it may end its episode.
///
/// # Errors
/// As [`whole_returns`], and [`Error::Shape`] if `rewards` do not fit the ends.
pub fn advantage_return<F: Real>(
    rewards: ArrayView2<'_, F>,
    terminated: ArrayView2<'_, u32>,
    truncated: ArrayView2<'_, u32>,
    given: Option<ArrayView2<'_, u32>>,
    gamma: F,
) -> Result<(Array2<F>, Array2<u32>)> {
    let valid = whole_returns(terminated, truncated, given)?;
    check_shape("rewards", rewards.shape(), valid.shape())?;
    let (steps, envs) = valid.dim();
    let mut returns = Array2::zeros((steps, envs));
    for n in 0..envs {
        let mut following = F::zero();
        for t in (0..steps).rev() {
            if terminated[[t, n]] != 0 || truncated[[t, n]] != 0 {
                following = F::zero();
            }
            // Without an end behind it nobody asks for the sum so far.
            if valid[[t, n]] != 0 {
                following = rewards[[t, n]] + gamma * following;
                returns[[t, n]] = following;
            }
        }
    }
    Ok((returns, valid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{array, s};

    #[test]
    fn returns_of_episodes_that_end_within_the_window() {
        // Terminates at 1 and never again; truncated at the window's end; goes on all the time.
        let rewards = array![[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [4.0, 4.0, 4.0]];
        let terminated = array![[0, 0, 0], [1, 0, 0], [0, 0, 0]];
        let truncated = array![[0, 0, 0], [0, 0, 0], [0, 1, 0]];
        let (ends, all) = ((terminated.view(), truncated.view()), |gamma| {
            advantage_return(rewards.view(), terminated.view(), truncated.view(), None, gamma).unwrap()
        });
        let (returns, valid) = all(0.5);
        assert_eq!(returns, array![[2.0, 3.0, 0.0], [2.0, 4.0, 0.0], [0.0, 4.0, 0.0]]);
        assert_eq!(valid, array![[1, 1, 0], [1, 1, 0], [0, 1, 0]]);
        assert_eq!(all(0.0).0, &rewards * &valid.mapv(f64::from));
        // A row in between that does not count: the sum goes over it.
        let given = array![[1, 1, 1], [1, 0, 1], [1, 1, 1]];
        let (returns, valid) = advantage_return(rewards.view(), ends.0, ends.1, Some(given.view()), 0.5).unwrap();
        assert_eq!((returns[[0, 1]], returns[[1, 1]], valid[[1, 1]]), (3.0, 0.0, 0));
        // One that ends the episode, too.
        let given = array![[1, 1, 1], [0, 1, 1], [1, 1, 1]];
        let (returns, valid) = advantage_return(rewards.view(), ends.0, ends.1, Some(given.view()), 0.5).unwrap();
        assert_eq!((returns.column(0).to_vec(), valid.column(0).to_vec()), (vec![1.0, 0.0, 0.0], vec![1, 0, 0]));
    }

    /// With every episode's end in the window it is the discounted sum of rewards alone; what one window has whole, two halves have
    /// from where the second begins.
    #[test]
    fn a_return_looks_ahead_only() {
        let rewards = Array2::from_shape_fn((8, 3), |(t, n)| (1.0 + t as f64) * (n as f64 - 0.5));
        let ends = Array2::from_shape_fn((8, 3), |(t, n)| u32::from(t == 7 || t == n + 1));
        let none = Array2::zeros((8, 3));
        let (whole, valid) = advantage_return(rewards.view(), ends.view(), none.view(), None, 0.9).unwrap();
        assert!(valid.iter().all(|valid| *valid == 1));
        for n in 0..3 {
            let sum =
                |t: usize, end: usize| (t..=end).map(|i| 0.9_f64.powi((i - t) as i32) * rewards[[i, n]]).sum::<f64>();
            for t in 0..8 {
                let end = if t <= n + 1 { n + 1 } else { 7 };
                assert!((whole[[t, n]] - sum(t, end)).abs() < 1e-12);
            }
        }
        let late = s![4.., ..];
        let (rest, _) = advantage_return(rewards.slice(late), ends.slice(late), none.slice(late), None, 0.9).unwrap();
        assert_eq!(rest, whole.slice(late));
    }

    #[test]
    fn arrays_that_do_not_belong_together_are_refused() {
        let (one, other, none) = (Array2::zeros((2, 3)), Array2::zeros((3, 2)), Array2::<u32>::zeros((0, 3)));
        assert!(whole_returns(one.view(), other.view(), None).is_err());
        assert!(whole_returns(one.view(), one.view(), Some(other.view())).is_err());
        assert!(whole_returns(none.view(), none.view(), None).is_err());
        let rewards = Array2::<f64>::zeros((3, 2));
        assert!(advantage_return(rewards.view(), one.view(), one.view(), None, 0.9).is_err());
    }
}
