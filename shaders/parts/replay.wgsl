// Where the words of a replay ring lie: records of transitions, and in the compact form the ends of each environment.
//
// A record is reward, flags, the action's words, the observation, and in the plain form (no slots) the next observation.
// In the compact form the next observation is that of the following place. What has no following place is with the ends:
// per environment the slot written next, how many were lost, what followed its newest transition, and `slots` times (place,
// what followed the truncation there).

const REPLAY_REWARD: u32 = 0u;
const REPLAY_FLAGS: u32 = 1u;  // bit 0: terminated, bit 1: truncated, then the slot of its end
const REPLAY_ACTION: u32 = 2u;

// A truncation whose last observation is kept apart; behind a terminal state nobody looks.
const REPLAY_TERMINATED: u32 = 1u;
const REPLAY_TRUNCATED: u32 = 2u;

// Words of a record.
fn replay_width(obs_dim: u32, action_words: u32, slots: u32) -> u32 {
    return 2u + action_words + obs_dim * select(1u, 2u, slots == 0u);
}

// Words of the ends of one environment.
fn replay_ends(obs_dim: u32, slots: u32) -> u32 { return 2u + obs_dim + slots * (1u + obs_dim); }

// First word of an end, counted from the environment's.
fn replay_slot(obs_dim: u32, slot: u32) -> u32 { return 2u + obs_dim + slot * (1u + obs_dim); }
