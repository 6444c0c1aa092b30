// Four neighbouring outputs of a dense layer from their sums: bias, activation, and zeros after the last, since the next layer
// reads whole quads. Needs parts math, activation and loops.
//
// A kernel provides chain_parameter(i), as for part chain. `layer` is (inputs, outputs, first weight, first bias).

fn dense_quad(sums: vec4<f32>, column: u32, layer: vec4<u32>, code: u32) -> vec4<f32> {
    let last = layer.y - 1u;
    let bias = layer.w;
    let z = sums + vec4<f32>(
        chain_parameter(bias + column), chain_parameter(bias + min(column + 1u, last)),
        chain_parameter(bias + min(column + 2u, last)), chain_parameter(bias + min(column + 3u, last)));
    let columns = column + vec4<u32>(0u, 1u, 2u, 3u);
    var y = z;
    for (var i = 0u; i < loops_end(4u, layer.y); i++) { y = vec4<f32>(y.yzw, activation_apply(code, y.x)); }
    return select(vec4<f32>(), y, columns <= vec4<u32>(last));
}
