//! The bits of three updates by every algorithm, head and backend, as hashes: the net under changes of structure, after which
//! an update has the same bits as before.
//!
//! Each row runs three windows and the updates on them, from a fixed seed, and hashes (CRC-32) the parameters, the rest of the state (optimiser,
//! counters, running statistics, environments) and the statistics of the updates. Rows that only need to be there once (presets,
//! environments, rows wider or more than a block) follow those of heads × algorithms.
//!
//! Bits are those of one machine. On the CPU they depend on its vector width, for which `pulp` and `faer` ask, and on the system's
//! `exp` and `tanh`; on the device on the adapter and its driver. So `tests/hashes/cpu.txt` and `device.txt` begin with what they were
//! made on, and are compared only there. Anywhere else this test prints its hashes (`--nocapture`), and checks what must hold on every machine:
//! a second run has the same hashes, and different heads or algorithms have different ones.
//!
//! After a change of bits that is meant: `WGPO_WRITE_TABLES=1 cargo test --test computing hashes`. To compare two trees on a machine that the
//! tables are not of, do that in the first and copy them to the second.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod off_policy;
mod old;
use crate::support::gpu as support;

use ndarray::Array2;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use wgpo::config::{AdvantageKind, AdvantageNorm, Baseline, ObsNorm, Reinforce, RewardNorm, ValueNorm};
use wgpo::cpu::{CpuLearner, CpuTrainer};
use wgpo::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use wgpo::env::Autoreset;
use wgpo::gpu::{Gpu, ProductPath};
use wgpo::host::{RolloutRecorder, StepOutcome};
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std, StdLimit};
use wgpo::state::{LearnerState, NormalizerState, RunningMoments, TrainerState};
use wgpo::{AlgorithmKind, Config, Env, GpuLearner, GpuTrainer, OnPolicy, Preset, Trainer};

const SEED: u64 = 7;
const OBS_DIM: usize = 3;
const UPDATES: usize = 3;

/// Hashes of parameters, of the rest of the state, and of the statistics.
type Hashes = [u32; 3];

/// Three updates of one learner, or of one trainer with its environment.
#[derive(Clone)]
struct Case {
    name: String,
    spec: PolicySpec,
    config: Config,
    /// Of windows that this test steps itself.
    autoreset: Autoreset,
    /// Whether some rows of the windows are masked.
    mask_rows: bool,
    /// The environment of a trainer.
    env: Option<Env>,
}

/// Every kind of head, masked and limited ones too, by a name that stays.
fn heads() -> Vec<(&'static str, Head)> {
    let bounds = |dims: usize| Bounds { low: vec![-2.0; dims], high: (0..dims).map(|d| 1.0 + d as f32).collect() };
    let from_state = Std { from_state: true, ..Std::FREE };
    let soft = Std::FREE.limited(StdLimit::SoftFloor { log_std: -0.5 });
    let clamped = Std::FREE.limited(StdLimit::Clamp { low: -1.0, high: 0.1 });
    let gaussian = |std, bounds| Head::Gaussian { dims: 2, std, bounds };
    vec![
        ("categorical", Head::categorical(3)),
        ("categorical masked", Head::Categorical { actions: 40, masked: true }),
        ("multi_discrete", Head::multi_discrete(vec![3, 2, 5])),
        ("multi_discrete masked", Head::MultiDiscrete { nvec: vec![2, 35, 3], masked: true }),
        ("bernoulli", Head::bernoulli(4)),
        ("gaussian", Head::gaussian(2)),
        ("gaussian from_state bounds", gaussian(from_state, Some(bounds(2)))),
        ("gaussian from_state soft_floor", gaussian(Std { from_state: true, ..soft }, None)),
        ("gaussian clamp", gaussian(clamped, None)),
        ("gaussian scalar", gaussian(Std::SCALAR, None)),
        ("gaussian scalar from_state", gaussian(Std { from_state: true, ..Std::SCALAR }, None)),
        ("tanh_gaussian", Head::TanhGaussian { dims: 2, std: Std::default(), bounds: bounds(2) }),
        ("tanh_gaussian scalar", Head::TanhGaussian { dims: 1, std: Std::SCALAR, bounds: bounds(1) }),
        ("tanh_gaussian from_state", Head::TanhGaussian { dims: 1, std: from_state, bounds: bounds(1) }),
        ("beta", Head::Beta { dims: 2, bounds: bounds(2) }),
        ("discretised", Head::Discretised { dims: 2, bins: 7, bounds: bounds(2) }),
    ]
}

