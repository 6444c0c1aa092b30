// Which rows of a window are transitions, by how its environments are reset; with next-step resets also the values of the
// real last observations. One invocation per environment, forward in time.
//
// At most 60,000 steps. Needs part autoreset.
//
// terminated, truncated [steps, envs] 0 or 1
// ended_before [envs] 1: the transition before the window ended its episode; not read unless use_ended is 1
// given        [steps, envs] a mask of the caller's, which the result is within; not read unless use_given is 1
// values       [steps + 1, envs]; read with next-step resets only
// final_values [steps, envs] written with next-step resets only
// valid        [steps, envs] 1: a transition; 0: filler or padding
//
// Operations: none; bytes: 16 a step.

struct Params {
    steps: u32,
    envs: u32,
    autoreset: u32,  // AUTORESET_
    use_ended: u32,
    use_given: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> terminated: array<u32>;
@group(0) @binding(2) var<storage, read> truncated: array<u32>;
@group(0) @binding(3) var<storage, read> ended_before: array<u32>;
@group(0) @binding(4) var<storage, read> given: array<u32>;
@group(0) @binding(5) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> final_values: array<f32>;
@group(0) @binding(7) var<storage, read_write> valid: array<u32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn batch_valid(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    // Whether this row follows an end: the one before (next step), or any before it (disabled).
    var after_end = params.use_ended == 1u && ended_before[env] != 0u;
    for (var t = 0u; t < params.steps; t += 1u) {
        let i = t * params.envs + env;
        var counts = params.autoreset == AUTORESET_SAME_STEP || !after_end;
        if (params.use_given == 1u) {
            counts = counts && given[i] != 0u;
        }
        valid[i] = select(0u, 1u, counts);
        let ended = terminated[i] != 0u || truncated[i] != 0u;
        after_end = ended || (params.autoreset == AUTORESET_DISABLED && after_end);
        if (params.autoreset == AUTORESET_NEXT_STEP) {
            final_values[i] = values[i + params.envs];
        }
    }
}
