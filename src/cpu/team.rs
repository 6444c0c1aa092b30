//! The ranks that a learner learns with, if it does not learn alone.

use crate::collective::{Collective, Share, agree, gather};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use crate::reference::Real;
use crate::reference::normalize::Normalizer;
use crate::reference::ranks::Ranks;
use crate::state::NormalizerState;
use bytemuck::Pod;
use std::sync::Arc;

/// This process' end of the line to the others; none for a learner that has all environments.
#[derive(Debug, Clone, Default)]
pub(super) struct Team(Option<Arc<dyn Collective>>);

impl Team {
    /// This rank's part in a policy that all ranks learn together, once they agree on it: on the version, the policy, the settings and the seed.
    ///
    /// # Errors
    /// [`Error::Config`] off-policy, or with more ranks than environments; [`Error::Rank`] if one differs from rank 0.
    pub fn new(collective: Arc<dyn Collective>, spec: &PolicySpec, config: &Config, seed: u64) -> Result<Self> {
        let json = |text: serde_json::Result<String>| text.map_err(|_| Error::Internal("settings are no JSON"));
        let things = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("the policy", json(serde_json::to_string(spec))?),
            ("the settings", json(serde_json::to_string(config))?),
            ("seed", seed.to_string()),
        ];
        agree(collective.as_ref(), &things)?;
        config.expect_on_policy()?;
        let (size, envs) = (collective.size(), config.num_envs);
        if size > envs {
            return Err(Error::config("num_envs", format!("is {envs}, fewer than the {size} ranks that share them")));
        }
        Ok(Self((size > 1).then_some(collective)))
    }

    /// Which of `envs` environments are this rank's.
    pub fn share(&self, envs: usize) -> Share {
        self.0
            .as_ref()
            .map_or(Share { first: 0, own: envs, all: envs }, |team| Share::even(team.rank(), team.size(), envs))
    }

    /// Whether there is nobody else.
    pub const fn alone(&self) -> bool {
        self.0.is_none()
    }

    /// The ranks, of which this one has `share`.
    pub fn ranks(&self, share: Share) -> Ranks<'_> {
        self.0.as_deref().map_or(Ranks::ALONE, |team| Ranks::of(team, share))
    }

    /// The ranks, of which this one brings a window of `steps` × `envs`.
    ///
    /// # Errors
    /// [`Error::Rank`] if another's has not as many steps.
    pub fn ranks_of(&self, steps: usize, envs: usize) -> Result<Ranks<'_>> {
        let Some(team) = self.0.as_deref() else { return Ok(Ranks::ALONE) };
        let mut windows = vec![[0_u64; 2]; team.size()];
        team.all_gather(bytemuck::bytes_of(&[steps as u64, envs as u64]), bytemuck::cast_slice_mut(&mut windows))?;
        if let Some(rank) = windows.iter().position(|window| window[0] != windows[0][0]) {
            let message = format!("has a window of {} steps, rank 0 one of {}", windows[rank][0], windows[0][0]);
            return Err(Error::Rank { rank, message });
        }
        let sum = |windows: &[[u64; 2]]| windows.iter().map(|window| window[1] as usize).sum();
        let share = Share { first: sum(&windows[..team.rank()]), own: envs, all: sum(&windows) };
        Ok(Ranks::of(team, share))
    }

    /// The numbers of all ranks, one rank after the other.
    pub fn joined<T: Pod>(&self, own: Vec<T>) -> Result<Vec<T>> {
        let Some(team) = self.0.as_deref() else { return Ok(own) };
        let all = gather(team, bytemuck::cast_slice(&own))?;
        let numbers = all.iter().flat_map(|bytes| bytes.chunks_exact(size_of::<T>()));
        Ok(numbers.map(bytemuck::pod_read_unaligned).collect())
    }

    /// The running statistics of all, with this rank's part of what is carried for each of `config.num_envs` environments.
    ///
    /// # Errors
    /// As [`NormalizerState::complete`].
    pub fn normalizer<F: Real>(&self, config: &Config, obs_dim: usize, all: &NormalizerState) -> Result<Normalizer<F>> {
        if self.alone() {
            return Normalizer::new(config, obs_dim, all);
        }
        let (mut state, share) = (all.complete(config, obs_dim)?, self.share(config.num_envs));
        let own = share.first..share.first + share.own;
        state.discounted_returns = state.discounted_returns.get(own).map_or_else(Vec::new, <[f32]>::to_vec);
        Normalizer::new(&Config { num_envs: share.own, ..config.clone() }, obs_dim, &state)
    }

    /// Tells the others of an error that is not theirs.
    pub fn fail(&self, error: &Error) {
        if let (Some(team), false) = (self.0.as_deref(), matches!(error, Error::Rank { .. })) {
            team.fail(&error.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
