// Sums of a dense layer for a block of 16 rows in workgroup memory, by a workgroup of 64: a lane has 4 rows and 4 or 8 columns.
//
// Needs part loops.
// A kernel provides chain_input(i), quad i of the block (rows are CHAIN_STRIDE quads apart), and chain_parameter(i). A lane's
// rows are chain_row(lane, 0 .. 3), its columns chain_column(lane) .. + 3 (near) and 64 more (far).

const CHAIN_ROWS: u32 = 16u;
const CHAIN_WIDTH: u32 = 128u;
const CHAIN_STRIDE: u32 = 33u;  // a quad more than 128 numbers, so that four rows lie in different banks

// Row i of a matrix: the four columns of the lane's i-th row.
struct ChainSums {
    near: mat4x4<f32>,
    far: mat4x4<f32>,
}

// The next row's in the place of the first; after the four near ones come the far ones.
fn chain_turn(s: ChainSums) -> ChainSums {
    return ChainSums(
        mat4x4<f32>(s.near[1], s.near[2], s.near[3], s.far[0]), mat4x4<f32>(s.far[1], s.far[2], s.far[3], s.near[0]));
}

fn chain_row(lane: u32, i: u32) -> u32 { return lane % 4u + 4u * i; }
fn chain_column(lane: u32) -> u32 { return lane / 4u * 4u; }

// Four neighbouring weights, zeros after the first `left`.
fn chain_weights(at: u32, left: u32) -> vec4<f32> {
    var w = vec4<f32>(chain_parameter(at), 0.0, 0.0, 0.0);
    if (left > 3u) {
        return vec4<f32>(w.x, chain_parameter(at + 1u), chain_parameter(at + 2u), chain_parameter(at + 3u));
    }
    if (left > 1u) { w.y = chain_parameter(at + 1u); }
    if (left > 2u) { w.z = chain_parameter(at + 2u); }
    return w;
}

// sums[row] += x[row] · w[column], input by input, so that the order is that of a plain loop.
fn chain_add(sums: mat4x4<f32>, x: mat4x4<f32>, w: mat4x4<f32>) -> mat4x4<f32> {
    let t = transpose(w);
    var a = sums[0] + x[0].x * t[0];
    var b = sums[1] + x[1].x * t[0];
    var c = sums[2] + x[2].x * t[0];
    var d = sums[3] + x[3].x * t[0];
    a += x[0].y * t[1];
    b += x[1].y * t[1];
    c += x[2].y * t[1];
    d += x[3].y * t[1];
    a += x[0].z * t[2];
    b += x[1].z * t[2];
    c += x[2].z * t[2];
    d += x[3].z * t[2];
    a += x[0].w * t[3];
    b += x[1].w * t[3];
    c += x[2].w * t[3];
    d += x[3].w * t[3];
    return mat4x4<f32>(a, b, c, d);
}

// Those of four columns from `column` on; a column past the last has the weights of the last, and its sum is not used.
fn chain_four_weights(weight: u32, stride: u32, column: u32, outputs: u32, left: u32) -> mat4x4<f32> {
    let last = outputs - 1u;
    if (LOOPS != 0u) {
        var w = mat4x4<f32>();
        for (var i = 0u; i < loops_end(4u, outputs); i++) {
            w = mat4x4<f32>(w[1], w[2], w[3], chain_weights(weight + min(column + i, last) * stride, left));
        }
        return w;
    }
    return mat4x4<f32>(
        chain_weights(weight + column * stride, left), chain_weights(weight + min(column + 1u, last) * stride, left),
        chain_weights(weight + min(column + 2u, last) * stride, left),
        chain_weights(weight + min(column + 3u, last) * stride, left));
}

// Adds inputs 0 .. count of the block; `weight` is where the weights of output 0 begin, `stride` from one output to the next.
fn chain_layer(before: ChainSums, lane: u32, count: u32, weight: u32, stride: u32, outputs: u32) -> ChainSums {
    var sums = before;
    let column = chain_column(lane);
    if (column >= outputs) {
        return sums;
    }
    let row = lane % 4u * CHAIN_STRIDE;
    for (var k = 0u; k < count; k += 4u) {
        let left = count - k;
        let at = row + k / 4u;
        let x = mat4x4<f32>(
            chain_input(at), chain_input(at + 4u * CHAIN_STRIDE),
            chain_input(at + 8u * CHAIN_STRIDE), chain_input(at + 12u * CHAIN_STRIDE));
        let w = weight + k;
        if (LOOPS != 0u) {
            for (var half = 0u; half < loops_end(2u, outputs); half++) {
                if (column + half * 64u < outputs) {
                    sums.near = chain_add(sums.near, x, chain_four_weights(w, stride, column + half * 64u, outputs, left));
                }
                sums = ChainSums(sums.far, sums.near);
            }
            continue;
        }
        sums.near = chain_add(sums.near, x, chain_four_weights(w, stride, column, outputs, left));
        if (column + 64u < outputs) {
            sums.far = chain_add(sums.far, x, chain_four_weights(w, stride, column + 64u, outputs, left));
        }
    }
    return sums;
}
