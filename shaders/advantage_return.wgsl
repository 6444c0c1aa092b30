// Returns to go of the episodes that end within a window, and which rows have one; one invocation per environment, backward in
// time.
//
// At most 60,000 steps.
//
// rewards [steps, envs]
// terminated, truncated [steps, envs] 0 or 1
// given   [steps, envs] a mask: 0 adds no reward and takes no time, but may end an episode; not read unless masked is 1
// returns [steps, envs]; 0 where valid is 0
// valid   [steps, envs] 1: the row counts, and its episode ends within the window
//
// Operations: 2 a step; bytes: 20, and 4 where masked.

struct Params {
    steps: u32,
    envs: u32,
    gamma: f32,
    masked: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> terminated: array<u32>;
@group(0) @binding(3) var<storage, read> truncated: array<u32>;
@group(0) @binding(4) var<storage, read> given: array<u32>;
@group(0) @binding(5) var<storage, read_write> returns: array<f32>;
@group(0) @binding(6) var<storage, read_write> valid: array<u32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_return(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    var following = 0.0;
    // Whether an end lies at this row or behind it.
    var whole = false;
    for (var t = params.steps; t > 0u; t -= 1u) {
        let i = (t - 1u) * params.envs + env;
        if (terminated[i] != 0u || truncated[i] != 0u) {
            following = 0.0;
            whole = true;
        }
        var counts = whole;
        if (params.masked == 1u) {
            counts = counts && given[i] != 0u;
        }
        // Chosen, not multiplied by 0: rewards that do not count need not be numbers.
        if (counts) {
            following = rewards[i] + params.gamma * following;
        }
        returns[i] = select(0.0, following, counts);
        valid[i] = select(0u, 1u, counts);
    }
}
