// Gradients of the weights of a network whose rows go through part block, summed in registers over the blocks of a workgroup,
// and the last layer, forward and backward, whose rows lie in block_outputs and block_d_outputs. Needs part block_terms.

struct BlockSums {
    second_near: mat4x4<f32>,  // outputs 4 (lane % 8), inputs 4 (lane / 8)
    second_far: mat4x4<f32>,   // 32 outputs further
    first: mat4x4<f32>,        // outputs 4 (lane % 16), inputs 4 (lane / 16)
    last: mat4x4<f32>,         // outputs 4 (lane / 16), inputs 4 (lane % 16)
    biases: vec3<f32>,         // of output `lane` of each layer; after the last layer's, free parameters
}

fn block_last_width(last: vec4<u32>) -> u32 { return select(last.y, params.width, block_of_policy); }

// Few columns: a lane has one row and every eighth column.
fn block_last_forward(top: u32, lane: u32, last: vec4<u32>) {
    let width = block_last_width(last);
    let row = lane % BLOCK_ROWS;
    for (var column = lane / BLOCK_ROWS; column < width; column += 8u) {
        if (column >= last.y) {
            block_outputs[row * width + column] = parameters[params.extra_offset + column - last.y];
            continue;
        }
        var sum = 0.0;
        for (var k = 0u; k < last.x; k += 4u) {
            let x = block_input(top + row * BLOCK_STRIDE + k / 4u);
            let w = block_weights(last.z + column * last.x + k, last.x - k);
            sum += x.x * w.x;
            sum += x.y * w.y;
            sum += x.z * w.z;
            sum += x.w * w.w;
        }
        block_outputs[row * width + column] = sum + parameters[last.w + column];
    }
}

fn block_last_backward(lane: u32, last: vec4<u32>) -> mat4x2<f32> {
    var sums = mat4x2<f32>();
    let column = block_column(lane);
    if (column >= last.x) {
        return sums;
    }
    let width = block_last_width(last);
    for (var o = 0u; o < last.y; o++) {
        let w = block_pair(last.z + o * last.x + column, last.x - column);
        let at = lane % 4u * width + o;
        sums = mat4x2<f32>(
            sums[0] + block_d_outputs[at] * w, sums[1] + block_d_outputs[at + 4u * width] * w,
            sums[2] + block_d_outputs[at + 8u * width] * w, sums[3] + block_d_outputs[at + 12u * width] * w);
    }
    return sums;
}

// sums[i] += d[i] · x.
fn block_outer(sums: mat4x4<f32>, d: vec4<f32>, x: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(sums[0] + d.x * x, sums[1] + d.y * x, sums[2] + d.z * x, sums[3] + d.w * x);
}

fn block_last_weights(sums: ptr<function, BlockSums>, top: u32, lane: u32, count: u32, last: vec4<u32>) {
    let width = block_last_width(last);
    let output = lane / 16u * 4u;
    for (var row = 0u; row < select(0u, count, output < last.y); row++) {
        let at = row * width + output;
        let d = vec4<f32>(block_d_outputs[at], block_d_outputs[at + 1u], block_d_outputs[at + 2u], block_d_outputs[at + 3u]);
        (*sums).last = block_outer((*sums).last, d, block_input(top + row * BLOCK_STRIDE + lane % 16u));
    }
    for (var row = 0u; row < select(0u, count, lane < width); row++) {
        (*sums).biases.z += block_d_outputs[row * width + lane];
    }
}

fn block_second_weights(sums: ptr<function, BlockSums>, lane: u32, count: u32) {
    for (var row = 0u; row < count; row++) {
        let d = BLOCK_SECOND + row * BLOCK_STRIDE + lane % 8u;
        let x = block_input(BLOCK_FIRST + row * BLOCK_STRIDE + lane / 8u);
        (*sums).second_near = block_outer((*sums).second_near, block_quad(d), x);
        (*sums).second_far = block_outer((*sums).second_far, block_quad(d + 8u), x);
    }
    (*sums).biases.y = block_column_sum((*sums).biases.y, BLOCK_SECOND, lane, count);
}

fn block_first_weights(sums: ptr<function, BlockSums>, lane: u32, count: u32, inputs: u32) {
    for (var row = 0u; row < select(0u, count, lane / 16u * 4u < inputs); row++) {
        let x = block_quad(BLOCK_OBS + row * BLOCK_OBS_STRIDE + lane / 16u);
        (*sums).first = block_outer((*sums).first, block_quad(BLOCK_FIRST + row * BLOCK_STRIDE + lane % 16u), x);
    }
    (*sums).biases.x = block_column_sum((*sums).biases.x, BLOCK_FIRST, lane, count);
}

fn block_column_sum(before: f32, place: u32, lane: u32, count: u32) -> f32 {
    var sum = before;
    for (var row = 0u; row < select(0u, count, lane < 64u); row++) {
        sum += block[2u * (place + row * BLOCK_STRIDE) + lane / 2u][lane % 2u];
    }
    return sum;
}

fn block_store_quad(start: u32, layer: vec4<u32>, output: u32, input: u32, sums: vec4<f32>) {
    if (output >= layer.y) {
        return;
    }
    let place = start + layer.z + output * layer.x + input;
    var four = sums;
    for (var i = 0u; i < loops_end(4u, layer.y); i++) {
        if (input + i < layer.x) { partials[place + i] = four.x; }
        four = four.yzwx;
    }
}

fn block_store_tile(start: u32, layer: vec4<u32>, output: u32, input: u32, sums: mat4x4<f32>) {
    var four = sums;
    for (var i = 0u; i < loops_end(4u, layer.y); i++) {
        block_store_quad(start, layer, output + i, input, four[0]);
        four = mat4x4<f32>(four[1], four[2], four[3], four[0]);
    }
}

fn block_store_sums(sums: BlockSums, slice: u32, lane: u32, first: vec4<u32>, second: vec4<u32>, last: vec4<u32>) {
    let start = slice * params.partial_stride;
    var tiles = array<mat4x4<f32>, 4>(sums.second_near, sums.second_far, sums.first, sums.last);
    for (var i = 0u; i < loops_end(4u, first.y); i++) {
        var layer = second;
        var at = vec2<u32>(lane % 8u * 4u + i * 32u, lane / 8u * 4u);
        if (i == 2u) { layer = first; at = vec2<u32>(lane % 16u, lane / 16u) * 4u; }
        if (i == 3u) { layer = last; at = vec2<u32>(lane / 16u, lane % 16u) * 4u; }
        block_store_tile(start, layer, at.x, at.y, tiles[0]);
        tiles = array<mat4x4<f32>, 4>(tiles[1], tiles[2], tiles[3], tiles[0]);
    }
    if (lane < first.y) { partials[start + first.w + lane] = sums.biases.x; }
    if (lane < second.y) { partials[start + second.w + lane] = sums.biases.y; }
    if (lane < last.y) {
        partials[start + last.w + lane] = sums.biases.z;
    } else if (lane < block_last_width(last)) {
        partials[start + params.extra_offset + lane - last.y] = sums.biases.z;
    }
}
