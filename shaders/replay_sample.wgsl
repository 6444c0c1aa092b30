// A batch of transitions from a replay ring, drawn with replacement by counters, as sums of up to n steps.
//
// Needs parts philox, schedule and replay, which says how a record and the ends lie.
//
// ring        [capacity, envs, record] as replay_store left it
// ends        [envs, ends of one]; any buffer in the plain form
// seen        [copies, rows, seen_stride] words: copy 0 the observations, with the actions' words behind them if with_actions;
//             copy 1 what followed the last of the steps; copy 2, if there is one, the observations again
// actions     [rows, action_words] words
// samples     [rows] (sum of rewards, γ^m, 1 if the last of the m steps terminated, m)
//
// Operations: 3 a step looked at; bytes: 4 (4 obs_dim + 2 action_words + 4) a row and 8 a step.

struct Params {
    rows: u32,
    envs: u32,
    capacity: u32,  // places
    obs_dim: u32,
    action_words: u32,
    slots: u32,          // 0: the plain form
    steps: u32,          // n
    gamma: f32,
    step_offset: u32,      // environment steps stored since the schedule's place
    gradient_offset: u32,  // added to the schedule's gradient step
    seen_stride: u32,      // words between rows are left as they are
    with_actions: u32,
    copies: u32,           // 2 or 3
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> ring: array<u32>;
@group(0) @binding(3) var<storage, read> ends: array<u32>;
@group(0) @binding(4) var<storage, read_write> seen: array<u32>;
@group(0) @binding(5) var<storage, read_write> actions: array<u32>;
@group(0) @binding(6) var<storage, read_write> samples: array<vec4<f32>>;

const WG: u32 = 64u;

fn record_at(place: u32, env: u32) -> u32 {
    return (place * params.envs + env) * replay_width(params.obs_dim, params.action_words, params.slots);
}

// Where the observation after the transition at `place` begins: (1 if among the ends, word).
fn after(place: u32, env: u32, newest: u32) -> vec2<u32> {
    let record = record_at(place, env);
    let own = record + REPLAY_ACTION + params.action_words;
    if (params.slots == 0u) {
        return vec2<u32>(0u, own + params.obs_dim);
    }
    let flags = ring[record + REPLAY_FLAGS];
    let first = env * replay_ends(params.obs_dim, params.slots);
    if ((flags & REPLAY_TERMINATED) != 0u) {
        return vec2<u32>(0u, own);  // nobody looks there
    }
    if ((flags & REPLAY_TRUNCATED) != 0u) {
        let end = first + replay_slot(params.obs_dim, min(flags >> 2u, params.slots - 1u));
        // A slot that was written over, which replay_store counts, leaves the state before the step.
        return select(vec2<u32>(0u, own), vec2<u32>(1u, end + 1u), ends[end] == place);
    }
    if (place == newest) {
        return vec2<u32>(1u, first + 2u);
    }
    return vec2<u32>(0u, record_at((place + 1u) % params.capacity, env) + REPLAY_ACTION + params.action_words);
}

// A workgroup per row: each lane walks the steps, then they share the words.
@compute @workgroup_size(64)
fn replay_sample(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * groups.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let capacity = params.capacity;
    let written = params.step_offset % capacity;
    let newest = (schedule.replay_place % capacity + written + capacity - 1u) % capacity;
    // No more than there are places, without an overflow of the sum.
    let before = min(schedule.replay_stored, capacity);
    let stored = before + min(params.step_offset, capacity - before);
    let step = schedule_add(schedule.gradient_step_low, schedule.gradient_step_high, params.gradient_offset);
    let key = vec2<u32>(schedule.seed_low, schedule.seed_high);
    let drawn = philox_below(philox_block(philox_counter(PHILOX_REPLAY, row, 0u, step), key), max(stored, 1u) * params.envs);
    let env = drawn % params.envs;
    let start = drawn / params.envs;

    var last = start;
    var reward = 0.0;
    var discount = 1.0;
    var taken = 0u;
    var flags = 0u;
    for (var i = 0u; i < params.steps; i += 1u) {
        last = (start + i) % capacity;
        let record = record_at(last, env);
        reward += discount * bitcast<f32>(ring[record + REPLAY_REWARD]);
        discount *= params.gamma;
        taken += 1u;
        flags = ring[record + REPLAY_FLAGS] & 3u;
        if (flags != 0u || last == newest) {
            break;
        }
    }
    let first = record_at(start, env) + REPLAY_ACTION;
    let next = after(last, env, newest);
    let copy = params.rows * params.seen_stride;
    let to = row * params.seen_stride;
    for (var w = lane; w < params.obs_dim; w += WG) {
        let word = ring[first + params.action_words + w];
        seen[to + w] = word;
        if (params.copies > 2u) {
            seen[2u * copy + to + w] = word;
        }
        if (next.x == 0u) {
            seen[copy + to + w] = ring[next.y + w];
        } else {
            seen[copy + to + w] = ends[next.y + w];
        }
    }
    for (var w = lane; w < params.action_words; w += WG) {
        let word = ring[first + w];
        actions[row * params.action_words + w] = word;
        if (params.with_actions != 0u) {
            seen[to + params.obs_dim + w] = word;
        }
    }
    if (lane == 0u) {
        samples[row] = vec4<f32>(reward, discount, f32(flags & REPLAY_TERMINATED), f32(taken));
    }
}