/// Settings as they are, at the size of this test: 3 environments × 5 steps, and rates at which something happens.
fn tiny(config: Config) -> Config {
    let mut tiny = Config {
        num_envs: 3,
        num_steps: 5,
        total_timesteps: 150,
        update_epochs: config.update_epochs.min(2),
        num_minibatches: config.num_minibatches.min(2),
        minibatch_size: config.minibatch_size.map(|_| 6),
        ..config
    };
    if let Some(region) = tiny.trust_region_mut() {
        region.cg_iterations = region.cg_iterations.min(4);
        region.line_search_steps = region.line_search_steps.min(4);
    }
    // So that distributions differ from row to row.
    tiny.init.policy_gain = 0.6;
    tiny
}

fn config(algorithm: AlgorithmKind) -> Config {
    match algorithm {
        AlgorithmKind::PpoPenalty => Config::ppo_penalty(),
        AlgorithmKind::A2c => Config::a2c(),
        AlgorithmKind::Trpo | AlgorithmKind::Npg => Config::preset("sb3-contrib", algorithm, true).unwrap(),
        _ => Config::cleanrl().with_algorithm(algorithm),
    }
}

/// The algorithms of version 0.1, whose rows and files stay as they are.
const WITH_CRITIC: [AlgorithmKind; 5] =
    [AlgorithmKind::Ppo, AlgorithmKind::PpoPenalty, AlgorithmKind::Trpo, AlgorithmKind::Npg, AlgorithmKind::A2c];

/// REINFORCE with a categorical head and with a Gaussian, with each baseline, behind a trunk, masked, and trained.
fn reinforce_cases() -> Vec<Case> {
    let kind = AlgorithmKind::Reinforce;
    let spec = |head| PolicySpec::actor(OBS_DIM, &[5, 4], Activation::Tanh, head);
    let shared = PolicySpec::mlp(OBS_DIM, &[6], &[5], &[], Activation::Silu, Head::gaussian(2)).without_critic();
    let plain = tiny(Config { anneal_lr: true, ..Config::reinforce_spinningup() });
    let mean = plain.clone().with_algorithm(Reinforce { baseline: Baseline::Mean });
    let scaled = Config {
        norm_adv: AdvantageNorm::Batch,
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm::sb3()),
        ..mean.clone()
    };
    let halves = Config { norm_adv: AdvantageNorm::Minibatch, num_minibatches: 2, ent_coef: 0.01, ..mean.clone() };
    let case = |name: &str, spec: PolicySpec, config: &Config, autoreset: Autoreset, mask_rows: bool| Case {
        name: format!("{name} | {}", kind.name()),
        spec,
        config: config.clone(),
        autoreset,
        mask_rows,
        env: None,
    };
    let long = Config { num_steps: 40, ..mean.clone() };
    let trained = Case {
        env: Some(Env::CartPole),
        ..case("trainer cartpole", kind.fitted(Env::CartPole.policy(&[6])), &long, Autoreset::SameStep, false)
    };
    vec![
        case("preset spinningup", spec(Head::categorical(3)), &plain, Autoreset::SameStep, false),
        case("baseline mean", spec(Head::gaussian(2)), &mean, Autoreset::Disabled, false),
        case("normalised", shared, &scaled, Autoreset::NextStep, false),
        case("minibatches masked", spec(Head::bernoulli(4)), &halves, Autoreset::SameStep, true),
        trained,
    ]
}

