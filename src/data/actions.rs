//! Actions, and what comes with them when a learner acts.

use super::checks::{check_shape, finite};
use crate::error::{Error, Result};
use crate::policy::Head;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Actions of several rows, `[rows, action_dims]`, as the head stores and evaluates them; what an environment gets is
/// [`reference::head_actions::to_env`](crate::reference::head_actions::to_env) of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Actions {
    /// Indices or bits, for discrete heads.
    Discrete(Array2<u32>),
    /// Floats as the distribution drew them, not clipped to bounds nor squashed.
    Continuous(Array2<f32>),
    /// Indices, and the choices that were allowed when they were drawn: for heads with
    /// [`masked`](crate::policy::Head::is_masked).
    ///
    /// A choice that is not allowed has probability 0 and no gradient. A dimension without any allowed choice (a fully masked
    /// one) has probability 1/K for each of its K choices and no gradient at all, as in sb3-contrib; such dimensions are
    /// counted ([`MinibatchStats::head_hits`](super::MinibatchStats::head_hits)).
    Masked {
        /// `[rows, action_dims]`.
        indices: Array2<u32>,
        /// One flag per raw output, `[rows, raw_outputs]`.
        allowed: Array2<bool>,
    },
}

impl Actions {
    /// `[rows, action_dims]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Discrete(array) | Self::Masked { indices: array, .. } => [array.nrows(), array.ncols()],
            Self::Continuous(array) => [array.nrows(), array.ncols()],
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.shape()[0]
    }

    /// The indices or bits, if these are any.
    pub fn indices(&self) -> Option<&Array2<u32>> {
        match self {
            Self::Discrete(array) | Self::Masked { indices: array, .. } => Some(array),
            Self::Continuous(_) => None,
        }
    }

    /// The flags of allowed choices, `[rows, raw_outputs]`, of a masked head.
    pub fn allowed(&self) -> Option<ArrayView2<'_, bool>> {
        match self {
            Self::Masked { allowed, .. } => Some(allowed.view()),
            _ => None,
        }
    }

    /// The rows named, in that order.
    ///
    /// # Panics
    /// As indexing does, if a row is not there.
    pub fn select(&self, rows: &[usize]) -> Self {
        let axis = Axis(0);
        match self {
            Self::Discrete(array) => Self::Discrete(array.select(axis, rows)),
            Self::Continuous(array) => Self::Continuous(array.select(axis, rows)),
            Self::Masked { indices, allowed } => {
                Self::Masked { indices: indices.select(axis, rows), allowed: allowed.select(axis, rows) }
            }
        }
    }

    /// The 32-bit words as the device stores them, row-major: indices, or the bits of the floats; behind each row's, its mask,
    /// choice i in bit i % 32 of word i / 32.
    pub fn words(&self) -> Vec<u32> {
        match self {
            Self::Discrete(array) => array.iter().copied().collect(),
            Self::Continuous(array) => array.iter().map(|value| value.to_bits()).collect(),
            Self::Masked { indices, allowed } => {
                let rows = indices.rows().into_iter().zip(allowed.rows());
                rows.flat_map(|(indices, allowed)| {
                    indices.iter().copied().chain(mask_bits(allowed)).collect::<Vec<_>>()
                })
                .collect()
            }
        }
    }

    /// The inverse of [`words`](Self::words).
    ///
    /// # Errors
    /// [`Error::Shape`] if `words` is not `rows × head.action_words()` long.
    pub fn from_words(head: &Head, rows: usize, words: &[u32]) -> Result<Self> {
        let (dims, width) = (head.action_dims(), head.action_words());
        let wrong = |_| Error::shape("actions", &[words.len()], &[rows, width]);
        let all = ArrayView2::from_shape((rows, width), words).map_err(wrong)?;
        let own = all.slice(s![.., ..dims]);
        if head.is_masked() {
            let bits = all.slice(s![.., dims..]);
            let allowed =
                Array2::from_shape_fn((rows, head.raw_outputs()), |(r, i)| bits[[r, i / 32]] >> (i % 32) & 1 == 1);
            Ok(Self::Masked { indices: own.to_owned(), allowed })
        } else if head.is_discrete() {
            Ok(Self::Discrete(own.to_owned()))
        } else {
            Ok(Self::Continuous(own.mapv(f32::from_bits)))
        }
    }

    /// The actions that an environment gets, from their words `[rows, action_dims]` on the device.
    ///
    /// # Errors
    /// [`Error::Shape`] if `words` is not `rows × head.action_dims()` long.
    pub fn env_from_words(head: &Head, rows: usize, words: &[u32]) -> Result<Self> {
        let shape = [rows, head.action_dims()];
        let all =
            ArrayView2::from_shape(shape, words).map_err(|_| Error::shape("env_actions", &[words.len()], &shape))?;
        let discrete = head.env_is_discrete();
        Ok(if discrete { Self::Discrete(all.to_owned()) } else { Self::Continuous(all.mapv(f32::from_bits)) })
    }

    /// Shape, type and range against `head`.
    ///
    /// # Errors
    /// [`Error::Shape`], or [`Error::Value`] for an index without a choice or that was not allowed, a float that is not finite
    /// or beyond what the head draws, or the wrong kind of action.
    pub fn validate(&self, head: &Head, rows: usize) -> Result<()> {
        let expected = [rows, head.action_dims()];
        if self.shape() != expected {
            return Err(Error::shape("actions", &self.shape(), &expected));
        }
        let wrong = |index: usize, value: String, expected: String| {
            Err(Error::Value { tensor: "actions".into(), index, value, expected })
        };
        let choices = head.choices();
        if let Some(indices) =
            self.indices().filter(|_| head.is_discrete() && head.is_masked() == self.allowed().is_some())
        {
            let dims = choices.len();
            for (index, &action) in indices.iter().enumerate() {
                if action as usize >= choices[index % dims] {
                    return wrong(index, action.to_string(), format!("an index below {}", choices[index % dims]));
                }
            }
            return self.allowed().map_or(Ok(()), |allowed| check_allowed(&choices, indices, allowed));
        }
        match self {
            Self::Continuous(array) if !head.is_discrete() => {
                finite("actions", array.iter())?;
                let inside = |x: &f32| !matches!(head, Head::Beta { .. }) || (*x > 0.0 && *x < 1.0);
                match array.iter().enumerate().find(|(_, x)| !inside(x)) {
                    Some((index, x)) => wrong(index, x.to_string(), "a number inside (0, 1)".into()),
                    None => Ok(()),
                }
            }
            _ => {
                let value = match self {
                    Self::Discrete(_) => "an index",
                    Self::Continuous(_) => "a float",
                    Self::Masked { .. } => "an index with a mask",
                };
                let masked = if head.is_masked() { "masked " } else { "" };
                wrong(0, value.into(), format!("what a {masked}{} head draws", head.name()))
            }
        }
    }
}

