// An environment's episode: the state with return and length so far, its start, its end, and the three kinds of autoreset.
//
// Needs parts philox, schedule, autoreset, one environment part, and of the kernel the uniform `schedule` and the buffer
// env_state [envs, S + 2] u32 words: the state, the episode's return so far (f32 bits); the episode's steps so far (u32), with
// the highest bit set where the episode has ended and nothing was reset yet.

const EPISODE_ENDED: u32 = 0x80000000u;

struct Episode {
    state: array<f32, ENV_STATE>,
    total: f32,
    steps: u32,
    ended: bool,
}

// What a step leaves behind; the last two are zeros unless it ended the episode.
struct EpisodeStep {
    now: Episode,
    reward: f32,
    terminated: bool,
    truncated: bool,
    last: array<f32, ENV_OBS>,
    outcome: vec2<f32>,  // return and length
}

fn episode_load(env: u32) -> Episode {
    let base = env * (ENV_STATE + 2u);
    var now: Episode;
    for (var i = 0u; i < ENV_STATE; i += 1u) {
        now.state[i] = bitcast<f32>(env_state[base + i]);
    }
    now.total = bitcast<f32>(env_state[base + ENV_STATE]);
    now.steps = env_state[base + ENV_STATE + 1u] & ~EPISODE_ENDED;
    now.ended = env_state[base + ENV_STATE + 1u] >= EPISODE_ENDED;
    return now;
}

fn episode_store(env: u32, now: Episode) {
    let base = env * (ENV_STATE + 2u);
    var state = now.state;
    for (var i = 0u; i < ENV_STATE; i += 1u) {
        env_state[base + i] = bitcast<u32>(state[i]);
    }
    env_state[base + ENV_STATE] = bitcast<u32>(now.total);
    env_state[base + ENV_STATE + 1u] = now.steps | select(0u, EPISODE_ENDED, now.ended);
}

fn episode_start(env: u32, step_offset: u32) -> Episode {
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

// autoreset: AUTORESET_ of part autoreset.
fn episode_step(
    env: u32, before: Episode, action: array<u32, ENV_ACTIONS>, step_offset: u32, time_limit: u32, autoreset: u32,
) -> EpisodeStep {
    var s = EpisodeStep();
    s.now = before;
    if (!s.now.ended) {
        let next = env_advance(s.now.state, action);
        s.now.state = next.state;
        s.reward = next.reward;
        s.now.total += next.reward;
        s.now.steps += 1u;
        s.terminated = next.terminated;
        // Both may hold, as in Gymnasium; whoever bootstraps lets terminated win.
        s.truncated = s.now.steps >= time_limit;
        if (s.terminated || s.truncated) {
            s.last = env_observe(s.now.state);
            s.outcome = vec2<f32>(s.now.total, f32(s.now.steps));
            s.now.ended = true;
        }
    }
    // A reset by the step that ends, or by the one after it; that one has nothing of its own to tell.
    let just_now = s.terminated || s.truncated;
    if (s.now.ended && (autoreset == AUTORESET_SAME_STEP || (autoreset == AUTORESET_NEXT_STEP && !just_now))) {
        // The new episode begins at the next step's count: no two starts share a draw.
        s.now = episode_start(env, step_offset + 1u);
    }
    return s;
}
