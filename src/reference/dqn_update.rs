//! A gradient step of DQN.

use super::Real;
use super::optim::{Adam, AdamSettings, Stepped};
use super::q_network::{QNetwork, QTape};
use super::row_blocks::both;
use super::transitions::Transitions;
use crate::config::TdLoss;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// The loss of a difference `d` between Q and its target, and its derivative.
pub fn td_loss<F: Real>(loss: TdLoss, d: F) -> (F, F) {
    let half = F::of(0.5);
    match loss {
        TdLoss::Huber if d.abs() < F::one() => (half * d * d, d),
        TdLoss::Huber => (d.abs() - half, d.signum()),
        TdLoss::Squared => (d * d, F::of(2.0) * d),
    }
}

/// Settings of the step.
#[derive(Debug, Clone, PartialEq)]
pub struct DqnSettings {
    /// Whether the online network chooses the action that the target network values (van Hasselt et al. 2016).
    pub double: bool,
    /// The loss.
    pub loss: TdLoss,
    /// The optimiser, with the limit of the gradient's norm.
    pub adam: AdamSettings,
    /// Learning rate.
    pub lr: f64,
}

/// What DQN trains.
#[derive(Debug, Clone, PartialEq)]
pub struct DqnState<F> {
    /// Numbers of the network.
    pub q: Vec<F>,
    /// Numbers of the target network; [`polyak`](super::td_target::polyak) moves it.
    pub q_target: Vec<F>,
    /// Moments of `q`.
    pub adam: Adam<F>,
}

/// What a step saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct DqnStats<F> {
    /// Q of the stored actions, `[B]`.
    pub q_values: Array1<F>,
    /// y, `[B]`.
    pub targets: Array1<F>,
    /// Mean over the batch.
    pub loss: F,
    /// By the network's numbers, before clipping.
    pub gradient: Vec<F>,
    /// Norm before clipping, and whether the step was taken.
    pub stepped: Stepped<F>,
}

/// One gradient step on `batch` (Mnih et al. 2015, algorithm 1):
///
/// ```text
/// a* = argmax_a Q_target(s', a)        or argmax_a Q(s', a) if double; the first of equals
/// y = r + (1 − terminated) · discount · Q_target(s', a*)
/// loss = mean over the batch of TdLoss(Q(s, a) − y);   Adam on its gradient by Q
/// ```
///
/// `actions` are indices `[B]`.
///
/// # Errors
/// [`Error::Shape`] if arrays do not fit the network, [`Error::Value`] for an action that there is not. Nothing has changed then.
pub fn dqn_update<F: Real>(
    network: &QNetwork,
    settings: &DqnSettings,
    state: &mut DqnState<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView1<'_, u32>,
) -> Result<DqnStats<F>> {
    batch.validate()?;
    let online = |obs| network.forward(&state.q, obs);
    let target = |obs| network.forward(&state.q_target, obs);
    let choose = || settings.double.then(|| online(batch.next_obs)).transpose();
    let size = batch.rows() * network.len();
    let (tape, (next, chosen)) = both(size, || online(batch.obs), || both(size, || target(batch.next_obs), choose));
    let (tape, next, chosen) = (tape?, next?, chosen?);
    let chooser = chosen.as_ref().unwrap_or(&next).output();
    let DqnLoss { q_values, targets, loss, cotangent } =
        dqn_loss(settings.loss, batch, actions, [tape.output(), next.output(), chooser])?;
    let by_q = network.by_numbers(&state.q, &tape, cotangent.view())?;
    [Some(tape), Some(next), chosen].into_iter().flatten().for_each(QTape::give);
    let stepped = state.adam.step(&settings.adam, settings.lr, &mut state.q, &by_q)?;
    Ok(DqnStats { q_values, targets, loss, gradient: by_q, stepped })
}

/// The loss of [`dqn_update`], without the networks.
#[derive(Debug, Clone)]
pub struct DqnLoss<F> {
    /// Q of the stored actions, `[B]`.
    pub q_values: Array1<F>,
    /// y, `[B]`.
    pub targets: Array1<F>,
    /// Mean over the batch.
    pub loss: F,
    /// Its gradient by the online network's values, `[B, choices]`.
    pub cotangent: Array2<F>,
}

/// The loss of `actions`, from tables `[B, choices]`: the online network's values of the observations, the target network's of the next
/// ones, and those of the next ones that choose.
///
/// # Errors
/// [`Error::Shape`] if arrays do not fit each other, [`Error::Value`] for an action that there is not.
pub fn dqn_loss<F: Real>(
    loss: TdLoss,
    batch: &Transitions<'_, F>,
    actions: ArrayView1<'_, u32>,
    [q, next, chooser]: [ArrayView2<'_, F>; 3],
) -> Result<DqnLoss<F>> {
    check_shape("actions", &[actions.len()], &[q.nrows()])?;
    check_shape("next", next.shape(), q.shape())?;
    check_shape("chooser", chooser.shape(), q.shape())?;
    let choices = q.ncols();
    if let Some((index, action)) = actions.iter().enumerate().find(|(_, action)| **action as usize >= choices) {
        let expected = format!("an action below {choices}");
        return Err(Error::Value { tensor: "actions".into(), index, value: action.to_string(), expected });
    }
    let next_values: Array1<F> = greedy(chooser).iter().enumerate().map(|(r, action)| next[[r, *action]]).collect();
    let targets = batch.targets(next_values.view())?;
    let q_values: Array1<F> = actions.iter().enumerate().map(|(r, a)| q[[r, *a as usize]]).collect();
    let rows = F::count(q.nrows());
    let (mut cotangent, mut mean) = (Array2::zeros(q.dim()), F::zero());
    for (r, action) in actions.iter().enumerate() {
        let (of_row, slope) = td_loss(loss, q_values[r] - targets[r]);
        mean += of_row / rows;
        cotangent[[r, *action as usize]] = slope / rows;
    }
    Ok(DqnLoss { q_values, targets, loss: mean, cotangent })
}

/// The greatest of each row, the first of equals.
pub fn greedy<F: Real>(q: ArrayView2<'_, F>) -> Vec<usize> {
    let best = |row: ArrayView1<'_, F>| (1..row.len()).fold(0, |best, a| if row[a] > row[best] { a } else { best });
    q.outer_iter().map(best).collect()
}
