//! The optimiser's loops over all parameters. Each number has the arithmetic of the plain form, so its bits.

use crate::parallel::prelude::*;
use crate::reference::real::AdamStep;
use crate::reference::reduce_moments::{BLOCK, wide_sum};
use pulp::{Arch, Simd, WithSimd};

/// Blocks whose squares are added up side by side: a sum by itself waits for each of its additions.
const BLOCKS: usize = 8;
/// Parameters of one task.
const CHUNK: usize = 1 << 14;
/// Parameters from which on several threads share them.
const LONG: usize = 1 << 16;

/// As [`plain::squares`](crate::reference::plain::squares): each block in its order, and the blocks in theirs.
pub(super) fn squares(values: &[f32]) -> f64 {
    let groups = values.chunks_exact(BLOCKS * BLOCK);
    let rest = groups.remainder();
    let mut total = 0.0;
    for group in groups {
        let mut parts = [0.0; BLOCKS];
        for i in 0..BLOCK {
            for (block, part) in parts.iter_mut().enumerate() {
                let value = f64::from(group[block * BLOCK + i]);
                *part += value * value;
            }
        }
        total = parts.iter().fold(total, |total, part| total + part);
    }
    let blocks = rest.chunks(BLOCK).map(|block| wide_sum(block.iter().map(|x| f64::from(*x) * f64::from(*x))));
    blocks.fold(total, |total, part| total + part)
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
