// One dense layer for all rows, Y = f(X Wᵀ + b), from the layer's input and the flat parameters.
//
// parameters  [P]                      weight [outputs, inputs] at params.weight, bias [outputs] at params.bias
// input       [rows, inputs]           row r starts at input_offset + r * input_stride
// output      [rows, outputs + extra]  row r starts at output_offset + r * output_stride
//
// The `extra` columns after the outputs are copies of parameters[extra_offset ..]: the state-independent part of a
// distribution row (log_std), so that a head sees one complete row.
//
// A workgroup of 64 computes a tile of 32 rows × 32 columns; a lane holds 4 × 4 sums in registers. The sum over
// inputs runs in order, so the result does not depend on the tile.
//
// Operations: 2 inputs · outputs a row; bytes: 4 (inputs + outputs) a row, and the weight, each once if caches hold them.

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    weight: u32,
    bias: u32,
    input_offset: u32,
    input_stride: u32,
    output_offset: u32,
    output_stride: u32,
    extra: u32,
    extra_offset: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

// Activation codes: applied to the input where it is loaded (layers that keep preactivations), and to the output.
override INPUT_ACTIVATION: u32 = 0u;
override ACTIVATION: u32 = 0u;

const TILE: u32 = 32u;  // rows and columns of a tile
const STEP: u32 = 16u;  // inputs per step
const QUADS: u32 = 8u;  // groups of four rows or columns in a tile

var<workgroup> input_tile: array<vec4<f32>, 128>;   // [STEP, QUADS]: four rows each
var<workgroup> weight_tile: array<vec4<f32>, 128>;  // [STEP, QUADS]: four columns each

fn load_input(row: u32, k: u32) -> f32 {
    if (row >= params.rows || k >= params.inputs) {
        return 0.0;
    }
    return activation_apply(INPUT_ACTIVATION, input[params.input_offset + row * params.input_stride + k]);
}

fn load_weight(column: u32, k: u32) -> f32 {
    if (column >= params.outputs || k >= params.inputs) {
        return 0.0;
    }
    return parameters[params.weight + column * params.inputs + k];
}

fn store(row: u32, column: u32, sum: f32) {
    if (row >= params.rows || column >= params.outputs + params.extra) {
        return;
    }
    let place = params.output_offset + row * params.output_stride + column;
    if (column < params.outputs) {
        output[place] = activation_apply(ACTIVATION, sum + parameters[params.bias + column]);
    } else {
        output[place] = parameters[params.extra_offset + column - params.outputs];
    }
}

fn store_row(row: u32, column: u32, all: vec4<f32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store(row, column + i, sums.x);
        sums = sums.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = workgroup.y * groups.x + workgroup.x;
    let column_tiles = (params.outputs + params.extra + TILE - 1u) / TILE;
    let first_row = (tile / column_tiles) * TILE;
    let first_column = (tile % column_tiles) * TILE;
    // Columns go with the slow half of the lane number: where there are few, whole groups of eight lanes have nothing to do.
    let row_quad = lane % QUADS;
    let column_quad = lane / QUADS;
    let busy = first_column + column_quad * 4u < params.outputs && first_row + row_quad * 4u < params.rows;

    var sums_0 = vec4<f32>();
    var sums_1 = vec4<f32>();
    var sums_2 = vec4<f32>();
    var sums_3 = vec4<f32>();
    for (var first = 0u; first < params.inputs; first += STEP) {
        // Neighbouring lanes read neighbouring inputs of one row.
        let k = lane % STEP;
        for (var quad = lane / STEP; quad < QUADS; quad += 64u / STEP) {
            let row = first_row + quad * 4u;
            let column = first_column + quad * 4u;
            input_tile[k * QUADS + quad] = vec4<f32>(
                load_input(row, first + k), load_input(row + 1u, first + k),
                load_input(row + 2u, first + k), load_input(row + 3u, first + k));
            weight_tile[k * QUADS + quad] = vec4<f32>(
                load_weight(column, first + k), load_weight(column + 1u, first + k),
                load_weight(column + 2u, first + k), load_weight(column + 3u, first + k));
        }
        workgroupBarrier();  // the tiles are complete
        let count = select(0u, min(STEP, params.inputs - first), busy);
        for (var i = 0u; i < count; i++) {
            let x = input_tile[i * QUADS + row_quad];
            let w = weight_tile[i * QUADS + column_quad];
            sums_0 += x.x * w;
            sums_1 += x.y * w;
            sums_2 += x.z * w;
            sums_3 += x.w * w;
        }
        workgroupBarrier();  // nobody reads the tiles any more
    }

    let row = first_row + row_quad * 4u;
    let column = first_column + column_quad * 4u;
    var sums = mat4x4<f32>(sums_0, sums_1, sums_2, sums_3);
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store_row(row + i, column, sums[0]);
        sums = mat4x4<f32>(sums[1], sums[2], sums[3], sums[0]);
    }
}
