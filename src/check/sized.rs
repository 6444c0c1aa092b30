//! Cases at the sizes of a benchmark.

use super::{
    Case, advantage, advantage_normalize, batch, cg, env, head, line_search, loss, loss_fused, loss_kl,
    loss_statistics, mlp, mlp_fused, mlp_jvp, mlp_tiled, normalize, optim, reduce, rollout_fused, tail, trust_region,
    valid, vtrace, wide,
};
use crate::env::Env;
use crate::policy::Head;

pub(crate) use advantage::sizes as advantage_sizes;
pub(crate) use mlp::slice_rows;

/// Sizes of a kernel's case; each kernel reads those that it has a use for.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// Rows of a minibatch.
    pub rows: usize,
    /// Steps of a window.
    pub steps: usize,
    /// Environments side by side.
    pub envs: usize,
    /// A dense layer's inputs and outputs, and whether it is its network's first or last.
    pub layer: (usize, usize),
    /// See `layer`.
    pub first: bool,
    /// See `layer`.
    pub last: bool,
    /// The head.
    pub head: Head,
    /// Numbers of an observation.
    pub obs_dim: usize,
    /// Parameters of the policy.
    pub parameters: usize,
    /// Slices of partial gradients.
    pub slices: usize,
    /// The environment.
    pub env: Env,
}

/// The case of `kernel` at `size`; `None` where nobody has made one.
pub(crate) fn case(kernel: &str, size: &Size) -> Option<Case> {
    let (rows, steps, envs, (inputs, outputs)) = (size.rows, size.steps, size.envs, size.layer);
    Some(match kernel {
        "advantage_gae" | "advantage_gae_chunked" | "advantage_k_step" => advantage::sized(kernel, steps, envs),
        "advantage_log_rho" | "advantage_vtrace" => vtrace::sized(kernel, steps, envs),
        "advantage_normalize" => advantage_normalize::sized(rows),
        "advantage_discount" | "advantage_rescale" | "policy_normalize" | "reduce_running" => {
            normalize::sized(kernel, steps, envs, size.obs_dim)
        }
        "batch_clean" | "batch_count" | "batch_valid" => valid::sized(kernel, steps, envs, size.obs_dim),
        "batch_gather" | "batch_pack" => batch::sized(kernel, rows, size.obs_dim),
        "cg_step" => cg::sized(size.parameters),
        "env_step" => env::sized(size.env, envs),
        "head_evaluate" | "policy_sample" => head::sized(kernel, rows, &size.head),
        "head_evaluate_wide" | "head_fisher_wide" | "policy_sample_wide" => wide::sized(kernel, rows, &size.head),
        "head_fisher" | "loss_trust_region" => trust_region::sized(kernel, rows, &size.head),
        "loss_kl" => loss_kl::sized(rows),
        "loss_ppo" => loss::sized(rows, &size.head),
        "loss_ppo_fused" => return loss_fused::sized(rows, size.obs_dim, &size.head),
        "loss_statistics" => loss_statistics::sized(rows),
        "mlp_backward_input" | "mlp_backward_weight" | "mlp_forward" => {
            mlp::sized(kernel, rows, inputs, outputs, size.last)
        }
        "mlp_backward_input_tiled" | "mlp_backward_weight_tiled" | "mlp_forward_tiled" => {
            mlp_tiled::sized(kernel, rows, inputs, outputs, size.last)
        }
        "mlp_forward_fused" => mlp_fused::sized(rows, size.obs_dim, &size.head),
        "mlp_jvp" | "mlp_jvp_tiled" => mlp_jvp::sized(kernel, rows, inputs, outputs, (size.first, size.last)),
        "optim_adam" | "optim_clip" | "optim_rmsprop" => optim::sized(kernel, size.parameters),
        "optim_decide" | "optim_reduce" => tail::sized(kernel, rows, size.parameters, size.slices),
        "optim_line_search" => line_search::sized(size.parameters, rows),
        "reduce_episodes" | "reduce_moments" | "reduce_partials" => {
            reduce::sized(kernel, rows, size.parameters, size.slices)
        }
        "rollout_fused" => rollout_fused::sized(size.env, steps, envs),
        _ => return None,
    })
}
