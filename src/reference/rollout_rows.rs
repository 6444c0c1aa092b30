//! From a rollout to the rows of an update.

use super::Real;
use super::actor_critic::ActorCritic;
use super::advantage_gae::{Window, advantage_gae};
use super::advantage_return::advantage_return;
use super::advantage_vtrace::{VtraceBars, puff, vtrace};
use super::head;
use super::real::cast;
use super::rows::Rows;
use crate::config::{AdvantageKind, Config};
use crate::data::Rollout;
use crate::error::Result;
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2, Axis};

impl<F: Real> Rows<F> {
    /// A rollout's rows with the advantages that `config` asks for: REINFORCE's are returns to go, before a baseline. `parameters` are the present ones: where advantages are corrected
    /// for the policy that acted, log π(a) is theirs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if the rollout's arrays do not belong together or a truncated step lacks its
    /// value.
    pub fn from_rollout(spec: &PolicySpec, config: &Config, parameters: &[F], rollout: &Rollout) -> Result<Self> {
        let (rewards, values) = (cast(rollout.rewards.view()), cast(rollout.values.view()));
        let final_values = cast(rollout.last_values()?.view());
        let window = Window {
            rewards: rewards.view(),
            values: values.view(),
            final_values: final_values.view(),
            terminated: rollout.terminated.view(),
            truncated: rollout.truncated.view(),
        };
        let mut rows = Self {
            obs: cast(rollout.obs.view()),
            actions: rollout.actions.clone(),
            logp_old: cast(rollout.logp.view()),
            advantages: Array1::zeros(0),
            returns: Array1::zeros(0),
            values_old: window.state_values().iter().copied().collect(),
            old_dist: None,
            valid: rollout.counted().map(|valid| valid.into_iter().collect()),
        };
        let (gamma, lambda) = (F::of(config.gamma), F::of(config.gae_lambda));
        if config.reinforce().is_some() {
            let given = rollout.counted();
            let given = given.as_ref().map(|given| given.view());
            let (returns, valid) = advantage_return(window.rewards, window.terminated, window.truncated, given, gamma)?;
            rows.returns = returns.into_iter().collect();
            rows.advantages = rows.returns.clone();
            rows.valid = Some(valid.into_iter().collect());
            return Ok(rows);
        }
        let log_rhos = || {
            let flat = log_rhos(spec, parameters, &rows)?;
            Ok::<_, crate::error::Error>(Array2::from_shape_fn(window.dim(), |(t, n)| flat[t * rollout.envs + n]))
        };
        let (advantages, returns) = match config.advantage {
            AdvantageKind::Gae => advantage_gae(&window, gamma, lambda)?,
            AdvantageKind::Vtrace { rho_bar, c_bar, pg_rho_bar } => {
                let bars = VtraceBars { rho_bar: F::of(rho_bar), c_bar: F::of(c_bar), pg_rho_bar: F::of(pg_rho_bar) };
                vtrace(&window, log_rhos()?.view(), gamma, lambda, bars)?
            }
            AdvantageKind::Puff { rho_clip, c_clip } => {
                puff(&window, log_rhos()?.view(), gamma, lambda, F::of(rho_clip), F::of(c_clip))?
            }
        };
        rows.advantages = advantages.into_iter().collect();
        rows.returns = returns.into_iter().collect();
        Ok(rows)
    }
}

/// log π(a) − log μ(a) of each row, π the policy at `parameters`, μ the one that acted; 0 in masked rows. `[rows]`.
fn log_rhos<F: Real>(spec: &PolicySpec, parameters: &[F], rows: &Rows<F>) -> Result<Array1<F>> {
    let layout = spec.layout();
    let kept = rows.counted();
    let (obs, actions) = (rows.obs.select(Axis(0), &kept), rows.actions.select(&kept));
    let mut dist = ActorCritic::new(spec, &layout, parameters)?.distribution(obs.view())?;
    head::forbid(&mut dist, &actions)?;
    let mut log_rhos = Array1::zeros(rows.len());
    for (row, logp) in kept.into_iter().zip(head::log_prob(&spec.head, dist.view(), &actions)?) {
        log_rhos[row] = logp - rows.logp_old[row];
    }
    Ok(log_rhos)
}
