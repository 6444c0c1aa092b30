//! Which rows of a window are transitions, by how its environments are reset.

use super::Real;
use crate::env::Autoreset;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

/// 1 where a row is a transition, 0 where it is filler or padding, `[T, N]`.
///
/// ```text
/// end_t = terminated_t or truncated_t;   end_{−1} = ended_before
/// next step:  valid_t = 1 − end_{t−1}
/// disabled:   valid_t = 1 − max(end_{−1}, …, end_{t−1})
/// same step:  valid_t = 1
/// ```
///
/// and, with a mask of the caller's, 0 wherever that is 0. All arrays `[T, N]` but `ended_before` `[N]`.
pub fn batch_valid(
    autoreset: Autoreset,
    terminated: ArrayView2<'_, u32>,
    truncated: ArrayView2<'_, u32>,
    ended_before: Option<ArrayView1<'_, u32>>,
    given: Option<ArrayView2<'_, u32>>,
) -> Array2<u32> {
    let ended = |t: usize, n: usize| match t.checked_sub(1) {
        None => ended_before.is_some_and(|ended| ended[n] != 0),
        Some(t) => terminated[[t, n]] != 0 || truncated[[t, n]] != 0,
    };
    Array2::from_shape_fn(terminated.dim(), |(t, n)| {
        let is_transition = match autoreset {
            Autoreset::SameStep => true,
            Autoreset::NextStep => !ended(t, n),
            Autoreset::Disabled => !(0..=t).any(|t| ended(t, n)),
        };
        u32::from(is_transition && given.is_none_or(|given| given[[t, n]] != 0))
    })
}

/// V of the real last observations with next-step resets: the row after an end still shows it. `values` is `[T + 1, N]`, the
/// result `[T, N]`.
pub fn final_values<F: Real>(values: ArrayView2<'_, F>) -> Array2<F> {
    values.slice(s![1.., ..]).to_owned()
}

/// Weight of a row that counts in the means of each segment of `segment` rows: rows / rows that count, 0 where none does.
pub fn batch_count<F: Real>(valid: ArrayView1<'_, u32>, segment: usize) -> Array1<F> {
    let weight = |rows: ArrayView1<'_, u32>| {
        let counts = rows.iter().filter(|valid| **valid != 0).count();
        if counts == 0 { F::zero() } else { F::count(rows.len()) / F::count(counts) }
    };
    valid.axis_chunks_iter(ndarray::Axis(0), segment.max(1)).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_mode_leaves_out_its_rows() {
        let terminated = array![[0, 0], [1, 0], [0, 0], [0, 0]];
        let truncated = array![[0, 0], [0, 0], [0, 0], [0, 1]];
        let valid = |mode, before| batch_valid(mode, terminated.view(), truncated.view(), before, None);
        assert_eq!(valid(Autoreset::SameStep, None), Array2::<u32>::ones((4, 2)));
        assert_eq!(valid(Autoreset::NextStep, None), array![[1, 1], [1, 1], [0, 1], [1, 1]]);
        assert_eq!(valid(Autoreset::Disabled, None), array![[1, 1], [1, 1], [0, 1], [0, 1]]);
        let before = array![0, 1];
        assert_eq!(valid(Autoreset::NextStep, Some(before.view())), array![[1, 0], [1, 1], [0, 1], [1, 1]]);
        assert_eq!(valid(Autoreset::Disabled, Some(before.view())), array![[1, 0], [1, 0], [0, 0], [0, 0]]);
        let given = array![[0, 1], [1, 1], [1, 1], [1, 0]];
        let both = batch_valid(Autoreset::NextStep, terminated.view(), truncated.view(), None, Some(given.view()));
        assert_eq!(both, array![[0, 1], [1, 1], [0, 1], [1, 0]]);
        assert_eq!(final_values(array![[1.0], [2.0], [3.0]].view()), array![[2.0], [3.0]]);
        assert_eq!(batch_count::<f64>(array![1, 0, 1, 1, 0, 0, 1].view(), 3), array![1.5, 3.0, 1.0]);
    }
}
