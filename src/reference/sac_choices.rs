//! A gradient step of SAC where actions are choices.

use super::Real;
use super::critics::CriticStats;
use super::flat_mlp::{FlatMlp, by_numbers};
use super::row_blocks::{both, each_of};
use super::sac_update::{SacSettings, SacState, temperature_step};
use super::transitions::Transitions;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

/// What a step saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct SacChoicesStats<F> {
    /// The critics' part.
    pub critics: CriticStats<F>,
    /// α with which all losses were computed.
    pub alpha: F,
    /// The actor's part, if it stepped.
    pub actor: Option<SacChoicesActor<F>>,
}

/// What a step of actor and temperature saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct SacChoicesActor<F> {
    /// Σ_a π log π of each observation, `[B]`: the negative entropy.
    pub log_prob: Array1<F>,
    /// −log α · mean (Σ_a π log π + target entropy), and its gradient, if the temperature is tuned.
    pub alpha_loss: Option<(F, F)>,
    /// mean Σ_a π (α log π − min Q), by the critics just updated.
    pub loss: F,
    /// By the actor's numbers.
    pub gradient: Vec<F>,
    /// Whether its optimiser stepped.
    pub stepped: bool,
}

/// One gradient step on `batch` (Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings", algorithm 1): nothing is drawn, each
/// expectation over actions is a sum.
///
/// ```text
/// π = softmax of the actor's outputs;   α as it is, a constant below
/// y = r + (1 − terminated) · discount · Σ_a π(a|s') (min_i Q_i_target(s', a) − α log π(a|s'))
/// critics: ½ Σ_i mean (Q_i(s, stored a) − y)²
/// actor: mean Σ_a π(a|s) (α log π(a|s) − min_i Q_i(s, a)), by the critics just updated
/// temperature: −log α · mean (Σ_a π log π + target_entropy)
/// ```
///
/// CleanRL's `sac_atari.py` divides the actor's and the temperature's loss by the number of choices as well, has no ½ before the critics', and
/// e^(log α) in place of log α in the temperature's. `actions` are indices `[B]`. Of the settings, those of squashing are not read.
///
/// # Errors
/// [`Error::Shape`] if arrays do not fit the networks, [`Error::Value`] for an action that there is not. Nothing has changed then.
pub fn sac_choices_update<F: Real>(
    networks: [&FlatMlp; 2],
    settings: &SacSettings,
    state: &mut SacState<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView1<'_, u32>,
) -> Result<SacChoicesStats<F>> {
    let [critic, actor] = networks;
    batch.validate()?;
    let choices = actor.outputs();
    check_shape("actions", &[actions.len()], &[batch.rows()])?;
    if let Some((index, action)) = actions.iter().enumerate().find(|(_, action)| **action as usize >= choices) {
        let expected = format!("an action below {choices}");
        return Err(Error::Value { tensor: "actions".into(), index, value: action.to_string(), expected });
    }
    check_shape("log_alpha", &[state.log_alpha.len()], &[1])?;
    check_shape("obs", &[batch.obs.ncols()], &[actor.inputs()])?;
    check_shape("critic", &[critic.inputs(), critic.outputs()], &[actor.inputs(), choices])?;
    check_shape("policy", &[state.policy.len()], &[actor.len()])?;
    state.alpha_adam.validate(1)?;
    state.policy_adam.validate(actor.len())?;
    state.critics.validate(critic)?;
    // Nothing is left that could end the step half way.
    step(networks, settings, state, batch, actions)
}

/// The step itself, on arrays that fit each other.
fn step<F: Real>(
    [critic, actor]: [&FlatMlp; 2],
    settings: &SacSettings,
    state: &mut SacState<F>,
    batch: &Transitions<'_, F>,
    actions: ArrayView1<'_, u32>,
) -> Result<SacChoicesStats<F>> {
    let size = batch.rows() * actor.len();
    let policy = actor.with(&state.policy)?;
    let own = || settings.moves_policy.then(|| policy.forward(batch.obs)).transpose();
    let (own, next) = both(size, own, || policy.forward(batch.next_obs));
    let (own, next) = (own?, next?);
    let alpha = state.log_alpha[0].exp();
    let tables = tables(critic, &state.critics.targets, batch.next_obs)?;
    let ahead = soft_values(next.output(), least_table(&tables)?.view(), alpha);
    next.give();
    let targets = batch.targets(ahead.view())?;
    let (critics, half) = (&mut state.critics, F::of(0.5));
    let rows = critics.of_rows(critic, batch.obs, Some(actions), targets, (half, batch.rows()))?;
    let critics = critics.step(&settings.adam, settings.q_lr, vec![rows])?;
    let Some(tape) = own else {
        return Ok(SacChoicesStats { critics, alpha, actor: None });
    };
    let least = least_table(&self::tables(critic, &state.critics.online, batch.obs)?)?;
    let ActorLoss { loss, log_prob, by_logits } = actor_loss(tape.output(), least.view(), alpha);
    let alpha_loss = temperature_step(settings, (&mut state.log_alpha, &mut state.alpha_adam), &log_prob)?;
    let gradient = by_numbers(&policy, &tape, by_logits.view())?;
    tape.give();
    let stepped = state.policy_adam.step(&settings.adam, settings.policy_lr, &mut state.policy, &gradient)?.stepped;
    let actor = Some(SacChoicesActor { log_prob, alpha_loss, loss, gradient, stepped });
    Ok(SacChoicesStats { critics, alpha, actor })
}

