//! A batch of transitions from a ring that [`super::replay_store`] filled, drawn uniformly and with replacement.
//!
//! Row r draws one of the `stored · envs` transitions by the counter (seed, gradient step, r), kind
//! [`Draw::Replay`](crate::rng::Draw::Replay), by [`below`](crate::rng::below): an integer number, the same on the host. How many are there is
//! the schedule's `replay_stored` plus `step_offset`, at most the capacity. From the place drawn on it sums up
//!
//! ```text
//! Σ_{i<m} γ^i r_i,   γ^m
//! ```
//!
//! over the m ≤ n steps until the first end or the newest place (Sutton and Barto 2018, equation 7.1; see
//! `reference::td_target::Ring::n_step`), and gathers the observation, the action and what followed the last of the steps. A truncation ends the
//! sum, but is looked beyond: only `terminated` stops the bootstrap.
//!
//! The copies of `seen` are what networks take in: a critic the first, with actions behind the observations (`with_actions`); its target the
//! second, an actor the second and the third in one pass, behind whose observations there is room for what it does.

use super::replay_store::ReplayShape;
use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

/// Most steps of a sum.
pub const MOST_STEPS: u32 = 32;

kernel! {
    stem: "replay_sample",
    parts: [PHILOX, SCHEDULE, REPLAY],
    schedule: true,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// N.
        pub envs: u32,
        /// Places of the ring.
        pub capacity: u32,
        /// Numbers of an observation.
        pub obs_dim: u32,
        /// Words of an action.
        pub action_words: u32,
        /// Slots of the compact form; 0: the plain form.
        pub slots: u32,
        /// n, from 1 to [`MOST_STEPS`].
        pub steps: u32,
        /// γ.
        pub gamma: f32,
        /// Environment steps that the recording has stored by then: added to the schedule's place and to what is stored.
        pub step_offset: u32,
        /// Gradient steps that the recording has taken by then: added to the schedule's.
        pub gradient_offset: u32,
        /// Words from one row of `seen` to the next; what lies between is left as it is.
        pub seen_stride: u32,
        /// 1: the action's words stand behind the observations in copy 0.
        pub with_actions: u32,
        /// 2, or 3: with the observations once more.
        pub copies: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// [`ReplayShape::ring_words`].
        ring: Read u32,
        /// [`ReplayShape::ends_words`]; in the plain form any buffer.
        ends: Read u32,
        /// `[copies, rows, seen_stride]`: words, the bits of numbers.
        seen: ReadWrite u32,
        /// `[rows, action_words]`.
        actions: ReadWrite u32,
        /// `[rows]`: sum of rewards, γ^m, 1 if the last of the steps terminated, m.
        samples: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for steps, copies or a stride out of range, or as [`ReplayShape::validate`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let Params { rows, envs, capacity, obs_dim, action_words, slots, .. } = *p;
        ReplayShape { capacity, envs, obs_dim, action_words, slots }.check(name, io.ring, io.ends)?;
        if !(1..=MOST_STEPS).contains(&p.steps) {
            return Err(Error::config("n_steps", format!("is {}, must be from 1 to {MOST_STEPS}", p.steps)));
        }
        if !(2..=3).contains(&p.copies) {
            return Err(Error::config("copies", format!("is {}, must be 2 or 3", p.copies)));
        }
        let width = u64::from(obs_dim) + if p.with_actions == 0 { 0 } else { u64::from(action_words) };
        if u64::from(p.seen_stride) < width {
            let message = format!("is {}, less than the width {width}: rows would overlap", p.seen_stride);
            return Err(Error::config("seen_stride", message));
        }
        let words = u64::from(p.copies) * u64::from(rows) * u64::from(p.seen_stride);
        let shape = || format!("copies {} × rows {rows} × stride {}", p.copies, p.seen_stride);
        elements(name, "seen", io.seen, words, shape)?;
        let words = span(0, rows, action_words, action_words);
        elements(name, "actions", io.actions, words, || format!("rows {rows} × action_words {action_words}"))?;
        elements(name, "samples", io.samples, rows.into(), || format!("rows {rows}"))?;
        calls.push((*p, Grid::Groups(rows.into())));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
