//! What passes between a trainer and a learner: rollouts, flat batches, actions and statistics, as host arrays.

use crate::env::Autoreset;
use crate::error::{Error, Result};
use crate::policy::{Head, PolicySpec};
use crate::reference::batch_valid::{batch_valid, final_values};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Actions of several rows, `[rows, action_dims]`, as the head stores and evaluates them; what an environment gets is
/// [`reference::head::to_env`](crate::reference::head::to_env) of them.
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
    /// counted ([`MinibatchStats::head_hits`]).
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

/// Transitions of `steps × envs`, time-major: row `t · envs + n` is step t of environment n.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// T.
    pub steps: usize,
    /// N.
    pub envs: usize,
    /// Observations that were acted on, as the networks saw them ([`Acted::obs`]), `[steps · envs, obs_dim]`.
    pub obs: Array2<f32>,
    /// `[steps · envs, action_dims]`.
    pub actions: Actions,
    /// log-probability of each action when it was drawn, `[steps · envs]`.
    pub logp: Array1<f32>,
    /// Reward of each transition, `[steps, envs]`.
    pub rewards: Array2<f32>,
    /// V of each observation, and in the last row V of the observation after the window, `[steps + 1, envs]`.
    pub values: Array2<f32>,
    /// V of the real last observation, before the reset, where truncated; not read elsewhere. `[steps, envs]`. `None` is for a window
    /// that needs none: [`validate`](Self::validate) refuses it where a step was truncated and not terminated. With
    /// [`Autoreset::NextStep`] it is never read: the filler's own value stands for it.
    pub final_values: Option<Array2<f32>>,
    /// 1 where the transition ended its episode in a true terminal state, else 0. `[steps, envs]`.
    pub terminated: Array2<u32>,
    /// 1 where the transition ended its episode by a limit, else 0; terminated wins where both are set. `[steps, envs]`.
    pub truncated: Array2<u32>,
    /// 1 where a row counts, 0 where it is to be left out of every mean, loss and gradient, `[steps, envs]`; all count without. Rewards
    /// and values of a row that is left out still take part in the advantages of those before it in its episode.
    pub valid: Option<Array2<u32>>,
    /// How the environments are reset, which decides what the window holds after an end: rows that are no transitions do not count,
    /// whatever `valid` says.
    pub autoreset: Autoreset,
    /// 1 where the transition before the window ended its episode, `[envs]`, so that the window begins with a filler or with padding;
    /// none did without. Not read with [`Autoreset::SameStep`].
    pub ended_before: Option<Array1<u32>>,
}

impl Rollout {
    /// Rows: `steps · envs`.
    pub fn rows(&self) -> usize {
        self.steps.saturating_mul(self.envs)
    }

    /// 1 where a row counts, by [`valid`](Self::valid) and by [`autoreset`](Self::autoreset), `[steps, envs]`; `None` where all do.
    pub fn counted(&self) -> Option<Array2<u32>> {
        let by_mode = self.autoreset != Autoreset::SameStep;
        (by_mode || self.valid.is_some()).then(|| self.rows_by(self.valid.as_ref()))
    }

    fn rows_by(&self, given: Option<&Array2<u32>>) -> Array2<u32> {
        let before = self.ended_before.as_ref().map(|ended| ended.view());
        let given = given.map(|valid| valid.view());
        batch_valid(self.autoreset, self.terminated.view(), self.truncated.view(), before, given)
    }

    /// [`final_values`](Self::final_values), or what stands for them with [`Autoreset::NextStep`], `[steps, envs]`; zeros, which nobody
    /// reads, where none are given and none are needed.
    ///
    /// # Errors
    /// [`Error::Value`] naming the first row that needs one and has none.
    pub fn last_values(&self) -> Result<Array2<f32>> {
        if self.autoreset == Autoreset::NextStep {
            return Ok(final_values(self.values.view()));
        }
        self.check_final_values()?;
        Ok(self.final_values.clone().unwrap_or_else(|| Array2::zeros((self.steps, self.envs))))
    }

