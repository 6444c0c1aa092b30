//! A backtracking line search that accepts or refuses on the device.
//!
//! Try j is θ = θ_old + `factor` · step_scale · x, with x and step_scale from [`cg_step`]. It is accepted if all its rows are
//! finite, KL ≤ `max_kl` · `kl_margin` and the surrogate improves as `acceptance` says (Schulman et al. 2015, appendix C; the ratio to the
//! expected improvement `factor` · step_scale · b·x is that of the authors' own code). After the first accepted try the others do nothing;
//! if none was, the parameters are those of before, bit for bit. The calls go around the network and
//! [`loss_trust_region`](super::loss_trust_region):
//!
//! ```text
//! keep(p)   loss at θ_old, before(p)   tries times:  candidate(p, j, factor), loss at θ, decide(p, j, factor)   restore(p)
//! ```

use super::cg_step;
use super::words::{codes, word};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_line_search",
    parts: [MATH, CG, DIVERGENCE, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Elements of the parameters.
        pub count: u32,
        /// Partial sums of the loss, [`groups`](super::loss_trust_region::groups).
        pub groups: u32,
        /// [`Phase::code`]; [`keep`], [`before`], [`candidate`], [`decide`] and [`restore`] set it.
        pub phase: u32,
        /// Number of the try, from 0.
        pub index: u32,
        /// Largest number of tries.
        pub line_search_steps: u32,
        /// Share of the full step in this try, shrinkʲ.
        pub factor: f32,
        /// δ.
        pub max_kl: f32,
        /// A try is accepted up to a KL of `max_kl` · `kl_margin`.
        pub kl_margin: f32,
        /// [`KlDirection::code`](crate::config::KlDirection::code).
        pub kl_direction: u32,
        /// What the improvement must be, [`Acceptance::code`](crate::config::Acceptance::code); with a ratio above 0, too.
        pub acceptance: u32,
        /// Of the improvement to what was expected; read with [`Acceptance::Ratio`](crate::config::Acceptance::Ratio).
        pub ratio: f32,
        /// 1 / rows of the loss.
        pub inverse_rows: f32,
        /// 0: no conditions but that all numbers are finite (natural gradient).
        pub line_search: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// θ, `[count]`.
        parameters: ReadWrite f32,
        /// θ_old, `[count]`.
        parameters_old: ReadWrite f32,
        /// x, `[count]`; 0 for a parameter that must not move.
        solution: Read f32,
        /// Scalars of [`cg_step`], `[cg_step::scalars(..)]`.
        cg: Read f32,
        /// From [`loss_trust_region`](super::loss_trust_region), `[groups]`.
        trust_partials: Read [f32; 4],
        /// `[words(line_search_steps)]`, by the constants of this module.
        search: ReadWrite f32,
    },
}

/// Mean surrogate at θ_old.
pub const OBJECTIVE_BEFORE: usize = word(DEF.source, "SEARCH_OBJECTIVE_BEFORE");
/// 1 if a try was accepted.
pub const ACCEPTED: usize = word(DEF.source, "SEARCH_ACCEPTED");
/// Number of that try, from 0.
pub const ACCEPTED_TRY: usize = word(DEF.source, "SEARCH_ACCEPTED_TRY");
/// Its KL.
pub const KL: usize = word(DEF.source, "SEARCH_KL");
/// Its surrogate.
pub const OBJECTIVE: usize = word(DEF.source, "SEARCH_OBJECTIVE");
/// Tries that were looked at.
pub const TRIES: usize = word(DEF.source, "SEARCH_TRIES");
/// Improvement that the last of them promised.
pub const EXPECTED: usize = word(DEF.source, "SEARCH_EXPECTED");
/// KL at θ_old: 0 except for rounding.
pub const KL_BEFORE: usize = word(DEF.source, "SEARCH_KL_BEFORE");
/// First of a (KL, surrogate) per candidate; 0 if it was not evaluated.
pub const OF_TRIES: usize = word(DEF.source, "SEARCH_OF_TRIES");

codes! {
    /// What a call does; each has a function of this module.
    Phase of DEF.source => {
        /// [`keep`].
        Keep = "PHASE_KEEP",
        /// [`before`].
        Before = "PHASE_BEFORE",
        /// [`candidate`].
        Candidate = "PHASE_CANDIDATE",
        /// [`decide`].
        Decide = "PHASE_DECIDE",
        /// [`restore`].
        Restore = "PHASE_RESTORE",
    }
}

/// Length of `search`.
pub const fn words(line_search_steps: u32) -> u64 {
    OF_TRIES as u64 + 2 * line_search_steps as u64
}

/// θ_old = θ.
pub const fn keep(params: Params) -> Params {
    Params { phase: Phase::Keep.code(), ..params }
}

/// Clears `search` and takes the surrogate of before from the partial sums at θ_old.
pub const fn before(params: Params) -> Params {
    Params { phase: Phase::Before.code(), ..params }
}

/// θ of try `index`.
pub const fn candidate(params: Params, index: u32, factor: f32) -> Params {
    Params { phase: Phase::Candidate.code(), index, factor, ..params }
}

/// Accepts or refuses try `index` by the partial sums at θ.
pub const fn decide(params: Params, index: u32, factor: f32) -> Params {
    Params { phase: Phase::Decide.code(), index, factor, ..params }
}

/// θ = θ_old unless a try was accepted.
pub const fn restore(params: Params) -> Params {
    Params { phase: Phase::Restore.code(), ..params }
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let count = u64::from(p.count);
        let shape = || format!("count {count}");
        elements(name, "parameters", io.parameters, count, shape)?;
        elements(name, "parameters_old", io.parameters_old, count, shape)?;
        elements(name, "solution", io.solution, count, shape)?;
        elements(name, "cg", io.cg, cg_step::scalars(0), || "32 scalars".to_owned())?;
        elements(name, "trust_partials", io.trust_partials, p.groups.into(), || format!("groups {}", p.groups))?;
        let steps = p.line_search_steps.max(p.index.saturating_add(1));
        elements(name, "search", io.search, words(steps), || format!("8 + 2 × line_search_steps {steps}"))?;
        let decides = [Phase::Before.code(), Phase::Decide.code()].contains(&p.phase);
        let grid = if decides { Grid::Groups(1) } else { Grid::Items(count) };
        calls.push((*p, grid));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
