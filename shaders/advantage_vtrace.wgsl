// Advantages and value targets of a window that another policy may have recorded, corrected by clipped probability ratios:
// V-trace or GAE with ratios ("puff"); one invocation per environment, backward in time.
//
// Needs parts math and advantage. At most 60,000 steps.
//
// rewards      [steps, envs]
// values       [steps + 1, envs]; the last row is that of the observations after the window
// final_values [steps, envs] value of the real last observation; counts only where truncated
// terminated, truncated [steps, envs] 0 or 1
// log_rhos     [steps, envs] log of (present policy / recording policy) of the action taken
// advantages, returns   [steps, envs]
//
// Operations: 14 a step; bytes: 28, and 4 where truncated.

struct Params {
    steps: u32,
    envs: u32,
    gamma: f32,
    gae_lambda: f32,
    // 0 V-trace, 1 puff.
    form: u32,
    rho_bar: f32,
    c_bar: f32,
    // V-trace only.
    pg_rho_bar: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> final_values: array<f32>;
@group(0) @binding(4) var<storage, read> terminated: array<u32>;
@group(0) @binding(5) var<storage, read> truncated: array<u32>;
@group(0) @binding(6) var<storage, read> log_rhos: array<f32>;
@group(0) @binding(7) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(8) var<storage, read_write> returns: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_vtrace(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    // vs_{t+1} - V(s_{t+1}), or A_{t+1}: the same recurrence.
    var carry = 0.0;
    for (var t = params.steps; t > 0u; t -= 1u) {
        let i = (t - 1u) * params.envs + env;
        let ended = terminated[i] != 0u || truncated[i] != 0u;
        let next = advantage_next(
            terminated[i] != 0u, truncated[i] != 0u, t == params.steps, 1u, final_values[i], values[i + params.envs],
        );
        // Chosen, not multiplied by 0: what lies beyond an end need not be a number.
        let after = select(carry, 0.0, ended);
        let ratio = math_exp(log_rhos[i]);
        let rho = math_at_most(ratio, params.rho_bar);
        let delta = rho * (rewards[i] + params.gamma * next - values[i]);
        carry = delta + params.gamma * params.gae_lambda * math_at_most(ratio, params.c_bar) * after;
        returns[i] = carry + values[i];
        // Where nothing follows, `after` is 0 and next is what is bootstrapped from; else next is V(s_{t+1}).
        let by_policy = math_at_most(ratio, params.pg_rho_bar) * (rewards[i] + params.gamma * (next + after) - values[i]);
        advantages[i] = select(carry, by_policy, params.form == 0u);
    }
}