/// Every head with every algorithm. Trunks, activations, running statistics, masks of rows and modes of resetting go round with both.
fn head_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (h, (head_name, head)) in heads().into_iter().enumerate() {
        for (a, algorithm) in WITH_CRITIC.into_iter().enumerate() {
            let k = h + a;
            let activation = Activation::ALL[k % Activation::ALL.len()];
            let spec = if k % 3 == 1 && !algorithm.is_trust_region() {
                PolicySpec::mlp(OBS_DIM, &[6], &[5], &[5], activation, head.clone())
            } else {
                PolicySpec::separate(OBS_DIM, &[5, 4], activation, head.clone())
            };
            // Padding is no observation, so resets are not disabled where these are normalised.
            let norm_obs = (k % 4 == 0).then(ObsNorm::sb3);
            let autoreset = match k % 3 {
                0 => Autoreset::SameStep,
                1 => Autoreset::NextStep,
                _ if norm_obs.is_some() => Autoreset::NextStep,
                _ => Autoreset::Disabled,
            };
            let config = Config {
                norm_obs,
                norm_reward: (k % 4 == 1).then(RewardNorm::sb3),
                norm_value: (k % 4 == 2).then(ValueNorm::rl_games),
                ..tiny(config(algorithm))
            };
            let name = format!("{head_name} | {}", algorithm.name());
            cases.push(Case { name, spec, config, autoreset, mask_rows: k % 4 == 3, env: None });
        }
    }
    cases
}

/// What heads × algorithms do not go through.
fn other_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, spec: PolicySpec, config: Config, env: Option<Env>| {
        let autoreset = Autoreset::SameStep;
        cases.push(Case { name, spec, config, autoreset, mask_rows: false, env });
    };
    for algorithm in WITH_CRITIC {
        for name in Preset::names(algorithm) {
            let preset = Preset::named(name, algorithm, false).unwrap();
            let head = Head::gaussian(2).with_std(preset.std);
            let spec = PolicySpec::separate(OBS_DIM, &[5, 4], preset.activation, head);
            add(format!("preset {name} | {}", algorithm.name()), spec, tiny(preset.config), None);
        }
    }
    let spec = || PolicySpec::separate(OBS_DIM, &[5, 4], Activation::Tanh, Head::categorical(3));
    for (name, advantage) in [("vtrace", AdvantageKind::VTRACE), ("puff", AdvantageKind::PUFF)] {
        add(format!("advantage {name} | ppo"), spec(), tiny(Config { advantage, ..config(AlgorithmKind::Ppo) }), None);
    }
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::Trpo] {
        let wide = PolicySpec::separate(OBS_DIM, &[2], Activation::Tanh, Head::categorical(8000));
        add(format!("categorical of 8000 | {}", algorithm.name()), wide, tiny(config(algorithm)), None);
        let many = Config { num_envs: 30, num_steps: 10, num_minibatches: 1, ..tiny(config(algorithm)) };
        add(format!("300 rows | {}", algorithm.name()), spec(), many, None);
    }
    for env in Env::ALL {
        let tuned = Config { num_steps: 10, ..tiny(env.tuned().0) };
        add(format!("trainer {} | ppo", env.name()), env.policy(&[6]), tuned, Some(env));
    }
    let region = Config { num_steps: 10, ..tiny(config(AlgorithmKind::Trpo)) };
    add("trainer cartpole | trpo".into(), Env::CartPole.policy(&[6]), region, Some(Env::CartPole));
    cases
}

fn draw(kind: Draw, index: usize, dimension: usize, step: usize) -> u32 {
    block(11, kind, index as u32, dimension as u32, step as u64)[0]
}

