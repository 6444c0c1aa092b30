//! Some steps of environments, and the words that they leave in a ring.

use crate::check::support::{Guarded, Random, Report, schedule};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::replay_store::{self, ReplayShape};
use crate::reference::replay::{Replay, Step};
use ndarray::{Array1, Array2};

/// Flags of a record, as part replay has them.
const TRUNCATED: u32 = 2;

/// What comes before the actions and the rows of the first step.
const ACTIONS_OFFSET: usize = 3;
const ROW_OFFSET: usize = 2;

/// Steps of environments, drawn.
pub(super) struct World {
    pub shape: ReplayShape,
    pub steps: usize,
    obs: Vec<f32>,
    final_obs: Vec<f32>,
    actions: Vec<u32>,
    rewards: Vec<f32>,
    terminated: Vec<u32>,
    truncated: Vec<u32>,
}

impl World {
    /// `ends`: one step in so many terminates, and as many are cut off; 0: none.
    pub fn new(shape: ReplayShape, steps: usize, ends: u32) -> Self {
        let mut random = Random::new((steps * 31) as u64 + u64::from(shape.capacity + 7 * shape.obs_dim));
        let (envs, obs_dim) = (shape.envs as usize, shape.obs_dim as usize);
        let rows = ROW_OFFSET + steps * envs;
        let mut flags = || if ends == 0 { vec![0; rows] } else { random.flags(rows, ends) };
        let (terminated, truncated) = (flags(), flags());
        Self {
            shape,
            steps,
            obs: random.normals((steps + 1) * envs * obs_dim, 1.0),
            final_obs: random.normals(rows * obs_dim, 1.0),
            actions: random.words(ACTIONS_OFFSET + steps * envs * shape.action_words as usize),
            rewards: random.normals(rows, 1.0),
            terminated,
            truncated,
        }
    }

    fn obs(&self, step: usize, env: usize) -> &[f32] {
        let width = self.shape.obs_dim as usize;
        &self.obs[(step * self.shape.envs as usize + env) * width..][..width]
    }

    fn row(&self, step: usize, env: usize) -> usize {
        ROW_OFFSET + step * self.shape.envs as usize + env
    }

    fn action(&self, step: usize, env: usize) -> &[u32] {
        let width = self.shape.action_words as usize;
        &self.actions[ACTIONS_OFFSET + (step * self.shape.envs as usize + env) * width..][..width]
    }

    /// What really followed.
    fn next(&self, step: usize, env: usize) -> &[f32] {
        let (row, width) = (self.row(step, env), self.shape.obs_dim as usize);
        let ended = self.terminated[row] != 0 || self.truncated[row] != 0;
        if ended { &self.final_obs[row * width..][..width] } else { self.obs(step + 1, env) }
    }

    /// The reference's ring after all steps.
    pub fn replay(&self) -> Result<Replay<f64>> {
        let ReplayShape { capacity, envs, obs_dim, action_words, .. } = self.shape;
        let (places, envs, obs_dim, words) =
            (capacity as usize, envs as usize, obs_dim as usize, action_words as usize);
        let mut replay = Replay::new([places, envs], obs_dim, words);
        for t in 0..self.steps {
            let flags = |flags: &[u32]| Array1::from_shape_fn(envs, |n| flags[self.row(t, n)]);
            replay.store(&Step {
                obs: Array2::from_shape_fn((envs, obs_dim), |(n, i)| f64::from(self.obs(t, n)[i])).view(),
                actions: Array2::from_shape_fn((envs, words), |(n, i)| self.action(t, n)[i]).view(),
                rewards: Array1::from_shape_fn(envs, |n| f64::from(self.rewards[self.row(t, n)])).view(),
                next_obs: Array2::from_shape_fn((envs, obs_dim), |(n, i)| f64::from(self.next(t, n)[i])).view(),
                terminated: flags(&self.terminated).view(),
                truncated: flags(&self.truncated).view(),
            })?;
        }
        Ok(replay)
    }

    /// The steps after which environment `env` was cut off without being in a terminal state.
    fn kept(&self, env: usize) -> Vec<usize> {
        let cut = |t: &usize| self.truncated[self.row(*t, env)] != 0 && self.terminated[self.row(*t, env)] == 0;
        (0..self.steps).filter(cut).collect()
    }

    /// The newest step at a place, if there is one.
    pub fn newest_at(&self, place: usize) -> Option<usize> {
        let capacity = self.shape.capacity as usize;
        (0..self.steps).rev().find(|t| t % capacity == place)
    }

