//! Switches and presets: the device against the f64 reference over several updates, and the tables of `docs/presets.md`
//! against the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use std::collections::{BTreeMap, BTreeSet};
use wgpo::config::{
    AdamEps, AdaptiveLr, AdvantageKind, AdvantageNorm, Anneal, ClipFormula, GradClip, KlAdaptation, KlHinge, KlMeasure,
    KlPenalty, MinibatchRest, ObsNorm, Optimizer, Ppo, RewardNorm, Shuffle, ValueLoss, ValueNorm,
};
use wgpo::cpu::CpuLearner;
use wgpo::data::Batch;
use wgpo::low_level::rng::{Draw, block, normal};
use wgpo::policy::{Activation, Head, Init, InitScheme, PolicySpec, StdLimit};
use wgpo::{Agent, Algorithm, AlgorithmKind, Config, GpuLearner, OnPolicy, Preset, SaveAgent};

/// A seeded batch near the policy's own distribution; value errors are on both sides of 1.
fn batch(spec: &PolicySpec, init: Init, rows: usize) -> Batch {
    let n = |row: usize, column: usize| normal(block(13, Draw::Initialisation, row as u32, column as u32, 9)[0]);
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config { init, ..Config::cleanrl() }, 7).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| n(row, column));
    let acted = learner.act(obs.view(), wgpo::ActMode::Sample).unwrap();
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.1 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = Array1::from_shape_fn(rows, |row| values_old[row] + advantages[row]);
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

fn cases() -> Vec<(String, Config)> {
    // Four updates in a run; five are done, so the schedules' ends are among them.
    let base = Config {
        num_envs: 1,
        num_steps: 130,
        total_timesteps: 520,
        update_epochs: 2,
        num_minibatches: 4,
        learning_rate: 1e-3,
        anneal_lr: false,
        ..Config::cleanrl()
    };
    let linear = |to| Anneal::Linear { to };
    let apart = Config { grad_clip: GradClip::Separate, ..base.clone() };
    let mut cases = vec![
        (
            "schedules".to_owned(),
            Config {
                algorithm: Algorithm::Ppo(Ppo { clip_coef_schedule: linear(0.02), ..Ppo::cleanrl() }),
                ent_coef_schedule: linear(-0.01),
                anneal_lr: true,
                // The rate's 0 in the fifth update leaves nothing to compare: this one has none.
                total_timesteps: 700,
                ..base.clone()
            },
        ),
        (
            "schedule of the value's own range, to its end".to_owned(),
            Config {
                algorithm: Algorithm::Ppo(Ppo { clip_coef_schedule: linear(0.05), ..Ppo::cleanrl() }),
                clip_coef_vf: Some(0.3),
                clip_coef_vf_schedule: linear(0.05),
                value_loss: ValueLoss::ClipOnly,
                ..base.clone()
            },
        ),
        ("clipped apart".to_owned(), apart.clone()),
        (
            "clipped apart, TensorFlow's factor and ε".to_owned(),
            Config {
                grad_clip_formula: ClipFormula::Tensorflow,
                adam_eps_placement: AdamEps::Baselines,
                max_grad_norm: Some(0.2),
                ..apart.clone()
            },
        ),
        (
            "clipped apart, RMSProp, critic's rate".to_owned(),
            Config { optimizer: Optimizer::RmsProp, value_learning_rate: Some(3e-4), ..apart.clone() },
        ),
        ("baselines' ε".to_owned(), Config { adam_eps_placement: AdamEps::Baselines, adam_eps: 1e-4, ..base.clone() }),
        (
            "critic's rate, AdamW".to_owned(),
            Config { value_learning_rate: Some(3e-3), optimizer: Optimizer::AdamW, weight_decay: 0.1, ..base.clone() },
        ),
        (
            "critic's rate, annealed".to_owned(),
            Config { value_learning_rate: Some(2e-3), anneal_lr: true, total_timesteps: 1300, ..base.clone() },
        ),
        ("Huber".to_owned(), Config { value_loss: ValueLoss::Huber { delta: 0.7 }, ..base.clone() }),
        ("clamped error".to_owned(), Config { value_loss: ValueLoss::ClampError { max: 0.8 }, ..base.clone() }),
        (
            "RLlib's rule".to_owned(),
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    kl_penalty: Some(KlPenalty {
                        kl_coef: 0.2,
                        adapt: KlAdaptation::RLLIB,
                        target_kl: 1e-4,
                        clip: true,
                        ..KlPenalty::adaptive()
                    }),
                    ..Ppo::cleanrl()
                }),
                ..base.clone()
            },
        ),
        ("floor of the advantages' deviation".to_owned(), Config { adv_std_floor: 3.0, ..base.clone() }),
        (
            "RLlib's rule, by the last minibatch".to_owned(),
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    kl_penalty: Some(KlPenalty {
                        kl_coef: 0.2,
                        adapt: KlAdaptation::RLLIB,
                        measure: KlMeasure::LastMinibatch,
                        target_kl: 1e-4,
                        clip: true,
                        ..KlPenalty::adaptive()
                    }),
                    ..Ppo::cleanrl()
                }),
                ..base.clone()
            },
        ),
        (
            "PyTorch's initial weights".to_owned(),
            Config {
                init: Init { scheme: InitScheme::PytorchDefault, log_std: -0.5, ..Init::default() },
                ..base.clone()
            },
        ),
    ];
    // Every published preset, with a batch of this size.
    for name in Preset::names(AlgorithmKind::Ppo) {
        let preset = Config::preset(name, AlgorithmKind::Ppo, false).unwrap();
        let mut config = Config {
            minibatch_size: None,
            num_minibatches: preset.num_minibatches.min(4),
            update_epochs: preset.update_epochs.min(3),
            num_envs: 1,
            num_steps: 130,
            ..preset
        };
        // This batch is not quite the policy's: the presets' own limit would stop it before it began.
        let ppo = config.ppo_mut().unwrap();
        ppo.target_kl = ppo.target_kl.map(|_| 0.05);
        cases.push(((*name).to_owned(), config));
    }
    cases
}