/// The windows that every backend gets: observations, rewards and ends are draws that know nothing of the actions.
fn learn(learner: &mut dyn OnPolicy, case: &Case) -> Hashes {
    let (steps, envs) = (case.config.num_steps, case.config.num_envs);
    let head = &case.spec.head;
    let obs = |step: usize| Array2::from_shape_fn((envs, OBS_DIM), |(n, d)| normal(draw(Draw::Reset, n, d, step)));
    let mut recorder = RolloutRecorder::new(&case.spec, steps, envs, case.autoreset).unwrap();
    let mut statistics = Vec::new();
    for update in 0..UPDATES {
        for step in update * steps..(update + 1) * steps {
            let allowed = head.is_masked().then(|| {
                Array2::from_shape_fn((envs, head.raw_outputs()), |(n, i)| {
                    normal(draw(Draw::Action, n, i, step)) > -0.4
                })
            });
            recorder.act(learner, obs(step).view(), allowed.as_ref().map(|allowed| allowed.view())).unwrap();
            let chance = |what, n| uniform(draw(Draw::Initialisation, n, what, step));
            let rewards: Vec<f32> = (0..envs).map(|n| 3.0 * chance(0, n) - 1.0).collect();
            let idle = recorder.idle().to_vec();
            let flags = |what, share| (0..envs).map(|n| !idle[n] && chance(what, n) < share).collect::<Vec<_>>();
            let (terminated, truncated) = (flags(1, 0.15), flags(2, 0.15));
            let last_obs = obs(1000 + step);
            let outcome = StepOutcome {
                rewards: &rewards,
                terminated: &terminated,
                truncated: &truncated,
                last_obs: last_obs.view(),
            };
            recorder.outcome(learner, &outcome).unwrap();
        }
        let (mut rollout, _) = recorder.finish(learner, obs((update + 1) * steps).view()).unwrap();
        if case.mask_rows {
            rollout.valid = Some(Array2::from_shape_fn((steps, envs), |(t, n)| u32::from((t + 2 * n) % 5 != 0)));
        }
        add_statistics(&mut statistics, &learner.update(&rollout).unwrap());
    }
    let state = learner.state().unwrap();
    [parameters(&state), crc32fast::hash(&rest(&state)), crc32fast::hash(&statistics)]
}