    /// Whether the compact form has its own observation in place of what followed.
    pub fn stands_for_itself(&self, step: usize, env: usize) -> bool {
        let newer = self.kept(env).into_iter().filter(|t| *t > step).count();
        let row = self.row(step, env);
        let lost = self.truncated[row] != 0 && newer >= self.shape.slots as usize;
        self.shape.slots > 0 && (self.terminated[row] != 0 || lost)
    }

    /// All words of the ring.
    pub fn ring(&self) -> Vec<u32> {
        let width = self.shape.record_words() as usize;
        let mut words = Vec::new();
        for place in 0..self.shape.capacity as usize {
            for env in 0..self.shape.envs as usize {
                let Some(t) = self.newest_at(place) else {
                    words.resize(words.len() + width, 0);
                    continue;
                };
                let row = self.row(t, env);
                let slot = self.kept(env).iter().position(|kept| *kept == t);
                let slot = slot.filter(|_| self.shape.slots > 0).map_or(0, |i| i as u32 % self.shape.slots);
                let flags = u32::from(self.terminated[row] != 0) + TRUNCATED * u32::from(self.truncated[row] != 0);
                words.extend([self.rewards[row].to_bits(), flags + 4 * slot]);
                words.extend(self.action(t, env));
                words.extend(self.obs(t, env).iter().map(|x| x.to_bits()));
                if self.shape.slots == 0 {
                    words.extend(self.next(t, env).iter().map(|x| x.to_bits()));
                }
            }
        }
        words
    }

    /// All words of the ends, in the compact form.
    pub fn ends(&self) -> Vec<u32> {
        let (slots, capacity) = (self.shape.slots as usize, self.shape.capacity as usize);
        let mut words = Vec::new();
        for env in 0..self.shape.envs as usize {
            let kept = self.kept(env);
            let lost = (slots..kept.len()).filter(|i| kept[*i] - kept[i - slots] < capacity).count();
            words.extend([(kept.len() % slots) as u32, lost as u32]);
            words.extend(self.next(self.steps - 1, env).iter().map(|x| x.to_bits()));
            for slot in 0..slots {
                let newest = (0..kept.len()).rev().find(|i| i % slots == slot);
                let nothing = || vec![0; 1 + self.shape.obs_dim as usize];
                let written = newest.map(|i| {
                    let own = self.next(kept[i], env).iter().map(|x| x.to_bits());
                    std::iter::once((kept[i] % capacity) as u32).chain(own).collect()
                });
                words.extend(written.unwrap_or_else(nothing));
            }
        }
        words
    }

    /// Stores all steps on the device, the last in a submission of its own.
    pub fn store(&self, gpu: &Gpu, report: &Report) -> Result<[Guarded<u32>; 2]> {
        let b = (
            Guarded::holding(gpu, "obs", &self.obs)?,
            Guarded::holding(gpu, "final_obs", &self.final_obs)?,
            Guarded::holding(gpu, "actions", &self.actions)?,
            Guarded::holding(gpu, "rewards", &self.rewards)?,
            Guarded::holding(gpu, "terminated", &self.terminated)?,
            Guarded::holding(gpu, "truncated", &self.truncated)?,
            Guarded::updated(gpu, "ring", &vec![0; self.shape.ring_words() as usize])?,
            Guarded::updated(gpu, "ends", &vec![0; self.shape.ends_words() as usize])?,
        );
        let io = replay_store::Io {
            obs: b.0.io(),
            final_obs: b.1.io(),
            actions: b.2.io(),
            rewards: b.3.io(),
            terminated: b.4.io(),
            truncated: b.5.io(),
            ring: b.6.io(),
            ends: b.7.io(),
        };
        let ReplayShape { capacity, envs, obs_dim, action_words, slots } = self.shape;
        let params = |(t, step_offset): (usize, usize)| replay_store::Params {
            envs,
            capacity,
            obs_dim,
            action_words,
            slots,
            step_offset: step_offset as u32,
            obs_offset: t as u32 * envs * obs_dim,
            next_offset: (t as u32 + 1) * envs * obs_dim,
            actions_offset: ACTIONS_OFFSET as u32 + t as u32 * envs * action_words,
            row_offset: ROW_OFFSET as u32 + t as u32 * envs,
            ..Default::default()
        };
        let last = self.steps - 1;
        for steps in [0..last, last..self.steps] {
            let first = steps.start;
            let all: Vec<_> = steps.map(|t| params((t, t - first))).collect();
            let values = PerUpdate { replay_place: first as u32 % capacity, ..PerUpdate::default() };
            let (ring, slot) = schedule(gpu, &values)?;
            if !all.is_empty() {
                report.run(gpu, &replay_store::bind(gpu, &all, &io, &ring)?, slot)?;
            }
        }
        Ok([b.6, b.7])
    }
}
