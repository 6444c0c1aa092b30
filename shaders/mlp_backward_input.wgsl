// The gradient of a dense layer's input, dX = (dY W [+ what is there]) ⊙ f'(X), from the gradient of its output.
//
// parameters  [P]              weight [outputs, inputs] at params.weight
// d_output    [rows, outputs]  row r starts at d_output_offset + r * d_output_stride (a distribution
//                              row may be wider)
// kept        [rows, inputs]   what the forward pass kept of X's activation: its output, or its preactivation
// d_input     [rows, inputs]   gradient by the preactivation of X; with `accumulate` it holds a first addend before
//
// Tiles as in mlp_forward; the sum over outputs runs in order.
//
// Operations: 2 inputs · outputs a row; bytes: 4 (2 inputs + outputs) a row, and the weight, each once if caches hold them.

struct Params {
    rows: u32,
    inputs: u32,
    outputs: u32,
    weight: u32,
    d_output_stride: u32,
    accumulate: u32,
    d_output_offset: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> d_output: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_input: array<f32>;

// The activation whose derivative is multiplied in; 0 (identity) leaves the sum as it is.
override ACTIVATION: u32 = 0u;

const TILE: u32 = 32u;
const STEP: u32 = 16u;
const QUADS: u32 = 8u;

var<workgroup> d_tile: array<vec4<f32>, 128>;       // [STEP, QUADS]: four rows each
var<workgroup> weight_tile: array<vec4<f32>, 128>;  // [STEP, QUADS]: four columns each

fn load_d_output(row: u32, k: u32) -> f32 {
    if (row >= params.rows || k >= params.outputs) {
        return 0.0;
    }
    return d_output[params.d_output_offset + row * params.d_output_stride + k];
}

fn load_weight(k: u32, column: u32) -> f32 {
    if (column >= params.inputs || k >= params.outputs) {
        return 0.0;
    }
    return parameters[params.weight + k * params.inputs + column];
}

fn store(row: u32, column: u32, sum: f32) {
    if (row >= params.rows || column >= params.inputs) {
        return;
    }
    let place = row * params.inputs + column;
    var total = sum;
    if (params.accumulate != 0u) {
        total += d_input[place];
    }
    if (ACTIVATION != 0u) {
        total *= activation_slope(ACTIVATION, kept[place]);
    }
    d_input[place] = total;
}

fn store_row(row: u32, column: u32, all: vec4<f32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        store(row, column + i, sums.x);
        sums = sums.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_backward_input(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = workgroup.y * groups.x + workgroup.x;
    let column_tiles = (params.inputs + TILE - 1u) / TILE;
    let first_row = (tile / column_tiles) * TILE;
    let first_column = (tile % column_tiles) * TILE;
    let row_quad = lane % QUADS;
    let column_quad = lane / QUADS;
    let busy = first_column + column_quad * 4u < params.inputs && first_row + row_quad * 4u < params.rows;

    var sums_0 = vec4<f32>();
    var sums_1 = vec4<f32>();
    var sums_2 = vec4<f32>();
    var sums_3 = vec4<f32>();
    for (var first = 0u; first < params.outputs; first += STEP) {
        let k = lane % STEP;
        for (var quad = lane / STEP; quad < QUADS; quad += 64u / STEP) {
            let row = first_row + quad * 4u;
            d_tile[k * QUADS + quad] = vec4<f32>(
                load_d_output(row, first + k), load_d_output(row + 1u, first + k),
                load_d_output(row + 2u, first + k), load_d_output(row + 3u, first + k));
        }
        // A row of the weight is contiguous along the columns of this product.
        let quad = lane % QUADS;
        for (var i = lane / QUADS; i < STEP; i += 64u / QUADS) {
            let column = first_column + quad * 4u;
            weight_tile[i * QUADS + quad] = vec4<f32>(
                load_weight(first + i, column), load_weight(first + i, column + 1u),
                load_weight(first + i, column + 2u), load_weight(first + i, column + 3u));
        }
        workgroupBarrier();  // the tiles are complete
        let count = select(0u, min(STEP, params.outputs - first), busy);
        for (var i = 0u; i < count; i++) {
            let d = d_tile[i * QUADS + row_quad];
            let w = weight_tile[i * QUADS + column_quad];
            sums_0 += d.x * w;
            sums_1 += d.y * w;
            sums_2 += d.z * w;
            sums_3 += d.w * w;
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
