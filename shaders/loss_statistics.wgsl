// The statistics of one minibatch from loss_ppo's partial sums, and whether the update stops early.
//
// loss_partials  [groups, 3]                 as loss_ppo left them
// control        [8]                         parts/control.wgsl
// trace          [minibatches, TRACE_WIDTH]  parts/trace.wgsl; row params.index, unless the update had stopped before
//
// A single workgroup. approx_kl (k3) above kl_limit stops the update: before this minibatch's step, or, looked at in an epoch's
// last minibatch only, after it (kl_stop).
//
// Operations: 12 a partial sum, of 64 rows; bytes: 48.

struct Params {
    groups: u32,
    index: u32,         // minibatch of this update
    kl_stop: u32,       // LOSS_TOTALS_NEVER, _BEFORE_STEP or _AFTER_STEP
    kl_limit: f32,
    inverse_rows: f32,
    vf_coef: f32,
    with_kl: u32,       // 1: loss_kl left a penalty in the trace, part of the loss
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> loss_partials: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> trace: array<f32>;

@compute @workgroup_size(64)
fn loss_statistics(@builtin(local_invocation_index) lane: u32) {
    loss_totals(lane, params.groups, 0u);
    if (lane == 0u) {
        loss_totals_store(
            params.index, params.inverse_rows, params.vf_coef, params.with_kl, params.kl_stop, params.kl_limit);
    }
}
