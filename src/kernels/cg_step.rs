//! Conjugate gradients for A x = b with A = F + damping · I and b = −gradient, every scalar on the device.
//!
//! ```text
//! α = r·r / p·Ap;   x += α p;   r −= α Ap;   β = r′·r′ / r·r;   p = r + β p
//! ```
//!
//! Hestenes & Stiefel 1952. It knows F only by products that another kernel leaves in `product`, so any symmetric operator does. The calls go
//! around that operator:
//!
//! ```text
//! [warm: product ← F x]  start(p)    then cg_iterations times:  product ← F p, iteration(p, i)    then  product ← F x, finish(p)
//! ```
//!
//! It is done, and the iterations that are left change nothing, when r·r or b·b is 0, r·r is at most `tolerance` · b·b or below `absolute`; when
//! p·Ap is not above 0; or when a sum is not finite. x is then what the iterations before gave (with the
//! one after which r·r overflowed); one that is not finite has the length 0. The last but one phase gives the
//! length of the trust region's step, √(2 max_kl / x·Ax) (Schulman et al. 2015, appendix C) or a fixed `step_size`, or 0 where x·Ax
//! or b·x is not above 0 or not finite.

use super::parts::CG;
use super::words::{codes, word};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "cg_step",
    parts: [MATH, CG, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Unknowns.
        pub count: u32,
        /// Partial sums; set by `bind`.
        pub groups: u32,
        /// [`Phase::code`]; [`start`], [`iteration`] and [`finish`] set it.
        pub phase: u32,
        /// Largest number of iterations.
        pub cg_iterations: u32,
        /// Number of this iteration, from 0.
        pub iteration: u32,
        /// Added to the diagonal of F.
        pub damping: f32,
        /// Done when r·r ≤ `tolerance` · b·b.
        pub tolerance: f32,
        /// Done when r·r < `absolute`; 0: off.
        pub absolute: f32,
        /// δ of the step's length.
        pub max_kl: f32,
        /// 1: `solution` holds a first guess and `product` F times it.
        pub warm: u32,
        /// Above 0: the length of the step, in units of x, whatever its KL.
        pub step_size: f32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Gradient of the loss, −b, `[count]`.
        gradient: Read f32,
        /// F p or F x from the operator, then with damping · p or damping · x added, `[count]`.
        product: ReadWrite f32,
        /// p, `[count]`.
        direction: ReadWrite f32,
        /// x, `[count]`.
        solution: ReadWrite f32,
        /// r, `[count]`.
        residual: ReadWrite f32,
        /// `[groups(count)]`.
        cg_partials: ReadWrite [f32; 2],
        /// `[scalars(cg_iterations)]`, by the constants of this module.
        cg: ReadWrite f32,
    },
}

/// r·r.
pub const RR: usize = word(CG.source, "CG_RR");
/// p·Ap of the last iteration.
pub const PAP: usize = word(CG.source, "CG_PAP");
/// α of the last iteration; 0 once done.
pub const ALPHA: usize = word(CG.source, "CG_ALPHA");
/// β of the last iteration.
pub const BETA: usize = word(CG.source, "CG_BETA");
/// b·b, the squared norm of the gradient.
pub const BB: usize = word(CG.source, "CG_BB");
/// 0, or why it ended early: 1 the residual is small, 2 the curvature is not positive, 3 a sum is not finite.
pub const DONE: usize = word(CG.source, "CG_DONE");
/// Steps taken.
pub const ITERATIONS: usize = word(CG.source, "CG_ITERATIONS");
/// Times that p·Ap was not above 0.
pub const NEGATIVE_CURVATURE: usize = word(CG.source, "CG_NEGATIVE_CURVATURE");
/// x·Ax.
pub const XHX: usize = word(CG.source, "CG_XHX");
/// b·x.
pub const BX: usize = word(CG.source, "CG_BX");
/// √(2 max_kl / x·Ax) or `step_size`, or 0: no step.
pub const STEP_SCALE: usize = word(CG.source, "CG_STEP_SCALE");
/// First of `cg_iterations` + 1 values of r·r: before the first iteration and after each; 0 where none was.
pub const TRACE: usize = word(CG.source, "CG_TRACE");