/// The words of one row's mask.
pub(crate) fn mask_bits(allowed: ArrayView1<'_, bool>) -> Vec<u32> {
    let mut words = vec![0_u32; allowed.len().div_ceil(32)];
    for (i, allowed) in allowed.iter().enumerate() {
        words[i / 32] |= u32::from(*allowed) << (i % 32);
    }
    words
}

/// That a mask of choices suits `head` and has a flag per raw output.
pub(crate) fn check_mask(head: &Head, rows: usize, allowed: Option<ArrayView2<'_, bool>>) -> Result<()> {
    match allowed {
        None => Ok(()),
        Some(_) if !head.is_masked() => {
            Err(Error::config("allowed", format!("is given, but the {} head is not masked", head.name())))
        }
        Some(allowed) => check_shape("allowed", allowed.shape(), &[rows, head.raw_outputs()]),
    }
}

/// Shape of the mask, and that every choice was allowed where any was.
fn check_allowed(choices: &[usize], indices: &Array2<u32>, allowed: ArrayView2<'_, bool>) -> Result<()> {
    check_shape("allowed", allowed.shape(), &[indices.nrows(), choices.iter().sum()])?;
    for (row, (indices, allowed)) in indices.rows().into_iter().zip(allowed.rows()).enumerate() {
        let mut first = 0;
        for (d, (&action, &count)) in indices.iter().zip(choices).enumerate() {
            let of_dimension = allowed.slice(s![first..first + count]);
            if !of_dimension[action as usize] && of_dimension.iter().any(|allowed| *allowed) {
                return Err(Error::Value {
                    tensor: "actions".into(),
                    index: row * choices.len() + d,
                    value: action.to_string(),
                    expected: "a choice that its mask allows".into(),
                });
            }
            first += count;
        }
    }
    Ok(())
}

/// What a learner did with a row of observations.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    /// `[rows, action_dims]`, to be stored in the rollout.
    pub actions: Actions,
    /// The same for the environment: mapped to the head's bounds, indices or floats, `[rows, action_dims]`.
    pub env_actions: Actions,
    /// log π(action | obs) of each row, in nats, summed over action dimensions.
    pub logp: Array1<f32>,
    /// V(obs) of each row, in the units of the rewards.
    pub values: Array1<f32>,
    /// The observations as the networks saw them, `[rows, obs_dim]`; store these in the rollout.
    pub obs: Array2<f32>,
}
