// The tangent of one dense layer for all rows, T = (X dWᵀ + dX Wᵀ + db) ⊙ f'(kept), from the layer's kept input and a
// tangent of the flat parameters.
//
// parameters      [P]                      weight [outputs, inputs] at params.weight
// tangent         [P]                      dW at params.weight, db [outputs] at params.bias
// input           [rows, inputs]           X, kept by the forward pass; row r starts at input_offset + r * input_stride
// input_tangent   [rows, inputs]           dX; not read if with_input_tangent is 0 (the first layer)
// kept            [rows, outputs]          what the forward pass kept of this layer's activation; not read if there is none
// output_tangent  [rows, outputs + extra]  T; row r starts at r * output_stride
// The `extra` columns after the outputs are copies of tangent[extra_offset ..]: the tangent of log_std.
// Tiles as in mlp_forward; the sum over inputs runs in order, of X dWᵀ and then of dX Wᵀ.
//
// Operations: 4 inputs · outputs a row, half of it in a first layer; bytes: 8 (inputs + outputs) a row, and both weights.

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    weight: u32,
    bias: u32,
    input_offset: u32,
    input_stride: u32,
    with_input_tangent: u32,
    output_stride: u32,
    extra: u32,
    extra_offset: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> tangent: array<f32>;
@group(0) @binding(3) var<storage, read> input: array<f32>;
@group(0) @binding(4) var<storage, read> input_tangent: array<f32>;
@group(0) @binding(5) var<storage, read> kept: array<f32>;
@group(0) @binding(6) var<storage, read_write> output_tangent: array<f32>;

// Activation codes: applied to the input where it is loaded; and the one whose derivative is multiplied in, 0 for none.
override INPUT_ACTIVATION: u32 = 0u;
override ACTIVATION: u32 = 0u;

const TILE: u32 = 32u;
const STEP: u32 = 16u;
const QUADS: u32 = 8u;

// [STEP, QUADS]: four rows each of X, then of dX, four columns each of dW, then of W.
var<workgroup> row_tile: array<vec4<f32>, 128>;
var<workgroup> column_tile: array<vec4<f32>, 128>;

// X at a row and an input, or dX.
fn load_input(row: u32, k: u32, tangents: bool) -> f32 {
    if (row >= params.rows || k >= params.inputs) {
        return 0.0;
    }
    if (tangents) {
        return input_tangent[row * params.inputs + k];
    }
    return activation_apply(INPUT_ACTIVATION, input[params.input_offset + row * params.input_stride + k]);
}

// dW at an output and an input, or W where dX is the other factor.
fn load_weight(column: u32, k: u32, tangents: bool) -> f32 {
    if (column >= params.outputs || k >= params.inputs) {
        return 0.0;
    }
    let place = params.weight + column * params.inputs + k;
    if (tangents) {
        return parameters[place];
    }
    return tangent[place];
}

fn store(row: u32, column: u32, sum: f32) {
    if (row >= params.rows || column >= params.outputs + params.extra) {
        return;
    }
    let place = row * params.output_stride + column;
    if (column >= params.outputs) {
        output_tangent[place] = tangent[params.extra_offset + column - params.outputs];
        return;
    }
    var total = sum + tangent[params.bias + column];
    if (ACTIVATION != 0u) {
        total *= activation_slope(ACTIVATION, kept[row * params.outputs + column]);
    }
    output_tangent[place] = total;
}

fn store_row(row: u32, column: u32, all: vec4<f32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store(row, column + i, sums.x);
        sums = sums.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_jvp(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = workgroup.y * groups.x + workgroup.x;
    let column_tiles = (params.outputs + params.extra + TILE - 1u) / TILE;
    let first_row = (tile / column_tiles) * TILE;
    let first_column = (tile % column_tiles) * TILE;
    let row_quad = lane % QUADS;
    let column_quad = lane / QUADS;
    let busy = first_column + column_quad * 4u < params.outputs && first_row + row_quad * 4u < params.rows;

    var sums_0 = vec4<f32>();
    var sums_1 = vec4<f32>();
    var sums_2 = vec4<f32>();
    var sums_3 = vec4<f32>();
    for (var product = 0u; product < select(1u, 2u, params.with_input_tangent != 0u); product++) {
        let tangents = product == 1u;
        for (var first = 0u; first < params.inputs; first += STEP) {
            let k = lane % STEP;
            for (var quad = lane / STEP; quad < QUADS; quad += 64u / STEP) {
                let row = first_row + quad * 4u;
                let column = first_column + quad * 4u;
                row_tile[k * QUADS + quad] = vec4<f32>(
                    load_input(row, first + k, tangents), load_input(row + 1u, first + k, tangents),
                    load_input(row + 2u, first + k, tangents), load_input(row + 3u, first + k, tangents));
                column_tile[k * QUADS + quad] = vec4<f32>(
                    load_weight(column, first + k, tangents), load_weight(column + 1u, first + k, tangents),
                    load_weight(column + 2u, first + k, tangents), load_weight(column + 3u, first + k, tangents));
            }
            workgroupBarrier();  // the tiles are complete
            let count = select(0u, min(STEP, params.inputs - first), busy);
            for (var i = 0u; i < count; i++) {
                let a = row_tile[i * QUADS + row_quad];
                let b = column_tile[i * QUADS + column_quad];
                sums_0 += a.x * b;
                sums_1 += a.y * b;
                sums_2 += a.z * b;
                sums_3 += a.w * b;
            }
            workgroupBarrier();  // nobody reads the tiles any more
        }
    }

    let row = first_row + row_quad * 4u;
    let column = first_column + column_quad * 4u;
    var sums = mat4x4<f32>(sums_0, sums_1, sums_2, sums_3);
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store_row(row + i, column, sums[0]);
        sums = mat4x4<f32>(sums[1], sums[2], sums[3], sums[0]);
    }
}