#[test]
fn the_device_agrees_with_the_f64_reference() {
    let Some(gpu) = support::gpu(true) else { return };
    let specs = [
        PolicySpec::separate(5, &[33, 17], Activation::Tanh, Head::gaussian(2)),
        PolicySpec::mlp(4, &[19], &[9], &[7, 5], Activation::Elu, Head::categorical(3)),
    ];
    for spec in specs {
        for (name, config) in cases() {
            let batch = batch(&spec, config.init, 130);
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let start = device.parameters().unwrap();
            assert_eq!(start, oracle.parameters().unwrap(), "{name}: the same start");
            let mut before = start;
            for round in 0..5 {
                let want = oracle.update_batch(&batch, None).unwrap();
                let got = device.update_batch(&batch, None).unwrap();
                let (a, b) = (device.parameters().unwrap(), oracle.parameters().unwrap());
                let norm = |a: &[f32], b: &[f32]| {
                    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
                };
                let error = norm(&a, &b) / norm(&b, &before);
                println!("{name}: round {round}: step error {error:.1e}, {} steps", want.optimizer_steps);
                // Roundings of gradients near Adam's ε, as in the other tests of whole updates; each round starts where the
                // rounds before have led.
                let bound = 1e-4 * f64::from(round + 1);
                assert!(error < bound, "{name}: round {round}: step error {error}");
                assert_eq!(
                    (got.optimizer_steps, got.epochs, got.last_epoch, got.stopped_early),
                    (want.optimizer_steps, want.epochs, want.last_epoch, want.stopped_early),
                    "{name}"
                );
                for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
                    for (column, g, w) in [
                        ("loss", g.loss, w.loss),
                        ("value_loss", g.value_loss, w.value_loss),
                        ("grad_norm", g.grad_norm, w.grad_norm),
                    ] {
                        assert!((g - w).abs() <= 1e-4 * w.abs() + 1e-5, "{name}: {column} {g} not {w}");
                    }
                }
                let near = |g: Option<f64>, w: Option<f64>| match (g, w) {
                    (Some(g), Some(w)) => (g - w).abs() <= 1e-6 * w,
                    (g, w) => g.is_none() && w.is_none(),
                };
                assert!(near(got.kl_coef, want.kl_coef), "{name}: {:?} not {:?}", got.kl_coef, want.kl_coef);
                before = b;
            }
        }
    }
    gpu.healthy().unwrap();
}

