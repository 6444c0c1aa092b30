// k-step advantages and returns of a window of rollouts: up to k rewards, then a bootstrap, stopping at an episode's or the
// window's end; one invocation per transition.
//
// Needs part advantage. k below 65,535.
//
// rewards      [steps, envs]
// values       [steps + 1, envs]; the last row is that of the observations after the window
// final_values [steps, envs] value of the real last observation; counts only where truncated
// terminated, truncated [steps, envs] 0 or 1
// advantages, returns   [steps, envs]; returns = advantages + values
//
// Operations: 3 k + 3 a step at most; bytes: 24 where neighbours share a cache, k times the rewards where not.

struct Params {
    steps: u32,
    envs: u32,
    // At least 1.
    k: u32,
    gamma: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> final_values: array<f32>;
@group(0) @binding(4) var<storage, read> terminated: array<u32>;
@group(0) @binding(5) var<storage, read> truncated: array<u32>;
@group(0) @binding(6) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(7) var<storage, read_write> returns: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_k_step(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (index >= params.steps * params.envs) {
        return;
    }
    let end = min(index / params.envs + params.k, params.steps);
    var i = index;
    var sum = 0.0;
    var discount = 1.0;
    for (var t = index / params.envs; t < end; t += 1u) {
        sum += discount * rewards[i];
        discount *= params.gamma;
        if (terminated[i] != 0u || truncated[i] != 0u || t + 1u == end) {
            break;
        }
        i += params.envs;
    }
    // i is now the last transition whose reward counts.
    sum += discount * advantage_next(
        terminated[i] != 0u, truncated[i] != 0u, false, 1u, final_values[i], values[i + params.envs],
    );
    advantages[index] = sum - values[index];
    returns[index] = sum;
}