    /// That a value is there for every truncated step. Zeros in their place would pass for the values of worthless states, and a policy
    /// would learn to avoid what lies before a time limit, without a word.
    fn check_final_values(&self) -> Result<()> {
        if self.final_values.is_some() || self.autoreset == Autoreset::NextStep {
            return Ok(());
        }
        check_shape("truncated", self.truncated.shape(), self.terminated.shape())?;
        // What a mode says is padding has no end of its own. A mask of the caller's leaves a row in the recurrence.
        let transitions = self.rows_by(None);
        let ends = self.truncated.iter().zip(&self.terminated).zip(&transitions);
        let needs = ends.enumerate().find(|(_, ((cut, over), is))| **cut != 0 && **over == 0 && **is != 0);
        needs.map_or(Ok(()), |(index, _)| {
            let (t, n) = (index / self.envs.max(1), index % self.envs.max(1));
            let expected =
                format!("V of the real last observation, as \"truncated\" is 1 at step {t} of environment {n}");
            Err(Error::Value { tensor: "final_values".into(), index, value: "absent".into(), expected })
        })
    }

    /// Shapes, finiteness and ranges against `spec`.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty rollout, [`Error::Shape`] or [`Error::Value`] naming the first bad tensor.
    pub fn validate(&self, spec: &PolicySpec) -> Result<()> {
        if self.rows() == 0 {
            return Err(Error::config("rollout", format!("has steps {} × envs {} = 0 rows", self.steps, self.envs)));
        }
        let (rows, window) = (self.rows(), [self.steps, self.envs]);
        check_shape("obs", self.obs.shape(), &[rows, spec.obs_dim])?;
        check_shape("logp", self.logp.shape(), &[rows])?;
        check_shape("rewards", self.rewards.shape(), &window)?;
        check_shape("values", self.values.shape(), &[self.steps.saturating_add(1), self.envs])?;
        if let Some(values) = &self.final_values {
            check_shape("final_values", values.shape(), &window)?;
        }
        check_shape("terminated", self.terminated.shape(), &window)?;
        check_shape("truncated", self.truncated.shape(), &window)?;
        flags("terminated", self.terminated.view())?;
        flags("truncated", self.truncated.view())?;
        if let Some(valid) = &self.valid {
            check_shape("valid", valid.shape(), &window)?;
            flags("valid", valid.view())?;
        }
        if let Some(ended) = &self.ended_before {
            check_shape("ended_before", ended.shape(), &[self.envs])?;
            flags("ended_before", ended.view().insert_axis(Axis(0)))?;
        }
        self.check_final_values()?;
        let counted = self.counted().map(|valid| valid.into_iter().collect::<Array1<u32>>());
        let counts = Counted::new("valid", counted.as_ref(), rows)?;
        counts.actions(&self.actions, spec, rows)?;
        counts.finite("obs", self.obs.iter(), spec.obs_dim)?;
        counts.finite("logp", self.logp.iter(), 1)?;
        self.validate_recurrence()
    }

    /// What the advantages read: everything but what a mode says is no transition.
    fn validate_recurrence(&self) -> Result<()> {
        let rows = self.rows();
        if self.autoreset == Autoreset::SameStep {
            finite("rewards", self.rewards.iter())?;
            finite("values", self.values.iter())?;
            return self.final_values.as_ref().map_or(Ok(()), |values| finite("final_values", values.iter()));
        }
        let transitions: Array1<u32> = self.rows_by(None).into_iter().collect();
        let counts = Counted::new("ended_before", Some(&transitions), rows)?;
        counts.finite("rewards", self.rewards.iter(), 1)?;
        if self.autoreset == Autoreset::NextStep {
            // A reset ends nothing.
            let wrong = |(name, flags): (&str, &Array2<u32>)| {
                let index = flags.iter().zip(&transitions).position(|(flag, is)| *flag != 0 && *is == 0)?;
                let expected = "0: with next-step resets this row is the reset after an end".into();
                Some(Error::Value { tensor: name.into(), index, value: "1".into(), expected })
            };
            let all = [("terminated", &self.terminated), ("truncated", &self.truncated)];
            return all.into_iter().find_map(wrong).map_or_else(|| finite("values", self.values.iter()), Err);
        }
        if let Some(values) = &self.final_values {
            counts.finite("final_values", values.iter(), 1)?;
        }
        counts.finite("values", self.values.iter().take(rows), 1)?;
        // Behind the window: read where the last transition did not end its episode.
        let ended = self.terminated.iter().zip(&self.truncated).map(|(a, b)| *a != 0 || *b != 0);
        let open: Vec<bool> = ended.zip(&transitions).map(|(ended, is)| !ended && *is != 0).collect();
        let last = open.get(rows - self.envs..).unwrap_or_default();
        let values = self.values.row(self.steps);
        finite("values (behind the window)", values.iter().zip(last).filter(|(_, open)| **open).map(|(value, _)| value))
    }
}