fn train(trainer: &mut dyn Trainer) -> Hashes {
    let mut statistics = Vec::new();
    for _ in 0..UPDATES {
        let done = trainer.iterate().unwrap();
        add_statistics(&mut statistics, &done.update);
        let episodes = done.episodes;
        let numbers = [episodes.return_sum, episodes.length_sum, episodes.return_min, episodes.return_max];
        statistics.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        statistics.extend(episodes.count.to_le_bytes());
    }
    let TrainerState { learner, env: _, env_words, env_step } = trainer.state().unwrap();
    let mut bytes = rest(&learner);
    bytes.extend(env_words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(env_step.to_le_bytes());
    [parameters(&learner), crc32fast::hash(&bytes), crc32fast::hash(&statistics)]
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn parameters(state: &LearnerState) -> u32 {
    assert!(state.parameters.iter().all(|parameter| parameter.is_finite()));
    crc32fast::hash(&floats(&state.parameters))
}

/// All of the state but the parameters.
fn rest(state: &LearnerState) -> Vec<u8> {
    let LearnerState {
        parameters: _,
        exp_avg,
        exp_avg_sq,
        optimizer_step,
        update,
        env_steps,
        policy_step,
        seed,
        kl_coef,
        learning_rate,
        search_direction,
        normalizer: NormalizerState { obs, reward, discounted_returns, value },
        off_policy,
    } = state;
    let mut bytes = Vec::new();
    assert!(off_policy.is_none(), "rows of off-policy learners have their own numbers");
    for values in [exp_avg, exp_avg_sq, search_direction, discounted_returns] {
        bytes.extend(floats(values));
    }
    bytes.extend(floats(&[*kl_coef, *learning_rate]));
    for count in [u64::from(*optimizer_step), *update, *env_steps, *policy_step, *seed] {
        bytes.extend(count.to_le_bytes());
    }
    for RunningMoments { mean, variance, count, initial_count } in [obs, reward, value].into_iter().flatten() {
        bytes.extend(mean.iter().chain(variance).flat_map(|value| value.to_le_bytes()));
        bytes.extend(count.to_le_bytes());
        bytes.extend(floats(&[*initial_count]));
    }
    bytes
}

/// Every statistic of an update, in a fixed order that does not depend on how its fields are called.
fn add_statistics(bytes: &mut Vec<u8>, stats: &UpdateStats) {
    let mut numbers = Vec::new();
    for m in &stats.minibatches {
        let MinibatchStats { rows, non_finite_rows, head_hits, stepped, .. } = *m;
        let counts = [f64::from(rows), f64::from(non_finite_rows), f64::from(head_hits), f64::from(u8::from(stepped))];
        let losses = [m.policy_loss, m.value_loss, m.entropy, m.loss, m.grad_norm, m.clipfrac];
        let ratios = [m.kl, m.old_approx_kl, m.approx_kl_k2, m.approx_kl, m.ratio_min, m.ratio_max];
        numbers.extend(counts.into_iter().chain(losses).chain(ratios));
    }
    let counts = [stats.optimizer_steps, stats.epochs, stats.skipped_steps, stats.stopped_early.into()];
    numbers.extend(counts.map(f64::from));
    numbers.extend([stats.explained_variance, stats.learning_rate]);
    numbers.extend([stats.kl, stats.kl_coef].map(|number| number.unwrap_or(-1.0)));
    if let Some(region) = &stats.trust_region {
        let TrustRegionStats { tries, accepted, accepted_try, cg_iterations, negative_curvature, head_hits, .. } =
            *region;
        let flags = [accepted.into(), negative_curvature.into(), accepted_try.unwrap_or(u32::MAX)];
        numbers.extend([tries, cg_iterations, head_hits].into_iter().chain(flags).map(f64::from));
        numbers.extend([region.kl_before, region.kl_after, region.surrogate_before, region.surrogate_after]);
        numbers.extend([region.expected_improvement, region.gradient_norm, region.quadratic_form]);
        numbers.extend([region.step_scale, region.entropy]);
        numbers.extend(&region.residuals);
    }
    // One NaN is as good as another: optimisation levels may change their sign.
    bytes.extend(numbers.iter().flat_map(|x| if x.is_nan() { f64::NAN.to_le_bytes() } else { x.to_le_bytes() }));
}

fn on_cpu(case: &Case) -> Hashes {
    match case.env {
        Some(env) => train(&mut CpuTrainer::new(env, case.spec.clone(), case.config.clone(), SEED).unwrap()),
        None => learn(&mut CpuLearner::<f32>::new(case.spec.clone(), case.config.clone(), SEED).unwrap(), case),
    }
}

/// There is no trainer in f64.
fn by_oracle(case: &Case) -> Hashes {
    learn(&mut CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), SEED).unwrap(), case)
}

fn on_device(gpu: &Gpu, case: &Case) -> Hashes {
    let (spec, config) = (case.spec.clone(), case.config.clone());
    match case.env {
        Some(env) => train(&mut GpuTrainer::new(gpu, env, spec, config, SEED).unwrap()),
        None => learn(&mut GpuLearner::new(gpu, spec, config, SEED).unwrap(), case),
    }
}

/// The rows of a table by `run`; checks what must hold on any machine.
fn rows(backend: &str, others: &[Case], run: &dyn Fn(&Case) -> Hashes) -> Vec<(String, Hashes)> {
    let row = |case: &Case| (format!("{} | {backend}", case.name), run(case));
    let heads = head_cases();
    let mut rows: Vec<_> = heads.iter().map(row).collect();
    let mut seen = BTreeMap::new();
    for (name, [parameters, ..]) in &rows {
        if let Some(other) = seen.insert(*parameters, name) {
            panic!("{name} and {other} end at the same parameters");
        }
    }
    // A second run, by another algorithm for each head.
    let algorithms = WITH_CRITIC.len();
    for (h, of_head) in heads.chunks(algorithms).enumerate() {
        let (name, again) = row(&of_head[h % algorithms]);
        assert_eq!(again, rows[h * algorithms + h % algorithms].1, "{name}: a second run has other bits");
    }
    rows.extend(others.iter().map(row));
    rows
}

