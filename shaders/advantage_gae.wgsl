// Generalised advantage estimates and returns of a window of rollouts, one invocation per environment, backward in time.
//
// Needs part advantage. At most 65,000 steps; few environments and many steps are better served by advantage_gae_chunked.
//
// rewards      [steps, envs]
// values       [steps + 1, envs]; the last row is that of the observations after the window
// final_values [steps, envs] value of the real last observation; counts only where truncated
// terminated, truncated [steps, envs] 0 or 1
// advantages, returns   [steps, envs]; returns = advantages + values
//
// Operations: 8 a step; bytes: 24, and 4 where truncated.

struct Params {
    steps: u32,
    envs: u32,
    gamma: f32,
    gae_lambda: f32,
    // 0: what lies beyond an end or the window counts as 0; with gae_lambda 1 the returns are then discounted sums of
    // the rewards alone.
    bootstrap: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
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

// The recurrence A_t = d + c A_{t+1} of one transition, as (d, c).
fn transition(t: u32, env: u32) -> vec2<f32> {
    let i = t * params.envs + env;
    let ended = terminated[i] != 0u || truncated[i] != 0u;
    let next = advantage_next(
        terminated[i] != 0u, truncated[i] != 0u, t + 1u == params.steps, params.bootstrap,
        final_values[i], values[i + params.envs],
    );
    let delta = rewards[i] + params.gamma * next - values[i];
    return vec2<f32>(delta, select(params.gamma * params.gae_lambda, 0.0, ended));
}

@compute @workgroup_size(WG)
fn advantage_gae(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    var carry = 0.0;
    for (var t = params.steps; t > 0u; t -= 1u) {
        let i = (t - 1u) * params.envs + env;
        let map = transition(t - 1u, env);
        // Chosen, not multiplied by 0: what lies beyond an end need not be a number.
        let after = select(carry, 0.0, map.y == 0.0);
        carry = map.x + map.y * after;
        advantages[i] = carry;
        returns[i] = carry + values[i];
    }
}
