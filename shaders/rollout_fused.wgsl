// Many steps of a policy in its environments in one dispatch: observe, act, step, and on to the next, with the bits of
// mlp_forward_fused, policy_sample and env_step by turns.
//
// Needs parts math, activation, chain, dense, network, philox, schedule, act, episode, a head part and an environment part.
//
// parameters  [P]                 flat
// env_state   [envs, S + 2]       u32 words, see part episode
// words       [.., action_words] and [..]  u32: actions from actions_offset on, terminated from terminated_offset on
// numbers     [..] and [..]       rewards from rewards_offset on, logp from logp_offset on
// truncated   [..]                u32
// obs         [.., O]             rows of one step more than the others: the first step's as well is written
// final_obs   [.., O]             the real last observation where a step ended the episode, else zeros
// episodes    [..]                return and length where a step ended the episode, else zeros
//
// Row (step, n) of all of them is step * envs + n. A workgroup has 16 environments. All its lanes take their observations
// through the actor; then 16 lanes draw, step and observe, with the episode in registers from the first step to the last.
//
// Operations: 2 Σ inputs · outputs of the actor a step; bytes: those of a step's rows, and the parameters.
//
// Gain over the kernels by turns: see the table in benches/record/llvmpipe/2026-11-25-rollout.txt.

struct Params {
    layers: array<vec4<u32>, 12>,  // of trunk and policy: inputs, outputs, first element of the weight, of the bias
    depth: u32,                    // how many they are
    envs: u32,
    first_step: u32,  // of this dispatch; rows and counters go by it
    steps: u32,
    time_limit: u32,
    width: u32,  // of a distribution row: outputs, then `extra` copies of parameters[extra_offset ..]
    extra: u32,
    extra_offset: u32,
    action_words: u32,
    actions_offset: u32,
    terminated_offset: u32,
    rewards_offset: u32,
    logp_offset: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<uniform> head_table: array<vec4<u32>, 257>;
@group(0) @binding(3) var<storage, read> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> env_state: array<u32>;
@group(0) @binding(5) var<storage, read_write> words: array<u32>;
@group(0) @binding(6) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(7) var<storage, read_write> truncated: array<u32>;
@group(0) @binding(8) var<storage, read_write> obs: array<f32>;
@group(0) @binding(9) var<storage, read_write> final_obs: array<f32>;
@group(0) @binding(10) var<storage, read_write> episodes: array<vec2<f32>>;

override ACTIVATION: u32 = 0u;

var<workgroup> block: array<vec4<f32>, 528>;  // [CHAIN_ROWS, CHAIN_STRIDE] quads: what is between two layers

// Of this lane's environment: its row of the block, its number, and where the words of the action begin that it takes now.
var<private> own_row: u32;
var<private> own_env: u32;
var<private> own_action: u32;

fn chain_input(i: u32) -> vec4<f32> { return block[i]; }
fn chain_parameter(i: u32) -> f32 { return parameters[i]; }
fn network_layer(l: u32) -> vec4<u32> { return params.layers[l]; }
fn network_store(i: u32, quad: vec4<f32>) { block[i] = quad; }

// A head's row is an environment's number, and nobody asks for another's.
fn head_new(i: u32) -> f32 {
    let k = i - own_env * params.width;
    let outputs = params.width - params.extra;
    if (k >= outputs) {
        return parameters[params.extra_offset + k - outputs];
    }
    return block[own_row * CHAIN_STRIDE + k / 4u][k % 4u];
}
fn head_old(i: u32) -> f32 { return 0.0; }      // nothing here asks for KL,
fn head_tangent(i: u32) -> f32 { return 0.0; }  // a Fisher product
fn head_store(i: u32, value: f32) {}            // or a gradient
fn head_action(row: u32, w: u32) -> u32 { return words[own_action + w]; }
fn head_width() -> u32 { return params.width; }
fn act_store(row: u32, d: u32, word: u32) { words[own_action + d] = word; }

// Writes an observation to its row, and to the block as the next step's input. Only this lane reads that row before.
fn see(row: u32, state: array<f32, ENV_STATE>) {
    var seen = env_observe(state);
    for (var first = 0u; first < ENV_OBS; first += 4u) {
        var quad = vec4<f32>();
        for (var i = 0u; i < min(4u, ENV_OBS - first); i++) {
            obs[row * ENV_OBS + first + i] = seen[first + i];
            quad[i] = seen[first + i];
        }
        block[own_row * CHAIN_STRIDE + first / 4u] = quad;
    }
}

// One step of the lane's environment, from what the head has.
fn advance(now: Episode, step: u32) -> Episode {
    let row = step * params.envs + own_env;
    own_action = params.actions_offset + row * params.action_words;
    numbers[params.logp_offset + row] = act_row(own_env, false, step);
    var action: array<u32, ENV_ACTIONS>;
    for (var i = 0u; i < ENV_ACTIONS; i++) {
        action[i] = head_to_env(words[own_action + i], i);
    }
    var s = episode_step(own_env, now, action, step, params.time_limit, 0u);
    for (var i = 0u; i < ENV_OBS; i++) {
        final_obs[row * ENV_OBS + i] = s.last[i];
    }
    numbers[params.rewards_offset + row] = s.reward;
    words[params.terminated_offset + row] = select(0u, 1u, s.terminated);
    truncated[row] = select(0u, 1u, s.truncated);
    episodes[row] = s.outcome;
    see(row + params.envs, s.now.state);
    return s.now;
}

@compute @workgroup_size(64)
fn rollout_fused(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * groups.x + workgroup.x) * CHAIN_ROWS;
    if (first >= params.envs) {
        return;  // past the end: a grid of two dimensions is padded
    }
    own_row = lane;
    own_env = first + lane;
    let acts = lane < CHAIN_ROWS && own_env < params.envs;
    var now: Episode;
    if (acts) {
        now = episode_load(own_env);
        see(params.first_step * params.envs + own_env, now.state);
    } else if (lane < CHAIN_ROWS) {
        // No environment: a row that is computed with the others and not used.
        for (var i = 0u; i < CHAIN_STRIDE; i++) { block[lane * CHAIN_STRIDE + i] = vec4<f32>(); }
    }
    for (var t = 0u; t < params.steps; t++) {
        network_run(lane, params.depth, ACTIVATION);
        if (acts) {
            now = advance(now, params.first_step + t);
        }
    }
    if (acts) {
        episode_store(own_env, now);
    }
}
