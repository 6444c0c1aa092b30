// A learning rate that follows the KL. Needs parts math, schedule and control; a kernel provides control and kl_state.

// Whether the rate rises at a KL below the range.
const RATE_RAISES_NEVER: u32 = 0u;
const RATE_RAISES_ABOVE_ZERO: u32 = 1u;  // where it is above 0
const RATE_RAISES_AT_ZERO: u32 = 2u;     // at 0, too

const RATE_STATE: u32 = 1u;  // of kl_state: the learning rate of the next step, 0: the configuration's

struct RateRule {
    high: f32,    // above: the rate falls
    low: f32,     // below: it rises
    factor: f32,
    least: f32,
    most: f32,
    raises: u32,  // RATE_RAISES_
}

// The rate from the one before and what the KL says; a KL that is no number says nothing.
fn rate_move(kl: f32, rule: RateRule) {
    var rate = kl_state[RATE_STATE];
    if (!(rate > 0.0)) {
        rate = schedule.learning_rate;
    }
    if (!math_is_nan(kl)) {
        if (kl > rule.high) {
            rate = max(rate / rule.factor, rule.least);
        } else if (kl < rule.low
            && (rule.raises == RATE_RAISES_AT_ZERO || (rule.raises == RATE_RAISES_ABOVE_ZERO && kl > 0.0))) {
            rate = min(rate * rule.factor, rule.most);
        }
    }
    kl_state[RATE_STATE] = rate;
    control[CONTROL_LEARNING_RATE] = bitcast<u32>(rate);
}

// Hands the rate that was kept to the steps.
fn rate_begin() {
    let kept = kl_state[RATE_STATE];
    if (kept > 0.0) {
        control[CONTROL_LEARNING_RATE] = bitcast<u32>(kept);
    }
}

// The minibatch after the last one up to `index` that was visited.
fn rate_visited_until(index: u32, reopens: u32) -> u32 {
    let ends = index + 1u;
    if (reopens == 0u) {
        return min(control[CONTROL_VISITED], ends);
    }
    // A stop that is the epoch's alone is before a step: the minibatch that it stands at was looked at.
    let stop = control[CONTROL_STOP];
    return select(min(stop, ends), ends, stop == 0u);
}
