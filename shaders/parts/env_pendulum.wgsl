// Pendulum-v1: angle (0 is upright; not wrapped) and its velocity; an action is the bits of a torque, clipped to -2..2 here.

const ENV_STATE: u32 = 2u;
const ENV_OBS: u32 = 3u;
const ENV_ACTIONS: u32 = 1u;

struct EnvStep {
    state: array<f32, ENV_STATE>,
    reward: f32,
    terminated: bool,
}

fn env_start(u: vec4<f32>) -> array<f32, ENV_STATE> {
    return array<f32, ENV_STATE>(-3.1415927 + 6.2831853 * u.x, -1.0 + 2.0 * u.y);
}

// (cos, sin, velocity)
fn env_observe(state: array<f32, ENV_STATE>) -> array<f32, ENV_OBS> {
    let angle = math_sin_cos(state[0]);
    return array<f32, ENV_OBS>(angle.y, angle.x, state[1]);
}

fn env_advance(state: array<f32, ENV_STATE>, action: array<u32, ENV_ACTIONS>) -> EnvStep {
    let s = vec2<f32>(state[0], state[1]);
    let torque = math_clamp(bitcast<f32>(action[0]), -2.0, 2.0);
    // The reward is that of the state before the step.
    let error = math_wrap_angle(s.x);
    let reward = -(error * error + 0.1 * s.y * s.y + 0.001 * torque * torque);
    let velocity = math_clamp(s.y + 0.05 * (15.0 * math_sin(s.x) + 3.0 * torque), -8.0, 8.0);
    return EnvStep(array<f32, ENV_STATE>(s.x + 0.05 * velocity, velocity), reward, false);
}
