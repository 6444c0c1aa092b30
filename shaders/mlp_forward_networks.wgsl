// Several networks of one shape with all their layers, from inputs to outputs, in one dispatch.
//
// Needs parts math and activation.
//
// parameters  [..]  network n's begin at networks[n].x; its layers lie there as `layers` says
// input       [..]  row r of network n begins at networks[n].y + r input_stride
// output      [..]  [rows, outputs] of network n from networks[n].z on
// kept        [..]  per hidden layer [rows, width], one after another from networks[n].w on: what a backward pass needs of its
//                   activation, its output or its preactivation; a network with w = NOT_KEPT keeps nothing
//
// A workgroup takes 4 rows through one network; what lies between layers stays in workgroup memory, four rows to a vector.
// Layers are at most 512 wide. Sums run over inputs in order and the bias comes last, as in mlp_forward.
//
// Operations: 2 Σ inputs · outputs a row; bytes: 4 (inputs + Σ outputs) a row, and the parameters.

struct Params {
    layers: array<vec4<u32>, 6>,    // inputs, outputs, first element of the weight, of the bias; from the network's first on
    networks: array<vec4<u32>, 6>,
    rows: u32,
    depth: u32,
    input_stride: u32,
    blocks: u32,                    // workgroups of a network
    count: u32,                     // networks
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;

override ACTIVATION: u32 = 0u;
override KEEPS_PREACTIVATION: u32 = 0u;

const ROWS: u32 = 4u;
const WIDTH: u32 = 512u;
const NOT_KEPT: u32 = 0xffffffffu;

// The inputs of this layer and of the next, in turn: [2, WIDTH] of four rows.
var<workgroup> block: array<vec4<f32>, 1024>;

fn load(place: u32, row: u32, k: u32) -> f32 {
    if (row >= params.rows) {
        return 0.0;
    }
    return input[place + row * params.input_stride + k];
}

// Column `column` of four rows, `width` apart.
fn store(place: u32, first_row: u32, width: u32, column: u32, all: vec4<f32>, of_output: bool) {
    var values = all;
    for (var i = 0u; i < ROWS; i += 1u) {
        let at = place + (first_row + i) * width + column;
        if (first_row + i < params.rows) {
            if (of_output) {
                output[at] = values.x;
            } else {
                kept[at] = values.x;
            }
        }
        values = values.yzwx;
    }
}

@compute @workgroup_size(64)
fn mlp_forward_networks(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    if (group >= params.blocks * params.count) {
        return;  // a grid of two dimensions is padded
    }
    let network = params.networks[group / params.blocks];
    let first_row = group % params.blocks * ROWS;
    let inputs = params.layers[0].x;
    for (var k = lane; k < inputs; k += 64u) {
        block[k] = vec4<f32>(
            load(network.y, first_row, k), load(network.y, first_row + 1u, k),
            load(network.y, first_row + 2u, k), load(network.y, first_row + 3u, k));
    }
    var hidden = network.w;
    for (var l = 0u; l < params.depth; l += 1u) {
        let layer = params.layers[l];
        let last = l + 1u == params.depth;
        let own = (l & 1u) * WIDTH;
        let next = WIDTH - own;
        workgroupBarrier();  // this layer's input is complete, and nobody reads that of the one before
        for (var column = lane; column < layer.y; column += 64u) {
            let weight = network.x + layer.z + column * layer.x;
            var z = vec4<f32>();
            for (var k = 0u; k < layer.x; k += 1u) {
                z += parameters[weight + k] * block[own + k];
            }
            z += parameters[network.x + layer.w + column];
            if (last) {
                store(network.z, first_row, layer.y, column, z, true);
            } else {
                let y = activation_apply_4(ACTIVATION, z);
                block[next + column] = y;
                if (network.w != NOT_KEPT) {
                    store(hidden, first_row, layer.y, column, select(y, z, vec4<bool>(KEEPS_PREACTIVATION != 0u)), false);
                }
            }
        }
        hidden += params.rows * layer.y;
    }
}
