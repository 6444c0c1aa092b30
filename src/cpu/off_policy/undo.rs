//! What an iteration changes, kept so that an error changes nothing.

use super::learner::CpuOffPolicy;
use super::method::Method;
use crate::reference::Real;
use crate::reference::replay::Replay;
use ndarray::Axis;

/// A learner as it was: everything but the ring, and of that the places that some steps will write.
pub(super) struct Undo<F> {
    method: Method<F>,
    counters: [u64; 4],
    of_actor: [f64; 2],
    next_write: usize,
    stored: usize,
    /// As many places as there are steps, or all, in the order in which they are written.
    places: Replay<F>,
}

impl<F: Real> CpuOffPolicy<F> {
    /// What to keep before `steps` steps are stored.
    pub(super) fn keep(&self, steps: usize) -> Undo<F> {
        let ring = &self.ring;
        let (places, envs, obs_dim) = ring.obs.dim();
        let mut kept = Replay::new([steps.min(places), envs], obs_dim, ring.actions.dim().2);
        copy_places(&mut kept, ring, |index| (index, (ring.next_write + index) % places.max(1)));
        let counters = [self.update, self.gradient_steps, self.env_steps, self.policy_step];
        let method = self.method.clone();
        let of_actor = self.of_actor;
        Undo { method, counters, of_actor, next_write: ring.next_write, stored: ring.stored, places: kept }
    }

    /// Puts everything back.
    pub(super) fn put_back(&mut self, undo: Undo<F>) {
        let places = self.ring.rewards.nrows().max(1);
        (self.ring.next_write, self.ring.stored) = (undo.next_write, undo.stored);
        copy_places(&mut self.ring, &undo.places, |index| ((undo.next_write + index) % places, index));
        (self.method, self.of_actor) = (undo.method, undo.of_actor);
        [self.update, self.gradient_steps, self.env_steps, self.policy_step] = undo.counters;
    }
}

/// Copies places of `from` to `to`: `pair(i)` is where the i-th goes and where it is, as many as the smaller of the two has.
fn copy_places<F: Real>(to: &mut Replay<F>, from: &Replay<F>, pair: impl Fn(usize) -> (usize, usize)) {
    let at = Axis(0);
    for index in 0..to.rewards.nrows().min(from.rewards.nrows()) {
        let (goal, source) = pair(index);
        to.obs.index_axis_mut(at, goal).assign(&from.obs.index_axis(at, source));
        to.next_obs.index_axis_mut(at, goal).assign(&from.next_obs.index_axis(at, source));
        to.actions.index_axis_mut(at, goal).assign(&from.actions.index_axis(at, source));
        to.rewards.row_mut(goal).assign(&from.rewards.row(source));
        to.terminated.row_mut(goal).assign(&from.terminated.row(source));
        to.truncated.row_mut(goal).assign(&from.truncated.row(source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{ActMode, Agent, OffPolicy};
    use crate::config::{AlgorithmKind, Config, Replay, Sac};
    use crate::data::EnvStep;
    use crate::env::Env;
    use ndarray::{Array1, Array2};

    /// More steps than the ring has places, fewer, and over its end.
    #[test]
    fn all_is_put_back() {
        let replay = Replay { buffer_size: 10, batch_size: 3, ..Sac::sb3().replay };
        let config = Config { num_envs: 2, ..Config::sac_sb3() }.with_algorithm(Sac { replay, ..Sac::sb3() });
        let spec = AlgorithmKind::Sac.fitted(Env::Pendulum.policy(&[4]));
        for (first, then) in [(0, 3), (3, 4), (7, 2), (7, 9)] {
            let mut learner = CpuOffPolicy::<f32>::new(spec.clone(), config.clone(), 3).unwrap();
            let store = |learner: &mut CpuOffPolicy, count| {
                for _ in 0..count {
                    let obs = Array2::from_elem((2, 3), learner.policy_step as f32);
                    let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
                    let (rewards, flags) = (Array1::from_elem(2, 0.5 * learner.policy_step as f32), Array1::ones(2));
                    let (actions, next_obs) = (acted.actions, &obs + 1.0);
                    let (terminated, truncated) = (flags.clone(), flags);
                    learner.store(&EnvStep { obs, actions, rewards, next_obs, terminated, truncated }).unwrap();
                    learner.learn(2).unwrap();
                }
            };
            store(&mut learner, first);
            let before = learner.state().unwrap();
            let undo = learner.keep(then);
            store(&mut learner, then);
            assert!(learner.state().unwrap() != before);
            learner.put_back(undo);
            assert_eq!(learner.state().unwrap(), before, "{first} and {then}");
        }
    }
}
