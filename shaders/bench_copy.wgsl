// Copies numbers from one buffer to another, four vectors to an invocation: the most that memory gives.
//
// source [count] vectors of four numbers
// copied [count]
//
// Operations: none; bytes: 32 a vector.

struct Params {
    count: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

override WG: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> copied: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn bench_copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // A workgroup owns 4 · WG vectors; lane by lane they are side by side, and the four loads do not wait for each other.
    let first = (group.y * groups.x + group.x) * 4u * WG + lane;
    if first + 3u * WG < params.count {
        let a = source[first];
        let b = source[first + WG];
        let c = source[first + 2u * WG];
        let d = source[first + 3u * WG];
        copied[first] = a;
        copied[first + WG] = b;
        copied[first + 2u * WG] = c;
        copied[first + 3u * WG] = d;
        return;
    }
    for (var i = first; i < params.count; i += WG) {
        copied[i] = source[i];
    }
}
