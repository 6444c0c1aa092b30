// Partial gradients of a dense layer's weight and bias, dW = dYᵀ X and db = Σ dY, over fixed slices of the rows.
//
// d_output  [rows, ≥ outputs]      row r starts at r * d_output_stride + d_output_offset
// input     [rows, inputs]         row r starts at input_offset + r * input_stride; not read where inputs is 0
// partials  [slices, parameters]   slice s holds, at params.weight and params.bias, the sums over rows
//                                  s * slice_rows .. (s + 1) * slice_rows; reduce_partials adds the slices
//
// The bias is one more column of the product, against an input of ones: with inputs = 0 this sums columns. Tiles are 32
// outputs × 32 inputs of one slice; the sum over rows runs in order.
//
// Operations: 2 inputs · outputs a row; bytes: 4 (inputs + outputs) a row, 4 (inputs + 1) outputs a slice.

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    weight: u32,
    bias: u32,
    input_offset: u32,
    input_stride: u32,
    d_output_offset: u32,
    d_output_stride: u32,
    slice_rows: u32,
    partial_stride: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_output: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

// Applied to the input where it is loaded: layers that keep preactivations.
override INPUT_ACTIVATION: u32 = 0u;

const TILE: u32 = 32u;
const STEP: u32 = 16u;
const QUADS: u32 = 8u;

var<workgroup> d_tile: array<vec4<f32>, 128>;      // [STEP rows, QUADS]: four outputs each
var<workgroup> input_tile: array<vec4<f32>, 128>;  // [STEP rows, QUADS]: four inputs each

fn load_d_output(row: u32, end: u32, output: u32) -> f32 {
    if (row >= end || output >= params.outputs) {
        return 0.0;
    }
    return d_output[params.d_output_offset + row * params.d_output_stride + output];
}

fn load_input(row: u32, end: u32, column: u32) -> f32 {
    if (row >= end || column > params.inputs) {
        return 0.0;
    }
    if (column == params.inputs) {
        return 1.0;  // the bias
    }
    return activation_apply(INPUT_ACTIVATION, input[params.input_offset + row * params.input_stride + column]);
}

fn store(slice: u32, output: u32, column: u32, sum: f32) {
    if (output >= params.outputs || column > params.inputs) {
        return;
    }
    let start = slice * params.partial_stride;
    if (column == params.inputs) {
        partials[start + params.bias + output] = sum;
    } else {
        partials[start + params.weight + output * params.inputs + column] = sum;
    }
}

fn store_row(slice: u32, output: u32, column: u32, all: vec4<f32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store(slice, output, column + i, sums.x);
        sums = sums.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_backward_weight(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = workgroup.y * groups.x + workgroup.x;
    let column_tiles = (params.inputs + 1u + TILE - 1u) / TILE;
    let output_tiles = (params.outputs + TILE - 1u) / TILE;
    let slice = tile / (column_tiles * output_tiles);
    let first_output = (tile / column_tiles) % output_tiles * TILE;
    let first_column = tile % column_tiles * TILE;
    let column_quad = lane % QUADS;
    let output_quad = lane / QUADS;
    let busy = first_output + output_quad * 4u < params.outputs && first_column + column_quad * 4u <= params.inputs;
    let begin = slice * params.slice_rows;
    let end = min(begin + params.slice_rows, params.rows);
    if (begin >= params.rows) {
        return;  // past the last slice: a grid of two dimensions is padded
    }

    var sums_0 = vec4<f32>();
    var sums_1 = vec4<f32>();
    var sums_2 = vec4<f32>();
    var sums_3 = vec4<f32>();
    for (var first = begin; first < end; first += STEP) {
        let quad = lane % QUADS;
        for (var i = lane / QUADS; i < STEP; i += 64u / QUADS) {
            let row = first + i;
            let output = first_output + quad * 4u;
            let column = first_column + quad * 4u;
            d_tile[i * QUADS + quad] = vec4<f32>(
                load_d_output(row, end, output), load_d_output(row, end, output + 1u),
                load_d_output(row, end, output + 2u), load_d_output(row, end, output + 3u));
            input_tile[i * QUADS + quad] = vec4<f32>(
                load_input(row, end, column), load_input(row, end, column + 1u),
                load_input(row, end, column + 2u), load_input(row, end, column + 3u));
        }
        workgroupBarrier();  // the tiles are complete
        let count = select(0u, min(STEP, end - first), busy);
        for (var i = 0u; i < count; i++) {
            let d = d_tile[i * QUADS + output_quad];
            let x = input_tile[i * QUADS + column_quad];
            sums_0 += d.x * x;
            sums_1 += d.y * x;
            sums_2 += d.z * x;
            sums_3 += d.w * x;
        }
        workgroupBarrier();  // nobody reads the tiles any more
    }

    let output = first_output + output_quad * 4u;
    let column = first_column + column_quad * 4u;
    var sums = mat4x4<f32>(sums_0, sums_1, sums_2, sums_3);
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store_row(slice, output + i, column, sums[0]);
        sums = mat4x4<f32>(sums[1], sums[2], sums[3], sums[0]);
    }
}
