// Actor and critic with all their layers, from observations to distribution rows and values, in one dispatch.
//
// parameters    [P]                     flat
// obs           [.., obs_dim]           row r starts at obs_offset + r * obs_stride
// head_outputs  [rows, outputs + extra] raw outputs of the policy, then copies of parameters[extra_offset ..]
// values        [..]                    row r's is at value_offset + r
//
// Layers: `trunk` shared ones, `policy` more to the head, `value` more to the value, at most 12; widths of layers at most 128,
// that of observations any. A workgroup takes 16 rows through one of the two networks; what lies between layers stays in
// workgroup memory. Sums run over inputs in order and the bias comes last, as in mlp_forward: the bits are the same.
//
// Operations: 2 Σ inputs · outputs a row and network; bytes: those of a row's observation and result, and the parameters:
// 0.2 kB a row of 17-64-64, Gaussian 6, where layers in dispatches of their own move 2.3 kB in 6. On gfx1100 84 registers,
// none spilled, 8 waves (benches/record/gfx1100). On llvmpipe, whose workgroup memory is memory, tiles in registers take a
// fifth of the time (benches/record/llvmpipe): it is for hardware.

struct Params {
    layers: array<vec4<u32>, 12>,  // inputs, outputs, first element of the weight, of the bias
    rows: u32,
    trunk: u32,
    policy: u32,
    value: u32,
    policy_groups: u32,  // workgroups of the policy; those after them are the critic's
    obs_offset: u32,
    obs_stride: u32,
    value_offset: u32,
    extra: u32,
    extra_offset: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> obs: array<f32>;
@group(0) @binding(3) var<storage, read_write> head_outputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;

override ACTIVATION: u32 = 0u;

var<workgroup> block: array<vec4<f32>, 528>;  // [CHAIN_ROWS, CHAIN_STRIDE] quads

fn chain_input(i: u32) -> vec4<f32> { return block[i]; }
fn chain_parameter(i: u32) -> f32 { return parameters[i]; }

// Observation k of a row, zero outside.
fn load(row: u32, k: u32, inputs: u32) -> f32 {
    if (row >= params.rows || k >= inputs) {
        return 0.0;
    }
    return obs[params.obs_offset + row * params.obs_stride + k];
}

// Columns of a hidden layer back into the block.
fn keep(row: u32, column: u32, sums: vec4<f32>, layer: vec4<u32>) {
    if (column >= layer.y) {
        return;
    }
    block[row * CHAIN_STRIDE + column / 4u] = dense_quad(sums, column, layer, ACTIVATION);
}

fn store(of_policy: bool, row: u32, column: u32, sum: f32, layer: vec4<u32>) {
    if (row >= params.rows || column >= layer.y) {
        return;
    }
    let y = sum + parameters[layer.w + column];
    if (of_policy) {
        head_outputs[row * (layer.y + params.extra) + column] = y;
    } else {
        values[params.value_offset + row] = y;
    }
}

fn store_row(of_policy: bool, row: u32, column: u32, all: vec4<f32>, layer: vec4<u32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, layer.y); i++) {
        store(of_policy, row, column + i, sums.x, layer);
        sums = sums.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_forward_fused(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let of_policy = group < params.policy_groups;
    let first_row = select(group - params.policy_groups, group, of_policy) * CHAIN_ROWS;
    if (first_row >= params.rows) {
        return;  // past the end: a grid of two dimensions is padded
    }
    let column = chain_column(lane);
    let depth = params.trunk + select(params.value, params.policy, of_policy);
    for (var l = 0u; l < depth; l++) {
        let layer = params.layers[l + select(0u, params.policy, !of_policy && l >= params.trunk)];
        var sums = ChainSums();
        if (l > 0u) {
            sums = chain_layer(sums, lane, layer.x, layer.z, layer.x, layer.y);
        } else {
            for (var first = 0u; first < layer.x; first += CHAIN_WIDTH) {
                let count = min(CHAIN_WIDTH, layer.x - first);
                let row = lane / 4u;
                for (var k = lane % 4u * 4u; k < count; k += 16u) {
                    let at = first + k;
                    block[row * CHAIN_STRIDE + k / 4u] = vec4<f32>(
                        load(first_row + row, at, layer.x), load(first_row + row, at + 1u, layer.x),
                        load(first_row + row, at + 2u, layer.x), load(first_row + row, at + 3u, layer.x));
                }
                workgroupBarrier();  // the block is complete
                sums = chain_layer(sums, lane, count, layer.z + first, layer.x, layer.y);
                workgroupBarrier();  // nobody reads it any more
            }
        }
        if (l + 1u < depth) {
            workgroupBarrier();  // nobody reads this layer's input any more
            for (var i = 0u; i < loops_end(8u, layer.y); i++) {
                keep(chain_row(lane, i % 4u), column + i / 4u * 64u, sums.near[0], layer);
                sums = chain_turn(sums);
            }
            workgroupBarrier();  // the next layer's input is complete
        } else {
            for (var i = 0u; i < loops_end(8u, layer.y); i++) {
                store_row(of_policy, first_row + chain_row(lane, i % 4u), column + i / 4u * 64u, sums.near[0], layer);
                sums = chain_turn(sums);
            }
            for (var i = lane; of_policy && i < CHAIN_ROWS * params.extra; i += 64u) {
                let row = first_row + i / params.extra;
                if (row < params.rows) {
                    let place = row * (layer.y + params.extra) + layer.y + i % params.extra;
                    head_outputs[place] = parameters[params.extra_offset + i % params.extra];
                }
            }
        }
    }
}
