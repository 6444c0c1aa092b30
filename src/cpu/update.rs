//! Updates of a learner on the CPU, and what may stand between their gradients and steps.

use super::{learner::CpuLearner, needs};
use crate::config::{Config, KlPenalty};
use crate::data::{Batch, Rollout, UpdateStats};
use crate::error::{Error, Result};
use crate::memory::require;
use crate::reference::Real;
use crate::reference::advantage_return::whole_returns;
use crate::reference::ppo_update::{Between, ppo_update_among};
use crate::reference::ranks::Ranks;
use crate::reference::rows::{Order, Rows};
use crate::reference::trpo_update::trpo_update_among;
use crate::state::NormalizerState;

impl<F: Real> CpuLearner<F> {
    /// [`OnPolicy::update_in_order`](crate::OnPolicy::update_in_order) with something between gradient and step of each minibatch, which is
    /// given the flat gradient and the minibatch's statistics: several processes that have environments of their own may average both.
    /// With TRPO the minibatches are the critic's.
    ///
    /// # Errors
    /// As [`OnPolicy::update_in_order`](crate::OnPolicy::update_in_order), and those of `between`; nothing has changed then.
    pub fn update_between(
        &mut self,
        rollout: &Rollout,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        let before = self.clone();
        self.on_rollout(rollout, order, between).inspect_err(|_| *self = before)
    }

    /// [`OnPolicy::update_batch`](crate::OnPolicy::update_batch) with something in between, as in
    /// [`update_between`](Self::update_between).
    ///
    /// # Errors
    /// As [`OnPolicy::update_batch`](crate::OnPolicy::update_batch), and those of `between`; nothing has changed then.
    pub fn update_batch_between(
        &mut self,
        batch: &Batch,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        let before = self.clone();
        self.on_batch(batch, order, between).inspect_err(|_| *self = before)
    }

    pub(super) fn on_rollout(
        &mut self,
        rollout: &Rollout,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        self.or_as_before(|learner| learner.on_own_rollout(rollout, order, between))
    }

    fn on_own_rollout(
        &mut self,
        rollout: &Rollout,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        rollout.validate(&self.spec)?;
        let team = self.team.clone();
        let ranks = team.ranks_of(rollout.steps, rollout.envs)?;
        NormalizerState::check_envs(&self.config, ranks.share().map_or(rollout.envs, |share| share.all))?;
        if !team.alone() {
            // Whose returns are carried from window to window is decided with the learner.
            let own = team.share(self.config.num_envs).own;
            NormalizerState::check_envs(&Config { num_envs: own, ..self.config.clone() }, rollout.envs)?;
        }
        let counted = rollout.counted();
        if self.config.reinforce().is_some() {
            let given = counted.as_ref().map(|given| given.view());
            let whole = whole_returns(rollout.terminated.view(), rollout.truncated.view(), given)?;
            self.check_update(rollout.rows(), Some(&whole))?;
        } else {
            self.check_update(rollout.rows(), counted.as_ref())?;
        }
        let mut normalizer = self.normalizer.clone();
        let ends = (rollout.terminated.view(), rollout.truncated.view());
        let valid = counted.as_ref().map(|valid| valid.view());
        let scaled = normalizer.rewards(rollout.rewards.view(), ends.0, ends.1, valid, &ranks)?;
        let scaled = scaled.map(|rewards| Rollout { rewards, ..rollout.clone() });
        let rollout = scaled.as_ref().unwrap_or(rollout);
        let mut rows = Rows::from_rollout(&self.spec, &self.config, &self.parameters, rollout)?;
        let valid = rows.valid.as_ref().map(|valid| valid.view());
        normalizer.targets(&mut rows.returns, &mut rows.values_old, valid, &ranks)?;
        let stats = self.learn(&rows, order, between, ranks)?;
        self.normalizer = normalizer;
        Ok(stats)
    }

    /// In a team, a rank's rows follow those of the ranks before it.
    pub(super) fn on_batch(
        &mut self,
        batch: &Batch,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        self.or_as_before(|learner| learner.on_own_batch(batch, order, between))
    }

    fn on_own_batch(
        &mut self,
        batch: &Batch,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
    ) -> Result<UpdateStats> {
        batch.validate(&self.spec)?;
        let team = self.team.clone();
        let ranks = team.ranks_of(1, batch.rows())?;
        self.check_update(batch.rows(), batch.valid.as_ref())?;
        let (mut normalizer, mut rows) = (self.normalizer.clone(), Rows::from_batch(batch));
        let valid = rows.valid.as_ref().map(|valid| valid.view());
        normalizer.targets(&mut rows.returns, &mut rows.values_old, valid, &ranks)?;
        let stats = self.learn(&rows, order, between, ranks)?;
        self.normalizer = normalizer;
        Ok(stats)
    }