/// What the bits of the CPU depend on.
fn machine() -> String {
    let mut text = format!("# CPU: {}", std::env::consts::ARCH);
    #[cfg(target_arch = "x86_64")]
    for (name, has) in [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ] {
        text.push_str(if has { " " } else { " no-" });
        text.push_str(name);
    }
    let functions = [f64::exp, f64::ln_1p, f64::tanh, f64::sin, f64::cos, f64::sqrt, f64::cbrt];
    let functions_f32 = [f32::exp, f32::ln_1p, f32::tanh, f32::sin, f32::cos, f32::sqrt, f32::exp_m1];
    let mut bytes = Vec::new();
    for i in 1..500 {
        let x = std::hint::black_box(f64::from(i) * 0.0173);
        bytes.extend(functions.iter().flat_map(|f| f(x).to_le_bytes()));
        bytes.extend(functions_f32.iter().flat_map(|f| f(x as f32).to_le_bytes()));
        bytes.extend(x.powf(1.37).to_le_bytes());
    }
    format!("{text}; its exp, tanh and others: {:08x}", crc32fast::hash(&bytes))
}

/// Writes the table, or compares it where it was made on a machine as this one.
fn hold(file: &str, made_on: &str, rows: &[(String, Hashes)]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hashes").join(file);
    let mut text = format!("{made_on}\n# head or case | algorithm | backend: parameters, other state, statistics\n");
    for (name, [parameters, state, statistics]) in rows {
        writeln!(text, "{name}: {parameters:08x} {state:08x} {statistics:08x}").unwrap();
    }
    if std::env::var_os("WGPO_WRITE_TABLES").is_some() {
        std::fs::write(&path, &text).unwrap();
        panic!("tests/hashes/{file} was written anew; run this again without WGPO_WRITE_TABLES");
    }
    let table = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    if !table.starts_with(&format!("{made_on}\n")) {
        println!("tests/hashes/{file} is of another machine and is not compared. Here:\n{text}");
        return;
    }
    let (now, then): (Vec<_>, Vec<_>) = (text.lines().collect(), table.lines().collect());
    let new: Vec<_> = now.iter().filter(|line| !then.contains(line)).collect();
    let old: Vec<_> = then.iter().filter(|line| !now.contains(line)).collect();
    assert!(
        new.is_empty() && old.is_empty(),
        "{} of {} rows have other bits than tests/hashes/{file}. Now:\n{new:#?}\nthen:\n{old:#?}",
        new.len(),
        rows.len()
    );
}

#[test]
fn the_cpus_updates_have_the_bits_that_they_had() {
    let mut others = [other_cases(), reinforce_cases()].concat();
    let mut all = rows("cpu", &others, &on_cpu);
    others.retain(|case| case.env.is_none());
    all.extend(rows("oracle", &others, &by_oracle));
    hold("cpu.txt", &machine(), &all);
}

#[test]
fn the_devices_updates_have_the_bits_that_they_had() {
    let Some(gpu) = support::gpu(false) else { return };
    let others = [other_cases(), reinforce_cases()].concat();
    let mut all = rows("device", &others, &|case| on_device(&gpu, case));
    let trainer = others.iter().find(|case| case.env.is_some()).unwrap();
    for path in ProductPath::ALL {
        let hashes = on_device(&gpu.with_products(path), trainer);
        all.push((format!("{}, kernels {} | device", trainer.name, path.name()), hashes));
    }
    hold("device.txt", &format!("{}; adapter: {}", machine(), gpu.describe()), &all);
}
