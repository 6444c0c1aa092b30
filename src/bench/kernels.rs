//! Every kernel alone, at the sizes that the nets and windows of a table give it.

use super::work::Work;
use super::{Case, Prepared, Table, Window};
use crate::check::Submitted;
use crate::check::sized::{Size, case, slice_rows};
use crate::env::Env;
use crate::gpu::{Call, Gpu, Slot};
use crate::kernels::{ALL, advantage_gae, mlp_backward_weight, reduce_moments};
use crate::policy::{Network, PolicySpec};

/// Which sizes a kernel is timed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sized {
    /// The widest layer of each net, and the first and last of some.
    Layers,
    /// Rows and head, or parameters, of each net.
    Nets,
    /// The windows that the kernel is chosen for.
    Windows,
    /// The rollout of the table, or the first window.
    Rollout,
    /// A few rows of very many choices, whatever the nets.
    Wide,
}

fn sized(kernel: &str) -> Sized {
    match kernel {
        "mlp_forward"
        | "mlp_forward_tiled"
        | "mlp_backward_input"
        | "mlp_backward_input_tiled"
        | "mlp_backward_weight"
        | "mlp_backward_weight_tiled"
        | "mlp_jvp"
        | "mlp_jvp_tiled" => Sized::Layers,
        "advantage_gae" | "advantage_gae_chunked" => Sized::Windows,
        "head_evaluate_wide" | "head_fisher_wide" | "policy_sample_wide" => Sized::Wide,
        "env_step" | "rollout_fused" | "policy_normalize" | "advantage_discount" | "advantage_k_step"
        | "advantage_log_rho" | "advantage_rescale" | "advantage_vtrace" | "batch_clean" | "batch_count"
        | "batch_valid" | "reduce_running" | "reduce_episodes" => Sized::Rollout,
        _ => Sized::Nets,
    }
}

pub(super) fn cases(table: &Table) -> Vec<Case> {
    let mut all = Vec::new();
    for def in ALL {
        let sizes = match sized(def.name) {
            // Nobody wants the gradient at observations.
            Sized::Layers if def.name.starts_with("mlp_backward_input") => {
                layers(table).into_iter().filter(|(_, _, size)| !size.first).collect()
            }
            Sized::Layers => layers(table),
            Sized::Windows => windows(table, def.name),
            Sized::Rollout => rollout(table),
            Sized::Nets => nets(table),
            Sized::Wide => wide(),
        };
        all.extend(sizes.into_iter().filter_map(|(name, net, size)| one(def.name, &name, net, size)));
    }
    all
}

type Named = (String, Option<String>, Size);

pub(super) fn size(spec: &PolicySpec, rows: usize) -> Size {
    let parameters = spec.layout().len();
    let slice = mlp_backward_weight::slice_rows(rows as u32, parameters as u64) as usize;
    Size {
        rows,
        steps: 1,
        envs: rows,
        layer: (spec.obs_dim, spec.head.raw_outputs()),
        first: false,
        last: false,
        head: spec.head.clone(),
        obs_dim: spec.obs_dim,
        parameters,
        slices: rows.div_ceil(slice),
        env: Env::CartPole,
    }
}

/// The largest product of each net's actor, and the first and last of those whose hidden layers no net before had.
fn layers(table: &Table) -> Vec<Named> {
    let (mut named, mut seen) = (Vec::new(), Vec::new());
    for (net, spec, rows) in &table.nets {
        let layout = spec.layout();
        let layers = layout.layers(Network::Policy);
        let of = |index: usize, name: String| {
            let layer = &layers[index];
            let (first, last) = (index == 0, index + 1 == layers.len());
            let layer = (layer.inputs, layer.outputs);
            (name, Some(net.clone()), Size { layer, first, last, ..size(spec, *rows) })
        };
        let widest = (0..layers.len()).max_by_key(|index| layers[*index].inputs * layers[*index].outputs).unwrap_or(0);
        let shape = (layers[widest].inputs, layers[widest].outputs, *rows);
        if layers.len() > 1 && !seen.contains(&shape) {
            seen.push(shape);
            named.push(of(widest, net.clone()));
            named.push(of(0, format!("{net}-first")));
            named.push(of(layers.len() - 1, format!("{net}-last")));
        }
    }
    named
}

/// Each net; of several, the smallest and the largest.
fn nets(table: &Table) -> Vec<Named> {
    let mut nets: Vec<_> = table.nets.iter().collect();
    nets.sort_by_key(|(_, spec, rows)| spec.layout().len() * rows);
    let chosen = [nets.first(), if nets.len() > 1 { nets.last() } else { None }];
    chosen.into_iter().flatten().map(|(net, spec, rows)| (net.clone(), Some(net.clone()), size(spec, *rows))).collect()
}

/// Rows that only a workgroup can walk.
fn wide() -> Vec<Named> {
    let spec = PolicySpec::separate(1, &[1], crate::policy::Activation::Tanh, crate::policy::Head::categorical(65_536));
    vec![("choices-65536".to_owned(), None, size(&spec, 8))]
}

