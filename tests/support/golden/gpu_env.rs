//! Kind `env` on the device.

use super::gpu::Result;
use super::{Case, Outputs};
use wgpo::env::{Autoreset, Env};
use wgpo::gpu::Gpu;
use wgpo::low_level::kernels::env_step;
use wgpo::low_level::kernels::per_update::PerUpdate;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// What one step of independent environments wrote.
struct Stepped {
    env_state: Vec<f32>,
    obs: Vec<f32>,
    final_obs: Vec<f32>,
    rewards: Vec<f32>,
    terminated: Vec<u32>,
    truncated: Vec<u32>,
}

fn step(gpu: &Gpu, env: Env, env_state: &[u32], actions: &[u32]) -> Result<Stepped> {
    let n = actions.len() as u64;
    let obs_dim = env.obs_dim() as u64;
    let env_state = gpu.upload("env_state", env_state)?;
    let actions = gpu.upload("actions", actions)?;
    let (obs, final_obs) = (gpu.buffer("obs", n * obs_dim)?, gpu.buffer("final_obs", n * obs_dim)?);
    let (rewards, episodes) = (gpu.buffer("rewards", n)?, gpu.buffer("episodes", n)?);
    let (terminated, truncated) = (gpu.buffer("terminated", n)?, gpu.buffer("truncated", n)?);
    let ring = PerUpdate::ring(gpu)?;
    let (time_limit, autoreset) = (env.time_limit(), Autoreset::Disabled.code());
    let params = env_step::Params { envs: n as u32, time_limit, autoreset, ..Default::default() };
    let io = env_step::Io {
        env_state: &env_state,
        actions: &actions,
        obs: &obs,
        final_obs: &final_obs,
        rewards: &rewards,
        terminated: &terminated,
        truncated: &truncated,
        episodes: &episodes,
    };
    let calls = env_step::bind(gpu, env, &[params], &io, &ring)?;
    gpu.run("env", &calls, ring.push(gpu, &PerUpdate::default())?)?;
    Ok(Stepped {
        env_state: gpu.read(&env_state)?.into_iter().map(f32::from_bits).collect(),
        obs: gpu.read(&obs)?,
        final_obs: gpu.read(&final_obs)?,
        rewards: gpu.read(&rewards)?,
        terminated: gpu.read(&terminated)?,
        truncated: gpu.read(&truncated)?,
    })
}

/// All steps of all copies side by side, each from its recorded state; without autoreset, so that the state of an end stays.
pub fn run(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let id = case.text("environment")?;
    let env = Env::ALL.into_iter().find(|env| env.gymnasium_id() == id).ok_or("unknown environment")?;
    let trajectory = case.text("mode")? == "trajectory";
    let start = if trajectory { "in.state0" } else { "in.state" };
    let (size, copies) = (env.state_dim(), case.tensor(start)?.shape[0]);
    let mut states = case.values::<f32>(start)?;
    states.extend(case.values::<f32>("out.state")?);
    let actions = if env.head().is_discrete() {
        case.tensor("in.actions")?.values.iter().map(|index| *index as u32).collect()
    } else {
        bits(&case.values::<f32>("in.actions")?)
    };
    let n = actions.len();
    let words: Vec<u32> = (0..n)
        .flat_map(|row| {
            let mut words = bits(&states[row * size..(row + 1) * size]);
            words.extend([0.0_f32.to_bits(), (row / copies) as u32]);
            words
        })
        .collect();
    let stepped = step(gpu, env, &words, &actions)?;

    let mut outputs = Outputs::new();
    let mut alive = vec![true; copies];
    let obs_dim = env.obs_dim();
    for row in 0..n {
        let observed = row * obs_dim..(row + 1) * obs_dim;
        let (fell, late) = (stepped.terminated[row], stepped.truncated[row]);
        let state = &stepped.env_state[row * (size + 2)..][..size];
        let obs = &stepped.obs[observed.clone()];
        let last = &stepped.final_obs[observed];
        if fell + late > 0 && last != obs {
            return Err(format!("row {row} ended with final_obs {last:?}, and obs {obs:?}").into());
        }
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
        let alive = &mut alive[row % copies];
        for (name, values) in [
            ("state", wide(state)),
            ("obs", wide(obs)),
            ("reward", wide(&stepped.rewards[row..=row])),
            ("terminated", vec![f64::from(fell)]),
            ("truncated", vec![f64::from(late)]),
            ("valid", vec![1.0]),
        ] {
            let place = outputs.entry(format!("out.{name}")).or_default();
            place.extend(values.into_iter().map(|value| if *alive { value } else { 0.0 }));
        }
        *alive &= !trajectory || fell + late == 0;
    }
    Ok(outputs)
}
