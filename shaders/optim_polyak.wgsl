// Target parameters follow the online ones: target += τ (online − target).
//
// parameters [..]  `count` of a network from `online` on, those of its target from `targets` on
//
// Equal numbers stay equal whatever τ is, which (1 − τ) target + τ online, rounded, does not promise. τ = 1 copies.
//
// Operations: 3 a parameter; bytes: 12.

struct Params {
    count: u32,
    online: u32,   // first element that is followed
    targets: u32,  // first that follows
    tau: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn optim_polyak(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (item >= params.count) {
        return;
    }
    let index = params.targets + item;
    let goal = parameters[params.online + item];
    let before = parameters[index];
    parameters[index] = select(before + params.tau * (goal - before), goal, params.tau == 1.0);
}
