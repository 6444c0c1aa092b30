// The tangent of one dense layer for all rows, T = (X dWᵀ + dX Wᵀ + db) ⊙ f'(kept), from the layer's kept input and a
// tangent of the flat parameters.
//
// weights          [P / 4]                  the flat parameters, four at a time: weight [outputs, inputs] at params.weight
// tangent          [P]                      db [outputs] at params.bias
// weight_tangents  [P / 4]                  the same buffer, four at a time: dW at params.weight
// input            [rows, inputs]           X, kept by the forward pass; row r starts at input_offset + r * input_stride
// input_tangent    [rows, inputs]           dX; not read if with_input_tangent is 0 (the first layer)
// kept             [rows, outputs]          what the forward pass kept of this layer's activation; not read if there is none
// output_tangent   [rows, outputs + extra]  T; row r starts at r * output_stride
// The `extra` columns after the outputs are copies of tangent[extra_offset ..]: the tangent of log_std.
//
// 4 operations per row, input and output; of each tile 8 bytes per row and input, column and input, and sum. The sum over
// inputs runs in order, of X dWᵀ and then of dX Wᵀ, as in the plain kernel; gains over that as mlp_forward_tiled's over its
// own: lavapipe 5.6 times as fast at 256 → 256 and 2,048 rows, registers alone (cargo bench --bench products -- --kernels ant).

struct Params {
    rows: u32, inputs: u32, outputs: u32, weight: u32,
    bias: u32, input_offset: u32, input_stride: u32, with_input_tangent: u32,
    output_stride: u32, extra: u32, extra_offset: u32, pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> tangent: array<f32>;
@group(0) @binding(3) var<storage, read> weight_tangents: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> input_tangent: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> kept: array<f32>;
@group(0) @binding(7) var<storage, read_write> output_tangent: array<f32>;

override INPUT_ACTIVATION: u32 = 0u;  // applied to the input where it is loaded
override ACTIVATION: u32 = 0u;        // the one whose derivative is multiplied in, 0 for none
override COLUMN_LANES: u32 = 8u;      // see part tile
override STAGED: u32 = 0u;            // through workgroup memory; only with 8 column lanes
override TILE_VECTORS: u32 = 128u;    // 1 where not staged
override ROWS_WHOLE: u32 = 0u;        // 1: sizes, offset and stride of the input are multiples of 4; 2: all but its width
override COLUMNS_WHOLE: u32 = 0u;     // and those of the weight

var<private> first_row: u32;
var<private> first_column: u32;
// [TILE_TERMS, TILE_QUADS], where staged: four rows each of X, then of dX, four columns each of dW, then of W.
var<workgroup> row_tile: array<vec4<f32>, TILE_VECTORS>;
var<workgroup> column_tile: array<vec4<f32>, TILE_VECTORS>;

// Rows and columns past the end are some other numbers of the buffer, and are not stored.
fn load_input(row: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&input) - 1u;
    let place = params.input_offset + (first_row + row) * params.input_stride + k;
    var x = input[min(place / 4u, last)];
    if (ROWS_WHOLE == 0u) {
        x = tile_window(x, input[min(place / 4u + 1u, last)], place);
    }
    if (ROWS_WHOLE != 1u) {
        x = tile_below(x, k, params.inputs);
    }
    if (INPUT_ACTIVATION == 0u) {
        return x;
    }
    return activation_apply_4(INPUT_ACTIVATION, x);
}

fn load_input_tangent(row: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&input_tangent) - 1u;
    let place = (first_row + row) * params.inputs + k;
    let x = input_tangent[min(place / 4u, last)];
    if (ROWS_WHOLE == 1u) {
        return x;
    }
    return tile_below(tile_window(x, input_tangent[min(place / 4u + 1u, last)], place), k, params.inputs);
}

fn load_weight(column: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&weights) - 1u;
    let place = params.weight + (first_column + column) * params.inputs + k;
    let w = weights[min(place / 4u, last)];
    if (COLUMNS_WHOLE != 0u) {
        return w;
    }
    return tile_below(tile_window(w, weights[min(place / 4u + 1u, last)], place), k, params.inputs);
}

fn load_weight_tangent(column: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&weight_tangents) - 1u;
    let place = params.weight + (first_column + column) * params.inputs + k;
    let w = weight_tangents[min(place / 4u, last)];
    if (COLUMNS_WHOLE != 0u) {
        return w;
    }
    return tile_below(tile_window(w, weight_tangents[min(place / 4u + 1u, last)], place), k, params.inputs);
}

fn tile_row(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_input(quad * 4u + i, k); }
fn tile_row_tangent(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_input_tangent(quad * 4u + i, k); }
fn tile_column(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_weight_tangent(quad * 4u + i, k); }
fn tile_tangent_column(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_weight(quad * 4u + i, k); }

fn tile_rows(quad: u32, k: u32) -> mat4x4<f32> { return transpose(tile_product_four_rows(quad, k)); }
fn tile_columns(quad: u32, k: u32) -> mat4x4<f32> { return transpose(tile_product_four_columns(quad, k)); }
fn tile_row_tangents(quad: u32, k: u32) -> mat4x4<f32> { return transpose(tile_tangent_four_rows(quad, k)); }
fn tile_tangent_columns(quad: u32, k: u32) -> mat4x4<f32> { return transpose(tile_tangent_four_columns(quad, k)); }

fn tile_store(tile_row: u32, tile_column: u32, sum: f32) {
    let row = first_row + tile_row;
    let column = first_column + tile_column;
    if ((row >= params.rows) | (column >= params.outputs + params.extra)) {
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

@compute @workgroup_size(64)
fn mlp_jvp_tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = workgroup.y * groups.x + workgroup.x;
    let across = (params.outputs + params.extra + tile_width() - 1u) / tile_width();
    first_row = tile / across * tile_height();
    first_column = tile % across * tile_width();
    let rows = params.rows - min(first_row, params.rows);
    let columns = params.outputs - min(first_column, params.outputs);
    var sums = tile_product(lane, params.inputs, rows, columns);
    if (params.with_input_tangent != 0u) {
        sums = tile_tangent_product(sums, lane, params.inputs, rows, columns);
    }
    tile_store_all(lane, sums);
}