/// How rows are ordered and cut: every choice with every kind of normalisation, with and without masked rows, where
/// nothing comes out even. Sizes of the minibatches are those of the CPU, whose own are tested beside `Config::minibatches`.
#[test]
fn minibatches_are_cut_alike_on_the_device() {
    let Some(gpu) = support::gpu(true) else { return };
    let spec = PolicySpec::separate(3, &[7], Activation::Tanh, Head::gaussian(1));
    let rows = 70;
    let base = Config {
        num_envs: 1,
        num_steps: rows,
        update_epochs: 2,
        learning_rate: 1e-3,
        anneal_lr: false,
        ..Config::cleanrl()
    };
    let rests = [
        (MinibatchRest::RoundUp, vec![18, 18, 18, 16], vec![32, 32, 6]),
        (MinibatchRest::Keep, vec![17, 17, 17, 17, 2], vec![32, 32, 6]),
        (MinibatchRest::Merge, vec![17, 17, 17, 19], vec![32, 38]),
        (MinibatchRest::Even, vec![18, 18, 17, 17], vec![24, 23, 23]),
        (MinibatchRest::Drop, vec![17; 4], vec![32; 2]),
        (MinibatchRest::Cut, vec![17; 4], vec![32; 2]),
    ];
    let shuffles = [Shuffle::Epoch, Shuffle::Update, Shuffle::AfterFirst, Shuffle::Never];
    let norms = [AdvantageNorm::Minibatch, AdvantageNorm::Batch, AdvantageNorm::None];
    let mut finals = Vec::new();
    for (case, (rest, by_number, by_size)) in rests.iter().enumerate() {
        for (step, shuffle) in shuffles.into_iter().enumerate() {
            let (masked, sized) = ((case + step) % 2 == 0, step % 2 == 1);
            let norm_adv = norms[(case + step) % 3];
            let (minibatch_size, sizes) = if sized { (Some(32), by_size) } else { (None, by_number) };
            let config =
                Config { minibatch_rest: *rest, shuffle, norm_adv, minibatch_size, num_minibatches: 4, ..base.clone() };
            let name = format!("{rest:?}, {shuffle:?}, {norm_adv:?}, masked {masked}");
            let mut batch = batch(&spec, config.init, rows);
            if masked {
                batch.valid = Some(Array1::from_shape_fn(rows, |row| u32::from(row % 5 != 2)));
            }
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let start = oracle.parameters().unwrap();
            let want = oracle.update_batch(&batch, None).unwrap();
            let got = device.update_batch(&batch, None).unwrap();
            assert_eq!(want.minibatches.len(), 2 * sizes.len(), "{name}");
            assert_eq!(
                (got.minibatches.len(), got.optimizer_steps, got.epochs),
                (want.minibatches.len(), want.optimizer_steps, want.epochs),
                "{name}"
            );
            let (a, b) = (device.parameters().unwrap(), oracle.parameters().unwrap());
            let error = distance(&a, &b) / distance(&b, &start);
            println!("{name}: step error {error:.1e}");
            // As in the test above.
            assert!(error < 1e-4, "{name}: step error {error}");
            for (index, (g, w)) in got.minibatches.iter().zip(&want.minibatches).enumerate() {
                for (g, w) in [(g.value_loss, w.value_loss), (g.policy_loss, w.policy_loss), (g.grad_norm, w.grad_norm)]
                {
                    assert!((g - w).abs() <= 1e-4 * w.abs() + 1e-5, "{name}: minibatch {index}: {g} not {w}");
                }
            }
            finals.push((name, b));
        }
    }
    // No two of them are the same update.
    for (i, (name, a)) in finals.iter().enumerate() {
        assert!(finals[..i].iter().all(|(_, b)| a != b), "{name} is like another");
    }
    gpu.healthy().unwrap();
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// Windows of any size on both sides: rates are those of what is done, not of how many updates it took or of the configured sizes.
/// (HumanCompatibleAI/imitation#262, DLR-RM/stable-baselines3: schedules that begin again, or end early.)
#[test]
fn schedules_go_by_steps_on_both_sides() {
    let Some(gpu) = support::gpu(true) else { return };
    let spec = PolicySpec::separate(3, &[7], Activation::Tanh, Head::categorical(2));
    let config = Config {
        algorithm: Algorithm::Ppo(Ppo { clip_coef_schedule: Anneal::Linear { to: 0.05 }, ..Ppo::cleanrl() }),
        total_timesteps: 80,
        learning_rate: 1e-3,
        value_learning_rate: Some(3e-3),
        ent_coef: 0.5,
        ent_coef_schedule: Anneal::Linear { to: 0.0 },
        num_minibatches: 1,
        update_epochs: 2,
        ..Config::cleanrl()
    };
    for (windows, left) in [
        (vec![8, 8, 16, 16, 32, 8], [1.0, 0.9, 0.8, 0.6, 0.4, 0.0]),
        (vec![16; 6], [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]),
        (vec![32, 16, 8, 8, 8, 8], [1.0, 0.6, 0.4, 0.3, 0.2, 0.1]),
    ] {
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
        let (mut steps, folder) = (0, tempfile::tempdir().unwrap());
        for (round, (rows, left)) in windows.iter().zip(left).enumerate() {
            let mut batch = batch(&spec, config.init, *rows);
            // A row that does not count is a step like another.
            batch.valid = Some(Array1::from_shape_fn(*rows, |row| u32::from(row != 3)));
            let before = oracle.parameters().unwrap();
            let want = oracle.update_batch(&batch, None).unwrap();
            let got = device.update_batch(&batch, None).unwrap();
            let name = format!("{windows:?}, round {round}");
            steps += *rows as u64;
            assert!((want.learning_rate - 1e-3 * left).abs() < 1e-12, "{name}: {}", want.learning_rate);
            assert_eq!(got.learning_rate, want.learning_rate, "{name}");
            assert_eq!(oracle.state().unwrap().env_steps, steps);
            assert_eq!(device.state().unwrap().env_steps, steps);
            // The entropy's weight is what the loss says.
            for stats in [&want, &got] {
                let m = stats.minibatches[0];
                let weight = (m.policy_loss + 0.5 * m.value_loss - m.loss) / m.entropy;
                assert!((weight - 0.5 * left).abs() < 1e-5, "{name}: entropy counts {weight}");
            }
            let (a, b) = (device.parameters().unwrap(), oracle.parameters().unwrap());
            if left > 0.0 {
                let error = distance(&a, &b) / distance(&b, &before);
                assert!(error < 1e-4 * (round + 1) as f64, "{name}: step error {error}");
            } else {
                assert_eq!(b, before, "{name}: a rate of 0 moves nothing");
            }
            // A file in between changes nothing.
            let path = folder.path().join("learner.safetensors");
            device.save(&path).unwrap();
            device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 1).unwrap();
            device.load(&path).unwrap();
        }
    }
    gpu.healthy().unwrap();
}