/// Rows ready for an update, in any order: a flattened rollout with its advantages.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `[rows, obs_dim]`.
    pub obs: Array2<f32>,
    /// `[rows, action_dims]`.
    pub actions: Actions,
    /// log π_old(action | obs), `[rows]`.
    pub logp_old: Array1<f32>,
    /// Advantages, not normalised, `[rows]`.
    pub advantages: Array1<f32>,
    /// Value targets, `[rows]`.
    pub returns: Array1<f32>,
    /// V_old(obs), `[rows]`; read by value clipping and explained variance only.
    pub values_old: Array1<f32>,
    /// Distribution rows of the old policy, `[rows, head.width()]`, for analytic KL divergences (KL penalty, learning rate by
    /// KL). Where absent, the policy at the start of the update is the old one. TRPO measures from that one always.
    pub old_dist: Option<Array2<f32>>,
    /// 1 where a row counts, 0 where it is padding, whose numbers then mean nothing, `[rows]`; all count without. Means are over the rows of
    /// a minibatch that count; one where none does has loss 0 and steps with gradient 0.
    pub valid: Option<Array1<u32>>,
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.obs.nrows()
    }

    /// Shapes, finiteness and ranges against `spec`.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty batch, [`Error::Shape`] or [`Error::Value`] naming the first bad tensor.
    pub fn validate(&self, spec: &PolicySpec) -> Result<()> {
        let rows = self.rows();
        if rows == 0 {
            return Err(Error::config("batch", "has 0 rows"));
        }
        if let Some(valid) = &self.valid {
            check_shape("valid", valid.shape(), &[rows])?;
            flags("valid", valid.view().insert_axis(Axis(0)))?;
        }
        let counts = Counted::new("valid", self.valid.as_ref(), rows)?;
        check_shape("obs", self.obs.shape(), &[rows, spec.obs_dim])?;
        counts.actions(&self.actions, spec, rows)?;
        counts.finite("obs", self.obs.iter(), spec.obs_dim)?;
        for (name, column) in [
            ("logp_old", &self.logp_old),
            ("advantages", &self.advantages),
            ("returns", &self.returns),
            ("values_old", &self.values_old),
        ] {
            check_shape(name, column.shape(), &[rows])?;
            counts.finite(name, column.iter(), 1)?;
        }
        if let Some(old_dist) = &self.old_dist {
            check_shape("old_dist", old_dist.shape(), &[rows, spec.head.width()])?;
            counts.finite("old_dist", old_dist.iter(), spec.head.width())?;
        }
        Ok(())
    }
}

/// Checks that look at the rows that count only.
struct Counted<'a>(Option<&'a Array1<u32>>);

impl<'a> Counted<'a> {
    /// Refuses a mask without a row.
    fn new(name: &'static str, valid: Option<&'a Array1<u32>>, rows: usize) -> Result<Self> {
        if valid.is_some_and(|valid| valid.iter().all(|flag| *flag == 0)) {
            return Err(Error::config(name, format!("leaves none of {rows} rows that counts")));
        }
        Ok(Self(valid))
    }