    /// `work`, of which nothing is left after an error: in a team it may be another rank's, in the midst of an update. The others get this
    /// rank's.
    fn or_as_before<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.team.alone() {
            return work(self);
        }
        let before = self.clone();
        work(self).inspect_err(|error| {
            before.team.fail(error);
            *self = before;
        })
    }

    /// That all ranks have the same bits. Ranks of unlike machines may round otherwise, and would go apart from here on.
    pub(super) fn same_on_all_ranks(&self) -> Result<()> {
        if self.team.alone() {
            return Ok(());
        }
        let bytes = self.parameters.iter().flat_map(|p| p.as_f64().to_bits().to_le_bytes()).collect::<Vec<_>>();
        let sums = self.team.joined(vec![crc32fast::hash(&bytes)])?;
        let other = sums.iter().position(|sum| *sum != sums[0]);
        other.map_or(Ok(()), |rank| {
            let update = self.update;
            let message =
                format!("has other parameters than rank 0 after update {update}: its machine rounds otherwise");
            Err(Error::Rank { rank, message })
        })
    }

    /// That there is memory for an update on `rows` rows, of which those count whose flag is not 0.
    fn check_update<'v>(&self, rows: usize, valid: Option<impl IntoIterator<Item = &'v u32>>) -> Result<()> {
        let counted = valid.map_or(rows, |valid| valid.into_iter().filter(|flag| **flag != 0).count());
        let bytes = needs::update(&self.spec, &self.config, size_of::<F>(), rows, counted);
        require(|| format!("an update on {rows} rows"), bytes)
    }

    fn learn(
        &mut self,
        rows: &Rows<F>,
        order: Option<&[u32]>,
        between: &mut Between<'_, F>,
        ranks: Ranks<'_>,
    ) -> Result<UpdateStats> {
        let all = ranks.rows(rows.len());
        let order = order.map_or(Order::Keyed { seed: self.seed, update: self.update }, Order::Given);
        let progress = self.config.progress(self.env_steps, all);
        let lr = self.config.learning_rate_at(progress);
        let stats = if self.config.trust_region().is_some() {
            let (parameters, direction) = (&mut self.parameters, &mut self.search_direction);
            trpo_update_among(
                &self.spec,
                &self.config,
                lr,
                parameters,
                &mut self.adam,
                direction,
                rows,
                order,
                between,
                ranks,
            )?
        } else {
            let rate = self.config.adaptive_lr().filter(|_| self.learning_rate > F::zero());
            let lr = rate.map_or(lr, |_| self.learning_rate.as_f64());
            let mut config = self.config.at_progress(progress);
            let penalty = config.ppo_mut().and_then(|ppo| ppo.kl_penalty.as_mut());
            if let Some(penalty) = penalty.filter(|penalty| penalty.adaptive && self.kl_coef > F::zero()) {
                penalty.kl_coef = self.kl_coef.as_f64().clamp(KlPenalty::MIN_KL_COEF, KlPenalty::MAX_KL_COEF);
            }
            let (parameters, adam) = (&mut self.parameters, &mut self.adam);
            ppo_update_among(&self.spec, &config, lr, parameters, adam, rows, order, between, ranks)?
        };
        if let (Some(next), true) = (stats.kl_coef, self.config.kl_penalty().is_some_and(|penalty| penalty.adaptive)) {
            self.kl_coef = F::of(next);
        }
        if self.config.adaptive_lr().is_some() {
            self.learning_rate = F::of(stats.learning_rate);
        }
        self.update = self.update.saturating_add(1);
        self.env_steps = self.env_steps.saturating_add(all as u64);
        Ok(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{ActMode, Agent, OnPolicy};
    use crate::config::Config;
    use crate::data::MinibatchStats;
    use crate::env::Env;
    use ndarray::{Array1, Array2};

    fn learner() -> CpuLearner {
        let config = Config { num_envs: 2, num_steps: 4, num_minibatches: 2, update_epochs: 2, ..Config::cleanrl() };
        CpuLearner::new(Env::CartPole.policy(&[5]), config, 3).unwrap()
    }

    fn batch(learner: &mut CpuLearner) -> Batch {
        let obs = Array2::from_shape_fn((8, 4), |(row, column)| ((row * 4 + column) as f32 * 0.7).sin());
        let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
        let of = |shift: f32| Array1::from_shape_fn(8, |row| (row as f32 + shift).sin());
        Batch {
            obs,
            actions: acted.actions,
            logp_old: acted.logp,
            advantages: of(0.3),
            returns: of(0.6),
            values_old: acted.values,
            old_dist: None,
            valid: None,
        }
    }

    #[test]
    fn what_stands_in_between_may_change_or_end_an_update() {
        let mut plain = learner();
        let batch = batch(&mut plain);
        let start = plain.clone();
        plain.update_batch(&batch, None).unwrap();

        let mut same = start.clone();
        same.update_batch_between(&batch, None, &mut |_, _| Ok(())).unwrap();
        assert_eq!(same.state().unwrap(), plain.state().unwrap());

        let mut still = start.clone();
        let none = &mut |gradient: &mut [f32], _: &mut MinibatchStats| {
            gradient.fill(0.0);
            Ok(())
        };
        let stats = still.update_batch_between(&batch, None, none).unwrap();
        assert_eq!((still.parameters().unwrap(), stats.optimizer_steps), (start.parameters().unwrap(), 4));

        // The second of four minibatches fails: the step of the first is undone.
        let (mut failing, mut calls) = (start.clone(), 0);
        let fail = &mut |_: &mut [f32], _: &mut MinibatchStats| {
            calls += 1;
            if calls == 2 { Err(Error::DeviceLost("rank 1 is gone".into())) } else { Ok(()) }
        };
        assert!(failing.update_batch_between(&batch, None, fail).is_err());
        assert_eq!((failing.state().unwrap(), calls), (start.state().unwrap(), 2));
    }
}