/// Trainers and a group of them count their windows; a learner that is handed on keeps its place.
#[test]
fn trainers_count_steps() {
    let Some(gpu) = support::gpu(true) else { return };
    let env = wgpo::Env::CartPole;
    let spec = env.policy(&[5]);
    let config = |num_steps| Config {
        num_envs: 2,
        num_steps,
        total_timesteps: 80,
        num_minibatches: 1,
        update_epochs: 1,
        learning_rate: 1e-3,
        ..Config::cleanrl()
    };
    let mut group = wgpo::GpuTrainerGroup::new(&gpu, env, &spec, &config(8), &[1, 2]).unwrap();
    let mut cpu = wgpo::cpu::CpuTrainer::new(env, spec.clone(), config(8), 1).unwrap();
    for left in [1.0, 0.8, 0.6] {
        let mut stats = group.iterate().unwrap();
        stats.push(wgpo::Trainer::iterate(&mut cpu).unwrap());
        for one in stats {
            assert!((one.update.learning_rate - 1e-3 * left).abs() < 1e-12, "{left}: {}", one.update.learning_rate);
        }
    }
    // Longer windows from here on: 48 of 80 steps are done.
    let state = wgpo::Trainer::state(&group.trainers()[0]).unwrap();
    let mut longer = wgpo::GpuTrainer::new(&gpu, env, spec.clone(), config(16), 1).unwrap();
    wgpo::Trainer::set_state(&mut longer, &state).unwrap();
    let mut on_cpu = wgpo::cpu::CpuTrainer::new(env, spec, config(16), 1).unwrap();
    wgpo::Trainer::set_state(&mut on_cpu, &wgpo::Trainer::state(&cpu).unwrap()).unwrap();
    for left in [0.4, 0.0] {
        let on_device = wgpo::Trainer::iterate(&mut longer).unwrap().update.learning_rate;
        let on_cpu = wgpo::Trainer::iterate(&mut on_cpu).unwrap().update.learning_rate;
        assert!((on_device - 1e-3 * left).abs() < 1e-12 && on_cpu == on_device, "{left}: {on_device}, {on_cpu}");
    }
    gpu.healthy().unwrap();
}

