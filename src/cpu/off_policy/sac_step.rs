//! SAC's gradient step by the reference's updates.

use super::batch::{Batch, Noise};
use crate::error::Result;
use crate::reference::Real;
use crate::reference::critics::CriticStats;
use crate::reference::flat_mlp::FlatMlp;
use crate::reference::sac_choices::sac_choices_update;
use crate::reference::sac_update::{SacSettings, SacState, sac_update};
use ndarray::Array1;

/// The loss of SAC's actor, its gradient, whether its optimiser stepped, and log π of the observations.
pub(super) type ActorSeen<F> = (F, Vec<F>, bool, Array1<F>);

/// A step of SAC, on choices or on floats.
pub(super) fn sac_step<F: Real>(
    networks: [&FlatMlp; 2],
    of_choices: bool,
    settings: &SacSettings,
    state: &mut SacState<F>,
    batch: &Batch<F>,
    noise: &Noise<F>,
) -> Result<(CriticStats<F>, Option<ActorSeen<F>>)> {
    let transitions = batch.transitions();
    if of_choices {
        let stats = sac_choices_update(networks, settings, state, &transitions, batch.indices.view())?;
        return Ok((stats.critics, stats.actor.map(|own| (own.loss, own.gradient, own.stepped, own.log_prob))));
    }
    let noise = [noise.own.view(), noise.next.view()];
    let stats = sac_update(networks, settings, state, &transitions, batch.floats.view(), noise)?;
    Ok((stats.critics, stats.actor.map(|own| (own.loss, own.gradient, own.stepped, own.sample.log_prob))))
}
