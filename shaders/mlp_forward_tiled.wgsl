// One dense layer for all rows, Y = f(X Wᵀ + b), of two networks in one dispatch, from the layers' inputs and the flat
// parameters.
//
// parameters  [P]                      bias [outputs] at params.bias; weight [outputs, inputs] at params.weight
// weights     [P / 4]                  the same buffer, four numbers at a time
// input       [rows, inputs]           row r starts at input_offset + r * input_stride
// output      [rows, outputs + extra]  row r starts at output_offset + r * output_stride
// output_b    the second network's, where `apart_b` says that it is not in `output`; else not used
// The `extra` columns are copies of parameters[extra_offset ..] (log_std). The second network's fields end with _b; its
// workgroups come after the first `groups`.
//
// 2 operations per row, input and output; of each tile 4 bytes per row and input, column and input, and sum. Half as many
// loads per multiply-add as mlp_forward, four numbers in each. gfx1100: 64 of the loop's 66 vector instructions multiply and
// add. Lavapipe: 5 times as fast at two networks of 256 → 256 and 2,048 rows, 3 times at whole steps of 64 → 64
// (benches/record/gfx1100/2026-11-25-products.txt; cargo bench --bench products).

struct Params {
    rows: u32, groups: u32, apart_b: u32, pad_0: u32,
    inputs: u32, outputs: u32, weight: u32, bias: u32,
    input_offset: u32, input_stride: u32, output_offset: u32, output_stride: u32,
    extra: u32, extra_offset: u32,
    inputs_b: u32, outputs_b: u32, weight_b: u32, bias_b: u32,
    input_offset_b: u32, input_stride_b: u32, output_offset_b: u32, output_stride_b: u32,
    extra_b: u32, extra_offset_b: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> output_b: array<f32>;

override INPUT_ACTIVATION: u32 = 0u;  // applied where the input is loaded: layers that keep preactivations
override ACTIVATION: u32 = 0u;
override COLUMN_LANES: u32 = 8u;      // see part tile
override STAGED: u32 = 0u;
override TILE_VECTORS: u32 = 128u;    // 1 where not staged
override ROWS_WHOLE: u32 = 0u;        // 1: sizes, offset and stride of the input are multiples of 4; 2: all but its width
override COLUMNS_WHOLE: u32 = 0u;     // and those of the weight

struct Job {
    inputs: u32, outputs: u32, weight: u32, bias: u32,
    input_offset: u32, input_stride: u32, output_offset: u32, output_stride: u32,
    extra: u32, extra_offset: u32, apart: bool,
}

var<private> job: Job;
var<private> first_row: u32;
var<private> first_column: u32;
var<workgroup> row_tile: array<vec4<f32>, TILE_VECTORS>;
var<workgroup> column_tile: array<vec4<f32>, TILE_VECTORS>;

// Rows past the end are some other numbers of the buffer, and are not stored.
fn load_input(row: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&input) - 1u;
    let place = job.input_offset + (first_row + row) * job.input_stride + k;
    var x = input[min(place / 4u, last)];
    if (ROWS_WHOLE == 0u && place % 4u != 0u) {
        x = tile_window(x, input[min(place / 4u + 1u, last)], place);
    }
    if (ROWS_WHOLE != 1u) {
        x = tile_below(x, k, job.inputs);
    }
    if (INPUT_ACTIVATION == 0u) {
        return x;
    }
    return activation_apply_4(INPUT_ACTIVATION, x);
}

fn load_weight(column: u32, k: u32) -> vec4<f32> {
    let last = arrayLength(&weights) - 1u;
    let place = job.weight + (first_column + column) * job.inputs + k;
    var w = weights[min(place / 4u, last)];
    if (COLUMNS_WHOLE == 0u) {
        if (place % 4u != 0u) {
            w = tile_window(w, weights[min(place / 4u + 1u, last)], place);
        }
        w = tile_below(w, k, job.inputs);
    }
    return w;
}

fn tile_row(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_input(quad * 4u + i, k); }
fn tile_column(quad: u32, k: u32, i: u32) -> vec4<f32> { return load_weight(quad * 4u + i, k); }

fn tile_rows(quad: u32, k: u32) -> mat4x4<f32> {
    return transpose(tile_product_four_rows(quad, k));
}

fn tile_columns(quad: u32, k: u32) -> mat4x4<f32> {
    return transpose(tile_product_four_columns(quad, k));
}

fn tile_store(tile_row: u32, tile_column: u32, sum: f32) {
    let row = first_row + tile_row;
    let column = first_column + tile_column;
    if ((row >= params.rows) | (column >= job.outputs + job.extra)) {
        return;
    }
    var y = 0.0;
    if (column < job.outputs) {
        y = activation_apply(ACTIVATION, sum + parameters[job.bias + column]);
    } else {
        y = parameters[job.extra_offset + column - job.outputs];
    }
    let place = job.output_offset + row * job.output_stride + column;
    if (job.apart) {
        output_b[place] = y;
    } else {
        output[place] = y;
    }
}

@compute @workgroup_size(64)
fn mlp_forward_tiled(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let p = params;
    let group = workgroup.y * groups.x + workgroup.x;
    let second = group >= p.groups;
    if (second) {
        job = Job(p.inputs_b, p.outputs_b, p.weight_b, p.bias_b, p.input_offset_b, p.input_stride_b,
            p.output_offset_b, p.output_stride_b, p.extra_b, p.extra_offset_b, p.apart_b != 0u);
    } else {
        job = Job(p.inputs, p.outputs, p.weight, p.bias, p.input_offset, p.input_stride,
            p.output_offset, p.output_stride, p.extra, p.extra_offset, false);
    }
    let tile = group - select(0u, p.groups, second);
    let across = max(1u, (job.outputs + job.extra + tile_width() - 1u) / tile_width());
    first_row = tile / across * tile_height();
    first_column = tile % across * tile_width();
    let inputs = select(p.inputs, p.inputs_b, second);
    let columns = job.outputs - min(first_column, job.outputs);
    tile_store_all(lane, tile_product(lane, inputs, p.rows - min(first_row, p.rows), columns));
}
