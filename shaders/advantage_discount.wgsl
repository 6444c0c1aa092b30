// Discounted sums of past rewards of every environment, carried from window to window; one invocation per environment.
//
// rewards    [steps, envs]
// terminated [steps, envs], 0 or 1
// truncated  [steps, envs], 0 or 1
// valid      [steps, envs], 0 or 1; not read unless masked is 1. A row that does not count has 0 and adds no reward, but it may
//            end an episode, and with it the sum.
// carried    [envs]; the sum before the window, and after it
// discounted [steps, envs]
//
// Operations: 2 a step; bytes: 16.

struct Params {
    steps: u32,
    envs: u32,
    gamma: f32,
    reset: u32,  // RESET_
    masked: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rewards: array<f32>;
@group(0) @binding(2) var<storage, read> terminated: array<u32>;
@group(0) @binding(3) var<storage, read> truncated: array<u32>;
@group(0) @binding(4) var<storage, read> valid: array<u32>;
@group(0) @binding(5) var<storage, read_write> carried: array<f32>;
@group(0) @binding(6) var<storage, read_write> discounted: array<f32>;

const RESET_AFTER_DONE: u32 = 0u;                 // the sum is 0 after a step that ends its episode
const RESET_AT_TERMINATION: u32 = 1u;             // a step that terminates begins a sum, with its own reward
const RESET_AT_DONE: u32 = 2u;                    // so does any step that ends its episode
const RESET_AT_TERMINATION_AFTER_DONE: u32 = 3u;  // the first two

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_discount(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    var sum = carried[env];
    for (var t = 0u; t < params.steps; t += 1u) {
        let i = t * params.envs + env;
        let fell = terminated[i] != 0u;
        let ended = fell || truncated[i] != 0u;
        if (params.masked == 1u && valid[i] == 0u) {
            discounted[i] = 0.0;
            sum = select(sum, 0.0, select(ended, fell, params.reset == RESET_AT_TERMINATION));
            continue;
        }
        let at_termination = params.reset == RESET_AT_TERMINATION || params.reset == RESET_AT_TERMINATION_AFTER_DONE;
        if ((fell && at_termination) || (ended && params.reset == RESET_AT_DONE)) {
            sum = 0.0;
        }
        sum = params.gamma * sum + rewards[i];
        discounted[i] = sum;
        if (ended && (params.reset == RESET_AFTER_DONE || params.reset == RESET_AT_TERMINATION_AFTER_DONE)) {
            sum = 0.0;
        }
    }
    carried[env] = sum;
}
