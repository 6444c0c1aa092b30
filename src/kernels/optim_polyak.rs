//! Target parameters follow the online ones (Lillicrap et al. 2016, algorithm 1): target ← (1 − τ) · target + τ · online, as
//! target + τ (online − target), which leaves equal numbers equal. τ = 1 copies.

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
        /// First of them.
        pub offset: u32,
        /// τ, in [0, 1].
        pub tau: f32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[offset + count]`.
        online: Read f32,
        /// `[offset + count]`.
        targets: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for a τ out of range.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if !(0.0..=1.0).contains(&p.tau) {
            return Err(Error::config("tau", format!("is {}, must be from 0 to 1", p.tau)));
        }
        let needs = u64::from(p.offset) + u64::from(p.count);
        let shape = || format!("offset {} + count {}", p.offset, p.count);
        elements(name, "online", io.online, needs, shape)?;
        elements(name, "targets", io.targets, needs, shape)?;
        calls.push((*p, Grid::Items(p.count.into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
