//! A handful of numbers in place, so that a step of an environment asks for no memory.

use super::Real;
use std::ops::Deref;

/// At most so many.
const MOST: usize = 6;

/// A state or an observation of an environment: as many numbers as it has, at most six.
#[derive(Debug, Clone, Copy)]
pub struct Few<F> {
    all: [F; MOST],
    len: usize,
}

impl<F: Real> From<&[F]> for Few<F> {
    /// The first six, where there are more.
    fn from(numbers: &[F]) -> Self {
        let (mut all, len) = ([F::zero(); MOST], numbers.len().min(MOST));
        all[..len].copy_from_slice(&numbers[..len]);
        Self { all, len }
    }
}

impl<F: Real, const N: usize> From<[F; N]> for Few<F> {
    fn from(numbers: [F; N]) -> Self {
        const { assert!(N <= MOST) };
        Self::from(&numbers[..])
    }
}

impl<F> Deref for Few<F> {
    type Target = [F];

    fn deref(&self) -> &[F] {
        &self.all[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn every_environment_fits() {
        for env in Env::ALL {
            assert!(env.state_dim() <= MOST && env.obs_dim() <= MOST, "{env:?}");
        }
        assert_eq!(Few::from([1.0_f32, 2.0]).to_vec(), [1.0, 2.0]);
        assert_eq!(Few::from(&[0.5_f64; 6][..]).len(), 6);
    }
}