/// Which rows an epoch sees: rsl_rl never sees the last ones, and its minibatches are the same in every epoch; RLlib's first
/// epoch is the batch as it came.
#[test]
fn the_order_of_rows_is_the_librarys() {
    let rows = 25;
    // V is 0 and row r's target 2^−r: a minibatch's summed value loss, Σ 4^−r, says in its bits which rows were there.
    let spec = PolicySpec::separate(1, &[], Activation::Identity, Head::categorical(2));
    let seen = |config: &Config| -> Vec<Vec<usize>> {
        let ppo = Ppo { adaptive_lr: None, kl_penalty: None, target_kl: None, ..*config.ppo().unwrap() };
        let config = Config {
            algorithm: Algorithm::Ppo(ppo),
            learning_rate: 0.0,
            anneal_lr: false,
            norm_adv: AdvantageNorm::None,
            value_loss: ValueLoss::Plain,
            vf_loss_scale: 1.0,
            ..config.clone()
        };
        let mut learner = CpuLearner::<f64>::new(spec.clone(), config.clone(), 3).unwrap();
        learner.set_parameters(&vec![0.0; spec.layout().len()]).unwrap();
        let zeros = Array1::<f32>::zeros(rows);
        let batch = Batch {
            obs: Array2::zeros((rows, 1)),
            actions: wgpo::data::Actions::Discrete(Array2::zeros((rows, 1))),
            logp_old: zeros.mapv(|_| 0.5_f32.ln()),
            advantages: zeros.clone(),
            returns: Array1::from_shape_fn(rows, |row| (-(row as f32)).exp2()),
            values_old: zeros,
            old_dist: None,
            valid: None,
        };
        let stats = learner.update_batch(&batch, None).unwrap();
        let sizes: Vec<usize> = config.minibatches(rows).ranges().map(|range| range.len()).collect();
        let sums = stats.minibatches.iter().zip(sizes.iter().cycle()).map(|(m, size)| m.value_loss * *size as f64);
        sums.map(|sum| {
            let bits = (sum * 4.0_f64.powi(rows as i32 - 1)).round() as u64;
            (0..rows).filter(|row| bits >> (2 * (rows - 1 - row)) & 1 == 1).collect()
        })
        .collect()
    };
    let own = |name| Config {
        num_envs: 1,
        num_steps: rows,
        num_minibatches: 4,
        minibatch_size: None,
        update_epochs: 3,
        ..Config::preset(name, AlgorithmKind::Ppo, true).unwrap()
    };
    let in_order: Vec<Vec<usize>> = (0..4).map(|index| (6 * index..6 * (index + 1)).collect()).collect();
    let rsl_rl = seen(&own("rsl_rl"));
    assert_eq!(rsl_rl.len(), 12);
    for epoch in 0..3 {
        let epoch = &rsl_rl[4 * epoch..][..4];
        assert_eq!(epoch, &rsl_rl[..4], "one permutation for all epochs");
        let mut rows: Vec<usize> = epoch.concat();
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..24), "all but the batch's last row");
    }
    assert_ne!(rsl_rl[..4], in_order[..]);
    let rllib = seen(&Config { minibatch_rest: MinibatchRest::Drop, ..own("rllib-penalty") });
    assert_eq!(rllib[..4], in_order[..]);
    assert!(rllib[4..8] != in_order[..] && rllib[4..8] != rllib[8..]);
    let never = seen(&Config { shuffle: Shuffle::Never, ..own("cleanrl") });
    assert_eq!(never.concat(), [(0..25).collect::<Vec<_>>(), (0..25).collect(), (0..25).collect()].concat());
    // What PyTorch's drop_last leaves out is another row in each epoch.
    let dropped = seen(&Config { minibatch_rest: MinibatchRest::Drop, ..own("cleanrl") });
    let missing = |epoch: &[Vec<usize>]| (0..rows).find(|row| !epoch.concat().contains(row)).unwrap();
    let missing: Vec<_> = dropped.chunks(4).map(missing).collect();
    assert!(missing[0] != missing[1] || missing[1] != missing[2], "{missing:?}");
    let cleanrl = seen(&own("cleanrl"));
    assert_eq!(cleanrl.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 6, 6, 1].repeat(3));
}

