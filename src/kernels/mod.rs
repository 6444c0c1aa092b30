//! One file per kernel: parameters, named buffers, grid, and the mathematics in its doc.
//!
//! Each has a stem that is also its WGSL file, entry point and label. `bind` checks lengths, makes the bind group
//! and returns one [`crate::gpu::Call`] per entry of `params`; recording them is then free of allocation.
//!
//! | stage | kernels |
//! | --- | --- |
//! | environment | [`env_step`] |
//! | many steps of policy and environment | [`rollout_fused`] |
//! | policy | [`policy_normalize`], [`policy_sample`], [`head_evaluate`], [`head_fisher`]; [`policy_sample_wide`], [`head_evaluate_wide`], [`head_fisher_wide`] for many choices |
//! | advantage | [`advantage_gae`], [`advantage_gae_chunked`], [`advantage_k_step`], [`advantage_log_rho`], [`advantage_vtrace`], [`reduce_moments`], [`advantage_normalize`]; [`advantage_discount`], [`reduce_running`], [`advantage_rescale`] for rewards and value targets |
//! | minibatch | [`batch_valid`], [`batch_clean`], [`batch_gather`], [`batch_pack`], [`batch_count`] |
//! | networks | [`mlp_forward`], [`mlp_forward_fused`], [`mlp_backward_input`], [`mlp_backward_weight`], [`mlp_jvp`], [`reduce_partials`]; [`mlp_forward_tiled`], [`mlp_backward_input_tiled`], [`mlp_backward_weight_tiled`], [`mlp_jvp_tiled`] in large tiles |
//! | loss | [`loss_ppo`], [`loss_ppo_fused`], [`loss_statistics`], [`loss_trust_region`], [`loss_kl`] |
//! | optimiser | [`optim_reduce`], [`optim_decide`], [`optim_clip`], [`optim_adam`], [`optim_rmsprop`], [`cg_step`], [`optim_line_search`] |
//! | statistics | [`reduce_episodes`] |

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
pub mod policy_normalize;
pub mod policy_sample;
pub mod policy_sample_wide;
pub mod reduce_episodes;
pub mod reduce_moments;
pub mod reduce_partials;
pub mod reduce_running;
pub mod rollout_fused;
pub mod tile;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::gpu::{KernelDef, MOST_ITERATIONS, Part, Variant, iterations};
use crate::policy::Head;

/// Every kernel, in order of name.
pub const ALL: &[KernelDef] = &[
    advantage_discount::DEF,
    advantage_gae::DEF,
    advantage_gae_chunked::DEF,
    advantage_k_step::DEF,
    advantage_log_rho::DEF,
    advantage_normalize::DEF,
    advantage_rescale::DEF,
    advantage_vtrace::DEF,
    batch_clean::DEF,
    batch_count::DEF,
    batch_gather::DEF,
    batch_pack::DEF,
    batch_valid::DEF,
    cg_step::DEF,
    env_step::DEF,
    head_evaluate::DEF,
    head_evaluate_wide::DEF,
    head_fisher::DEF,
    head_fisher_wide::DEF,
    loss_kl::DEF,
    loss_ppo::DEF,
    loss_ppo_fused::DEF,
    loss_statistics::DEF,
    loss_trust_region::DEF,
    mlp_backward_input::DEF,
    mlp_backward_input_tiled::DEF,
    mlp_backward_weight::DEF,
    mlp_backward_weight_tiled::DEF,
    mlp_forward::DEF,
    mlp_forward_fused::DEF,
    mlp_forward_tiled::DEF,
    mlp_jvp::DEF,
    mlp_jvp_tiled::DEF,
    optim_adam::DEF,
    optim_clip::DEF,
    optim_decide::DEF,
    optim_line_search::DEF,
    optim_reduce::DEF,
    optim_rmsprop::DEF,
    policy_normalize::DEF,
    policy_sample::DEF,
    policy_sample_wide::DEF,
    reduce_episodes::DEF,
    reduce_moments::DEF,
    reduce_partials::DEF,
    reduce_running::DEF,
    rollout_fused::DEF,
];

/// Invocations of a workgroup in every kernel.
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
/// environment and every environment with its own head. Overrides are left at their defaults, `head_table` is empty.
pub fn variants(def: &KernelDef) -> Vec<Variant> {
    let variant = |head: Option<Part>, env: Option<Env>| Variant {
        head,
        env: env.map(|env| env.info().part),
        ..Variant::default()
    };
    let heads = || {
        // A workgroup walks rows of choices only, and a loss also takes rows that were walked before.
        let wide = def.name.ends_with("_wide");
        let known = [loss_ppo::DEF.name, loss_trust_region::DEF.name].contains(&def.name);
        let all = if wide { &[parts::HEAD_CATEGORICAL] } else { parts::HEADS };
        all.iter().copied().chain(known.then_some(parts::HEAD_KNOWN))
    };
    let envs = || Env::ALL.into_iter();
    match (def.head, def.env) {
        (true, true) => {
            let all = heads().map(|head| variant(Some(head), Some(Env::Pendulum)));
            let others = envs().filter(|env| *env != Env::Pendulum);
            all.chain(others.map(|env| variant(Some(parts::head(&env.head())), Some(env)))).collect()
        }
        (true, false) => heads().map(|head| variant(Some(head), None)).collect(),
        (false, true) => envs().map(|env| variant(None, Some(env))).collect(),
        (false, false) => vec![Variant::default()],
    }
}
