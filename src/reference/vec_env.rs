//! Many environments side by side.

use super::env::{EnvAction, observe, start, step};
use crate::data::{Actions, Autoreset, check_shape};
use crate::env::Env;
use crate::error::Result;
use crate::memory::{require, small, total};
use crate::state::EpisodeStats;
use ndarray::{Array1, Array2};

/// What one step of many environments did; all `[count]` or `[count, …]`.
#[derive(Debug, Clone)]
pub struct VecStep {
    /// Rewards.
    pub rewards: Array1<f32>,
    /// 1 where a terminal state was reached.
    pub terminated: Array1<u32>,
    /// 1 where the time limit was reached; both flags may be set, as in Gymnasium.
    pub truncated: Array1<u32>,
    /// 1, or 0 where the step only reset, or stayed where it was, because an earlier one had ended the episode.
    pub valid: Array1<u32>,
    /// The observation after the step and before a reset by the end of an episode.
    pub final_obs: Array2<f32>,
    /// Return and length of the episode that ended, per environment.
    pub ended: Vec<Option<(f32, u32)>>,
    /// The same, summed up.
    pub episodes: EpisodeStats,
}

/// Set in the word of an episode's steps where the episode has ended and nothing was reset yet.
const ENDED: u32 = 1 << 31;

/// Copies of one environment that step side by side, with same-step autoreset unless another is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct VecEnv {
    env: Env,
    seed: u64,
    /// The index of the first one in draws.
    first: usize,
    count: usize,
    words: Vec<u32>,
    step: u64,
    autoreset: Autoreset,
}

impl VecEnv {
    /// `count` environments in their start states (step 0).
    ///
    /// # Errors
    /// [`crate::Error::OwnLimit`] for more than 2³² − 1, whose draws would not differ; [`crate::Error::Memory`].
    pub fn new(env: Env, count: usize, seed: u64) -> Result<Self> {
        Self::part(env, 0, count, seed)
    }

    /// Those from `first` on of more, `count` of them, in their start states.
    ///
    /// # Errors
    /// As [`new`](Self::new) of all up to the last of them.
    pub fn part(env: Env, first: usize, count: usize, seed: u64) -> Result<Self> {
        small(&format!("{} copies of {}", first.saturating_add(count), env.name()), first.saturating_add(count))?;
        Self::check(env, count)?;
        let words = (first..first + count).flat_map(|index| fresh(env, seed, index, 0)).collect();
        Ok(Self { env, seed, first, count, words, step: 0, autoreset: Autoreset::SameStep })
    }

    /// `count` environments as they were saved.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`restore`](Self::restore).
    pub fn from_words(env: Env, count: usize, words: &[u32], step: u64, seed: u64) -> Result<Self> {
        Self::check(env, count)?;
        let mut envs = Self { env, seed, first: 0, count, words: Vec::new(), step, autoreset: Autoreset::SameStep };
        envs.restore(words, step, seed)?;
        Ok(envs)
    }

    /// That there can be so many.
    fn check(env: Env, count: usize) -> Result<()> {
        let what = || format!("{count} copies of {}", env.name());
        small(&what(), count)?;
        // Their states twice, while a step is taken; what it returns, and the observations.
        let words = 2 * env.state_words() + 2 * env.obs_dim() + 8;
        require(what, total(&[&[count, words, size_of::<u32>()]]))
    }

