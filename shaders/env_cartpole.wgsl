// One step of CartPole-v1 per environment with same-step autoreset, or only its reset or observation, from actions.
//
// Needs parts math, philox and schedule.
//
// env_state  [envs, 6] u32 words: x, its velocity, angle, its velocity, episode's return (f32 bits); episode's steps (u32)
// actions    [.., 1] u32 words; environment n's is at action_offset + n; 1 pushes to the right
// obs        [.., 4]; environment n's next observation begins at obs_offset + 4 n
// final_obs  [.., 4]; row row_offset + n: the real last observation where this step ended the episode, else zeros
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

const STATE_WORDS: u32 = 6u;

// Gymnasium's equations: explicit Euler, so positions advance with the velocities from before the step.
fn advance(s: vec4<f32>, action: u32) -> vec4<f32> {
    let force = select(-10.0, 10.0, action == 1u);
    let angle = math_sin_cos(s.z);
    let push = (force + 0.05 * s.w * s.w * angle.x) / 1.1;
    let angle_acc = (9.8 * angle.x - angle.y * push) / (0.5 * (1.3333333 - 0.1 * angle.y * angle.y / 1.1));
    let acc = push - 0.05 * angle_acc * angle.y / 1.1;
    return s + 0.02 * vec4<f32>(s.y, acc, s.w, angle_acc);
}

fn start_state(env: u32, step_offset: u32) -> vec4<f32> {
    let step = schedule_add(schedule.env_step_low, schedule.env_step_high, step_offset);
    let words = philox_block(
        philox_counter(PHILOX_RESET, env, 0u, step),
        vec2<u32>(schedule.seed_low, schedule.seed_high),
    );
    let u = vec4<f32>(
        philox_uniform(words.x), philox_uniform(words.y), philox_uniform(words.z), philox_uniform(words.w),
    );
    return -0.05 + 0.1 * u;
}

@compute @workgroup_size(WG)
fn env_cartpole(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (env >= params.envs) {
        return;
    }
    let base = env * STATE_WORDS;
    var state = bitcast<vec4<f32>>(
        vec4<u32>(env_state[base], env_state[base + 1u], env_state[base + 2u], env_state[base + 3u]),
    );
    var episode_return = bitcast<f32>(env_state[base + 4u]);
    var episode_steps = env_state[base + 5u];
    if (params.mode == 1u) {
        state = start_state(env, params.step_offset);
        episode_return = 0.0;
        episode_steps = 0u;
    }
    if (params.mode == 0u) {
        let row = params.row_offset + env;
        state = advance(state, actions[params.action_offset + env]);
        episode_return += 1.0;
        episode_steps += 1u;
        let fell = abs(state.x) > 2.4 || abs(state.z) > 0.20943951;
        // Both may hold, as in Gymnasium; whoever bootstraps lets terminated win.
        let late = episode_steps >= params.time_limit;
        var last = vec4<f32>();
        var episode = vec2<f32>();
        if (fell || late) {
            last = state;
            episode = vec2<f32>(episode_return, f32(episode_steps));
            // The new episode begins at the next step's count: no two starts share a draw.
            state = start_state(env, params.step_offset + 1u);
            episode_return = 0.0;
            episode_steps = 0u;
        }
        for (var i = 0u; i < 4u; i += 1u) {
            final_obs[row * 4u + i] = last[i];
        }
        rewards[row] = 1.0;
        terminated[row] = select(0u, 1u, fell);
        truncated[row] = select(0u, 1u, late);
        episodes[row] = episode;
    }
    if (params.mode != 2u) {
        for (var i = 0u; i < 4u; i += 1u) {
            env_state[base + i] = bitcast<u32>(state[i]);
        }
        env_state[base + 4u] = bitcast<u32>(episode_return);
        env_state[base + 5u] = episode_steps;
    }
    for (var i = 0u; i < 4u; i += 1u) {
        obs[params.obs_offset + env * 4u + i] = state[i];
    }
}
