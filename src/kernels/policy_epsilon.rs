//! DQN's actions (Mnih et al. 2015, algorithm 1): with probability ε one of the choices, all alike, else the one of the greatest value.
//!
//! ```text
//! a = below(words, choices) if uniform(words[2]) < ε, else argmax_a Q(s, a), the first of equals
//! words = Philox(seed, Draw::Exploration, row, 0, policy step)
//! ```
//!
//! ε = 0 gives greedy actions. It is a word of a buffer, so that steps of one recording have each their own.

use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "policy_epsilon",
    parts: [PHILOX, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// Actions to choose from.
        pub choices: u32,
        /// First element of the values.
        pub values_offset: u32,
        /// First element of the actions.
        pub actions_offset: u32,
        /// Element of `epsilon` that counts.
        pub epsilon_at: u32,
        /// Added to the schedule's policy step.
        pub step_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[rows, choices]` from `values_offset` on.
        values: Read f32,
        /// Probabilities, from 0 to 1.
        epsilon: Read f32,
        /// Indices, `[rows]` from `actions_offset` on.
        actions: ReadWrite u32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::OwnLimit`] for more choices than an invocation walks, [`Error::Config`] without choices.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, choices) = (p.rows, p.choices);
        if choices == 0 {
            return Err(Error::config("choices", "is 0, must be at least 1"));
        }
        iterations(name, choices.into(), || format!("choices {choices}"))?;
        let needs = u64::from(p.values_offset) + u64::from(rows) * u64::from(choices);
        elements(name, "values", io.values, needs, || {
            format!("offset {} + rows {rows} × choices {choices}", p.values_offset)
        })?;
        elements(name, "epsilon", io.epsilon, u64::from(p.epsilon_at) + 1, || {
            format!("epsilon_at {} + 1", p.epsilon_at)
        })?;
        let needs = u64::from(p.actions_offset) + u64::from(rows);
        elements(name, "actions", io.actions, needs, || format!("offset {} + rows {rows}", p.actions_offset))?;
        calls.push((*p, Grid::Items(rows.into())));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
