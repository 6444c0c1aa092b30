// Partial gradients of a dense layer's weight and bias, dW = dYᵀ X and db = Σ dY, over fixed slices of the rows, of two
// networks in one dispatch.
//
// d_output    [rows, outputs + extra]  row r starts at d_output_offset + r * d_output_stride
// d_output_b  the second network's
// input       [rows, inputs]           row r starts at input_offset + r * input_stride
// partials    [slices, parameters]     slice s holds, at params.weight and params.bias, the sums over rows
//                                      s * slice_rows .. (s + 1) * slice_rows; reduce_partials adds the slices
// The `extra` columns (log_std) have a sum like the bias', at extra_offset. The second network's fields end with _b; its
// workgroups come after the first `groups`.
//
// Workgroups of a slice: tiles of outputs × inputs, then sums of 256 columns each. In the order of mlp_backward_weight.
// 2 operations per row, input and output; of each tile 4 bytes per row and output, row and input, and sum. Gains over the
// plain kernel as mlp_forward_tiled's over its: lavapipe 5 times as fast at two networks of 256 → 256 and 2,048 rows
// (cargo bench --bench products).

struct Params {
    rows: u32, groups: u32, slice_rows: u32, partial_stride: u32,
    inputs: u32, outputs: u32, weight: u32, bias: u32, input_offset: u32, input_stride: u32,
    d_output_offset: u32, d_output_stride: u32, extra: u32, extra_offset: u32,
    inputs_b: u32, outputs_b: u32, weight_b: u32, bias_b: u32, input_offset_b: u32, input_stride_b: u32,
    d_output_offset_b: u32, d_output_stride_b: u32, extra_b: u32, extra_offset_b: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_output: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> d_output_b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;

override INPUT_ACTIVATION: u32 = 0u;  // applied to the input where it is loaded: layers that keep preactivations
override COLUMN_LANES: u32 = 8u;      // see part tile
override STAGED: u32 = 0u;
override TILE_VECTORS: u32 = 128u;    // 1 where not staged
override ROWS_WHOLE: u32 = 0u;        // sizes, offset and stride of the gradient are multiples of 4, and so are a slice's rows
override COLUMNS_WHOLE: u32 = 0u;     // and those of the input

struct Job {
    inputs: u32, outputs: u32, weight: u32, bias: u32, input_offset: u32, input_stride: u32,
    d_output_offset: u32, d_output_stride: u32, extra: u32, extra_offset: u32, second: bool,
}

var<private> job: Job;
var<private> begin: u32;  // rows of the slice
var<private> end: u32;
var<private> first_output: u32;
var<private> first_column: u32;
var<workgroup> row_tile: array<vec4<f32>, TILE_VECTORS>;
var<workgroup> column_tile: array<vec4<f32>, TILE_VECTORS>;

fn load_quad(at: u32) -> vec4<f32> {
    if (job.second) { return d_output_b[min(at, arrayLength(&d_output_b) - 1u)]; }
    return d_output[min(at, arrayLength(&d_output) - 1u)];
}

// Columns past the end are some other numbers of the buffer, and are not stored.
fn load_d_output(row: u32, output: u32) -> vec4<f32> {
    let place = job.d_output_offset + row * job.d_output_stride + output;
    var d = load_quad(place / 4u);
    if (ROWS_WHOLE == 0u) {
        if (place % 4u != 0u) { d = tile_window(d, load_quad(place / 4u + 1u), place); }
        d = select(vec4<f32>(), d, row < end);
    }
    return d;
}

fn load_input(row: u32, column: u32) -> vec4<f32> {
    let last = arrayLength(&input) - 1u;
    let place = job.input_offset + row * job.input_stride + column;
    var x = input[min(place / 4u, last)];
    if (COLUMNS_WHOLE == 0u) {
        if (place % 4u != 0u) { x = tile_window(x, input[min(place / 4u + 1u, last)], place); }
        x = select(vec4<f32>(), x, row < end);
    }
    if (INPUT_ACTIVATION == 0u) { return x; }
    return activation_apply_4(INPUT_ACTIVATION, x);
}

fn tile_row(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_d_output(begin + k + i, first_output + quad * 4u); }
fn tile_column(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_input(begin + k + i, first_column + quad * 4u); }
fn tile_rows(quad: u32, k: u32) -> mat4x4<f32> { return tile_product_four_rows(quad, k); }
fn tile_columns(quad: u32, k: u32) -> mat4x4<f32> { return tile_product_four_columns(quad, k); }

fn tile_store(tile_row: u32, tile_column: u32, sum: f32) {
    let output = first_output + tile_row;
    let column = first_column + tile_column;
    if ((output >= job.outputs) | (column >= job.inputs)) { return; }
    partials[begin / params.slice_rows * params.partial_stride + job.weight + output * job.inputs + column] = sum;
}

fn store_bias(output: u32, sum: f32) {
    if (output >= job.outputs + job.extra) { return; }
    let place = select(job.extra_offset + output - job.outputs, job.bias + output, output < job.outputs);
    partials[begin / params.slice_rows * params.partial_stride + place] = sum;
}

// The sums of four columns of the gradient.
fn sum_columns(output: u32) {
    if (output >= job.outputs + job.extra) { return; }
    var sums = vec4<f32>();
    for (var row = begin; row < end; row++) { sums += load_d_output(row, output); }
    store_bias(output, sums.x);
    store_bias(output + 1u, sums.y);
    store_bias(output + 2u, sums.z);
    store_bias(output + 3u, sums.w);
}

@compute @workgroup_size(64)
fn mlp_backward_weight_tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = params;
    let group = workgroup.y * groups.x + workgroup.x;
    let second = group >= p.groups;
    if (second) {
        job = Job(p.inputs_b, p.outputs_b, p.weight_b, p.bias_b, p.input_offset_b, p.input_stride_b,
            p.d_output_offset_b, p.d_output_stride_b, p.extra_b, p.extra_offset_b, true);
    } else {
        job = Job(p.inputs, p.outputs, p.weight, p.bias, p.input_offset, p.input_stride,
            p.d_output_offset, p.d_output_stride, p.extra, p.extra_offset, false);
    }
    let inputs = select(p.inputs, p.inputs_b, second);
    let outputs = select(p.outputs, p.outputs_b, second);
    let across = (inputs + tile_width() - 1u) / tile_width();
    let tiles = across * ((outputs + tile_height() - 1u) / tile_height());
    let all = max(1u, tiles + (outputs + select(p.extra, p.extra_b, second) + 255u) / 256u);
    let index = group - select(0u, p.groups, second);
    let slice_begin = index / all * p.slice_rows;
    if (slice_begin >= p.rows) { return; }  // past the last slice: a grid of two dimensions is padded
    begin = slice_begin;
    end = min(begin + p.slice_rows, p.rows);
    let tile = index % all;
    if (tile >= tiles) {
        sum_columns(((tile - tiles) * TILE_LANES + lane) * 4u);
        return;
    }
    first_output = tile / across * tile_height();
    first_column = tile % across * tile_width();
    let rows = min(p.slice_rows, p.rows - slice_begin);
    tile_store_all(lane, tile_product(lane, rows, outputs - first_output, inputs - first_column));
}