codes! {
    /// What a call does. [`start`], [`iteration`] and [`finish`] have them in order.
    Phase of CG.source => {
        /// r and p, and terms of r·r and b·b.
        Residual = "CG_PHASE_RESIDUAL",
        /// r·r and b·b, and whether anything is left to do.
        Start = "CG_PHASE_START",
        /// A p, and terms of p·Ap.
        Damp = "CG_PHASE_DAMP",
        /// α.
        Alpha = "CG_PHASE_ALPHA",
        /// x and r, and terms of r·r.
        Advance = "CG_PHASE_ADVANCE",
        /// β, and whether it is done.
        Beta = "CG_PHASE_BETA",
        /// p.
        Direction = "CG_PHASE_DIRECTION",
        /// A x, and terms of x·Ax and b·x.
        DampX = "CG_PHASE_DAMP_X",
        /// The step's length.
        Length = "CG_PHASE_LENGTH",
        /// x is 0 where no later solve may begin at it.
        Clear = "CG_PHASE_CLEAR",
    }
}

impl Phase {
    /// Those in which one workgroup adds partial sums and decides by them.
    const DECIDE: [u32; 4] = [Self::Start.code(), Self::Alpha.code(), Self::Beta.code(), Self::Length.code()];

    const fn of(self, params: Params) -> Params {
        Params { phase: self.code(), ..params }
    }
}

/// Length of `cg`.
pub const fn scalars(cg_iterations: u32) -> u64 {
    32 + cg_iterations as u64
}

/// Partial sums for `count` unknowns.
pub const fn groups(count: u32) -> u32 {
    count.div_ceil(4096)
}

/// The two calls before the first iteration. With `warm`, `product` holds F x before them.
pub const fn start(params: Params) -> [Params; 2] {
    [Phase::Residual.of(params), Phase::Start.of(params)]
}

/// The five calls of iteration `index`, after `product` ← F `direction`.
pub const fn iteration(params: Params, index: u32) -> [Params; 5] {
    let p = Params { iteration: index, ..params };
    [Phase::Damp.of(p), Phase::Alpha.of(p), Phase::Advance.of(p), Phase::Beta.of(p), Phase::Direction.of(p)]
}

/// The calls that give the step's length, after `product` ← F `solution`, and then put the solution to 0 where the gradient
/// was 0 or the solution is not finite, so that no later solve begins at it.
pub const fn finish(params: Params) -> [Params; 3] {
    [Phase::DampX.of(params), Phase::Length.of(params), Phase::Clear.of(params)]
}

/// Binds one call per entry of `params`: what [`start`], [`iteration`] and [`finish`] give, in any selection.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (count, groups) = (u64::from(p.count), groups(p.count));
        let shape = || format!("count {count}");
        elements(name, "gradient", io.gradient, count, shape)?;
        elements(name, "product", io.product, count, shape)?;
        elements(name, "direction", io.direction, count, shape)?;
        elements(name, "solution", io.solution, count, shape)?;
        elements(name, "residual", io.residual, count, shape)?;
        elements(name, "cg_partials", io.cg_partials, u64::from(groups), || format!("groups {groups}"))?;
        let needs = scalars(p.cg_iterations).max(TRACE as u64 + 2 + u64::from(p.iteration));
        elements(name, "cg", io.cg, needs, || {
            format!("32 + cg_iterations {}, for iteration {}", p.cg_iterations, p.iteration)
        })?;
        let decides = Phase::DECIDE.contains(&p.phase);
        calls.push((Params { groups, ..*p }, Grid::Groups(if decides { 1 } else { groups.into() })));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
