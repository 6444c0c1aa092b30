// One step per environment with autoreset, or only a reset or an observation, from actions.
//
// Needs parts math, philox, schedule and one of the environment parts (env_*), which say what a step does: S = ENV_STATE
// numbers of state, O = ENV_OBS of an observation, A = ENV_ACTIONS words of an action.
//
// env_state  [envs, S + 2] u32 words: the state, the episode's return so far (f32 bits); the episode's steps so far (u32),
//            with the highest bit set where the episode has ended and nothing was reset yet
// actions    [.., A] u32 words, indices or bits of floats; environment n's begin at action_offset + A n
// obs        [.., O]; environment n's next observation begins at obs_offset + O n
// final_obs  [.., O]; row row_offset + n: the real last observation where this step ended the episode, else zeros
// rewards, terminated, truncated  [..]; row row_offset + n
// episodes   [..] of (return, length); row row_offset + n: zeros unless this step ended the episode

struct Params {
    envs: u32,
    // 0: step. 1: reset all and observe. 2: observe only. 3: reset those that have ended and observe.
    mode: u32,
    // Added to the schedule's environment step: this kernel runs once per step of a window.
    step_offset: u32,
    obs_offset: u32,
    row_offset: u32,
    time_limit: u32,
    action_offset: u32,
    // 0: the step that ends an episode resets. 1: the step after it does, whatever its action. 2: none does.
    autoreset: u32,
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

const ENDED: u32 = 0x80000000u;

struct Episode {
    state: array<f32, ENV_STATE>,
    total: f32,
    steps: u32,
    ended: bool,
}

fn fresh(env: u32, step_offset: u32) -> Episode {
    let step = schedule_add(schedule.env_step_low, schedule.env_step_high, step_offset);
    let words = philox_block(
        philox_counter(PHILOX_RESET, env, 0u, step),
        vec2<u32>(schedule.seed_low, schedule.seed_high),
    );
    let u = vec4<f32>(
        philox_uniform(words.x), philox_uniform(words.y), philox_uniform(words.z), philox_uniform(words.w),
    );
    return Episode(env_start(u), 0.0, 0u, false);
}

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
    let base = env * (ENV_STATE + 2u);
    var now: Episode;
    for (var i = 0u; i < ENV_STATE; i += 1u) {
        now.state[i] = bitcast<f32>(env_state[base + i]);
    }
    now.total = bitcast<f32>(env_state[base + ENV_STATE]);
    now.steps = env_state[base + ENV_STATE + 1u] & ~ENDED;
    now.ended = env_state[base + ENV_STATE + 1u] >= ENDED;
    if (params.mode == 1u || (params.mode == 3u && now.ended)) {
        now = fresh(env, params.step_offset);
    }
    if (params.mode == 0u) {
        let row = params.row_offset + env;
        var reward = 0.0;
        var fell = false;
        var late = false;
        var last = array<f32, ENV_OBS>();
        var episode = vec2<f32>();
        if (!now.ended) {
            var action: array<u32, ENV_ACTIONS>;
            for (var i = 0u; i < ENV_ACTIONS; i += 1u) {
                action[i] = actions[params.action_offset + env * ENV_ACTIONS + i];
            }
            let next = env_advance(now.state, action);
            now.state = next.state;
            reward = next.reward;
            now.total += reward;
            now.steps += 1u;
            fell = next.terminated;
            // Both may hold, as in Gymnasium; whoever bootstraps lets terminated win.
            late = now.steps >= params.time_limit;
            if (fell || late) {
                last = env_observe(now.state);
                episode = vec2<f32>(now.total, f32(now.steps));
                now.ended = true;
            }
        }
        // A reset by the step that ends, or by the one after it; that one has nothing of its own to tell.
        let just_now = fell || late;
        if (now.ended && (params.autoreset == 0u || (params.autoreset == 1u && !just_now))) {
            // The new episode begins at the next step's count: no two starts share a draw.
            now = fresh(env, params.step_offset + 1u);
        }
        for (var i = 0u; i < ENV_OBS; i += 1u) {
            final_obs[row * ENV_OBS + i] = last[i];
        }
        rewards[row] = reward;
        terminated[row] = select(0u, 1u, fell);
        truncated[row] = select(0u, 1u, late);
        episodes[row] = episode;
    }
    if (params.mode != 2u) {
        for (var i = 0u; i < ENV_STATE; i += 1u) {
            env_state[base + i] = bitcast<u32>(now.state[i]);
        }
        env_state[base + ENV_STATE] = bitcast<u32>(now.total);
        env_state[base + ENV_STATE + 1u] = now.steps | select(0u, ENDED, now.ended);
    }
    var seen = env_observe(now.state);
    for (var i = 0u; i < ENV_OBS; i += 1u) {
        obs[params.obs_offset + env * ENV_OBS + i] = seen[i];
    }
}
