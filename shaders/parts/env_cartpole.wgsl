// CartPole-v1: position of the cart, its velocity, angle of the pole, its velocity; an action is 1 to push to the right,
// else 0.

const ENV_STATE: u32 = 4u;
const ENV_OBS: u32 = 4u;
const ENV_ACTIONS: u32 = 1u;

struct EnvStep {
    state: array<f32, ENV_STATE>,
    reward: f32,
    terminated: bool,
}

fn env_start(u: vec4<f32>) -> array<f32, ENV_STATE> {
    let s = -0.05 + 0.1 * u;
    return array<f32, ENV_STATE>(s.x, s.y, s.z, s.w);
}

fn env_observe(state: array<f32, ENV_STATE>) -> array<f32, ENV_OBS> {
    return state;
}

// Gymnasium's equations: explicit Euler, so positions advance with the velocities from before the step.
fn env_advance(state: array<f32, ENV_STATE>, action: array<u32, ENV_ACTIONS>) -> EnvStep {
    let s = vec4<f32>(state[0], state[1], state[2], state[3]);
    let force = select(-10.0, 10.0, action[0] == 1u);
    let angle = math_sin_cos(s.z);
    let push = (force + 0.05 * s.w * s.w * angle.x) / 1.1;
    let angle_acc = (9.8 * angle.x - angle.y * push) / (0.5 * (1.3333333 - 0.1 * angle.y * angle.y / 1.1));
    let acc = push - 0.05 * angle_acc * angle.y / 1.1;
    let next = s + 0.02 * vec4<f32>(s.y, acc, s.w, angle_acc);
    let fell = abs(next.x) > 2.4 || abs(next.z) > 0.20943951;
    return EnvStep(array<f32, ENV_STATE>(next.x, next.y, next.z, next.w), 1.0, fell);
}
