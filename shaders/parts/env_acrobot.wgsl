// Acrobot-v1: two angles (the second from the first link) and their velocities; an action is 0, 1 or 2 for a torque of
// -1, 0 or 1.

const ENV_STATE: u32 = 4u;
const ENV_OBS: u32 = 6u;
const ENV_ACTIONS: u32 = 1u;

struct EnvStep {
    state: array<f32, ENV_STATE>,
    reward: f32,
    terminated: bool,
}

fn env_start(u: vec4<f32>) -> array<f32, ENV_STATE> {
    let s = -0.1 + 0.2 * u;
    return array<f32, ENV_STATE>(s.x, s.y, s.z, s.w);
}

// Cosine and sine of both angles, then the velocities.
fn env_observe(state: array<f32, ENV_STATE>) -> array<f32, ENV_OBS> {
    let first = math_sin_cos(state[0]);
    let second = math_sin_cos(state[1]);
    return array<f32, ENV_OBS>(first.y, first.x, second.y, second.x, state[2], state[3]);
}

// The "book" equations with all masses, lengths and inertias 1; cos(x - pi/2) is sin x.
fn env_slope(s: vec4<f32>, torque: f32) -> vec4<f32> {
    let second = math_sin_cos(s.y);
    let d1 = 3.5 + second.y;
    let d2 = 1.25 + 0.5 * second.y;
    let phi2 = 4.9 * math_sin(s.x + s.y);
    let phi1 = -(0.5 * s.w * s.w + s.w * s.z) * second.x + 14.7 * math_sin(s.x) + phi2;
    let acc2 = (torque + d2 / d1 * phi1 - 0.5 * s.z * s.z * second.x - phi2) / (1.25 - d2 * d2 / d1);
    return vec4<f32>(s.z, s.w, -(d2 * acc2 + phi1) / d1, acc2);
}

// One classical Runge-Kutta step of 0.2.
fn env_advance(state: array<f32, ENV_STATE>, action: array<u32, ENV_ACTIONS>) -> EnvStep {
    let s = vec4<f32>(state[0], state[1], state[2], state[3]);
    let torque = f32(min(action[0], 2u)) - 1.0;
    let k1 = env_slope(s, torque);
    let k2 = env_slope(s + 0.1 * k1, torque);
    let k3 = env_slope(s + 0.1 * k2, torque);
    let k4 = env_slope(s + 0.2 * k3, torque);
    let moved = s + 0.033333335 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
    let angles = vec2<f32>(math_wrap_angle(moved.x), math_wrap_angle(moved.y));
    let speeds = vec2<f32>(math_clamp(moved.z, -12.566371, 12.566371), math_clamp(moved.w, -28.274334, 28.274334));
    let up = -math_cos(angles.x) - math_cos(angles.x + angles.y) > 1.0;
    let next = array<f32, ENV_STATE>(angles.x, angles.y, speeds.x, speeds.y);
    return EnvStep(next, select(-1.0, 0.0, up), up);
}