    fn finite<'b>(&self, tensor: &str, values: impl Iterator<Item = &'b f32> + Clone, width: usize) -> Result<()> {
        let Some(valid) = self.0 else { return finite(tensor, values) };
        let counts = |index: usize| valid.get(index / width.max(1)).is_some_and(|flag| *flag != 0);
        match values.enumerate().find(|(index, value)| !value.is_finite() && counts(*index)) {
            Some((index, value)) => Err(Error::Value {
                tensor: tensor.into(),
                index,
                value: value.to_string(),
                expected: "a finite number".into(),
            }),
            None => Ok(()),
        }
    }

    fn actions(&self, actions: &Actions, spec: &PolicySpec, rows: usize) -> Result<()> {
        let Some(valid) = self.0 else { return actions.validate(&spec.head, rows) };
        let shape = actions.shape();
        if shape[0] != rows {
            return Err(Error::shape("actions", &shape, &[rows, shape[1]]));
        }
        let kept: Vec<usize> = (0..rows).filter(|row| valid[*row] != 0).collect();
        actions.select(&kept).validate(&spec.head, kept.len())
    }
}

/// What one minibatch of an update measured, before its optimiser step.
///
/// A minibatch of TRPO's critic has `rows`, `value_loss`, `loss` (the same), `non_finite_rows`, `grad_norm` and `stepped`; the rest is 0.
/// One without a row that counts has 0 everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MinibatchStats {
    /// Rows that counted, over which the means are.
    pub rows: u32,
    /// Surrogate loss (to be minimised).
    pub policy_loss: f64,
    /// Value loss, `vf_loss_scale` included, `vf_coef` not.
    pub value_loss: f64,
    /// Mean entropy of the action distribution, in nats.
    pub entropy: f64,
    /// `policy_loss − ent_coef · entropy + vf_coef · value_loss`, and the KL penalty where there is one.
    pub loss: f64,
    /// Mean analytic KL against the old policy, where the configuration asks for one
    /// ([`PpoConfig::kl_direction`](crate::PpoConfig::kl_direction)); else 0.
    pub kl: f64,
    /// k1 estimate of KL(old‖new): mean −log r. May be negative.
    pub old_approx_kl: f64,
    /// k2 estimate: mean ½ (log r)².
    pub approx_kl_k2: f64,
    /// k3 estimate: mean (r − 1 − log r), at least 0.
    pub approx_kl: f64,
    /// Share of rows with |r − 1| > `clip_coef`.
    pub clipfrac: f64,
    /// Smallest probability ratio.
    pub ratio_min: f64,
    /// Largest probability ratio.
    pub ratio_max: f64,
    /// Rows whose loss or gradient was NaN or infinite. A loss beyond f32 whose gradient is not (an error of a value above some 1e19) is
    /// such a row on the device alone: the CPU adds losses up in f64.
    pub non_finite_rows: u32,
    /// Limits that were met, over rows and dimensions: of a standard deviation
    /// ([`StdLimit`](crate::policy::StdLimit)), or dimensions without an allowed choice.
    pub head_hits: u32,
    /// Gradient norm before clipping; 0 if no step was taken.
    pub grad_norm: f64,
    /// Whether the optimiser took this minibatch's step.
    pub stepped: bool,
}

/// What a natural-gradient step did. L is the mean of r A over all rows, to be maximised; g its gradient at the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrustRegionStats {
    /// KL of the policy at the start against itself: 0 but for rounding.
    pub kl_before: f64,
    /// KL after the step; `kl_before` if none was taken.
    pub kl_after: f64,
    /// L at the start.
    pub surrogate_before: f64,
    /// L after the step; `surrogate_before` if none was taken.
    pub surrogate_after: f64,
    /// gᵀ step of the full step, what the gradient promises of L.
    pub expected_improvement: f64,
    /// Candidates that were evaluated.
    pub tries: u32,
    /// Whether one was taken; if not, the policy's parameters are the bits that they were.
    pub accepted: bool,
    /// Which, from 0.
    pub accepted_try: Option<u32>,
    /// Iterations of conjugate gradients.
    pub cg_iterations: u32,
    /// ‖r‖² at their start and after each.
    pub residuals: Vec<f64>,
    /// Whether they ended at a direction p with pᵀ F p ≤ 0 (or NaN), damping included.
    pub negative_curvature: bool,
    /// ‖g‖.
    pub gradient_norm: f64,
    /// xᵀ F x of the solution x, damping included.
    pub quadratic_form: f64,
    /// √(2 δ / xᵀ F x), or a fixed one: the full step is this times x. 0 where there is no step.
    pub step_scale: f64,
    /// Mean entropy at the start, in nats.
    pub entropy: f64,
    /// How often a limit of the head was met at the start, as in [`MinibatchStats::head_hits`].
    pub head_hits: u32,
}

