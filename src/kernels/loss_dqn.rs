//! DQN's loss of a batch (Mnih et al. 2015, algorithm 1): its gradient at the network's outputs, and partial sums of its statistics.
//!
//! ```text
//! y = r + (1 − terminated) · discount · Q_target(s', a*)
//! a* = argmax_a Q_target(s', a),   or argmax_a Q(s', a) of the online network: double DQN (van Hasselt et al. 2016)
//! loss = mean over the batch of f(Q(s, a) − y),   f(d) = d², or Huber's: ½ d² where |d| < 1, else |d| − ½
//! dueling: Q = V + A − mean_a A (Wang et al. 2016, equation 9);   d_A = d_Q − mean_a d_Q,   d_V = Σ_a d_Q
//! ```
//!
//! All three tables of Q are ranges of one buffer, as a forward pass of several networks leaves them; without double DQN the chooser is the
//! target network's own. Of equal values the first is chosen. An action that there is not counts as the last one; check them on the host.

use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "loss_dqn",
    parts: [MATH, PARTIAL],
    schedule: false,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// Actions to choose from.
        pub choices: u32,
        /// First element of the online network's values of the observations.
        pub q_offset: u32,
        /// First element of the target network's values of the next observations.
        pub next_offset: u32,
        /// First element of the values of the next observations that choose.
        pub chooser_offset: u32,
        /// 1: Huber's error; 0: squared.
        pub huber: u32,
        /// 1 / B; set by `bind`.
        pub inverse_rows: f32,
        /// 1: the tables have advantages A, and V of each row is in `q`, too.
        pub dueling: u32,
        /// First element of the online network's V of the observations; with `dueling`, as the next two.
        pub value_offset: u32,
        /// First element of the target network's V of the next observations.
        pub next_value_offset: u32,
        /// First element of `d_q` that is the gradient by V.
        pub d_value_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[rows, choices]` from each of the three offsets on; with `dueling` `[rows]` from each of the two of V.
        q: Read f32,
        /// Indices, `[rows]`.
        actions: Read u32,
        /// `[rows]`: reward, discount, 1 if terminated, as [`super::replay_sample`] leaves them.
        samples: Read [f32; 4],
        /// Gradient of the mean loss by the online network's values, `[rows, choices]`; with `dueling` by its advantages, and `[rows]` by V.
        d_q: ReadWrite f32,
        /// [`groups`]`(rows)`: sums over 64 rows of loss, Q of the actions and target; how many rows are not finite.
        loss_partials: ReadWrite [f32; 4],
    },
}

/// Elements of `loss_partials`.
pub fn groups(rows: u32) -> u32 {
    rows.div_ceil(WORKGROUP)
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] without choices.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, choices) = (p.rows, p.choices);
        if choices == 0 {
            return Err(Error::config("choices", "is 0, must be at least 1"));
        }
        let (walks, times) = if p.dueling == 0 { (2, "twice") } else { (4, "four times") };
        iterations(name, walks * u64::from(choices), || format!("choices {choices}, {times}"))?;
        let numbers = u64::from(rows) * u64::from(choices);
        for offset in [p.q_offset, p.next_offset, p.chooser_offset] {
            let shape = || format!("offset {offset} + rows {rows} × choices {choices}");
            elements(name, "q", io.q, u64::from(offset) + numbers, shape)?;
        }
        let shape = || format!("rows {rows}");
        elements(name, "actions", io.actions, rows.into(), shape)?;
        elements(name, "samples", io.samples, rows.into(), shape)?;
        elements(name, "d_q", io.d_q, numbers, || format!("rows {rows} × choices {choices}"))?;
        if p.dueling != 0 {
            for (what, buffer, offset) in
                [("q", io.q, p.value_offset), ("q", io.q, p.next_value_offset), ("d_q", io.d_q, p.d_value_offset)]
            {
                let needs = u64::from(offset) + u64::from(rows);
                elements(name, what, buffer, needs, || format!("offset {offset} + rows {rows}"))?;
            }
        }
        elements(name, "loss_partials", io.loss_partials, groups(rows).into(), || {
            format!("rows {rows} / {WORKGROUP}")
        })?;
        let inverse_rows = (1.0 / f64::from(rows.max(1))) as f32;
        calls.push((Params { inverse_rows, ..*p }, Grid::Groups(groups(rows).into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
