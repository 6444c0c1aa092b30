// The answer of advantage_gae for windows of many steps and few environments: the recurrence is an affine map of what
// comes after, so chunks of time are composed apart (phase 0), chained (phase 1) and applied (phase 2).
//
// Needs part advantage. One dispatch per phase: chunks * envs, envs, and chunks * envs invocations, with
// chunks = ceil(steps / chunk). The chunk, not the device, decides the order of sums.
// Operations: twice those of advantage_gae; bytes: 40 a step. It is for hardware that few environments leave idle: llvmpipe
// takes 12 ns a step for 4,096 × 64, where advantage_gae takes 8 for 128 × 4,096 (benches/record/llvmpipe/2026-11-25c.txt).
//
// rewards      [steps, envs]
// values       [steps + 1, envs]; the last row is that of the observations after the window
// final_values [steps, envs] value of the real last observation; counts only where truncated
// terminated, truncated [steps, envs] 0 or 1
// advantages, returns   [steps, envs]; returns = advantages + values
// carries      [chunks, envs]: after phase 0 the chunk's map (d, c), A_first = d + c A_after; after phase 1 (A_after, c)

struct Params {
    steps: u32,
    envs: u32,
    gamma: f32,
    gae_lambda: f32,
    // 0: what lies beyond an end or the window counts as 0; with gae_lambda 1 the returns are then discounted sums of
    // the rewards alone.
    bootstrap: u32,
    // Steps per chunk.
    chunk: u32,
    phase: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> final_values: array<f32>;
@group(0) @binding(4) var<storage, read> terminated: array<u32>;
@group(0) @binding(5) var<storage, read> truncated: array<u32>;
@group(0) @binding(6) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(7) var<storage, read_write> returns: array<f32>;
@group(0) @binding(8) var<storage, read_write> carries: array<vec2<f32>>;

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

// What follows, or 0 where the factor is 0: chosen, because what lies beyond an end need not be a number.
fn beyond(factor: f32, after: f32) -> f32 {
    return select(after, 0.0, factor == 0.0);
}

// The map of a whole chunk, last transition first.
fn compose(begin: u32, end: u32, env: u32) -> vec2<f32> {
    var map = vec2<f32>(0.0, 1.0);
    for (var t = end; t > begin; t -= 1u) {
        let step = transition(t - 1u, env);
        map = vec2<f32>(step.x + step.y * beyond(step.y, map.x), step.y * map.y);
    }
    return map;
}

fn apply(begin: u32, end: u32, env: u32, after: f32) {
    var carry = after;
    for (var t = end; t > begin; t -= 1u) {
        let i = (t - 1u) * params.envs + env;
        let map = transition(t - 1u, env);
        carry = map.x + map.y * beyond(map.y, carry);
        advantages[i] = carry;
        returns[i] = carry + values[i];
    }
}

@compute @workgroup_size(WG)
fn advantage_gae_chunked(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    let chunks = (params.steps + params.chunk - 1u) / params.chunk;
    if (params.phase == 1u) {
        if (index >= params.envs) {
            return;
        }
        var carry = 0.0;
        for (var c = chunks; c > 0u; c -= 1u) {
            let i = (c - 1u) * params.envs + index;
            let map = carries[i];
            carries[i] = vec2<f32>(carry, map.y);
            carry = map.x + map.y * beyond(map.y, carry);
        }
        return;
    }
    if (index >= chunks * params.envs) {
        return;
    }
    let env = index % params.envs;
    let begin = (index / params.envs) * params.chunk;
    let end = min(begin + params.chunk, params.steps);
    if (params.phase == 0u) {
        carries[index] = compose(begin, end, env);
    } else {
        apply(begin, end, env, carries[index].x);
    }
}