/// What one update did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateStats {
    /// Every minibatch visited, in order; one that triggered an early stop is the last of the update, or of its epoch.
    pub minibatches: Vec<MinibatchStats>,
    /// Optimiser steps taken.
    pub optimizer_steps: u32,
    /// Epochs begun.
    pub epochs: u32,
    /// Steps left out because the gradient was not finite.
    pub skipped_steps: u32,
    /// 1 − Var(returns − values_old) / Var(returns), ddof 0; NaN if the returns do not vary.
    pub explained_variance: f64,
    /// Learning rate of this update; the last one, where it follows the KL.
    pub learning_rate: f64,
    /// Whether `target_kl` ended the update, or with [`KlStop::RestOfEpoch`](crate::KlStop) an epoch, before its last step.
    pub stopped_early: bool,
    /// With a KL penalty, the mean analytic KL that [`crate::KlMeasure`] says: over all rows at the end, or over the last minibatch.
    pub kl: Option<f64>,
    /// β of the next update, with a KL penalty.
    pub kl_coef: Option<f64>,
    /// The policy's step, with TRPO and the natural gradient.
    pub trust_region: Option<TrustRegionStats>,
}

impl UpdateStats {
    /// Mean of `field`, itself a mean over rows, over all rows that counted in the minibatches visited: each minibatch weighs by its rows, and
    /// one without any not at all. 0 if no row counted.
    pub fn mean(&self, field: impl Fn(&MinibatchStats) -> f64) -> f64 {
        let counted = || self.minibatches.iter().filter(|minibatch| minibatch.rows > 0);
        let rows: f64 = counted().map(|minibatch| f64::from(minibatch.rows)).sum();
        if rows == 0.0 {
            return 0.0;
        }
        counted().map(|minibatch| f64::from(minibatch.rows) * field(minibatch)).sum::<f64>() / rows
    }

    /// Mean gradient norm of the steps taken, each with the same weight whatever its rows; `None` without a step.
    pub fn mean_grad_norm(&self) -> Option<f64> {
        let norms =
            || self.minibatches.iter().filter(|minibatch| minibatch.stepped).map(|minibatch| minibatch.grad_norm);
        let count = norms().count();
        (count > 0).then(|| norms().sum::<f64>() / count as f64)
    }

    /// The smallest and the largest probability ratio of all minibatches with a row that counted; (0, 0) without one.
    pub fn ratio_range(&self) -> (f64, f64) {
        let counted = || self.minibatches.iter().filter(|minibatch| minibatch.rows > 0);
        let least = counted().map(|minibatch| minibatch.ratio_min).reduce(f64::min);
        let most = counted().map(|minibatch| minibatch.ratio_max).reduce(f64::max);
        (least.unwrap_or(0.0), most.unwrap_or(0.0))
    }

