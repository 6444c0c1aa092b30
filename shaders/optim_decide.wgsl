// The statistics of one minibatch, whether the update stops early, the factors that clip the gradient, and the permission to
// step: loss_statistics and the second phase of optim_clip in one dispatch, with their bits.
//
// loss_partials   [loss_groups, 3]   as loss_ppo left them; with bits [loss_groups, 2] more, as loss_ppo_fused did
// norm_partials   [norm_groups]      as optim_reduce left them
// control         [8]                parts/control.wgsl
// optimizer_step  [1]                steps taken since the start; counted on here
// trace           [minibatches, TRACE_WIDTH]  parts/trace.wgsl; row params.index
//
// A single workgroup, in place of two dispatches of one: what it gains is their launches (see optim_reduce).
//
// Operations: 12 a partial sum of the loss, 3 one of the norm; bytes: 48 and 16.

struct Params {
    loss_groups: u32,
    norm_groups: u32,
    index: u32,         // minibatch of this update
    kl_stop: u32,       // LOSS_TOTALS_NEVER, _BEFORE_STEP or _AFTER_STEP
    kl_limit: f32,
    inverse_rows: f32,
    vf_coef: f32,
    bits: u32,          // 1: rows that are not finite are bits, of policy and critic apart
    max_grad_norm: f32, // 0: do not clip
    formula: u32,       // parts/clip.wgsl
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> loss_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norm_partials: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> control: array<u32>;
@group(0) @binding(5) var<storage, read_write> optimizer_step: array<u32>;
@group(0) @binding(6) var<storage, read_write> trace: array<f32>;

@compute @workgroup_size(64)
fn optim_decide(@builtin(local_invocation_index) lane: u32) {
    loss_totals(lane, params.loss_groups, params.bits);
    var own = vec4<f32>();
    for (var i = lane; i < params.norm_groups; i += 64u) {
        own += norm_partials[i];
    }
    let total = norm_total(lane, own);
    if (lane == 0u) {
        // An early stop is known before the step is decided.
        loss_totals_store(params.index, params.inverse_rows, params.vf_coef, 0u, params.kl_stop, params.kl_limit);
        clip_decide(total, params.index, params.max_grad_norm, params.formula);
    }
}
