//! Target parameters follow the online ones (Lillicrap et al. 2016, algorithm 1): target ← (1 − τ) · target + τ · online, as
//! target + τ (online − target), which leaves equal numbers equal. τ = 1 copies. Both are ranges of one buffer, as kernels that run networks
//! beside their targets read them.

use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_polyak",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// Elements that follow.
        pub count: u32,
        /// First of those that they follow.
        pub online: u32,
        /// First that follows; the two ranges do not overlap.
        pub targets: u32,
        /// τ, in [0, 1].
        pub tau: f32,
    },
    io: {
        /// `[count]` from `online` and from `targets` on.
        parameters: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for a τ out of range, or ranges that overlap.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if !(0.0..=1.0).contains(&p.tau) {
            return Err(Error::config("tau", format!("is {}, must be from 0 to 1", p.tau)));
        }
        if p.online.abs_diff(p.targets) < p.count {
            let message = format!("begins at {}, within {} of the online ones at {}", p.targets, p.count, p.online);
            return Err(Error::config("targets", message));
        }
        for first in [p.online, p.targets] {
            let needs = u64::from(first) + u64::from(p.count);
            elements(name, "parameters", io.parameters, needs, || format!("first {first} + count {}", p.count))?;
        }
        calls.push((*p, Grid::Items(p.count.into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