    /// The first statistic that is NaN or infinite, with its minibatch, as words; `None` where all are numbers. `explained_variance` is not
    /// among them, as it is NaN where the returns do not vary.
    ///
    /// On the device they are beyond f32 where they are not finite: rewards in other units, or `reward_norm`, help.
    pub fn not_finite(&self) -> Option<String> {
        let of_minibatch = |stats: &MinibatchStats| {
            [
                ("policy_loss", stats.policy_loss),
                ("value_loss", stats.value_loss),
                ("entropy", stats.entropy),
                ("loss", stats.loss),
                ("kl", stats.kl),
                ("old_approx_kl", stats.old_approx_kl),
                ("approx_kl_k2", stats.approx_kl_k2),
                ("approx_kl", stats.approx_kl),
                ("clipfrac", stats.clipfrac),
                ("ratio_min", stats.ratio_min),
                ("ratio_max", stats.ratio_max),
                ("grad_norm", stats.grad_norm),
            ]
        };
        let first = |columns: &[(&str, f64)]| {
            columns.iter().find(|(_, value)| !value.is_finite()).map(|(name, value)| format!("{name} is {value}"))
        };
        let in_minibatches = self.minibatches.iter().enumerate().find_map(|(index, stats)| {
            first(&of_minibatch(stats)).map(|words| format!("{words} in minibatch {index}"))
        });
        let region = || {
            let region = self.trust_region.as_ref()?;
            first(&[
                ("kl_before", region.kl_before),
                ("kl_after", region.kl_after),
                ("surrogate_before", region.surrogate_before),
                ("surrogate_after", region.surrogate_after),
                ("expected_improvement", region.expected_improvement),
                ("gradient_norm", region.gradient_norm),
                ("quadratic_form", region.quadratic_form),
                ("step_scale", region.step_scale),
                ("entropy", region.entropy),
            ])
        };
        let of_kl = || first(&[("kl", self.kl.unwrap_or(0.0)), ("kl_coef", self.kl_coef.unwrap_or(0.0))]);
        in_minibatches.or_else(region).or_else(of_kl)
    }

    /// How often a limit of the head was met: in all minibatches, or at the start of a natural-gradient step.
    pub fn head_hits(&self) -> u64 {
        let in_minibatches: u64 = self.minibatches.iter().map(|minibatch| u64::from(minibatch.head_hits)).sum();
        in_minibatches + self.trust_region.as_ref().map_or(0, |region| u64::from(region.head_hits))
    }

    /// The last minibatch visited in which a row counted.
    pub fn last_counted(&self) -> MinibatchStats {
        self.minibatches.iter().rev().find(|minibatch| minibatch.rows > 0).copied().unwrap_or_default()
    }

    /// The last minibatch visited: what CleanRL logs as the update's losses.
    pub fn last(&self) -> MinibatchStats {
        self.minibatches.last().copied().unwrap_or_default()
    }
}

pub(crate) fn check_shape(tensor: &str, got: &[usize], expected: &[usize]) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::shape(tensor, got, expected)) }
}

/// The first element that is NaN or infinite, as an error.
pub(crate) fn finite<'a>(tensor: &str, mut values: impl Iterator<Item = &'a f32> + Clone) -> Result<()> {
    let all = values.clone();
    match values.position(|value| !value.is_finite()) {
        Some(index) => Err(Error::Value {
            tensor: tensor.into(),
            index,
            value: all.skip(index).map(ToString::to_string).next().unwrap_or_default(),
            expected: "a finite number".into(),
        }),
        None => Ok(()),
    }
}

fn flags(tensor: &str, array: ArrayView2<'_, u32>) -> Result<()> {
    match array.iter().enumerate().find(|(_, flag)| **flag > 1) {
        Some((index, flag)) => {
            Err(Error::Value { tensor: tensor.into(), index, value: flag.to_string(), expected: "0 or 1".into() })
        }
        None => Ok(()),
    }
}

/// An order of `epochs × rows` indices below `rows`; usually each epoch is a permutation, but it need not be.
pub(crate) fn check_order(order: &[u32], rows: usize, epochs: usize) -> Result<()> {
    check_shape("order", &[order.len()], &[epochs.saturating_mul(rows)])?;
    match order.iter().position(|index| *index as usize >= rows) {
        Some(index) => Err(Error::Value {
            tensor: "order".into(),
            index,
            value: order[index].to_string(),
            expected: format!("a row below {rows}"),
        }),
        None => Ok(()),
    }
}
