// The gradient's norm over fixed spans of its elements, the factors that clip it, and whether the optimiser may step, by
// workgroups of 64. Needs parts math, control and trace.

const NORM_SPAN: u32 = 256u;  // elements of one partial

var<workgroup> norm_sums: array<vec4<f32>, 64>;

// Takes in one element: squares of one group of elements, of the value's, and how many are not finite.
fn norm_add(own: vec4<f32>, g: f32, of_value: bool) -> vec4<f32> {
    if (!math_is_finite(g)) {
        return own + vec4<f32>(0.0, 0.0, 1.0, 0.0);
    }
    return own + select(vec4<f32>(g * g, 0.0, 0.0, 0.0), vec4<f32>(0.0, g * g, 0.0, 0.0), of_value);
}

// The sum over all lanes.
fn norm_total(lane: u32, own: vec4<f32>) -> vec4<f32> {
    norm_sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = 32u; half > 0u; half /= 2u) {
        if (lane < half) {
            norm_sums[lane] += norm_sums[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    return norm_sums[0];
}
