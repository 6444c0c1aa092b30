//! The recurrence of advantages for many environments at a time, which are spread over threads. Of each, the order of the plain form.

use crate::parallel::prelude::*;
use crate::reference::real::FlatWindow;
use ndarray::{ArrayViewMut1, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Most environments of one task.
const COLUMNS: usize = 2048;
/// Numbers of a line of cache.
const LINE: usize = 16;

/// As [`plain::gae`](crate::reference::plain::gae).
pub(super) fn gae(
    window: &FlatWindow<'_, f32>,
    gamma: f32,
    decay: f32,
    mut advantages: ArrayViewMut2<'_, f32>,
    mut returns: ArrayViewMut2<'_, f32>,
) {
    let envs = advantages.ncols();
    // Environments are independent, so their share of a task changes no result; whole lines of cache are one thread's.
    let columns = envs.div_ceil(crate::parallel::current_num_threads()).next_multiple_of(LINE).clamp(LINE, COLUMNS);
    let results = advantages.axis_chunks_iter_mut(Axis(1), columns).into_par_iter();
    let results = results.zip(returns.axis_chunks_iter_mut(Axis(1), columns)).enumerate();
    results.for_each(|(task, (mut advantages, mut returns))| {
        let (first, width) = (task * columns, advantages.ncols());
        Arch::new().dispatch(Columns {
            gamma,
            decay,
            at: move |t: usize| t * envs + first..t * envs + first + width,
            rewards: window.rewards,
            values: window.values,
            last: window.final_values,
            terminated: window.terminated,
            truncated: window.truncated,
            rows: advantages.rows_mut().into_iter().zip(returns.rows_mut()),
        });
    });
}

/// The recurrence over neighbouring environments, whose places at step t are `at(t)` of the window's arrays. `rows` are those of the
/// results.
struct Columns<'a, At, Rows> {
    gamma: f32,
    decay: f32,
    at: At,
    rewards: &'a [f32],
    values: &'a [f32],
    last: &'a [f32],
    terminated: &'a [u32],
    truncated: &'a [u32],
    rows: Rows,
}

impl<'a, At, Rows> WithSimd for Columns<'_, At, Rows>
where
    At: Fn(usize) -> Range<usize>,
    Rows: DoubleEndedIterator<Item = (ArrayViewMut1<'a, f32>, ArrayViewMut1<'a, f32>)> + ExactSizeIterator,
{
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`. All environments at one step: loops over neighbours in memory
    /// without a branch, of which the compiler takes many at a time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut following = vec![0.0; (self.at)(0).len()];
        for (t, (mut advantages, mut returns)) in self.rows.enumerate().rev() {
            let now = (self.at)(t);
            let (rewards, values) = (&self.rewards[now.clone()], &self.values[now.clone()]);
            let (next, last) = (&self.values[(self.at)(t + 1)], &self.last[now.clone()]);
            let (terminated, truncated) = (&self.terminated[now.clone()], &self.truncated[now]);
            let inputs = rewards.iter().zip(values).zip(next).zip(last).zip(terminated).zip(truncated);
            for (following, (((((reward, value), next), last), terminated), truncated)) in
                following.iter_mut().zip(inputs)
            {
                let next = if *truncated != 0 { *last } else { *next };
                let next = if *terminated != 0 { 0.0 } else { next };
                let delta = *reward + self.gamma * next - *value;
                let on = delta + self.decay * *following;
                // What lies beyond an end need not even be a number.
                *following = if (*terminated | *truncated) != 0 { delta } else { on };
            }
            let (Some(advantages), Some(returns)) = (advantages.as_slice_mut(), returns.as_slice_mut()) else {
                continue;
            };
            advantages.copy_from_slice(&following);
            for (goal, (advantage, value)) in returns.iter_mut().zip(following.iter().zip(values)) {
                *goal = *advantage + *value;
            }
        }
    }
}