/// Every switch of an algorithm with something in it, so that each has a key.
fn complete(kind: AlgorithmKind) -> Config {
    let mut config = Config {
        minibatch_size: Some(1),
        clip_coef_vf: Some(1.0),
        max_grad_norm: Some(1.0),
        value_learning_rate: Some(1.0),
        advantage: AdvantageKind::PUFF,
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm { gamma: Some(1.0), ..RewardNorm::sb3() }),
        norm_value: Some(ValueNorm::rl_games()),
        ..Config::preset(Preset::usual(kind), kind, true).unwrap()
    };
    if let Some(ppo) = config.ppo_mut() {
        (ppo.dual_clip, ppo.target_kl, ppo.adaptive_lr) = (Some(2.0), Some(1.0), Some(AdaptiveLr::default()));
        let hinge = Some(KlHinge { coef: 1.0, factor: 1.0 });
        ppo.kl_penalty = Some(KlPenalty { hinge, ..KlPenalty::adaptive() });
    }
    if let Some(region) = config.trust_region_mut() {
        region.step_size = Some(1.0);
        region.cg_absolute_tolerance = Some(1e-10);
    }
    if kind.is_off_policy() {
        config = Config { max_grad_norm: Some(1.0), ..Config::preset(Preset::usual(kind), kind, true).unwrap() };
        if let Some(sac) = config.sac_mut() {
            sac.target_entropy = Some(-1.0);
        }
    } else if !kind.has_critic() {
        // What is refused is not read.
        let advantage = AdvantageKind::Gae;
        config = Config { clip_coef_vf: None, value_learning_rate: None, norm_value: None, advantage, ..config };
    }
    config
}

/// Every switch of every algorithm.
fn switches() -> BTreeSet<String> {
    AlgorithmKind::ALL.into_iter().flat_map(|kind| rows(&complete(kind)).into_keys()).collect()
}

/// Tables whose own settings have a row each.
const TABLES: [&str; 9] = [
    "kl_penalty",
    "kl_penalty.adapt",
    "kl_penalty.hinge",
    "adaptive_lr",
    "trust_region",
    "init",
    "norm_obs",
    "norm_reward",
    "norm_value",
];

/// A choice as a cell shows it: `linear to 0.0`.
fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key} {}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(x) if x == std::f64::consts::SQRT_2 => "√2".to_owned(),
            Some(x) if x == 1.0 / 1.5 => "1/1.5".to_owned(),
            Some(x) if x != 0.0 && x.abs() < 1e-2 => format!("{x:e}"),
            Some(x) => x.to_string(),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Every switch of `config` that is on, by its name in a file, in the order of [`switches`].
fn rows(config: &Config) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &serde_json::Value, rows: &mut BTreeMap<String, String>) {
        for (key, value) in value.as_object().unwrap() {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            if TABLES.contains(&name.as_str()) && value.is_object() {
                walk(&name, value, rows);
            } else {
                rows.insert(name, cell(value));
            }
        }
    }
    let mut rows_of = BTreeMap::new();
    walk("", &serde_json::to_value(config).unwrap(), &mut rows_of);
    // The one choice that a file leaves out where it is the usual one.
    if config.replay().is_none() {
        rows_of.entry("advantage".to_owned()).or_insert_with(|| "gae".to_owned());
    }
    rows_of
}

