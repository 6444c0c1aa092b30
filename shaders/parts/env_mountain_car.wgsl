// MountainCarContinuous-v0: position and velocity; an action is the bits of a force, clipped to -1..1 here, but not in its
// price.

const ENV_STATE: u32 = 2u;
const ENV_OBS: u32 = 2u;
const ENV_ACTIONS: u32 = 1u;

struct EnvStep {
    state: array<f32, ENV_STATE>,
    reward: f32,
    terminated: bool,
}

fn env_start(u: vec4<f32>) -> array<f32, ENV_STATE> {
    return array<f32, ENV_STATE>(-0.6 + 0.2 * u.x, 0.0);
}

fn env_observe(state: array<f32, ENV_STATE>) -> array<f32, ENV_OBS> {
    return state;
}

fn env_advance(state: array<f32, ENV_STATE>, action: array<u32, ENV_ACTIONS>) -> EnvStep {
    let wanted = bitcast<f32>(action[0]);
    let force = math_clamp(wanted, -1.0, 1.0);
    // The two forces first, as Gymnasium's f32 has it.
    let pushed = state[1] + (0.0015 * force - 0.0025 * math_cos(3.0 * state[0]));
    let velocity = math_clamp(pushed, -0.07, 0.07);
    let position = math_clamp(state[0] + velocity, -1.2, 0.6);
    // The left wall stops the car; the right one has the goal before it.
    let kept = select(velocity, 0.0, position == -1.2 && velocity < 0.0);
    let there = position >= 0.45 && kept >= 0.0;
    let reward = select(0.0, 100.0, there) - 0.1 * wanted * wanted;
    return EnvStep(array<f32, ENV_STATE>(position, kept), reward, there);
}
