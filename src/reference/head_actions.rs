//! Actions of distribution rows: drawn, greedy, and as an environment gets them.

use super::Real;
use super::head::{check_rows, distribution, wide};
use crate::data::{Actions, mask_bits};
use crate::error::Result;
use crate::policy::Head;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// The action of each row that an evaluation takes: the first most probable index, the more probable bit, or the mean.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` does not fit `head`.
pub fn greedy<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Actions> {
    let d = distribution(head);
    each(head, dist, |_, row| d.greedy(row))
}

/// A draw from each row, by [`crate::rng`] at policy step `step`: row r of the batch is draw index r.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` does not fit `head`.
pub fn sample<F: Real>(head: &Head, dist: ArrayView2<'_, F>, seed: u64, step: u64) -> Result<Actions> {
    sample_from(head, dist, seed, step, 0)
}

/// [`sample`], row r is draw index `first` + r: of rows that are a part of more.
///
/// # Errors
/// As [`sample`].
pub fn sample_from<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    seed: u64,
    step: u64,
    first: usize,
) -> Result<Actions> {
    let d = distribution(head);
    each(head, dist, |r, row| d.sample(first + r, row, seed, step))
}

/// Least distance between the two sides of a comparison that a draw by rejection ([`sample`] of a Beta head) made, per row; ∞ where
/// none was made. Where it is near 0, arithmetic of another precision may accept what this rejected.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` does not fit `head`.
pub fn draw_margins<F: Real>(head: &Head, dist: ArrayView2<'_, F>, seed: u64, step: u64) -> Result<Vec<f64>> {
    check_rows("dist", &dist, head)?;
    let d = distribution(head);
    Ok((0..dist.nrows()).map(|r| d.draw_margin(r, wide(&dist, r).view(), seed, step)).collect())
}

fn each<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    words: impl Fn(usize, ArrayView1<'_, f64>) -> Vec<u32>,
) -> Result<Actions> {
    check_rows("dist", &dist, head)?;
    let all = (0..dist.nrows()).flat_map(|r| {
        let row = wide(&dist, r);
        // The mask that `forbid` left in the row goes with the action.
        let mask = if head.is_masked() { mask_bits(row.mapv(|l| l > f64::NEG_INFINITY).view()) } else { Vec::new() };
        words(r, row.view()).into_iter().chain(mask).collect::<Vec<_>>()
    });
    Actions::from_words(head, dist.nrows(), &all.collect::<Vec<_>>())
}

/// What the environment gets for stored actions, see the table of [`Head`]: indices and bits as they are, floats within the
/// head's bounds. In f32, as the device has it.
///
/// # Errors
/// [`crate::Error::Shape`] or [`crate::Error::Value`] if `actions` do not fit `head`.
pub fn to_env(head: &Head, actions: &Actions) -> Result<Actions> {
    actions.validate(head, actions.rows())?;
    let Some(bounds) = head.bounds() else {
        return Ok(match actions {
            Actions::Masked { indices, .. } => Actions::Discrete(indices.clone()),
            other => other.clone(),
        });
    };
    let within = |d: usize, share: f32| {
        let (low, high) = bounds.of(d);
        // Rounding may lead beyond the upper end.
        (low + share * (high - low)).clamp(low, high)
    };
    let mapped = match (head, actions) {
        (Head::Discretised { bins, .. }, Actions::Discrete(indices)) => {
            let last = (bins - 1) as f32;
            Array2::from_shape_fn(indices.dim(), |(r, d)| within(d, indices[[r, d]] as f32 / last))
        }
        (Head::TanhGaussian { .. }, Actions::Continuous(array)) => squashed_to_env(head, &array.mapv(f32::tanh)),
        (Head::Beta { .. }, Actions::Continuous(array)) => {
            Array2::from_shape_fn(array.dim(), |(r, d)| within(d, array[[r, d]]))
        }
        (_, Actions::Continuous(array)) => Array2::from_shape_fn(array.dim(), |(r, d)| {
            let (low, high) = bounds.of(d);
            array[[r, d]].clamp(low, high)
        }),
        _ => return Ok(actions.clone()),
    };
    Ok(Actions::Continuous(mapped))
}

/// low + (a + 1)/2 · (high − low) of actions a in [−1, 1], `[rows, dims]`: of a head with bounds that squashes; elsewhere they stay.
pub fn squashed_to_env(head: &Head, actions: &Array2<f32>) -> Array2<f32> {
    let Some(bounds) = head.bounds() else { return actions.clone() };
    Array2::from_shape_fn(actions.dim(), |(r, d)| {
        let (low, high) = bounds.of(d);
        // Rounding may lead beyond the upper end.
        (low + 0.5 * (actions[[r, d]] + 1.0) * (high - low)).clamp(low, high)
    })
}
