//! One file per kernel: parameters, named buffers, grid, and the mathematics in its doc.
//!
//! Each has a stem that is also its WGSL file, entry point and label. `bind` checks lengths, makes the bind group
//! and returns one [`crate::gpu::Call`] per entry of `params`; recording them is then free of allocation.
//!
//! The modules below are the kernels and what they share ([`define`], [`parts`], [`per_update`], [`tile`], [`words`]); a stem begins with its stage. docs/kernels.md says in a few words what each computes.

pub mod advantage_discount;
pub mod advantage_gae;
pub mod advantage_gae_chunked;
pub mod advantage_k_step;
pub mod advantage_log_rho;
pub mod advantage_normalize;
pub mod advantage_rescale;
pub mod advantage_vtrace;
pub mod batch_clean;
pub mod batch_count;
pub mod batch_gather;
pub mod batch_pack;
pub mod batch_valid;
pub mod cg_step;
pub mod define;
pub mod env_step;
pub mod head_evaluate;
pub mod head_evaluate_wide;
pub mod head_fisher;
pub mod head_fisher_wide;
pub mod loss_kl;
pub mod loss_ppo;
pub mod loss_ppo_fused;
pub mod loss_statistics;
pub mod loss_trust_region;
pub mod mlp_backward_input;
pub mod mlp_backward_input_tiled;
pub mod mlp_backward_weight;
pub mod mlp_backward_weight_tiled;
pub mod mlp_forward;
pub mod mlp_forward_fused;
pub mod mlp_forward_tiled;
pub mod mlp_jvp;
pub mod mlp_jvp_tiled;
pub mod optim_adam;
pub mod optim_clip;
pub mod optim_decide;
pub mod optim_line_search;
pub mod optim_reduce;
pub mod optim_rmsprop;
pub mod parts;
pub mod per_update;
pub mod policy_normalize;
pub mod policy_sample;
pub mod policy_sample_wide;
pub mod reduce_episodes;
pub mod reduce_moments;
pub mod reduce_partials;
pub mod reduce_running;
pub mod rollout_fused;
pub mod tile;
pub mod words;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::gpu::{KernelDef, MOST_ITERATIONS, Part, Variant, iterations};
use crate::policy::Head;
use define::{ENV, HEAD};

/// Hands the stem of every kernel to the macro `$with`, in alphabetical order: a list, a test for each.
#[doc(hidden)]
#[macro_export]
macro_rules! for_every_kernel {
    ($with:ident) => {
        $with! {
            advantage_discount,
            advantage_gae,
            advantage_gae_chunked,
            advantage_k_step,
            advantage_log_rho,
            advantage_normalize,
            advantage_rescale,
            advantage_vtrace,
            batch_clean,
            batch_count,
            batch_gather,
            batch_pack,
            batch_valid,
            cg_step,
            env_step,
            head_evaluate,
            head_evaluate_wide,
            head_fisher,
            head_fisher_wide,
            loss_kl,
            loss_ppo,
            loss_ppo_fused,
            loss_statistics,
            loss_trust_region,
            mlp_backward_input,
            mlp_backward_input_tiled,
            mlp_backward_weight,
            mlp_backward_weight_tiled,
            mlp_forward,
            mlp_forward_fused,
            mlp_forward_tiled,
            mlp_jvp,
            mlp_jvp_tiled,
            optim_adam,
            optim_clip,
            optim_decide,
            optim_line_search,
            optim_reduce,
            optim_rmsprop,
            policy_normalize,
            policy_sample,
            policy_sample_wide,
            reduce_episodes,
            reduce_moments,
            reduce_partials,
            reduce_running,
            rollout_fused,
        }
    };
}

macro_rules! all {
    ($($stem:ident),* $(,)?) => {
        /// Every kernel, in order of name.
        pub const ALL: &[KernelDef] = &[$($stem::DEF),*];
    };
}
for_every_kernel!(all);

/// Invocations of a workgroup in most kernels; the others say so.
pub const WORKGROUP: u32 = 64;

