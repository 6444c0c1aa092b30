// One minibatch from observations to partial gradients of every parameter, in one dispatch: actor and critic forward, PPO's
// loss (loss_ppo's header), backward, weight gradients. For separate networks of one or two hidden layers up to 64 wide.
//
// parameters     [P]                    flat
// obs            [all, obs_dim]         at most 32 wide; row r of the minibatch is row_offset + r
// actions        [all, action_words]    words, same rows
// samples        [all]                  (logp_old, advantage, return, value_old), same rows
// partials       [slices, P]            sums over rows s * slice_rows ..; slice_rows is a multiple of 64
// loss_partials  [groups, 12], [groups, 8]  as loss_ppo leaves them, but that rows that count stand where it counts those that
//                                       are not finite, and which of each 16 rows those are follows as bits, of the policy
//                                       four times and of the critic
//
// A workgroup takes a slice through one of the networks, 16 rows at a time, and holds the gradients of all weights in registers
// meanwhile; nothing of a row goes to memory. The bits are those of mlp_forward, loss_ppo and mlp_backward_* by turns.
//
// Operations: 6 P a row, less those for the input gradient of the first layers. Bytes of a row of 17-64-64, Gaussian 6: 0.9 kB,
// of which partial gradients are 0.7; the plain kernels move 7.8 kB in 17 dispatches. On gfx1100 120 registers, none spilled,
// 10 waves (benches/record/gfx1100). On llvmpipe it takes three times as long as tiles in registers: it is for hardware.

struct Params {
    layers: array<vec4<u32>, 6>,  // first hidden, second hidden (all 0 where there is none) and last, of policy and critic
    rows: u32,
    row_offset: u32,
    slice_rows: u32,
    slices: u32,
    partial_stride: u32,
    groups: u32,
    width: u32,
    extra_offset: u32,  // first free parameter
    action_words: u32,
    value_loss: u32,
    dual_clip: f32,
    vf_loss_scale: f32,
    vf_coef: f32,
    inverse_rows: f32,
    surrogate: u32,
    valid_sample: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read> obs: array<f32>;
@group(0) @binding(5) var<storage, read> actions: array<u32>;
@group(0) @binding(6) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> partials: array<f32>;
@group(0) @binding(8) var<storage, read_write> loss_partials: array<f32>;

override ACTIVATION: u32 = 0u;           // of the hidden layers
override KEEPS_PREACTIVATION: u32 = 0u;  // 1: its derivative needs the argument, so the block keeps that

fn head_new(i: u32) -> f32 { return block_outputs[i]; }
fn head_old(i: u32) -> f32 { return 0.0; }      // there is no penalty
fn head_tangent(i: u32) -> f32 { return 0.0; }  // nor a Fisher product
fn head_width() -> u32 { return params.width; }
fn head_action(row: u32, w: u32) -> u32 {
    return actions[(params.row_offset + block_first_row + row) * params.action_words + w];
}
fn head_store(i: u32, value: f32) { block_d_outputs[i] = select(0.0, value, block_counts); }

fn block_parameter(i: u32) -> f32 { return parameters[i]; }

// Zero where there is none.
fn load_one(i: u32, there: bool) -> f32 {
    if (there) {
        return obs[i];
    }
    return 0.0;
}

fn load_obs(lane: u32, count: u32, width: u32) {
    let row = lane / 8u;
    let k = lane % 8u * 4u;
    let start = (params.row_offset + block_first_row + row) * width + k;
    let left = select(0u, width - min(k, width), row < count);
    block_store(BLOCK_OBS + row * BLOCK_OBS_STRIDE + k / 4u, vec4<f32>(
        load_one(start, left > 0u), load_one(start + 1u, left > 1u),
        load_one(start + 2u, left > 2u), load_one(start + 3u, left > 3u)));
}

@compute @workgroup_size(128)
fn loss_ppo_fused(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    if (group >= 2u * params.slices) {
        return;  // past the end: a grid of two dimensions is padded
    }
    block_of_policy = group < params.slices;
    let critic = select(3u, 0u, group < params.slices);
    let slice = group % params.slices;
    let first = params.layers[critic];
    let second = params.layers[critic + 1u];
    let last = params.layers[critic + 2u];
    let deep = second.y > 0u;
    let top = select(BLOCK_FIRST, BLOCK_SECOND, deep);
    let end = min((slice + 1u) * params.slice_rows, params.rows);
    var sums = BlockSums();
    for (var at = slice * params.slice_rows; at < end; at += BLOCK_ROWS) {
        let count = min(BLOCK_ROWS, end - at);
        block_first_row = at;
        load_obs(lane, count, first.x);
        workgroupBarrier();  // the observations are complete
        var source = BLOCK_OBS;
        var stride = BLOCK_OBS_STRIDE;
        var place = BLOCK_FIRST;
        for (var hidden = critic; hidden < critic + select(1u, 2u, deep); hidden++) {
            let layer = params.layers[hidden];
            block_keep(place, lane, block_forward(source, stride, lane, layer), layer);
            workgroupBarrier();  // the layer is complete: one text for both, compilers take seconds over each
            source = BLOCK_FIRST;
            stride = BLOCK_STRIDE;
            place = BLOCK_SECOND;
        }
        block_last_forward(top, lane, last);
        workgroupBarrier();  // distribution rows or values are complete
        // Sixteen lanes by turns, so that after four blocks each has the terms of one row, as loss_ppo has them.
        let quarter = at % 64u;
        if (quarter == 0u) { block_terms = BlockTerms(vec4<f32>(), vec4<f32>(), vec4<f32>(3.4e38, 0.0, 0.0, 0.0)); }
        if (lane >= quarter && lane < quarter + count) { block_loss(lane - quarter); }
        workgroupBarrier();  // the gradient by them is complete
        block_last_weights(&sums, top, lane, count, last);
        place = top;
        for (var hidden = 0u; hidden < select(1u, 2u, deep); hidden++) {
            var by = mat4x2<f32>();
            var width = last.x;
            if (hidden == 0u) {
                by = block_last_backward(lane, last);
            } else {
                block_second_weights(&sums, lane, count);
                by = block_backward(BLOCK_SECOND, lane, second);
                width = second.x;
            }
            workgroupBarrier();  // nobody reads this hidden layer any more
            block_replace(place, lane, by, width);
            workgroupBarrier();  // its gradient is complete
            place = BLOCK_FIRST;
        }
        block_first_weights(&sums, lane, count, first.x);
        workgroupBarrier();  // nobody reads the block any more
        if (quarter == 48u || at + BLOCK_ROWS >= end) {
            block_store_terms(lane, at / 64u);
            workgroupBarrier();  // nor the terms that lay there
        }
    }
    block_store_sums(sums, slice, lane, first, second, last);
}
