//! The table of cases.

use super::run::{Setup, TOLERANCE};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::head::name;
use crate::check::size::Size;
use crate::check::support::Random;
use crate::check::work::Work;
use crate::env::Env;
use crate::kernels::rollout_fused;
use crate::policy::{Activation, Bounds, Head, PolicySpec, Std};

const REASON: &str = "draws and log-probabilities as in policy_sample, from distribution rows that are known as well as in \
                      mlp_forward_fused; the environment as in env_step";

fn case(hidden: &[usize], activation: Activation, env: Env, head: Head, (envs, steps): (usize, usize)) -> Case {
    let spec = PolicySpec::separate(env.obs_dim(), hidden, activation, head);
    let layers: String = hidden.iter().map(|width| format!("-{width}")).collect();
    let (own, head) = (env.name(), name(&spec.head));
    let shape = format!("{own}, {envs} environments, {steps} steps, {}{layers} {activation:?}, {head}", spec.obs_dim());
    let parameters = Random::new(hidden.len() as u64).normals(spec.layout().len(), 0.3);
    let setup = Setup { spec, env, envs, steps, parameters };
    Case::new(rollout_fused::DEF.name, shape, (TOLERANCE, REASON), async move |gpu, report| {
        setup.run(gpu, report).await
    })
}

/// The actor, and a step of CartPole; an observation, an action, what came of it, and a last observation.
fn work(s: &Size) -> Work {
    let (d, width, words) = (s.obs_dim as f64, s.head.width() as f64, s.head.action_words() as f64);
    let weights = d * 64.0 + 64.0 * 64.0 + 64.0 * width;
    Work::window(s, 2.0 * weights + 40.0, 4.0 * (2.0 * d + words + 6.0))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &rollout_fused::DEF,
        about: "many steps of `mlp_forward_fused`, `policy_sample` and `env_step` in one dispatch",
        oracle: oracle!(env::step),
        // Timed is the window in one dispatch, after it was compared step by step.
        at_size: |s| Some(case(&[64, 64], Activation::Tanh, s.env, s.env.head(), (s.envs, s.steps))),
        sweep: Sweep::Rollout,
        timed: Timed::Last,
        work,
    }],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for env in Env::ALL {
        cases.push(case(&[9, 20], Activation::Relu, env, env.head(), (37, 3)));
    }
    let bounds = Bounds::uniform(1, -1.0, 1.5);
    for head in [
        Head::TanhGaussian { dims: 1, std: Std { from_state: true, ..Std::default() }, bounds: bounds.clone() },
        Head::Beta { dims: 1, bounds: bounds.clone() },
        Head::Discretised { dims: 1, bins: 11, bounds },
    ] {
        cases.push(case(&[33], Activation::Tanh, Env::Pendulum, head, (65, 2)));
    }
    cases.push(case(&[64, 64], Activation::Tanh, Env::CartPole, Head::categorical(2), (65, 4)).quick(true));
    cases.push(case(&[64, 64], Activation::Tanh, Env::Pendulum, Env::Pendulum.head(), (16, 4)).quick(true));
    let wide = "bounds of two wide layers are carried by |weights|, as if all roundings had one sign: 30 times per layer what sums \
                grow by, on log-probabilities of three rows";
    cases.push(case(&[128, 127], Activation::GeluErf, Env::Acrobot, Head::categorical(3), (1, 3)).loose(wide));
    cases.push(case(&[], Activation::Identity, Env::MountainCar, Head::gaussian(1), (1021, 2)));
    cases
}