/// Loop iterations of a tiled product's invocation over a sum of `n` terms: the terms, and per step of 16 the step itself and
/// its loads.
pub(crate) fn tile_iterations(n: u32) -> u64 {
    u64::from(n) + 5 * u64::from(n).div_ceil(16)
}

/// Loop iterations of an invocation that looks at a distribution row a few times.
pub(crate) fn head_iterations(head: &Head) -> u64 {
    let (width, dims) = (head.width() as u64, head.action_dims() as u64);
    let own = match head {
        // Up to 37 points of its entropy's integral, for the value and for the gradient.
        Head::TanhGaussian { .. } => 2 * 37 * dims,
        // Two gamma draws of ten rounds per try. One try in twenty fails: on average over dimensions, three are never needed.
        Head::Beta { .. } => 2 * 3 * 11 * dims,
        _ => 0,
    };
    8 * width + own
}

/// Whether a row of this head is too long for one invocation: then a workgroup walks it, and the kernels for that are those whose
/// names end with `_wide`. Only rows of choices grow so long.
pub fn is_wide(head: &Head) -> bool {
    matches!(head, Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. })
        && head_iterations(head) > MOST_ITERATIONS
}

/// `Ok` if one invocation of the kernel can walk a row of this head.
pub(crate) fn check_row(kernel: &'static str, head: &Head) -> Result<()> {
    let other = if is_wide(head) { " (kernels for such rows end with _wide)" } else { "" };
    iterations(kernel, head_iterations(head), || {
        format!("a distribution row of {}, several times{other}", head.width())
    })
}

/// `Ok` if a workgroup of 256 can walk a row of this head, as all `_wide` kernels do: at most seven times over its choices, and
/// with trees, draws and running sums in each dimension.
pub(crate) fn check_wide_row(kernel: &'static str, head: &Head) -> Result<()> {
    let choices = head.choices();
    let walks = choices.iter().map(|count| 7 * count.div_ceil(256) as u64 + 160).sum();
    if choices.is_empty() || matches!(head, Head::Bernoulli { .. }) {
        let message = format!("is {}: {kernel} walks rows of choices", head.name());
        return Err(Error::config("head", message));
    }
    iterations(kernel, walks, || format!("a 256th of a distribution row of {}, seven times", head.width()))
}

/// Tiles of 32 that cover `n`.
pub(crate) fn tiles(n: u32) -> u64 {
    u64::from(n).div_ceil(32)
}

/// `rows` rows of `width` from `offset` on, `stride` apart: one past the last element.
pub(crate) fn span(offset: u32, rows: u32, stride: u32, width: u32) -> u64 {
    if rows == 0 || width == 0 {
        return 0;
    }
    u64::from(offset) + u64::from(rows - 1) * u64::from(stride) + u64::from(width)
}

/// Every text that a kernel may have: each head that it takes, each environment, or, where it takes both, every head in one
/// environment and every environment with its own head. Overrides are left at their defaults, the head's table is empty.
pub fn variants(def: &KernelDef) -> Vec<Variant> {
    let variant = |chosen: Vec<Part>| Variant { chosen, ..Variant::default() };
    let part = parts::env;
    let heads = || {
        // A workgroup walks rows of choices only, and a loss also takes rows that were walked before.
        let wide = def.name.ends_with("_wide");
        let known = [loss_ppo::DEF.name, loss_trust_region::DEF.name].contains(&def.name);
        let all = if wide { &[parts::HEAD_CATEGORICAL] } else { parts::HEADS };
        all.iter().copied().chain(known.then_some(parts::HEAD_KNOWN))
    };
    let envs = || Env::ALL.into_iter();
    match def.choices {
        [HEAD, ENV] => {
            let all = heads().map(|head| variant(vec![head, part(Env::Pendulum)]));
            let others = envs().filter(|env| *env != Env::Pendulum);
            all.chain(others.map(|env| variant(vec![parts::head(&env.head()), part(env)]))).collect()
        }
        [HEAD] => heads().map(|head| variant(vec![head])).collect(),
        [ENV] => envs().map(|env| variant(vec![part(env)])).collect(),
        [] => vec![Variant::default()],
        // No kernel has others: [`define::choices`] makes these alone.
        _ => Vec::new(),
    }
}
