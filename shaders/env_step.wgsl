// One step per environment with autoreset, or only a reset or an observation, from actions.
//
// Needs parts math, philox, schedule, autoreset, episode and one of the environment parts (env_*), which say what a step does:
// S = ENV_STATE numbers of state, O = ENV_OBS of an observation, A = ENV_ACTIONS words of an action.
//
// env_state  [envs, S + 2] u32 words, see part episode
// actions    [.., A] u32 words, indices or bits of floats; environment n's begin at action_offset + A n
// obs        [.., O]; environment n's next observation begins at obs_offset + O n
// final_obs  [.., O]; row row_offset + n: the real last observation where this step ended the episode, else zeros
// rewards, terminated, truncated  [..]; row row_offset + n
// episodes   [..] of (return, length); row row_offset + n: zeros unless this step ended the episode
//
// Operations: those of the environment, 40 of CartPole; bytes: 4 (2 S + A + 2 O + 9).

struct Params {
    envs: u32,
    mode: u32,  // MODE_
    // Added to the schedule's environment step: this kernel runs once per step of a window.
    step_offset: u32,
    obs_offset: u32,
    row_offset: u32,
    time_limit: u32,
    action_offset: u32,
    autoreset: u32,  // see episode_step
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read_write> env_state: array<u32>;
@group(0) @binding(3) var<storage, read> actions: array<u32>;
@group(0) @binding(4) var<storage, read_write> obs: array<f32>;
@group(0) @binding(5) var<storage, read_write> final_obs: array<f32>;
@group(0) @binding(6) var<storage, read_write> rewards: array<f32>;
@group(0) @binding(7) var<storage, read_write> terminated: array<u32>;
@group(0) @binding(8) var<storage, read_write> truncated: array<u32>;
@group(0) @binding(9) var<storage, read_write> episodes: array<vec2<f32>>;

const MODE_STEP: u32 = 0u;
const MODE_RESET: u32 = 1u;        // all, and observe
const MODE_OBSERVE: u32 = 2u;
const MODE_RESET_ENDED: u32 = 3u;  // those that have ended, and observe all

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn env_step(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    var now = episode_load(env);
    if (params.mode == MODE_RESET || (params.mode == MODE_RESET_ENDED && now.ended)) {
        now = episode_start(env, params.step_offset);
    }
    if (params.mode == MODE_STEP) {
        var action: array<u32, ENV_ACTIONS>;
        for (var i = 0u; i < ENV_ACTIONS; i += 1u) {
            action[i] = actions[params.action_offset + env * ENV_ACTIONS + i];
        }
        var s = episode_step(env, now, action, params.step_offset, params.time_limit, params.autoreset);
        let row = params.row_offset + env;
        for (var i = 0u; i < ENV_OBS; i += 1u) {
            final_obs[row * ENV_OBS + i] = s.last[i];
        }
        rewards[row] = s.reward;
        terminated[row] = select(0u, 1u, s.terminated);
        truncated[row] = select(0u, 1u, s.truncated);
        episodes[row] = s.outcome;
        now = s.now;
    }
    if (params.mode != MODE_OBSERVE) {
        episode_store(env, now);
    }
    var seen = env_observe(now.state);
    for (var i = 0u; i < ENV_OBS; i += 1u) {
        obs[params.obs_offset + env * ENV_OBS + i] = seen[i];
    }
}
