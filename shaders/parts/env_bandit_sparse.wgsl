// A bandit of 100 arms, of which one pays 1, nine pay a half, and the others nothing; an action is an arm.

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
    let arm = action[0];
    let reward = select(select(0.0, 0.5, arm < 10u), 1.0, arm == 0u);
    return EnvStep(state, reward, true);
}