/// The table of some presets: a line per switch that one of their algorithms reads.
fn table(columns: &[(&str, Config)], leave_out: &[&str]) -> String {
    let values: Vec<_> = columns.iter().map(|(_, config)| rows(config)).collect();
    let read: Vec<_> = columns.iter().map(|(_, config)| rows(&complete(config.algorithm.kind()))).collect();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| switch | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for switch in switches() {
        let is_read = |read: &BTreeMap<String, String>| read.contains_key(&switch);
        if leave_out.iter().any(|prefix| switch.starts_with(prefix)) || !read.iter().any(is_read) {
            continue;
        }
        let cell = |values: &BTreeMap<String, String>, read| match values.get(&switch) {
            Some(value) => value.clone(),
            None => if is_read(read) { "off" } else { "–" }.to_owned(),
        };
        let cells: Vec<_> = values.iter().zip(&read).map(|(values, read)| cell(values, read)).collect();
        text += &format!("| `{switch}` | {} |\n", cells.join(" | "));
    }
    text
}

/// Puts `table` in the place of the one whose first line begins alike.
fn replaced(document: &str, table: &str) -> String {
    let column = table.split(" | ").nth(1).unwrap();
    let start = document.find(&format!("| switch | {column} |")).unwrap();
    let end = start + document[start..].find("\n\n").unwrap() + 1;
    format!("{}{table}{}", &document[..start], &document[end..])
}

/// The tables are written by this test (WGPO_WRITE_TABLES=1), so they cannot say anything else than the code.
#[test]
fn the_documents_tables_are_the_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/presets.md");
    let document = std::fs::read_to_string(path).unwrap();
    let named = |name, algorithm, discrete| Config::preset(name, algorithm, discrete).unwrap();
    let ppo = |name| named(name, AlgorithmKind::Ppo, false);
    let first = table(
        &[
            ("cleanrl, discrete", named("cleanrl", AlgorithmKind::Ppo, true)),
            ("cleanrl, continuous", ppo("cleanrl")),
            ("sb3", ppo("sb3")),
            ("baselines-ppo2", ppo("baselines-ppo2")),
            ("rsl_rl", ppo("rsl_rl")),
            ("skrl", ppo("skrl")),
            ("tianshou", ppo("tianshou")),
            ("torchrl", ppo("torchrl")),
            ("spinningup", ppo("spinningup")),
            ("ten-tricks", ppo("ten-tricks")),
            ("rllib-penalty", ppo("rllib-penalty")),
            ("paper", named("paper", AlgorithmKind::PpoPenalty, false)),
            ("sb3, a2c", named("sb3", AlgorithmKind::A2c, false)),
            ("spinningup, reinforce", named("spinningup", AlgorithmKind::Reinforce, false)),
        ],
        &["norm_value"],
    );
    let trpo = |name| named(name, AlgorithmKind::Trpo, false);
    let second = table(
        &[
            ("sb3-contrib", trpo("sb3-contrib")),
            ("baselines", trpo("baselines")),
            ("spinningup", trpo("spinningup")),
            ("spinningup, npg", named("spinningup", AlgorithmKind::Npg, false)),
            ("tianshou", trpo("tianshou")),
            ("tianshou, npg", named("tianshou", AlgorithmKind::Npg, false)),
        ],
        &["norm_obs", "norm_reward", "norm_value"],
    );
    let off = |title, name, algorithm| (title, named(name, algorithm, algorithm == AlgorithmKind::Dqn));
    let third = table(
        &[
            off("cleanrl, dqn", "cleanrl", AlgorithmKind::Dqn),
            off("sb3, dqn", "sb3", AlgorithmKind::Dqn),
            off("cleanrl, ddpg", "cleanrl", AlgorithmKind::Ddpg),
            off("sb3, ddpg", "sb3", AlgorithmKind::Ddpg),
            off("cleanrl, td3", "cleanrl", AlgorithmKind::Td3),
            off("sb3, td3", "sb3", AlgorithmKind::Td3),
            off("cleanrl, sac", "cleanrl", AlgorithmKind::Sac),
            off("sb3, sac", "sb3", AlgorithmKind::Sac),
        ],
        &[],
    );
    if std::env::var_os("WGPO_WRITE_TABLES").is_some() {
        std::fs::write(path, replaced(&replaced(&replaced(&document, &first), &second), &third)).unwrap();
        panic!("the tables in docs/presets.md were written anew; run this again without WGPO_WRITE_TABLES");
    }
    // What the tables leave out is off.
    for algorithm in AlgorithmKind::ALL {
        for name in Preset::names(algorithm) {
            let config = named(name, algorithm, false);
            assert_eq!(config.norm_value, None, "{name}");
            assert!(!algorithm.is_trust_region() || (config.norm_obs, config.norm_reward) == (None, None), "{name}");
            let discrete = named(name, algorithm, true);
            assert!(*name != "cleanrl" || (discrete.norm_obs, discrete.norm_reward) == (None, None));
        }
    }
    let tables = [&first, &second, &third];
    let has_all = tables.iter().all(|table| document.contains(table.as_str()));
    assert!(has_all, "WGPO_WRITE_TABLES=1 writes these tables:\n\n{first}\n===\n\n{second}\n===\n\n{third}\n===\n");
    // Each switch is explained, and no field was forgotten above.
    let explained: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for switch in switches() {
        let times = explained.iter().filter(|name| **name == switch).count();
        let tables = tables.iter().filter(|table| table.contains(&format!("`{switch}`"))).count();
        assert_eq!(times, tables + 1, "`{switch}` must have one line with what it does and where its default is from");
    }
    for kind in AlgorithmKind::ALL {
        let (complete, region) = (complete(kind), if kind.is_trust_region() { "trust_region." } else { "" });
        let (shared, own) = (format!("{complete:#?}"), format!("{:#?}", complete.algorithm));
        // The fields themselves, none of what is in them: of the settings, and of the algorithm's one behind its name.
        let fields = shared.lines().filter_map(|line| line.strip_prefix("    ").map(|field| ("", field)));
        // The memory's settings stand beside the others in files.
        let depth = if kind.is_off_policy() { "            " } else { "        " };
        let inner = own.lines().filter_map(|line| line.strip_prefix(depth)).filter(|line| line.contains(": "));
        let outer =
            own.lines().filter_map(|line| line.strip_prefix("        ")).filter(|field| !field.starts_with("replay:"));
        let own = inner.chain(outer).map(|field| (region, field));
        for (table, field) in fields.chain(own).filter(|(_, rest)| !rest.starts_with([' ', '}', ')', ']'])) {
            let field = format!("{table}{}", field.split(':').next().unwrap());
            let is = |key: &String| *key == field || key.starts_with(&format!("{field}."));
            // Without a critic some are off for good; the others' rows have them.
            let known = if kind.has_critic() { rows(&complete).keys().any(is) } else { switches().iter().any(is) };
            assert!(known, "`{field}` has no value in complete(), so it would be missing in the tables");
        }
    }
    for algorithm in AlgorithmKind::ALL {
        for name in Preset::names(algorithm) {
            assert!(document.contains(&format!("| `{}` | `{name}` |", algorithm.name())), "{name}");
        }
    }
}

