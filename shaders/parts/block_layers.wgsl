// Hidden layers of the rows of part block, forward and backward.
//
// A layer is (inputs, outputs, first element of its weight, of its bias). Of a product a lane has 4 rows, lane % 4 + 4 i, and 2
// columns: with 4 × 4 and 64 lanes the gradients of the weights would not fit into registers. Sums run over inputs or
// outputs in order, as in mlp_forward and mlp_backward_input.

// sums[i] += x[i].x · t[0], then y, z, w.
fn block_add(sums: mat4x2<f32>, x: mat4x4<f32>, t: mat4x2<f32>) -> mat4x2<f32> {
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
    return mat4x2<f32>(a, b, c, d);
}

// Sums of a hidden layer, whose input is at `place`, before the bias.
fn block_forward(place: u32, stride: u32, lane: u32, layer: vec4<u32>) -> mat4x2<f32> {
    var sums = mat4x2<f32>();
    let column = block_column(lane);
    if (column >= layer.y) {
        return sums;
    }
    // A column past the last is summed like the last, and not used.
    let near = layer.z + column * layer.x;
    let far = layer.z + min(column + 1u, layer.y - 1u) * layer.x;
    for (var k = 0u; k < layer.x; k += 4u) {
        let at = place + lane % 4u * stride + k / 4u;
        let x = block_rows(at, 4u * stride);
        let left = layer.x - k;
        let w = mat2x4<f32>(block_weights(near + k, left), block_weights(far + k, left));
        sums = block_add(sums, x, transpose(w));
    }
    return sums;
}

// Sums of a layer's input gradient, from its output gradient at `place`.
fn block_backward(place: u32, lane: u32, layer: vec4<u32>) -> mat4x2<f32> {
    var sums = mat4x2<f32>();
    let column = block_column(lane);
    if (column >= layer.x) {
        return sums;
    }
    let left = layer.x - column;
    for (var o = 0u; o < layer.y; o += 4u) {
        let at = place + lane % 4u * BLOCK_STRIDE + o / 4u;
        let d = mat4x4<f32>(
            block_quad(at), block_quad(at + 4u * BLOCK_STRIDE), block_quad(at + 8u * BLOCK_STRIDE),
            block_quad(at + 12u * BLOCK_STRIDE));
        let w = layer.z + o * layer.x + column;
        sums = block_add(sums, d, mat4x2<f32>(
            block_pair(w, left), block_pair(w + layer.x, select(0u, left, o + 1u < layer.y)),
            block_pair(w + 2u * layer.x, select(0u, left, o + 2u < layer.y)),
            block_pair(w + 3u * layer.x, select(0u, left, o + 3u < layer.y))));
    }
    return sums;
}

// Keeps a hidden layer, from its sums; the next layer reads whole quads, so zeros follow.
fn block_keep(place: u32, lane: u32, sums: mat4x2<f32>, layer: vec4<u32>) {
    let column = block_column(lane);
    if (column >= (layer.y + 3u) / 4u * 4u) {
        return;
    }
    let left = layer.y - min(column, layer.y);
    let bias = block_pair(layer.w + min(column, layer.y - 1u), left);
    let at = 2u * (place + lane % 4u * BLOCK_STRIDE) + column / 2u;
    var rows = sums;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        let z = rows[0] + bias;
        var y = z;
        if (KEEPS_PREACTIVATION == 0u) { y = vec2<f32>(activation_apply(ACTIVATION, z.x), activation_apply(ACTIVATION, z.y)); }
        block[at + 8u * BLOCK_STRIDE * i] = vec2<f32>(select(0.0, y.x, left > 0u), select(0.0, y.y, left > 1u));
        rows = mat4x2<f32>(rows[1], rows[2], rows[3], rows[0]);
    }
}

// In place of a hidden layer of that width the gradient by its preactivation, from the sums of its gradient.
fn block_replace(place: u32, lane: u32, sums: mat4x2<f32>, width: u32) {
    let column = block_column(lane);
    let at = 2u * (place + lane % 4u * BLOCK_STRIDE) + column / 2u;
    var rows = sums;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        let kept = block[at + 8u * BLOCK_STRIDE * i];
        let d = rows[0] * vec2<f32>(activation_slope(ACTIVATION, kept.x), activation_slope(ACTIVATION, kept.y));
        let inside = vec2<bool>(column < width, column + 1u < width);
        block[at + 8u * BLOCK_STRIDE * i] = select(vec2<f32>(), d, inside);
        rows = mat4x2<f32>(rows[1], rows[2], rows[3], rows[0]);
    }
}
