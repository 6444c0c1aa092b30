// One step of Pendulum-v1 per environment with same-step autoreset, or only its reset or observation, from actions.
//
// Needs parts math, philox and schedule.
//
// env_state  [envs, 4] u32 words: angle (0 is upright; not wrapped), its velocity, episode's return (f32 bits); episode's
//            steps (u32)
// actions    [.., 1] u32 words: bits of a torque, clipped to -2..2 here; environment n's is at action_offset + n
// obs        [.., 3] = (cos, sin, velocity); environment n's next observation begins at obs_offset + 3 n
// final_obs  [.., 3]; row row_offset + n: the real last observation where this step ended the episode, else zeros
// rewards, terminated, truncated  [..]; row row_offset + n
// episodes   [..] of (return, length); row row_offset + n: zeros unless this step ended the episode

struct Params {
    envs: u32,
    // 0: step. 1: reset all and observe. 2: observe only.
    mode: u32,
    // Added to the schedule's environment step: this kernel runs once per step of a window.
    step_offset: u32,
    obs_offset: u32,
    row_offset: u32,
    time_limit: u32,
    action_offset: u32,
    pad_0: u32,
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

override WG: u32 = 64u;

const STATE_WORDS: u32 = 4u;

fn observe(state: vec2<f32>) -> vec3<f32> {
    let angle = math_sin_cos(state.x);
    return vec3<f32>(angle.y, angle.x, state.y);
}

fn start_state(env: u32, step_offset: u32) -> vec2<f32> {
    let step = schedule_add(schedule.env_step_low, schedule.env_step_high, step_offset);
    let words = philox_block(
        philox_counter(PHILOX_RESET, env, 0u, step),
        vec2<u32>(schedule.seed_low, schedule.seed_high),
    );
    return vec2<f32>(-3.1415927 + 6.2831853 * philox_uniform(words.x), -1.0 + 2.0 * philox_uniform(words.y));
}

@compute @workgroup_size(WG)
fn env_pendulum(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    let base = env * STATE_WORDS;
    var state = bitcast<vec2<f32>>(vec2<u32>(env_state[base], env_state[base + 1u]));
    var episode_return = bitcast<f32>(env_state[base + 2u]);
    var episode_steps = env_state[base + 3u];
    if (params.mode == 1u) {
        state = start_state(env, params.step_offset);
        episode_return = 0.0;
        episode_steps = 0u;
    }
    if (params.mode == 0u) {
        let row = params.row_offset + env;
        let torque = clamp(bitcast<f32>(actions[params.action_offset + env]), -2.0, 2.0);
        // The reward is that of the state before the step.
        let error = math_wrap_angle(state.x);
        let reward = -(error * error + 0.1 * state.y * state.y + 0.001 * torque * torque);
        let velocity = clamp(state.y + 0.05 * (15.0 * math_sin(state.x) + 3.0 * torque), -8.0, 8.0);
        state = vec2<f32>(state.x + 0.05 * velocity, velocity);
        episode_return += reward;
        episode_steps += 1u;
        let late = episode_steps >= params.time_limit;
        var last = vec3<f32>();
        var episode = vec2<f32>();
        if (late) {
            last = observe(state);
            episode = vec2<f32>(episode_return, f32(episode_steps));
            // The new episode begins at the next step's count: no two starts share a draw.
            state = start_state(env, params.step_offset + 1u);
            episode_return = 0.0;
            episode_steps = 0u;
        }
        for (var i = 0u; i < 3u; i += 1u) {
            final_obs[row * 3u + i] = last[i];
        }
        rewards[row] = reward;
        terminated[row] = 0u;
        truncated[row] = select(0u, 1u, late);
        episodes[row] = episode;
    }
    if (params.mode != 2u) {
        env_state[base] = bitcast<u32>(state.x);
        env_state[base + 1u] = bitcast<u32>(state.y);
        env_state[base + 2u] = bitcast<u32>(episode_return);
        env_state[base + 3u] = episode_steps;
    }
    let seen = observe(state);
    for (var i = 0u; i < 3u; i += 1u) {
        obs[params.obs_offset + env * 3u + i] = seen[i];
    }
}