/// The examples of `docs/rollout-format.md` are read as heads, and there is one of each kind.
#[test]
fn the_documents_heads_are_heads() {
    let document = include_str!("../docs/rollout-format.md");
    let mut kinds = std::collections::BTreeSet::new();
    // A layer of a network has a kind, too.
    let layer = |start: usize| document[start..].starts_with("{\"kind\": \"dense\"");
    for (start, _) in document.match_indices("{\"kind\":").filter(|(start, _)| !layer(*start)) {
        let mut examples = serde_json::Deserializer::from_str(&document[start..]).into_iter::<Head>();
        let head = examples.next().unwrap().unwrap();
        head.validate().unwrap();
        kinds.insert(head.name());
    }
    let all = ["bernoulli", "beta", "categorical", "discretised", "gaussian", "multi_discrete", "tanh_gaussian"];
    assert!(kinds.into_iter().eq(all));
    assert!(document.contains(&format!("`{}`", spaced(StdLimit::default()))));
    assert!(document.contains(&spaced(StdLimit::Free)));
    assert!(document.contains(&spaced(StdLimit::Tanh { low: -5.0, high: 2.0 })));
}

/// JSON as the document writes it.
fn spaced(limit: StdLimit) -> String {
    serde_json::to_string(&limit).unwrap().replace(':', ": ").replace(',', ", ")
}
