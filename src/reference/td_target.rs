//! Targets of temporal-difference learning, and the sums of rewards that lead to them.

use super::Real;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, ArrayView1, ArrayView2};

/// Targets of a batch of transitions (Watkins 1989; of n steps, Sutton and Barto 2018, equation 7.1):
///
/// ```text
/// y = r + (1 − terminated) · discount · next
/// ```
///
/// `discounts` are γ, or γ^m of the m steps that `rewards` sums up. A truncation is not told: the value of the real last observation
/// stands for what would have come. Where `terminated` is set, `next` need not be a number.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ.
pub fn td_target<F: Real>(
    rewards: ArrayView1<'_, F>,
    terminated: ArrayView1<'_, u32>,
    discounts: ArrayView1<'_, F>,
    next: ArrayView1<'_, F>,
) -> Result<Array1<F>> {
    let rows = rewards.len();
    check_shape("terminated", &[terminated.len()], &[rows])?;
    check_shape("discounts", &[discounts.len()], &[rows])?;
    check_shape("next", &[next.len()], &[rows])?;
    let target = |r: usize| if terminated[r] != 0 { rewards[r] } else { rewards[r] + discounts[r] * next[r] };
    Ok((0..rows).map(target).collect())
}

/// A ring of transitions: T places for each of N environments, in storage order.
#[derive(Debug, Clone, Copy)]
pub struct Ring<'a, F> {
    /// `[T, N]`.
    pub rewards: ArrayView2<'a, F>,
    /// 1 where the transition ended in a terminal state, `[T, N]`.
    pub terminated: ArrayView2<'a, u32>,
    /// 1 where it was cut off by a limit, `[T, N]`.
    pub truncated: ArrayView2<'a, u32>,
    /// The place that is written next.
    pub next_write: usize,
    /// Places that are used: all, or those before `next_write`.
    pub stored: usize,
}

/// What n steps from one place of a [`Ring`] come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NStep<F> {
    /// Σ_{i<m} γ^i r_i of the m steps.
    pub reward: F,
    /// γ^m.
    pub discount: F,
    /// Whether the last of them terminated.
    pub terminated: bool,
    /// Its place: its next observation is the one to look at.
    pub last: usize,
}

impl<F: Real> Ring<'_, F> {
    /// At most `steps` steps of environment `env` from place `start` on. The walk stops at the first end, and at the newest place,
    /// behind which the oldest follows; a sum so cut short looks ahead from where it stopped, with γ^m of its own steps.
    ///
    /// # Errors
    /// [`Error::Value`] for a place or an environment that is not there, [`Error::Config`] for 0 steps, [`Error::Shape`] if the arrays
    /// differ in shape.
    pub fn n_step(&self, start: usize, env: usize, steps: usize, gamma: F) -> Result<NStep<F>> {
        let (places, envs) = self.rewards.dim();
        check_shape("terminated", self.terminated.shape(), self.rewards.shape())?;
        check_shape("truncated", self.truncated.shape(), self.rewards.shape())?;
        let outside = |tensor: &str, value: usize, below: usize| Error::Value {
            tensor: tensor.into(),
            index: 0,
            value: value.to_string(),
            expected: format!("a number below {below}"),
        };
        if start >= self.stored.min(places) {
            return Err(outside("place", start, self.stored.min(places)));
        }
        if env >= envs {
            return Err(outside("env", env, envs));
        }
        if steps == 0 {
            return Err(Error::config("n_steps", "is 0, must be at least 1"));
        }
        let newest = (self.next_write + places - 1) % places;
        let (mut reward, mut discount, mut last) = (F::zero(), F::one(), start);
        for step in 0..steps {
            last = (start + step) % places;
            reward += discount * self.rewards[[last, env]];
            discount *= gamma;
            if self.terminated[[last, env]] != 0 || self.truncated[[last, env]] != 0 || last == newest {
                break;
            }
        }
        Ok(NStep { reward, discount, terminated: self.terminated[[last, env]] != 0, last })
    }
}

/// Target networks follow: target ← (1 − τ) · target + τ · online (Lillicrap et al. 2016, algorithm 1). τ = 1 copies, τ = 0 leaves all
/// as it is.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ.
pub fn polyak<F: Real>(target: &mut [F], online: &[F], tau: F) -> Result<()> {
    check_shape("online", &[online.len()], &[target.len()])?;
    for (target, online) in target.iter_mut().zip(online) {
        *target = (F::one() - tau) * *target + tau * *online;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn an_end_takes_no_look_at_what_follows() {
        let rewards = array![1.0, 2.0];
        let y = td_target(rewards.view(), array![1, 0].view(), array![0.5, 0.5].view(), array![f64::NAN, 4.0].view());
        assert_eq!(y.unwrap(), array![1.0, 4.0]);
    }

    #[test]
    fn a_walk_stops_at_ends_and_at_the_seam() {
        // Places 0..4, of which 1 is written next: 0 is the newest, 1 the oldest.
        let rewards = array![[1.0], [2.0], [4.0], [8.0]];
        let (terminated, truncated) = (array![[0], [0], [0], [0]], array![[0], [0], [1], [0]]);
        let ring = Ring {
            rewards: rewards.view(),
            terminated: terminated.view(),
            truncated: truncated.view(),
            next_write: 1,
            stored: 4,
        };
        let walk = |start, steps| ring.n_step(start, 0, steps, 0.5).unwrap();
        // The truncation at 2 ends it, and is looked beyond.
        assert_eq!(walk(1, 5), NStep { reward: 4.0, discount: 0.25, terminated: false, last: 2 });
        // Over the ring's end to the newest.
        assert_eq!(walk(3, 5), NStep { reward: 8.5, discount: 0.25, terminated: false, last: 0 });
        assert_eq!(walk(3, 1), NStep { reward: 8.0, discount: 0.5, terminated: false, last: 3 });
        for (start, env, steps) in [(4, 0, 1), (0, 1, 1), (0, 0, 0)] {
            assert!(ring.n_step(start, env, steps, 0.5).is_err());
        }
        let young = Ring { stored: 1, ..ring };
        assert!(young.n_step(1, 0, 1, 0.5).is_err());
    }
}