/// Q of all choices by each of `numbers`, `[rows, choices]` each.
fn tables<F: Real>(critic: &FlatMlp, numbers: &[Vec<F>], obs: ArrayView2<'_, F>) -> Result<Vec<Array2<F>>> {
    each_of(critic.len() * obs.nrows(), numbers.len(), |index| {
        let tape = critic.with(&numbers[index])?.forward(obs)?;
        let table = tape.output().to_owned();
        tape.give();
        Ok(table)
    })
}

/// The least of several critics' values, choice by choice; one that is no number counts, so that it is not lost.
///
/// # Errors
/// [`Error::Config`] without a table, [`Error::Shape`] if they differ in shape.
pub fn least_table<F: Real>(tables: &[Array2<F>]) -> Result<Array2<F>> {
    let (first, others) =
        tables.split_first().ok_or_else(|| Error::config("critics", "are none, must be at least one"))?;
    let mut least = first.clone();
    for table in others {
        check_shape("values", table.shape(), least.shape())?;
        Zip::from(&mut least).and(table).for_each(|least, value| {
            if *value < *least || value.is_nan() {
                *least = *value;
            }
        });
    }
    Ok(least)
}

/// log π of each choice by the logits of each row, `[rows, choices]`.
pub fn log_softmax<F: Real>(logits: ArrayView2<'_, F>) -> Array2<F> {
    let mut logp = logits.to_owned();
    for mut row in logp.outer_iter_mut() {
        let most = row.iter().copied().fold(F::neg_infinity(), |most, l| if l > most || l.is_nan() { l } else { most });
        let log_sum = row.iter().map(|l| (*l - most).exp()).sum::<F>().ln();
        row.mapv_inplace(|l| l - most - log_sum);
    }
    logp
}

/// Σ_a π (least − α log π) of each row: what the policy of `logits` is worth with its entropy.
pub fn soft_values<F: Real>(logits: ArrayView2<'_, F>, least: ArrayView2<'_, F>, alpha: F) -> Array1<F> {
    let logp = log_softmax(logits);
    Zip::from(&logp).and(least).map_collect(|logp, q| logp.exp() * (*q - alpha * *logp)).sum_axis(Axis(1))
}

/// The loss of an actor of choices.
#[derive(Debug, Clone)]
pub struct ActorLoss<F> {
    /// mean Σ_a π (α log π − least).
    pub loss: F,
    /// Σ_a π log π of each row.
    pub log_prob: Array1<F>,
    /// The loss's gradient by the logits, `[rows, choices]`.
    pub by_logits: Array2<F>,
}

/// mean Σ_a π (α log π − least), of `logits` and `least` `[rows, choices]`. With f = α log π − least and l = Σ π f, the gradient of a row's l by a
/// logit is π (f − l): what α log π adds by itself sums to 0.
pub fn actor_loss<F: Real>(logits: ArrayView2<'_, F>, least: ArrayView2<'_, F>, alpha: F) -> ActorLoss<F> {
    let logp = log_softmax(logits);
    let probabilities = logp.mapv(F::exp);
    let f = &logp * alpha - least;
    let of_rows = (&probabilities * &f).sum_axis(Axis(1));
    let rows = F::count(logits.nrows().max(1));
    let centred = &f - &of_rows.view().insert_axis(Axis(1));
    ActorLoss {
        loss: of_rows.sum() / rows,
        log_prob: (&probabilities * &logp).sum_axis(Axis(1)),
        by_logits: &probabilities * &centred / rows,
    }
}

#[cfg(test)]
mod tests;
