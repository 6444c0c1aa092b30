// One step of N environments written to a ring of transitions, at the place that the schedule says.
//
// Needs parts schedule and replay, which says how a record and the ends lie.
//
// obs         [..]  environment n's begins at obs_offset + n obs_dim, what followed the step at next_offset + n obs_dim
// final_obs   [.., obs_dim]  row row_offset + n: the real last observation where the step ended an episode
// actions     [..]  words; environment n's begin at actions_offset + n action_words
// rewards, terminated, truncated  [..]  row row_offset + n
// ring        [capacity, envs, record]
// ends        [envs, ends of one]; any buffer in the plain form
//
// Operations: none; bytes: 8 (obs_dim + action_words) + 28 a step, and 4 obs_dim + 4 obs_dim or less for what follows it.

struct Params {
    envs: u32,
    capacity: u32,  // places
    obs_dim: u32,
    action_words: u32,
    slots: u32,        // 0: the plain form
    step_offset: u32,  // added to the schedule's place
    obs_offset: u32,
    next_offset: u32,
    actions_offset: u32,
    row_offset: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> obs: array<f32>;
@group(0) @binding(3) var<storage, read> final_obs: array<f32>;
@group(0) @binding(4) var<storage, read> actions: array<u32>;
@group(0) @binding(5) var<storage, read> rewards: array<f32>;
@group(0) @binding(6) var<storage, read> terminated: array<u32>;
@group(0) @binding(7) var<storage, read> truncated: array<u32>;
@group(0) @binding(8) var<storage, read_write> ring: array<u32>;
@group(0) @binding(9) var<storage, read_write> ends: array<u32>;

const WG: u32 = 64u;

// A workgroup per environment, a lane per word.
@compute @workgroup_size(64)
fn replay_store(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let env = workgroup.y * groups.x + workgroup.x;
    if (env >= params.envs) {
        return;
    }
    let obs_dim = params.obs_dim;
    let compact = params.slots != 0u;
    let place = (schedule.replay_place % params.capacity + params.step_offset % params.capacity) % params.capacity;
    let width = replay_width(obs_dim, params.action_words, params.slots);
    let record = (place * params.envs + env) * width;
    let row = params.row_offset + env;
    let terminal = terminated[row] != 0u;
    let cut = truncated[row] != 0u;
    let kept = cut && !terminal;
    let own = env * replay_ends(obs_dim, params.slots);
    // All lanes read the slot before lane 0 moves it on.
    let slot = select(0u, ends[select(0u, own, compact)] % max(params.slots, 1u), compact);
    let end = own + replay_slot(obs_dim, slot);
    let obs_in_record = record + REPLAY_ACTION + params.action_words;
    storageBarrier();
    for (var w = lane; w < obs_dim; w += WG) {
        let i = env * obs_dim + w;
        ring[obs_in_record + w] = bitcast<u32>(obs[params.obs_offset + i]);
        var after = bitcast<u32>(obs[params.next_offset + i]);
        if (terminal || cut) {
            after = bitcast<u32>(final_obs[row * obs_dim + w]);
        }
        if (!compact) {
            ring[obs_in_record + obs_dim + w] = after;
        } else {
            ends[own + 2u + w] = after;
            if (kept) {
                ends[end + 1u + w] = after;
            }
        }
    }
    for (var w = lane; w < params.action_words; w += WG) {
        ring[record + REPLAY_ACTION + w] = actions[params.actions_offset + env * params.action_words + w];
    }
    if (lane == 0u) {
        ring[record + REPLAY_REWARD] = bitcast<u32>(rewards[row]);
        let flags = select(0u, REPLAY_TERMINATED, terminal) | select(0u, REPLAY_TRUNCATED, cut);
        ring[record + REPLAY_FLAGS] = flags | (select(0u, slot, compact && kept) << 2u);
        if (compact && kept) {
            // Lost is what the ring still holds; at this very place it is written over.
            let before = ends[end];
            let old = ring[(min(before, params.capacity - 1u) * params.envs + env) * width + REPLAY_FLAGS];
            if (before != place && old == (REPLAY_TRUNCATED | (slot << 2u))) {
                ends[own + 1u] += 1u;
            }
            ends[end] = place;
            ends[own] = (slot + 1u) % params.slots;
        }
    }
}
