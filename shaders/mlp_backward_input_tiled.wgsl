// The gradient of a dense layer's input, dX = (dY W [+ what is there]) ⊙ f'(X), of two networks in one dispatch, from the
// gradients of their outputs.
//
// weights     [P / 4]          the flat parameters, four at a time: weight [outputs, inputs] at params.weight
// d_output    [rows, outputs]  row r starts at d_output_offset + r * d_output_stride
// d_output_b  the second network's
// kept        [rows, inputs]   from kept_offset on: what the forward pass kept of X's activation: output or preactivation
// d_input     [rows, inputs]   from d_input_offset on: gradient by the preactivation of X; with `accumulate` a first addend
// The second network's fields end with _b; its workgroups come after the first `groups`.
//
// 2 operations per row, input and output; of each tile 4 bytes per row and output, column and output, and 12 per sum. Gains
// over mlp_backward_input as mlp_forward_tiled's over its plain kernel: lavapipe 4 times as fast at two networks of
// 256 → 256 and 2,048 rows (cargo bench --bench products). The sum over outputs runs in order as in the plain kernel.

struct Params {
    rows: u32, groups: u32, accumulate: u32, pad_0: u32,
    inputs: u32, outputs: u32, weight: u32, d_output_offset: u32,
    d_output_stride: u32, kept_offset: u32, d_input_offset: u32,
    inputs_b: u32, outputs_b: u32, weight_b: u32, d_output_offset_b: u32,
    d_output_stride_b: u32, kept_offset_b: u32, d_input_offset_b: u32, pad_1: u32, pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> d_output: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_output_b: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override ACTIVATION: u32 = 0u;     // the one whose derivative is multiplied in; 0 (identity) leaves the sum as it is
override COLUMN_LANES: u32 = 8u;   // see part tile
override STAGED: u32 = 0u;
override TILE_VECTORS: u32 = 128u;    // 1 where not staged
override ROWS_WHOLE: u32 = 0u;     // sizes, offset and stride of the gradient are multiples of 4
override COLUMNS_WHOLE: u32 = 0u;  // and those of the weight

struct Job {
    inputs: u32, outputs: u32, weight: u32, d_output_offset: u32,
    d_output_stride: u32, kept_offset: u32, d_input_offset: u32, second: bool,
}

var<private> job: Job;
var<private> first_row: u32;
var<private> first_column: u32;
var<workgroup> row_tile: array<vec4<f32>, TILE_VECTORS>;
var<workgroup> column_tile: array<vec4<f32>, TILE_VECTORS>;

fn load_quad(place: u32) -> vec4<f32> {
    if (job.second) {
        return d_output_b[min(place, arrayLength(&d_output_b) - 1u)];
    }
    return d_output[min(place, arrayLength(&d_output) - 1u)];
}

// Rows past the end are some other numbers of the buffer, and are not stored.
fn load_d_output(row: u32, k: u32) -> vec4<f32> {
    let place = job.d_output_offset + (first_row + row) * job.d_output_stride + k;
    var d = load_quad(place / 4u);
    if (ROWS_WHOLE == 0u) {
        if (place % 4u != 0u) {
            d = tile_window(d, load_quad(place / 4u + 1u), place);
        }
        d = tile_below(d, k, job.outputs);
    }
    return d;
}

// A row of the weight is contiguous along the columns of this product.
fn load_weight(k: u32, column: u32) -> vec4<f32> {
    let last = arrayLength(&weights) - 1u;
    let place = job.weight + k * job.inputs + first_column + column;
    var w = weights[min(place / 4u, last)];
    if (COLUMNS_WHOLE == 0u) {
        if (place % 4u != 0u) {
            w = tile_window(w, weights[min(place / 4u + 1u, last)], place);
        }
        w = select(vec4<f32>(), w, k < job.outputs);
    }
    return w;
}

fn tile_row(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_d_output(quad * 4u + i, k); }
fn tile_column(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_weight(k + i, quad * 4u); }

fn tile_rows(quad: u32, k: u32) -> mat4x4<f32> {
    return transpose(tile_product_four_rows(quad, k));
}

fn tile_columns(quad: u32, k: u32) -> mat4x4<f32> {
    return tile_product_four_columns(quad, k);
}

fn tile_store(tile_row: u32, tile_column: u32, sum: f32) {
    let row = first_row + tile_row;
    let column = first_column + tile_column;
    if ((row >= params.rows) | (column >= job.inputs)) {
        return;
    }
    let place = job.d_input_offset + row * job.inputs + column;
    var total = sum;
    if (params.accumulate != 0u) {
        total += d_input[place];
    }
    if (ACTIVATION != 0u) {
        total *= activation_slope(ACTIVATION, kept[job.kept_offset + row * job.inputs + column]);
    }
    d_input[place] = total;
}

@compute @workgroup_size(64)
fn mlp_backward_input_tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = params;
    let group = workgroup.y * groups.x + workgroup.x;
    let second = group >= p.groups;
    if (second) {
        job = Job(p.inputs_b, p.outputs_b, p.weight_b, p.d_output_offset_b,
            p.d_output_stride_b, p.kept_offset_b, p.d_input_offset_b, true);
    } else {
        job = Job(p.inputs, p.outputs, p.weight, p.d_output_offset,
            p.d_output_stride, p.kept_offset, p.d_input_offset, false);
    }
    let tile = group - select(0u, p.groups, second);
    let across = max(1u, (job.inputs + tile_width() - 1u) / tile_width());
    first_row = tile / across * tile_height();
    first_column = tile % across * tile_width();
    let outputs = select(p.outputs, p.outputs_b, second);
    tile_store_all(lane, tile_product(lane, outputs, p.rows - min(first_row, p.rows), job.inputs - first_column));
}
