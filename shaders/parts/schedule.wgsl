// What changes from one update to the next: the only numbers that the host writes while a plan runs.
//
// Counters have 64 bits, low word first. They stand at the first step of the window; kernels add their own offset.

struct Schedule {
    learning_rate: f32,
    clip_coef: f32,
    ent_coef: f32,
    clip_coef_vf: f32,
    seed_low: u32,
    seed_high: u32,
    update_low: u32,
    update_high: u32,
    policy_step_low: u32,
    policy_step_high: u32,
    env_step_low: u32,
    env_step_high: u32,
    gradient_step_low: u32,
    gradient_step_high: u32,
    replay_place: u32,
    replay_stored: u32,
    exploration_hold: u32,
    exploration_phase: u32,
    pad_0: u32,
    pad_1: u32,
}

// (low, high) of the 64-bit sum.
fn schedule_add(low: u32, high: u32, t: u32) -> vec2<u32> {
    let sum = low + t;
    return vec2<u32>(sum, high + select(0u, 1u, sum < low));
}

// (low, high) of the policy step whose draws step t of the recording explores by: the first of the hold that it is in.
fn schedule_held(now: Schedule, t: u32) -> vec2<u32> {
    let step = schedule_add(now.policy_step_low, now.policy_step_high, t);
    let since = (now.exploration_phase + t) % max(now.exploration_hold, 1u);
    return vec2<u32>(step.x - since, step.y - select(0u, 1u, step.x < since));
}