fn of_window(table: &Table, window: &Window) -> Option<Named> {
    let (_, spec, _) = table.nets.first()?;
    let (steps, envs) = (window.steps, window.envs);
    Some((window.name.clone(), None, Size { steps, envs, ..size(spec, steps * envs) }))
}

fn windows(table: &Table, kernel: &str) -> Vec<Named> {
    let chunked = |window: &Window| advantage_gae::prefers_chunks(window.steps as u32, window.envs as u32);
    let wanted = kernel == "advantage_gae_chunked";
    let fits = table.windows.iter().filter(|window| chunked(window) == wanted);
    let mut named: Vec<Named> = fits.filter_map(|window| of_window(table, window)).collect();
    // No window may ask for this form; every kernel has a row all the same.
    if named.is_empty() {
        named.extend(table.windows.first().and_then(|window| of_window(table, window)));
    }
    named
}

fn rollout(table: &Table) -> Vec<Named> {
    let shape = table.rollout.or_else(|| table.windows.first().map(|window| (window.steps, window.envs)));
    let (Some((net, spec, _)), Some((steps, envs))) = (table.nets.first(), shape) else { return Vec::new() };
    vec![(net.clone(), Some(net.clone()), Size { steps, envs, ..size(spec, steps * envs) })]
}

fn one(kernel: &'static str, name: &str, net: Option<String>, size: Size) -> Option<Case> {
    let check = case(kernel, &size)?;
    let shape = check.shape.clone();
    let prepare = move |gpu: &Gpu| {
        let (row, submitted) = check.replay(gpu)?;
        let (calls, slot) = timed(kernel, submitted);
        Ok(Prepared::calls_of(row, calls, slot))
    };
    let case = Case::new(format!("kernel/{kernel}/{name}"), shape, work(kernel, &size)?).on_gpu(prepare);
    Some(match net {
        Some(net) => case.of_net(&net),
        None => case,
    })
}

/// Of all that a case submitted, what is timed: the last, but for kernels whose phases belong together, and a step of
/// environments, which other modes follow. What comes along (the clip before an optimiser) is left out.
fn timed(kernel: &str, submitted: Vec<Submitted>) -> (Vec<Call>, Slot) {
    let slot = submitted.last().map(|(_, slot)| *slot).unwrap_or_default();
    let range = match kernel {
        // A start, which makes everything new, and one iteration.
        "cg_step" => 0..2,
        "env_step" => 0..1,
        "optim_line_search" => 0..submitted.len(),
        _ => submitted.len().saturating_sub(1)..submitted.len(),
    };
    let (calls, slots): (Vec<Vec<Call>>, Vec<Slot>) = submitted.into_iter().skip(range.start).take(range.len()).unzip();
    let own = calls.into_iter().flatten().filter(|call| call.kernel() == kernel).collect();
    (own, slots.first().copied().unwrap_or(slot))
}

