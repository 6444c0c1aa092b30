// Sixteen rows of a network with one or two hidden layers in workgroup memory, and how they and the weights are read, by a
// workgroup of 128. Needs parts activation and loops; a kernel provides params.rows, block_parameter(i) and the overrides
// ACTIVATION and KEEPS_PREACTIVATION.
//
// What is read in a loop on drivers that compute on the CPU is written out for hardware, where it stays in registers: see
// part loops.

const BLOCK_ROWS: u32 = 16u;
// Quads: where each part lies, and from one row to the next one more than the widest has, so that rows lie in different banks.
const BLOCK_OBS: u32 = 0u;  // up to 32 numbers a row
const BLOCK_OBS_STRIDE: u32 = 9u;
const BLOCK_FIRST: u32 = 144u;  // up to 64
const BLOCK_SECOND: u32 = 416u;
const BLOCK_STRIDE: u32 = 17u;

// Pairs: a lane stores no more than that.
var<workgroup> block: array<vec2<f32>, 1376>;

fn block_column(lane: u32) -> u32 { return lane / 4u * 2u; }
fn block_quad(i: u32) -> vec4<f32> { return vec4<f32>(block[2u * i], block[2u * i + 1u]); }
fn block_store(i: u32, quad: vec4<f32>) {
    block[2u * i] = quad.xy;
    block[2u * i + 1u] = quad.zw;
}

// Quad i as the next layer takes it.
fn block_input(i: u32) -> vec4<f32> {
    if (KEEPS_PREACTIVATION == 1u && i >= BLOCK_FIRST) {
        return activation_apply_4(ACTIVATION, block_quad(i));
    }
    return block_quad(i);
}

// A weight, or zero.
fn block_weight(at: u32, there: bool) -> f32 {
    if (there) {
        return block_parameter(at);
    }
    return 0.0;
}

// Four neighbouring weights, zeros after the first `left`.
fn block_weights(at: u32, left: u32) -> vec4<f32> {
    if (LOOPS != 0u) {
        var four = vec4<f32>();
        for (var i = 0u; i < loops_end(4u, params.rows); i++) { four = vec4<f32>(four.yzw, block_weight(at + i, i < left)); }
        return four;
    }
    if (left > 3u) {
        return vec4<f32>(
            block_parameter(at), block_parameter(at + 1u), block_parameter(at + 2u), block_parameter(at + 3u));
    }
    return vec4<f32>(block_pair(at, left), select(0.0, block_parameter(at + select(0u, 2u, left > 2u)), left > 2u), 0.0);
}

// Two, likewise.
fn block_pair(at: u32, left: u32) -> vec2<f32> {
    if (LOOPS != 0u) {
        var two = vec2<f32>();
        for (var i = 0u; i < loops_end(2u, params.rows); i++) { two = vec2<f32>(two.y, block_weight(at + i, i < left)); }
        return two;
    }
    if (left > 1u) {
        return vec2<f32>(block_parameter(at), block_parameter(at + 1u));
    }
    return vec2<f32>(select(0.0, block_parameter(at), left > 0u), 0.0);
}

// Four rows that lie `step` quads apart.
fn block_rows(at: u32, step: u32) -> mat4x4<f32> {
    if (LOOPS != 0u) {
        var x = mat4x4<f32>();
        for (var i = 0u; i < loops_end(4u, params.rows); i++) { x = mat4x4<f32>(x[1], x[2], x[3], block_input(at + i * step)); }
        return x;
    }
    return mat4x4<f32>(block_input(at), block_input(at + step), block_input(at + 2u * step), block_input(at + 3u * step));
}
