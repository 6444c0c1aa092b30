//! Transitions into the memory: from host arrays, or from buffers of the caller's in the caller's encoder.

use super::learner::GpuOffPolicy;
use super::store_calls::{HostStore, StepBuffers, StorePlan, bind_store};
use crate::data::EnvStep;
use crate::error::Result;

impl GpuOffPolicy {
    /// Binds a step of [`num_envs`](crate::Config::num_envs) environments that is in buffers of yours, for [`record_store`](Self::record_store).
    ///
    /// # Errors
    /// [`crate::Error::BufferLength`] for one that is too short.
    pub fn store_plan(&self, step: &StepBuffers<'_>) -> Result<StorePlan> {
        Ok(StorePlan { calls: bind_store(&self.gpu, &self.model, &self.ring, std::slice::from_ref(step), false)? })
    }

    /// Records the dispatch of `plan`, a plan of this learner's, into your encoder, and counts the step: it is stored once the encoder is submitted.
    /// What the buffers hold is not checked: flags of episodes that ended, actions that there are, and numbers that are finite are up to
    /// you. Submit the encoder before any other call of this learner's, and after at most 256 recordings: they share slots of one ring.
    ///
    /// # Errors
    /// A wgpu error; nothing is counted then.
    pub fn record_store(&mut self, encoder: &mut wgpu::CommandEncoder, plan: &StorePlan) -> Result<()> {
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0, 0, [self.ring.place, self.ring.stored])?;
        self.gpu.record(encoder, "replay_store", &plan.calls, slot);
        self.count_stored(1);
        Ok(())
    }

    /// Counts steps that were stored.
    pub(super) fn count_stored(&mut self, steps: u64) {
        [self.ring.place, self.ring.stored] = self.ring.after(steps);
        let transitions = steps.saturating_mul(self.ring.shape.envs.into());
        self.model.env_steps = self.model.env_steps.saturating_add(transitions);
    }

    /// A step of the host's, which was checked.
    pub(super) fn store_host(&mut self, step: &EnvStep) -> Result<()> {
        let host = match self.host.take() {
            Some(host) => host,
            None => HostStore::new(&self.gpu, &self.model, &self.ring)?,
        };
        let stored = host.write(&self.gpu, step).and_then(|()| {
            let mut encoder = self.gpu.encoder("replay_store");
            let slot = self.model.push_schedule(&self.gpu, &self.config, 0, 0, [self.ring.place, self.ring.stored])?;
            self.gpu.record(&mut encoder, "replay_store", &host.plan.calls, slot);
            self.gpu.submit(encoder)
        });
        self.host = Some(host);
        stored?;
        self.count_stored(1);
        Ok(())
    }
}