/// Operations and bytes of one kernel, from its own buffers. `None` for a kernel that is not known here.
fn work(kernel: &str, s: &Size) -> Option<Work> {
    let (n, t, e) = (s.rows as f64, s.steps as f64, s.envs as f64);
    let (i, o) = (s.layer.0 as f64, s.layer.1 as f64);
    let both = o + (o - (s.layer.1 / 2) as f64);
    let (width, dims, words) = (s.head.width() as f64, s.head.action_dims() as f64, s.head.action_words() as f64);
    let (d, p, window) = (s.obs_dim as f64, s.parameters as f64, t * e);
    let rows = |flops: f64, bytes: f64| Work::rows(s.rows, flops, bytes);
    let steps = |flops: f64, bytes: f64| Work::steps(s.steps * s.envs, flops * window, bytes * window);
    let each = |flops: f64, bytes: f64| Work { units: p, unit: "parameters", ..rows(flops * p, bytes * p) };
    Some(match kernel {
        // Products: 2 per multiply-add; both operands, and the kept layer where a slope is taken.
        "mlp_forward" => rows(2.0 * n * i * o, 4.0 * (n * (i + o) + i * o + o)),
        "mlp_backward_input" => rows(2.0 * n * i * o, 4.0 * (n * (o + 2.0 * i) + i * o)),
        "mlp_backward_weight" => {
            let slices = s.rows.div_ceil(slice_rows(s.rows, s.layer.0, s.layer.1)) as f64;
            rows(2.0 * n * i * o, 4.0 * (n * (i + o) + slices * (i * o + o)))
        }
        // The layer and its second half; the operand that the two have in common is counted once.
        "mlp_forward_tiled" => rows(2.0 * n * i * both, 4.0 * (n * (i + both) + i * o + o)),
        "mlp_backward_input_tiled" => rows(2.0 * n * i * both, 4.0 * (n * (both + 4.0 * i) + i * o)),
        "mlp_backward_weight_tiled" => {
            let slices = s.rows.div_ceil(slice_rows(s.rows, s.layer.0, s.layer.1)) as f64;
            rows(2.0 * n * i * both, 4.0 * (n * (i + both) + slices * (i * both + both)))
        }
        "mlp_jvp" | "mlp_jvp_tiled" => {
            let products = if s.first { 1.0 } else { 2.0 };
            rows(2.0 * products * n * i * o, 4.0 * (n * (products * i + 2.0 * o) + 2.0 * (i * o + o)))
        }
        // Heads and losses: so many operations per number of a distribution row.
        "head_evaluate" | "head_evaluate_wide" => rows(24.0 * n * width, 4.0 * n * (3.0 * width + words + 8.0)),
        "head_fisher" | "head_fisher_wide" => rows(6.0 * n * width, 4.0 * n * 3.0 * width),
        "loss_ppo" => rows(n * (16.0 * width + 40.0), 4.0 * n * (2.0 * width + words + 6.0) + 0.75 * n),
        "loss_trust_region" => rows(16.0 * n * width, 4.0 * n * (2.0 * width + words + 4.0) + 0.25 * n),
        "policy_sample" | "policy_sample_wide" => rows(12.0 * n * width, 4.0 * n * (width + words + dims + 1.0)),
        // Twelve sums of a partial, of 64 rows each; three of a divergence's.
        "loss_statistics" => rows(12.0 * n / 64.0, 48.0 * n / 64.0),
        "loss_kl" => rows(3.0 * n / 64.0, 16.0 * n / 64.0),
        // Optimisers: gradient, parameters and moments.
        "optim_adam" => each(15.0, 28.0),
        "optim_rmsprop" => each(9.0, 20.0),
        "optim_clip" => each(2.0, 4.0),
        "optim_reduce" => each(s.slices as f64 + 2.0, 4.0 * (s.slices as f64 + 1.0)),
        // Twelve sums of a partial of 64 rows, three of one of 256 numbers.
        "optim_decide" => rows(12.0 * n / 64.0 + 3.0 * p / 256.0, 48.0 * n / 64.0 + 16.0 * p / 256.0),
        // Two networks of 64-64, forward, by inputs and by weights; loss and head as in loss_ppo.
        "loss_ppo_fused" => {
            let weights = 2.0 * (d * 64.0 + 64.0 * 64.0) + 64.0 * (width + 1.0);
            let inputs = 2.0 * 64.0 * 64.0 + 64.0 * (width + 1.0);
            let bytes = 4.0 * n * (d + words + 4.0) + 4.0 * p * (1.0 + s.slices as f64);
            rows(n * (2.0 * (2.0 * weights + inputs) + 16.0 * width + 40.0), bytes)
        }
        "mlp_forward_fused" => {
            let weights = 2.0 * (d * 64.0 + 64.0 * 64.0) + 64.0 * (width + 1.0);
            rows(2.0 * n * weights, 4.0 * (n * (d + width + 1.0) + weights))
        }
        // The actor, and a step of CartPole; an observation, an action, what came of it, and a last observation.
        "rollout_fused" => {
            let weights = d * 64.0 + 64.0 * 64.0 + 64.0 * width;
            steps(2.0 * weights + 40.0, 4.0 * (2.0 * d + words + 6.0))
        }
        // Start: r and p from the gradient. Iteration: p·A p, then x and r, then p.
        "cg_step" => each(16.0, 60.0),
        // Keep, a candidate, and nothing to restore.
        "optim_line_search" => each(2.0, 20.0),
        "reduce_partials" => each(s.slices as f64, 4.0 * (s.slices as f64 + 1.0)),
        // Windows.
        "advantage_gae" | "advantage_gae_chunked" => super::work::gae(s.steps, s.envs),
        "advantage_k_step" => steps(3.0 * 16.0 + 3.0, 24.0),
        "advantage_vtrace" => steps(14.0, 28.0),
        "advantage_log_rho" => steps(1.0, 24.0),
        "advantage_discount" => steps(2.0, 16.0),
        "advantage_rescale" => steps(2.0, 8.0),
        "batch_valid" => steps(0.0, 16.0),
        "batch_clean" => steps(0.0, 4.0 * (2.0 * d + 1.0)),
        "batch_count" => steps(0.0, 4.0),
        "reduce_episodes" => rows(5.0 * n, 8.0 * n),
        "reduce_running" => Work { units: t, ..Work::steps(s.steps, 400.0 * t, 32.0 * t) },
        // One step of CartPole: state and counters read and written, action, both observations, reward, flags, episode.
        "env_step" => Work::steps(s.envs, 40.0 * e, 4.0 * e * (12.0 + 1.0 + 2.0 * d + 1.0 + 2.0 + 2.0)),
        // Merged and normalised, the final observations as well.
        "policy_normalize" => Work::rows(s.envs, 10.0 * e * d, 4.0 * e * d * 4.0),
        // Packed rows: one number of four.
        "advantage_normalize" => rows(2.0 * n, 8.0 * n),
        "reduce_moments" => {
            rows(4.0 * n, 4.0 * n + 32.0 * reduce_moments::partials(s.rows as u32, s.rows as u32) as f64)
        }
        "batch_gather" => rows(0.0, 8.0 * n * d),
        "batch_pack" => rows(0.0, 32.0 * n),
        _ => return None,
    })
}
