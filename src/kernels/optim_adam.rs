//! One step of Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019), PyTorch's arithmetic.
//!
//! ```text
//! g ← g · scale (+ weight_decay · p, Adam)        p ← p · (1 − lr · weight_decay)  (AdamW)
//! m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
//! p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
//! hat_eps:  p ← p − lr / (1 − β₁ᵗ) · m / ((√v + ε) / √(1 − β₂ᵗ))        TensorFlow's arithmetic
//! ```
//!
//! t counts the steps that were taken, which the host does not know without reading back (early stop, non-finite
//! gradients), so the bias corrections of every t are a table, made on the host in f64 ([`bias_corrections`]).

use super::loss_statistics::CONTROL_WORDS;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_adam",
    parts: [CONTROL, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// Elements that are stepped.
        pub count: u32,
        /// Entries of `bias_correction`; set by `bind`.
        pub table: u32,
        /// 1: AdamW.
        pub decoupled: u32,
        /// Weight decay.
        pub weight_decay: f32,
        /// β₁.
        pub beta1: f32,
        /// 1 − β₁, subtracted in f64.
        pub one_minus_beta1: f32,
        /// β₂.
        pub beta2: f32,
        /// 1 − β₂, subtracted in f64.
        pub one_minus_beta2: f32,
        /// ε, outside the root.
        pub eps: f32,
        /// First element that is stepped.
        pub offset: u32,
        /// 1: ε is corrected like √v.
        pub hat_eps: u32,
        /// First element with a learning rate and, where so set, a clip factor of its own.
        pub value_begin: u32,
        /// The element after the last of them.
        pub value_end: u32,
        /// 1: their clip factor is the second one of `optim_clip`.
        pub value_scale: u32,
        /// Their learning rate in units of the others'.
        pub value_rate: f32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[offset + count]`.
        gradient: Read f32,
        /// `(1 / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ))` for t = 1, 2, …
        bias_correction: Read [f32; 2],
        /// `[CONTROL_WORDS]`: permission and scale from `optim_clip`, learning rate from `loss_kl`.
        control: Read u32,
        /// `[1]`: t.
        optimizer_step: Read u32,
        /// `[offset + count]`.
        parameters: ReadWrite f32,
        /// First moments, `[offset + count]`.
        exp_avg: ReadWrite f32,
        /// Second moments, `[offset + count]`.
        exp_avg_sq: ReadWrite f32,
    },
}

/// The table of bias corrections up to the t from which both are 1 in f32.
///
/// # Errors
/// [`Error::Config`] if a decay is so near to 1 that the table would have more than 2²² entries.
pub fn bias_corrections(beta1: f64, beta2: f64) -> Result<Vec<[f32; 2]>> {
    // 1 / √(1 − βᵗ) rounds to 1 once βᵗ < 2⁻²⁵.
    let steps = |beta: f64| if beta <= 0.0 { 1.0 } else { (-25.0 * std::f64::consts::LN_2 / beta.ln()).ceil() };
    for (field, beta) in [("adam_beta1", beta1), ("adam_beta2", beta2)] {
        if !(0.0..1.0).contains(&beta) || steps(beta) > f64::from(1 << 22) {
            return Err(Error::config(field, format!("is {beta}, must be in [0, 0.9999958]")));
        }
    }
    let entries = steps(beta1).max(steps(beta2)) as i32;
    Ok((1..=entries)
        .map(|t| [(1.0 / (1.0 - beta1.powi(t))) as f32, (1.0 / (1.0 - beta2.powi(t)).sqrt()) as f32])
        .collect())
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`] or [`Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let count = u64::from(p.count);
        for (binding, buffer) in [
            ("gradient", io.gradient),
            ("parameters", io.parameters),
            ("exp_avg", io.exp_avg),
            ("exp_avg_sq", io.exp_avg_sq),
        ] {
            let needs = u64::from(p.offset) + count;
            elements(name, binding, buffer, needs, || format!("offset {} + count {count}", p.offset))?;
        }
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        elements(name, "optimizer_step", io.optimizer_step, 1, || "1".to_owned())?;
        elements(name, "bias_correction", io.bias_correction, 1, || "at least 1 entry".to_owned())?;
        let table = io.bias_correction.len().min(u64::from(u32::MAX)) as u32;
        calls.push((Params { table, ..*p }, Grid::Items(count)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
