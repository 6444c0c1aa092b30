//! One step of N environments into a ring of transitions `[capacity, envs]`.
//!
//! The place is the schedule's `replay_place` plus `step_offset`, so a recording that stores several steps needs nothing from the host but that
//! word. A transition is a record of 32-bit words: reward, flags, the action's words, the observation and, in the **plain form**, what followed
//! it: `4 (2 obs_dim + action_words + 2)` bytes. At an end that is the real last observation, from `final_obs`; environments are reset in the same
//! step ([`crate::env::Autoreset::SameStep`]), as every transition is stored.
//!
//! The **compact form** does not store observations twice: what followed a transition is the observation at the next place of the same
//! environment, `4 (obs_dim + action_words + 2)` bytes. What followed the newest place is kept apart, and so is the real last observation of a
//! truncation, in one of `slots` of that environment. Behind a terminal state nobody looks: its transition's own observation stands
//! there. [`ReplayShape::slots_for`] says how many slots are enough. If truncations come closer together, the oldest loses its last
//! observation, for which its own observation stands, and the second word of its environment in `ends` counts that.

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Element, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "replay_store",
    parts: [SCHEDULE, REPLAY],
    schedule: true,
    head: false,
    params: {
        /// N.
        pub envs: u32,
        /// Places of the ring.
        pub capacity: u32,
        /// Numbers of an observation.
        pub obs_dim: u32,
        /// Words of an action.
        pub action_words: u32,
        /// Last observations of truncations that an environment keeps; 0: the plain form.
        pub slots: u32,
        /// Added to the schedule's place.
        pub step_offset: u32,
        /// First element of the observations before the step.
        pub obs_offset: u32,
        /// First element of those after it.
        pub next_offset: u32,
        /// First of the actions' words.
        pub actions_offset: u32,
        /// First row of this step in `final_obs`, `rewards`, `terminated` and `truncated`.
        pub row_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[envs, obs_dim]` from `obs_offset` and from `next_offset` on.
        obs: Read f32,
        /// `[rows, obs_dim]`; read where the step ended an episode.
        final_obs: Read f32,
        /// `[envs, action_words]` from `actions_offset` on.
        actions: Read u32,
        /// `[rows]`.
        rewards: Read f32,
        /// `[rows]`, 0 or not.
        terminated: Read u32,
        /// `[rows]`, 0 or not.
        truncated: Read u32,
        /// [`ReplayShape::ring_words`].
        ring: ReadWrite u32,
        /// [`ReplayShape::ends_words`], all 0 before the first step; in the plain form any buffer.
        ends: ReadWrite u32,
    },
}

/// The shape of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayShape {
    /// Places, each of a transition of every environment.
    pub capacity: u32,
    /// N.
    pub envs: u32,
    /// Numbers of an observation.
    pub obs_dim: u32,
    /// Words of an action.
    pub action_words: u32,
    /// Slots of the compact form; 0: the plain form.
    pub slots: u32,
}

impl ReplayShape {
    /// Slots that are enough where an environment is truncated at most every `least_steps` steps, as by a time limit of so many.
    pub fn slots_for(capacity: u32, least_steps: u32) -> u32 {
        capacity.div_ceil(least_steps.max(1)).max(1)
    }

    /// Words of a transition, without those of ends.
    pub fn record_words(&self) -> u64 {
        let copies = if self.slots == 0 { 2 } else { 1 };
        2 + u64::from(self.action_words) + copies * u64::from(self.obs_dim)
    }

    /// Words of the buffer `ring`.
    pub fn ring_words(&self) -> u64 {
        let transitions = u64::from(self.capacity) * u64::from(self.envs);
        transitions.saturating_mul(self.record_words())
    }

    /// Words of the buffer `ends`.
    pub fn ends_words(&self) -> u64 {
        if self.slots == 0 {
            return 1;
        }
        let obs_dim = u64::from(self.obs_dim);
        let own = (2 + obs_dim).saturating_add(u64::from(self.slots) * (1 + obs_dim));
        own.saturating_mul(u64::from(self.envs))
    }

    /// Bytes of a transition, with its share of the ends.
    pub fn bytes_per_transition(&self) -> f64 {
        let ends = if self.slots == 0 { 0 } else { self.ends_words() };
        4.0 * (self.ring_words() as f64 + ends as f64) / (f64::from(self.capacity) * f64::from(self.envs))
    }

    /// Buffers `ring` and `ends`, without a transition.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`Error::Limit`] with both numbers if either is larger than the device binds at once,
    /// [`Error::OutOfMemory`], on a software adapter [`Error::Memory`].
    pub fn buffers(&self, gpu: &Gpu) -> Result<[Buffer<u32>; 2]> {
        self.validate()?;
        Ok([gpu.buffer("ring", self.ring_words())?, gpu.buffer("ends", self.ends_words())?])
    }

    /// That there is a place for something, and that a word numbers transitions and slots.
    ///
    /// # Errors
    /// [`Error::Config`] for a capacity, environments or observations of 0; [`Error::OwnLimit`].
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [("capacity", self.capacity), ("envs", self.envs), ("obs_dim", self.obs_dim)] {
            if value == 0 {
                return Err(Error::config(field, "is 0, must be at least 1"));
            }
        }
        let most = |what: &str, limit, needs: u64, has: u32| {
            let fits = needs <= u64::from(has);
            let refused = Error::OwnLimit { what: format!("replay: {what}"), limit, needs, has: has.into() };
            if fits { Ok(()) } else { Err(refused) }
        };
        most("capacity × envs", "u32 number", u64::from(self.capacity) * u64::from(self.envs), u32::MAX)?;
        most("slots", "30-bit number", self.slots.into(), (1 << 30) - 1)
    }

    /// That both buffers hold the ring.
    pub(super) fn check<T: Element>(&self, name: &'static str, ring: &Buffer<T>, ends: &Buffer<T>) -> Result<()> {
        self.validate()?;
        let Self { capacity, envs, obs_dim, slots, .. } = self;
        let shape = || format!("capacity {capacity} × envs {envs} × record {}", self.record_words());
        elements(name, "ring", ring, self.ring_words(), shape)?;
        let shape = || format!("envs {envs} × (2 + obs_dim {obs_dim} + slots {slots} × (1 + obs_dim))");
        elements(name, "ends", ends, self.ends_words(), shape)
    }
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or as [`ReplayShape::validate`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let Params { envs, capacity, obs_dim, action_words, slots, .. } = *p;
        ReplayShape { capacity, envs, obs_dim, action_words, slots }.check(name, io.ring, io.ends)?;
        for offset in [p.obs_offset, p.next_offset] {
            let shape = || format!("offset {offset} + envs {envs} × obs_dim {obs_dim}");
            elements(name, "obs", io.obs, span(offset, envs, obs_dim, obs_dim), shape)?;
        }
        let rows = u64::from(p.row_offset) + u64::from(envs);
        let shape = || format!("row_offset {} + envs {envs}", p.row_offset);
        elements(name, "final_obs", io.final_obs, rows * u64::from(obs_dim), || format!("({}) × {obs_dim}", shape()))?;
        let words = span(p.actions_offset, envs, action_words, action_words);
        elements(name, "actions", io.actions, words, || {
            format!("offset {} + envs {envs} × action_words {action_words}", p.actions_offset)
        })?;
        elements(name, "rewards", io.rewards, rows, shape)?;
        elements(name, "terminated", io.terminated, rows, shape)?;
        elements(name, "truncated", io.truncated, rows, shape)?;
        calls.push((*p, Grid::Groups(envs.into())));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time limit of 50 steps or more, one word of action.
    #[test]
    fn the_compact_form_takes_at_most_six_tenths_at_64_numbers() {
        let plain = ReplayShape { capacity: 10_000, envs: 4, obs_dim: 64, action_words: 1, slots: 0 };
        let compact = ReplayShape { slots: ReplayShape::slots_for(10_000, 50), ..plain };
        let share = compact.bytes_per_transition() / plain.bytes_per_transition();
        assert_eq!(plain.bytes_per_transition(), 4.0 * 131.0);
        assert!((0.5..=0.6).contains(&share), "{share}");
        assert_eq!((ReplayShape::slots_for(10, 3), ReplayShape::slots_for(10, 0)), (4, 10));
        assert_eq!(ReplayShape::slots_for(10, 1000), 1);
    }

    #[test]
    fn a_ring_without_places_or_with_too_many_is_refused() {
        let sound = ReplayShape { capacity: 8, envs: 2, obs_dim: 3, action_words: 0, slots: 0 };
        assert!(sound.validate().is_ok());
        for broken in [
            ReplayShape { capacity: 0, ..sound },
            ReplayShape { envs: 0, ..sound },
            ReplayShape { obs_dim: 0, ..sound },
            ReplayShape { capacity: u32::MAX, ..sound },
            ReplayShape { slots: 1 << 30, ..sound },
        ] {
            assert!(broken.validate().is_err(), "{broken:?}");
        }
    }
}
