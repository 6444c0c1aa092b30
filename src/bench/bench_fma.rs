//! The kernel that measures arithmetic: chains of multiply-adds.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::WORKGROUP;
use crate::kernels::define::kernel;

kernel! {
    stem: "bench_fma",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// How often 64 multiply-adds are done.
        pub rounds: u32,
        /// x becomes x · scale + shift.
        pub scale: f32,
        /// See `scale`.
        pub shift: f32,
        /// Sums at or below it are not written.
        pub limit: f32,
    },
    io: {
        /// `[groups · 64]`.
        results: ReadWrite f32,
    },
}

/// Operations of one invocation's round: a multiplication and an addition, 8 deep in 8 chains.
pub const FLOPS: u64 = 2 * 64;

/// Binds one call per entry of `params`, of `groups` workgroups.
///
/// # Errors
/// [`crate::error::Error::BufferLength`] if `results` is too short; [`crate::error::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], groups: u32, io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        iterations(DEF.name, p.rounds.into(), || format!("rounds {}", p.rounds))?;
        let needs = u64::from(groups) * u64::from(WORKGROUP);
        elements(DEF.name, "results", io.results, needs, || format!("groups {groups} × 64"))?;
        calls.push((*p, Grid::Groups(groups.into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}

/// The sum of `lane`'s chains after `rounds`, in f64.
pub fn oracle(lane: u32, p: &Params) -> f64 {
    let (scale, shift) = (f64::from(p.scale), f64::from(p.shift));
    let chain = |k: u32| {
        let start = f64::from(k) * 0.125 + f64::from(lane) * f64::from(0.001_f32);
        (0..8 * p.rounds).fold(start, |x, _| x * scale + shift)
    };
    (0..8).map(chain).sum()
}
