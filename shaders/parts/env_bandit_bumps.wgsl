// A bandit with a low bump of reward near 0 and a high one far from it; an action is the bits of a float, not clipped.

const ENV_STATE: u32 = 1u;
const ENV_OBS: u32 = 1u;
const ENV_ACTIONS: u32 = 1u;

struct EnvStep {
    state: array<f32, ENV_STATE>,
    reward: f32,
    terminated: bool,
}

fn env_start(u: vec4<f32>) -> array<f32, ENV_STATE> {
    return array<f32, ENV_STATE>(1.0);
}

fn env_observe(state: array<f32, ENV_STATE>) -> array<f32, ENV_OBS> {
    return state;
}

fn env_advance(state: array<f32, ENV_STATE>, action: array<u32, ENV_ACTIONS>) -> EnvStep {
    let a = bitcast<f32>(action[0]);
    let near = select(1.0 - a * a, 0.0, abs(a) > 1.0);
    let far = select(1.0 - 4.0 * (a - 2.5) * (a - 2.5), 0.0, abs(a - 2.5) > 0.5);
    let reward = select(0.5 * near + far, a, math_is_nan(a));  // a compiler may take the comparisons for a max
    return EnvStep(state, reward, true);
}
