//! Settings at a place of the run, by the environment steps that were done before.

use super::choices::ValueLoss;
use super::config::Config;
use super::schedule::Anneal;

impl Config {
    /// How much of the run is done before an update on `rows` rows, if earlier ones took in `steps`: 0 at the first update, 1 from
    /// [`total_timesteps`](Self::total_timesteps) on.
    ///
    /// ```text
    /// steps / (steps + ⌊(total_timesteps − steps) / rows⌋ · rows)
    /// ```
    ///
    /// It is as if the rest of the run were whole updates like this one. Where all have as many rows, update u (from 0) of
    /// U = ⌊total_timesteps / rows⌋ is at u/U, as CleanRL counts. An update that begins within the run and ends beyond it is at
    /// steps / total_timesteps.
    ///
    /// A step is a row of a rollout or batch, T × N in a window, whether or not it counts in the means: what a trainer's loop counts.
    pub fn progress(&self, steps: u64, rows: usize) -> f64 {
        let (total, rows) = (self.total_timesteps, (rows as u64).max(1));
        if steps == 0 {
            return 0.0;
        }
        let Some(left) = total.checked_sub(steps).filter(|left| *left > 0) else { return 1.0 };
        let end = if left < rows { total } else { steps + left / rows * rows };
        steps as f64 / end as f64
    }

    /// Learning rate at `progress`; 0 at the end of the run when annealing.
    pub fn learning_rate_at(&self, progress: f64) -> f64 {
        if self.anneal_lr { self.learning_rate * (1.0 - progress).max(0.0) } else { self.learning_rate }
    }

    /// Weight of the entropy bonus at `progress`.
    pub fn ent_coef_at(&self, progress: f64) -> f64 {
        self.ent_coef_schedule.at(self.ent_coef, progress)
    }

    /// Clip range of the ratio at `progress`, `None` for algorithms that have none. A range that has come to 0 is the smallest above it.
    pub fn clip_coef_at(&self, progress: f64) -> Option<f64> {
        let (range, schedule) = self.algorithm.clip()?;
        Some(schedule.at(range, progress).max(f64::from(f32::MIN_POSITIVE)))
    }

    /// Clip range of the value at `progress`: `clip_coef_vf` on its schedule, or that of the ratio, if there is one.
    pub fn clip_coef_vf_at(&self, progress: f64) -> Option<f64> {
        let Some(range) = self.clip_coef_vf else { return self.clip_coef_at(progress) };
        Some(self.clip_coef_vf_schedule.at(range, progress).max(f64::from(f32::MIN_POSITIVE)))
    }

    /// The one number that the value loss has at `progress`: its clip range, δ, or the largest squared
    /// error. `None` where there is no range: the critic of a trust region has a plain loss.
    pub fn value_limit_at(&self, progress: f64) -> Option<f64> {
        match self.value_loss {
            ValueLoss::Huber { delta } => Some(delta),
            ValueLoss::ClampError { max } => Some(max),
            ValueLoss::Plain | ValueLoss::ClipMax | ValueLoss::ClipOnly => self.clip_coef_vf_at(progress),
        }
    }

    /// The settings at `progress` as constants: no schedule is left but the learning rate's, which
    /// [`learning_rate_at`](Self::learning_rate_at) gives.
    pub fn at_progress(&self, progress: f64) -> Self {
        Self {
            algorithm: self.algorithm.clipped_at(self.clip_coef_at(progress)),
            ent_coef: self.ent_coef_at(progress),
            clip_coef_vf: self.clip_coef_vf.and_then(|_| self.clip_coef_vf_at(progress)),
            ent_coef_schedule: Anneal::None,
            clip_coef_vf_schedule: Anneal::None,
            ..self.clone()
        }
    }
}
