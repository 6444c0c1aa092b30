//! Which rows of a window are transitions, by how its environments are reset.

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

/// When a finished environment begins its next episode; Gymnasium's three modes.
///
/// An end is told once, by the flags, `final_obs` and the episode's return and length of the step that ends. The draw of a
/// start state is that of the environment step after the reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autoreset {
    /// In the step that ends an episode: it returns the first observation of the next one; the real last one is kept apart.
    #[default]
    SameStep,
    /// In the step after it, which ignores its action, has reward 0 and no flags, and is nothing to learn from.
    NextStep,
    /// Never. A finished environment stays as it is: its last observation, reward 0, no flags, whatever the action; until
    /// it is reset from outside.
    Disabled,
}

impl Autoreset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SameStep, Self::NextStep, Self::Disabled];

    /// The number by which [`crate::kernels::env_step`] knows it.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// As files spell it: `same_step`, `next_step`, `disabled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameStep => "same_step",
            Self::NextStep => "next_step",
            Self::Disabled => "disabled",
        }
    }
}

impl std::str::FromStr for Autoreset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
            Error::config("autoreset", format!("is \"{name}\", must be \"same_step\", \"next_step\" or \"disabled\""))
        })
    }
}

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
pub fn final_values<F: Clone>(values: ArrayView2<'_, F>) -> Array2<F> {
    values.slice(s![1.., ..]).to_owned()
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
    }
}
