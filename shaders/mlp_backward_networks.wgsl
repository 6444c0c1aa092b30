// Gradients of several networks of one shape by what lies between their layers and by their inputs, in one dispatch.
//
// Needs parts math and activation.
//
// parameters [..]  network n's begin at networks[n].x; its layers lie there as `layers` says
// d_output   [..]  [rows, outputs] of network n from networks[n].y on
// kept       [..]  as mlp_forward_networks left it, from networks[n].z on
// d_kept     [..]  gradient by the preactivation of each hidden layer, laid out as `kept`
// d_input    [..]  columns input_first .. of the gradient by the inputs: [rows, inputs − input_first] of network n from
//                  networks[n].w on; not computed with w = NOT_KEPT
//
// A workgroup takes 4 rows backwards through one network. Layers are at most 512 wide; sums run over outputs in order, as in
// mlp_backward_input.
//
// Operations: 2 Σ inputs · outputs a row; bytes: 4 (outputs + 2 Σ widths + inputs) a row, and the parameters.

struct Params {
    layers: array<vec4<u32>, 6>,    // inputs, outputs, first element of the weight, of the bias; from the network's first on
    networks: array<vec4<u32>, 6>,
    rows: u32,
    depth: u32,
    input_first: u32,
    blocks: u32,                    // workgroups of a network
    count: u32,                     // networks
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> d_output: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_kept: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_input: array<f32>;

override ACTIVATION: u32 = 0u;

const ROWS: u32 = 4u;
const WIDTH: u32 = 512u;
const NOT_KEPT: u32 = 0xffffffffu;

// The gradient by the outputs of this layer and of the one before, in turn: [2, WIDTH] of four rows.
var<workgroup> block: array<vec4<f32>, 1024>;

fn load(place: u32, row: u32, width: u32, k: u32) -> f32 {
    if (row >= params.rows) {
        return 0.0;
    }
    return d_output[place + row * width + k];
}

@compute @workgroup_size(64)
fn mlp_backward_networks(
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
    let outputs = params.layers[params.depth - 1u].y;
    for (var k = lane; k < outputs; k += 64u) {
        block[k] = vec4<f32>(
            load(network.y, first_row, outputs, k), load(network.y, first_row + 1u, outputs, k),
            load(network.y, first_row + 2u, outputs, k), load(network.y, first_row + 3u, outputs, k));
    }
    // Where the hidden layers end.
    var hidden = network.z;
    for (var l = 0u; l + 1u < params.depth; l += 1u) {
        hidden += params.rows * params.layers[l].y;
    }
    let backward = select(params.depth, params.depth - 1u, network.w == NOT_KEPT);
    for (var step = 0u; step < backward; step += 1u) {
        let layer = params.layers[params.depth - 1u - step];
        let first = step + 1u == params.depth;
        let own = (step & 1u) * WIDTH;
        let next = WIDTH - own;
        let begin = select(0u, params.input_first, first);
        let width = layer.x - begin;
        hidden -= select(params.rows * layer.x, 0u, first);
        workgroupBarrier();  // this layer's gradient is complete, and nobody reads that of the one behind
        for (var i = lane; i < width; i += 64u) {
            let weight = network.x + layer.z + begin + i;
            var sum = vec4<f32>();
            for (var k = 0u; k < layer.y; k += 1u) {
                sum += parameters[weight + k * layer.x] * block[own + k];
            }
            var all = vec4<f32>();
            for (var r = 0u; r < ROWS; r += 1u) {
                let row = first_row + r;
                var d = sum.x;
                if (row < params.rows) {
                    if (first) {
                        d_input[network.w + row * width + i] = d;
                    } else {
                        let at = hidden + row * width + i;
                        d *= activation_slope(ACTIVATION, kept[at]);
                        d_kept[at] = d;
                    }
                }
                sum = sum.yzwx;
                all = vec4<f32>(all.yzw, d);
            }
            if (!first) {
                block[next + i] = all;
            }
        }
    }
}
