// Multiplies and adds in eight chains that do not depend on each other: the most that arithmetic gives.
//
// results [invocations]: the sum of the chains, written where it is above `limit`. A limit beyond every sum makes this a
// kernel without memory traffic, which the compiler cannot know.
//
// Operations: 2 a multiply-add; bytes: none.

struct Params {
    rounds: u32,
    scale: f32,
    shift: f32,
    limit: f32,
}

override WG: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(WG)
fn bench_fma(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * WG + lane;
    let s = params.scale;
    let t = params.shift;
    // Chains begin at different numbers, or the compiler could make one of them.
    var a = vec4<f32>(0.0, 0.125, 0.25, 0.375) + f32(lane) * 0.001;
    var b = a + 0.5;
    // 64 multiply-adds a round: 8 chains, 8 deep, so that the loop itself weighs little.
    for (var i = 0u; i < params.rounds; i++) {
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
        a.x = fma(a.x, s, t); a.y = fma(a.y, s, t); a.z = fma(a.z, s, t); a.w = fma(a.w, s, t);
        b.x = fma(b.x, s, t); b.y = fma(b.y, s, t); b.z = fma(b.z, s, t); b.w = fma(b.w, s, t);
    }
    let c = a + b;
    let sum = (c.x + c.y) + (c.z + c.w);
    if sum > params.limit {
        results[index] = sum;
    }
}
