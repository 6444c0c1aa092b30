//! The optimiser's loops over all parameters. Each number has the arithmetic of the plain form, so its bits.

use crate::parallel::prelude::*;
use crate::reference::real::AdamStep;
use pulp::{Arch, Simd, WithSimd};

/// Sums of squares side by side.
const SUMS: usize = 64;
/// Parameters of one task.
const CHUNK: usize = 1 << 14;
/// Parameters from which on several threads share them.
const LONG: usize = 1 << 16;

/// As [`plain::squares`](crate::reference::plain::squares), up to the order: many sums side by side, as one would wait for each of its
/// additions.
pub(super) fn squares(values: &[f32]) -> f64 {
    Arch::new().dispatch(Squares(values))
}

struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; SUMS];
        let chunks = self.0.chunks_exact(SUMS);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                let value = f64::from(*value);
                *sum += value * value;
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>()
    }
}

/// As [`plain::adam`](crate::reference::plain::adam).
pub(super) fn adam(step: &AdamStep<f32>, parameters: &mut [f32], gradient: &[f32], [first, second]: [&mut [f32]; 2]) {
    if parameters.len() < LONG {
        return one(step, parameters, gradient, first, second);
    }
    let chunks = parameters.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
    let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
    chunks.zip(moments).for_each(|((p, g), (m, v))| one(step, p, g, m, v));
}

fn one(step: &AdamStep<f32>, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    // Whether the decay is AdamW's is known before the loop.
    if step.decoupled {
        Arch::new().dispatch(Numbers::<true> { step, p, g, m, v });
    } else {
        Arch::new().dispatch(Numbers::<false> { step, p, g, m, v });
    }
}

struct Numbers<'a, const DECOUPLED: bool> {
    step: &'a AdamStep<f32>,
    p: &'a mut [f32],
    g: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl<const DECOUPLED: bool> WithSimd for Numbers<'_, DECOUPLED> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { step, p, g, m, v } = self;
        let AdamStep { scale, decay, keep, first, second, rate, root, eps, .. } = *step;
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let mut g = *g * scale;
            if DECOUPLED {
                *p *= keep;
            } else {
                g += decay * *p;
            }
            *m = first[0] * *m + first[1] * g;
            *v = second[0] * *v + second[1] * g * g;
            *p -= rate * *m / (v.sqrt() / root + eps);
        }
    }
}