    /// The same as those from `first` on of more.
    #[must_use]
    pub fn from_index(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// The same with another autoreset.
    #[must_use]
    pub fn with_autoreset(self, autoreset: Autoreset) -> Self {
        Self { autoreset, ..self }
    }

    /// New episodes where one has ended: what [`Autoreset::Disabled`] leaves to the caller.
    pub fn reset_ended(&mut self) {
        let width = self.env.state_words();
        for (index, words) in self.words.chunks_mut(width).enumerate() {
            if words[width - 1] & ENDED != 0 {
                words.copy_from_slice(&fresh(self.env, self.seed, self.first + index, self.step));
            }
        }
    }

    /// `[count, env.state_words()]`, see [`Env::state_words`].
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Steps taken.
    pub fn steps_taken(&self) -> u64 {
        self.step
    }

    /// Continues from saved words.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if they belong to another environment or number of copies.
    pub fn restore(&mut self, words: &[u32], step: u64, seed: u64) -> Result<()> {
        check_shape("env.state", &[words.len()], &[self.count.saturating_mul(self.env.state_words())])?;
        (self.words, self.step, self.seed) = (words.to_vec(), step, seed);
        Ok(())
    }

    /// Current observations, `[count, obs_dim]`.
    pub fn obs(&self) -> Array2<f32> {
        let mut obs = Array2::zeros((self.count, self.env.obs_dim()));
        for (mut row, words) in obs.rows_mut().into_iter().zip(self.words.chunks(self.env.state_words())) {
            row.assign(&Array1::from(observe(self.env, &floats(&words[..self.env.state_dim()]))));
        }
        obs
    }

    /// One step of all environments.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if `actions` do not fit; nothing was changed then.
    pub fn step(&mut self, actions: &Actions) -> Result<VecStep> {
        actions.validate(&self.env.head(), self.count)?;
        let (dim, width) = (self.env.state_dim(), self.env.state_words());
        let mut result = VecStep {
            rewards: Array1::zeros(self.count),
            terminated: Array1::zeros(self.count),
            truncated: Array1::zeros(self.count),
            valid: Array1::ones(self.count),
            final_obs: Array2::zeros((self.count, self.env.obs_dim())),
            ended: vec![None; self.count],
            episodes: EpisodeStats::NONE,
        };
        for (index, words) in self.words.chunks_mut(width).enumerate() {
            let action = match actions {
                Actions::Discrete(array) | Actions::Masked { indices: array, .. } => {
                    EnvAction::Index(array[[index, 0]])
                }
                Actions::Continuous(array) => EnvAction::Float(array[[index, 0]]),
            };
            if words[dim + 1] & ENDED != 0 {
                if self.autoreset != Autoreset::Disabled {
                    words.copy_from_slice(&fresh(self.env, self.seed, self.first + index, self.step.wrapping_add(1)));
                }
                result.valid[index] = 0;
                result.final_obs.row_mut(index).assign(&Array1::from(observe(self.env, &floats(&words[..dim]))));
                continue;
            }
            let outcome = step(self.env, &floats(&words[..dim]), action)?;
            let (total, length) = (f32::from_bits(words[dim]) + outcome.reward, words[dim + 1] + 1);
            let truncated = length >= self.env.time_limit();
            let ended = outcome.terminated || truncated;
            result.rewards[index] = outcome.reward;
            result.terminated[index] = outcome.terminated.into();
            result.truncated[index] = truncated.into();
            result.final_obs.row_mut(index).assign(&Array1::from(observe(self.env, &outcome.state)));
            if ended {
                result.ended[index] = Some((total, length));
                result.episodes = result.episodes.merge(episode(total, length));
            }
            if ended && self.autoreset == Autoreset::SameStep {
                words.copy_from_slice(&fresh(self.env, self.seed, self.first + index, self.step.wrapping_add(1)));
            } else {
                for (word, value) in words.iter_mut().zip(outcome.state.iter().chain([&total])) {
                    *word = value.to_bits();
                }
                words[dim + 1] = if ended { length | ENDED } else { length };
            }
        }
        self.step = self.step.wrapping_add(1);
        Ok(result)
    }
}

fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|word| f32::from_bits(*word)).collect()
}

/// Statistics of one episode.
pub(crate) fn episode(total: f32, length: u32) -> EpisodeStats {
    EpisodeStats::of(total.into(), length.into())
}

fn fresh(env: Env, seed: u64, index: usize, at: u64) -> Vec<u32> {
    start(env, seed, index as u32, at).into_iter().map(f32::to_bits).chain([0_f32.to_bits(), 0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Two cars, one of them a step before the goal.
    fn cars(autoreset: Autoreset) -> VecEnv {
        let mut cars = VecEnv::new(Env::MountainCar, 2, 7).unwrap().with_autoreset(autoreset);
        let mut words = cars.words().to_vec();
        (words[0], words[1]) = (0.44_f32.to_bits(), 0.05_f32.to_bits());
        cars.restore(&words, 3, 7).unwrap();
        cars
    }

    fn rest() -> Actions {
        Actions::Continuous(array![[0.0], [0.0]])
    }

    #[test]
    fn each_autoreset_resets_when_it_says() {
        let dim = Env::MountainCar.state_dim();
        for autoreset in Autoreset::ALL {
            let mut cars = cars(autoreset);
            let first = cars.step(&rest()).unwrap();
            assert_eq!((first.terminated[0], first.rewards[0], first.ended[0]), (1, 100.0, Some((100.0, 1))));
            assert_eq!(first.valid, array![1, 1]);
            let at_goal = cars.obs()[[0, 0]] >= 0.45;
            assert_eq!(at_goal, autoreset != Autoreset::SameStep, "{autoreset:?}");

            let second = cars.step(&rest()).unwrap();
            assert_eq!(second.terminated[0], 0, "an end is told once");
            assert_eq!(second.episodes.count, 0);
            assert_eq!(second.valid, array![u32::from(autoreset == Autoreset::SameStep), 1], "{autoreset:?}");
            if autoreset == Autoreset::NextStep {
                // Step 4 reset, so the draw is that of step 5.
                let start = observe(Env::MountainCar, &start(Env::MountainCar, 7, 0, 5));
                assert_eq!(cars.obs().row(0).to_vec(), start);
                assert_eq!(cars.words()[dim + 1], 0);
            }
            let before = cars.obs();
            cars.reset_ended();
            assert_eq!(cars.obs() != before, autoreset == Autoreset::Disabled, "{autoreset:?}");
            assert_eq!(cars.obs().row(1), before.row(1));
            assert_eq!(cars.step(&rest()).unwrap().valid, array![1, 1]);
        }
    }
}
