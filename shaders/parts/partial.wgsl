// The sum of four numbers over a workgroup of 64 lanes, by a tree of six levels.

var<workgroup> partial_lanes: array<vec4<f32>, 64>;

// The same for all lanes; every lane of the workgroup has to come here.
fn partial_sum(lane: u32, own: vec4<f32>) -> vec4<f32> {
    partial_lanes[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = 32u; half > 0u; half >>= 1u) {
        if (lane < half) {
            partial_lanes[lane] += partial_lanes[lane + half];
        }
        workgroupBarrier();  // this level is there
    }
    return partial_lanes[0];
}
