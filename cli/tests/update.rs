//! `wgpo update` on good and on bad files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use ndarray::{Array1, Array2, s};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use support::{Place, adapter};
use wgpo::checkpoint::{load_learner, write_rollout};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Rollout};
use wgpo::env::Autoreset;
use wgpo::env::Env;
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::head;
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std};
use wgpo::{ActMode, Agent, Config, OnPolicy, SaveAgent};

const STEPS: usize = 7;
const ENVS: usize = 3;
const UPDATE: &str =
    "update r.safetensors --policy p/policy.safetensors --config c.toml --out o.safetensors --backend cpu";

/// A policy, settings and a rollout for it.
fn place(env: Env) -> Place {
    let place = Place::new();
    place.run(&format!(
        "train {} --preset cleanrl --backend cpu --envs 3 --rollout 8 --steps 24 --hidden 8 --eval-episodes 0 --out p",
        env.name()
    ));
    std::fs::write(place.path("c.toml"), "learning_rate = 1e-3\nnum_minibatches = 2").unwrap();
    let rows = STEPS * ENVS;
    let wave = |k: usize| (k as f32 * 0.7).sin();
    let actions = match env.head().is_discrete() {
        true => Actions::Discrete(Array2::from_shape_fn((rows, 1), |(row, _)| (row % 2) as u32)),
        false => Actions::Continuous(Array2::from_shape_fn((rows, 1), |(row, _)| wave(row))),
    };
    let obs = Array2::from_shape_fn((rows, env.obs_dim()), |(row, column)| 0.1 * wave(row * 5 + column));
    // As the policy has them.
    let saved = load_learner(&place.path("p/policy.safetensors")).unwrap();
    let layout = saved.spec.layout();
    let networks = ActorCritic::new(&saved.spec, &layout, &saved.state.parameters).unwrap();
    let dist = networks.distribution(obs.view()).unwrap();
    let logp = head::log_prob(&saved.spec.head, dist.view(), &actions).unwrap();
    let rollout = Rollout {
        steps: STEPS,
        envs: ENVS,
        obs,
        actions,
        logp,
        rewards: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| wave(t + 11 * n)),
        values: Array2::from_shape_fn((STEPS + 1, ENVS), |(t, n)| wave(3 * t + n)),
        final_values: Some(Array2::zeros((STEPS, ENVS))),
        terminated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 3 && n == 1)),
        truncated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 5 && n == 2)),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    };
    write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
    place
}

/// The rollout's tensors, to be changed.
type Tensors = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn spoil(place: &Place, change: impl Fn(&mut Tensors)) {
    let bytes = place.bytes("r.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Tensors = file
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
        .collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(place.path("r.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

fn tensor<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut (String, Dtype, Vec<usize>, Vec<u8>) {
    tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap()
}

#[test]
fn a_good_rollout_changes_the_policy() {
    for env in Env::ALL.into_iter().filter(|env| env.info().gymnasium_id.is_some()) {
        let place = place(env);
        let said = place.run(UPDATE);
        // CleanRL's settings of either kind of action, by the epochs: 4 or 10, of two minibatches of 10 rows and the one that is left.
        let discrete = env.head().is_discrete();
        let steps = if discrete { "12 optimiser steps" } else { "30 optimiser steps" };
        for words in ["7 steps × 3 environments = 21 rows", "policy_loss", "approx_kl", steps, "o.safetensors"] {
            assert!(said.contains(words), "{words} is not in: {said}");
        }
        // The policy comes with the statistics of CleanRL's settings for continuous actions.
        assert_eq!(said.contains("scaled by norm_reward"), !discrete, "{said}");
        let first = place.bytes("o.safetensors");
        assert!(first != place.bytes("p/policy.safetensors"));
        // The same again gives the same file, and its output is a policy for the next update.
        let json = place.run(&format!("{UPDATE} --json"));
        let stats: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(stats["learning_rate"].as_f64().map(|rate| rate > 0.0), Some(true));
        assert_eq!(stats["minibatches"].as_array().map(|all| all.len() as u64), stats["optimizer_steps"].as_u64());
        assert!(first == place.bytes("o.safetensors"));
        place.run("update r.safetensors --policy o.safetensors --config c.toml --out o2.safetensors --backend cpu");
        assert!(first != place.bytes("o2.safetensors"));
    }
}

/// A loss beyond f32 is an error, on the CPU and on the device, and nothing is written; the gradient's norm alone is none.
#[test]
fn numbers_beyond_f32_are_an_error() {
    let place = place(Env::CartPole);
    let scaled = |size: f32| {
        spoil(&place, |tensors| {
            let rewards = tensor(tensors, "rewards");
            rewards.3 = (0..STEPS * ENVS).flat_map(|i| (size * (1.0 + i as f32 / 64.0)).to_le_bytes()).collect();
        });
    };
    let words = ["value_loss is inf in minibatch 0", "beyond f32", "nothing was written"];
    let on = |backend: &str| UPDATE.replace("--backend cpu", backend);
    let adapters = adapter(&place).map(|index| on(&format!("--adapter {index}")));
    for line in std::iter::once(on("--backend cpu")).chain(adapters) {
        scaled(1e21);
        place.refused(&line, 1, &words);
        assert!(!place.path("o.safetensors").exists());
        scaled(3e17);
        place.run(&line);
        std::fs::remove_file(place.path("o.safetensors")).unwrap();
    }
}

/// A learner with a head that no task has by itself, and a window that it acted in; the second row of a masked head allows
/// nothing.
fn acted(head: Head) -> (CpuLearner<f32>, Rollout) {
    let spec = PolicySpec::separate(4, &[8], Activation::Tanh, head);
    let config = settings(&spec.head);
    let mut learner = CpuLearner::<f32>::new(spec, config, 3).unwrap();
    let rows = STEPS * ENVS;
    let wave = |k: usize| (k as f32 * 0.7).sin();
    let obs = Array2::from_shape_fn((rows + ENVS, 4), |(row, column)| wave(row * 5 + column));
    let raw = learner.spec().head.raw_outputs();
    let allowed = Array2::from_shape_fn((rows, raw), |(row, i)| row != 1 && (row * 7 + i * 3) % 5 < 3);
    let allowed = learner.spec().head.is_masked().then_some(allowed);
    let window = obs.slice(s![..rows, ..]);
    let acted = learner.act_masked(window, allowed.as_ref().map(|flags| flags.view()), ActMode::Sample).unwrap();
    let last = learner.values(obs.slice(s![rows.., ..])).unwrap();
    let values = Array1::from_iter(acted.values.iter().chain(&last).copied());
    let rollout = Rollout {
        steps: STEPS,
        envs: ENVS,
        // As the network saw them, where observations are normalised.
        obs: acted.obs,
        actions: acted.actions,
        logp: acted.logp,
        rewards: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| wave(t + 11 * n)),
        values: values.into_shape_with_order((STEPS + 1, ENVS)).unwrap(),
        final_values: Some(Array2::zeros((STEPS, ENVS))),
        terminated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 3 && n == 1)),
        truncated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 5 && n == 2)),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    };
    (learner, rollout)
}

/// The file of settings for [`acted`].
const SETTINGS: &str = "learning_rate = 1e-3\nnum_minibatches = 2\nupdate_epochs = 3";

/// The same for the library: over what is published for the kind of action.
fn settings(head: &Head) -> Config {
    let base = if head.env_is_discrete() { Config::cleanrl() } else { Config::cleanrl_continuous() };
    Config { num_envs: ENVS, num_steps: STEPS, learning_rate: 1e-3, num_minibatches: 2, update_epochs: 3, ..base }
}

/// Writes policy, settings and rollout, updates with the program and with the library, and compares the whole state bit for bit.
/// Returns the program's statistics and its new policy.
#[track_caller]
fn agree(place: &Place, learner: &CpuLearner<f32>, rollout: &Rollout) -> (serde_json::Value, Vec<u8>) {
    std::fs::create_dir_all(place.path("p")).unwrap();
    learner.save(&place.path("p/policy.safetensors")).unwrap();
    write_rollout(&place.path("r.safetensors"), rollout).unwrap();
    std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
    let said: serde_json::Value = serde_json::from_str(&place.run(&format!("{UPDATE} --json"))).unwrap();
    let mut learner = learner.clone();
    let stats = learner.update(rollout).unwrap();
    let saved = load_learner(&place.path("o.safetensors")).unwrap();
    assert_eq!(&saved.spec, learner.spec());
    assert!(saved.state == learner.state().unwrap(), "the program's policy is not the library's");
    let minibatches = said["minibatches"].as_array().unwrap();
    assert_eq!(minibatches.len(), stats.minibatches.len());
    for (said, stats) in minibatches.iter().zip(&stats.minibatches) {
        assert_eq!(said["policy_loss"].as_f64(), Some(stats.policy_loss));
        assert_eq!(said["head_hits"].as_u64(), Some(stats.head_hits.into()));
    }
    (said, place.bytes("o.safetensors"))
}

#[test]
fn every_kind_of_head_goes_through_the_files() {
    let bounds = || Bounds { low: vec![-2.0, 0.0], high: vec![2.0, 0.5] };
    let heads = [
        Head::MultiDiscrete { nvec: vec![4, 33, 2], masked: true },
        Head::Categorical { actions: 5, masked: true },
        Head::bernoulli(3),
        Head::Beta { dims: 2, bounds: bounds() },
        Head::Discretised { dims: 2, bins: 5, bounds: bounds() },
        Head::TanhGaussian { dims: 2, std: Std { from_state: true, ..Std::default() }, bounds: bounds() },
    ];
    for head in heads {
        let (place, masked, dims) = (Place::new(), head.is_masked(), head.action_dims());
        let (learner, rollout) = acted(head);
        let (stats, _) = agree(&place, &learner, &rollout);
        let hits = stats["minibatches"].as_array().unwrap().iter().map(|one| one["head_hits"].as_u64().unwrap());
        let hits: u64 = hits.sum();
        // The one row without a choice, in each of three epochs; other rows may have dimensions without one.
        assert!(if masked { hits >= 3 * dims as u64 } else { hits == 0 }, "{hits}");
        assert_eq!(place.run(UPDATE).contains("head_hits"), masked);
        if masked {
            // What was allowed belongs to the rollout, and an action that was not allowed is no action.
            let good = place.bytes("r.safetensors");
            std::fs::remove_file(place.path("o.safetensors")).unwrap();
            spoil(&place, |all| all.retain(|tensor| tensor.0 != "allowed"));
            place.refused(UPDATE, 1, &["r.safetensors", "\"allowed\""]);
            std::fs::write(place.path("r.safetensors"), good).unwrap();
            spoil(&place, |all| {
                let Actions::Masked { indices, allowed } = &rollout.actions else { return };
                let flags = &mut tensor(all, "allowed").3;
                flags[4 * indices[[0, 0]] as usize] = 0;
                assert!(allowed[[0, indices[[0, 0]] as usize]]);
            });
            place.refused(UPDATE, 1, &["r.safetensors", "a choice that its mask allows"]);
            assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
        }
    }
}

#[test]
fn rows_that_do_not_count_and_resets_go_through_the_files() {
    let place = Place::new();
    let (learner, plain) = acted(Head::gaussian(1));
    let (_, all) = agree(&place, &learner, &plain);

    let mut padded = plain.clone();
    padded.valid = Some(Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t < 5 || n != 0)));
    let (_, counted) = agree(&place, &learner, &padded);
    assert!(counted != all, "padding is counted");
    // What padding holds is nobody's affair.
    padded.obs.row_mut(6 * ENVS).fill(1e30);
    padded.logp[6 * ENVS] = -7.0;
    assert!(agree(&place, &learner, &padded).1 == counted, "padding is read");

    for autoreset in [Autoreset::NextStep, Autoreset::Disabled] {
        let mut rollout = plain.clone();
        rollout.autoreset = autoreset;
        rollout.ended_before = Some(Array1::from_vec(vec![1, 0, 0]));
        let (_, reset) = agree(&place, &learner, &rollout);
        assert!(reset != all && reset != counted, "{autoreset:?} is the same as SameStep");
    }
}

#[test]
fn every_algorithm_updates() {
    let place = place(Env::CartPole);
    for algorithm in ["ppo", "ppo_penalty", "trpo", "npg", "a2c"] {
        std::fs::write(place.path("c.toml"), format!("algorithm = \"{algorithm}\"")).unwrap();
        let said = place.run(UPDATE);
        let region = ["trpo", "npg"].contains(&algorithm);
        for words in ["kl_after", "surrogate_after", "iterations of conjugate gradients"] {
            assert_eq!(said.contains(words), region, "{algorithm}: {words}: {said}");
        }
        assert_eq!(said.contains("kl_coef"), algorithm == "ppo_penalty", "{said}");
        assert!(place.bytes("o.safetensors") != place.bytes("p/policy.safetensors"), "{algorithm}");
        let stats: serde_json::Value = serde_json::from_str(&place.run(&format!("{UPDATE} --json"))).unwrap();
        assert_eq!(stats["trust_region"].is_object(), region, "{stats}");
        assert!(stats["grad_norm"].as_f64() > Some(0.0), "{stats}");
    }
    // The policy has a critic, which this one would never move.
    std::fs::write(place.path("c.toml"), "algorithm = \"reinforce\"").unwrap();
    place.refused(UPDATE, 1, &["branches: have a branch \"value\", but reinforce has no critic"]);
}

#[test]
fn a_bad_rollout_is_refused_and_nothing_is_written() {
    type Change = fn(&mut Tensors);
    let cases: [(&str, Change); 11] = [
        ("\"logp\"", |all| all.retain(|tensor| tensor.0 != "logp")),
        ("\"final_values\"[17] is absent, expected V of the real last observation", |all| {
            all.retain(|tensor| tensor.0 != "final_values")
        }),
        ("\"rewards\" has shape [3, 7], expected [7, 3]", |all| tensor(all, "rewards").2 = vec![3, 7]),
        ("\"obs\" has shape [7, 6, 2], expected [7, 6, 4]", |all| tensor(all, "obs").2 = vec![7, 6, 2]),
        ("\"values\" has shape [3, 8], expected [8, 3]", |all| tensor(all, "values").2 = vec![3, 8]),
        ("\"obs\"[2] is NaN", |all| tensor(all, "obs").3[8..12].copy_from_slice(&f32::NAN.to_le_bytes())),
        ("\"logp\"[0] is -inf", |all| tensor(all, "logp").3[..4].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes())),
        ("\"actions\"[1] is 2", |all| tensor(all, "actions").3[4] = 2),
        ("\"logp\"[0] is 0.5, expected at most 0", |all| {
            tensor(all, "logp").3[..4].copy_from_slice(&0.5_f32.to_le_bytes());
        }),
        ("\"order\" has shape [2, 20], expected [epochs, 21]", |all| {
            all.push(("order".to_owned(), Dtype::U8, vec![2, 20], vec![0; 40]));
        }),
        ("\"terminated\"[0] is 7", |all| tensor(all, "terminated").3[0] = 7),
    ];
    let place = place(Env::CartPole);
    let good = place.bytes("r.safetensors");
    for (words, change) in cases {
        std::fs::write(place.path("r.safetensors"), &good).unwrap();
        spoil(&place, change);
        place.refused(UPDATE, 1, &["r.safetensors", words]);
    }
    for length in [0, 7, 8, 100, good.len() / 2, good.len() - 1] {
        std::fs::write(place.path("r.safetensors"), &good[..length]).unwrap();
        place.refused(UPDATE, 1, &["r.safetensors", "not a whole safetensors file"]);
    }
    assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
}

/// Three permutations of the 21 rows, as another trainer recorded them.
fn add_order(place: &Place, order: &[u32]) {
    let bytes = order.iter().flat_map(|row| i64::from(*row).to_le_bytes()).collect::<Vec<u8>>();
    let rows = STEPS * ENVS;
    spoil(place, |all| all.push(("order".to_owned(), Dtype::I64, vec![order.len() / rows, rows], bytes.clone())));
}

#[test]
fn a_recorded_order_is_followed() {
    let place = Place::new();
    let (learner, rollout) = acted(Head::gaussian(1));
    let (_, keyed) = agree(&place, &learner, &rollout);
    let rows = (STEPS * ENVS) as u32;
    let order: Vec<u32> =
        (0..3).flat_map(|epoch| (0..rows).map(move |i| (i * (2 + 3 * epoch) + epoch) % rows)).collect();
    add_order(&place, &order);
    let said = place.run(UPDATE);
    assert!(said.contains("order: that of the file, 3 permutations"), "{said}");
    let ordered = place.bytes("o.safetensors");
    assert!(ordered != keyed, "the order is not read");
    let mut own = learner.clone();
    own.update_in_order(&rollout, Some(&order)).unwrap();
    assert!(load_learner(&place.path("o.safetensors")).unwrap().state == own.state().unwrap());
    // The batch's own order, given and by its setting.
    write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
    add_order(&place, &(0..3).flat_map(|_| 0..rows).collect::<Vec<u32>>());
    place.run(UPDATE);
    let given = load_learner(&place.path("o.safetensors")).unwrap().state;
    write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
    std::fs::write(place.path("c.toml"), format!("{SETTINGS}\nshuffle = \"never\"")).unwrap();
    place.run(UPDATE);
    assert!(load_learner(&place.path("o.safetensors")).unwrap().state == given);
    // Other epochs than those of the settings.
    std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
    std::fs::remove_file(place.path("o.safetensors")).unwrap();
    add_order(&place, &order[rows as usize..]);
    place.refused(
        UPDATE,
        1,
        &["r.safetensors: \"order\" has shape [2, 21], expected [3, 21]", "3 update_epochs of c.toml"],
    );
    assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
}

/// What it writes beside its results.
fn warnings(place: &Place) -> String {
    let output = place.wgpo(UPDATE).assert().success();
    String::from_utf8(output.get_output().stderr.clone()).unwrap()
}

#[test]
fn log_probabilities_of_another_policy_are_said() {
    let bounds = || Bounds { low: vec![-0.5, -0.5], high: vec![0.5, 0.5] };
    for head in [
        Head::Gaussian { dims: 2, std: Std::default(), bounds: Some(bounds()) },
        Head::TanhGaussian { dims: 2, std: Std::default(), bounds: bounds() },
        Head::Categorical { actions: 5, masked: true },
    ] {
        let place = Place::new();
        let (learner, rollout) = acted(head.clone());
        let (said, after) = agree(&place, &learner, &rollout);
        assert_eq!((said["ratio_before"]["rows"].as_u64(), said["ratio_before"]["off"].as_u64()), (Some(21), Some(0)));
        assert_eq!(warnings(&place), "");
        let words = [
            "warning: before the first step the ratio is not 1",
            "of 21 rows",
            "raw observations stored",
            "another policy",
        ];
        let warned = |why: &str| {
            let text = warnings(&place);
            assert!(words.iter().all(|word| text.contains(word)) && text.lines().count() == 1, "{why}: {text}");
        };
        // Raw observations where normalised ones were acted on.
        let raw = Rollout { obs: rollout.obs.mapv(|x| 3.0 * x + 1.0), ..rollout.clone() };
        write_rollout(&place.path("r.safetensors"), &raw).unwrap();
        warned("raw observations");
        // What the environment got, in place of what was drawn.
        if !head.is_discrete() {
            let acted = Rollout {
                actions: wgpo::low_level::reference::head_actions::to_env(&head, &rollout.actions).unwrap(),
                ..rollout.clone()
            };
            write_rollout(&place.path("r.safetensors"), &acted).unwrap();
            warned("the environment's actions");
        }
        // The policy after the update.
        write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
        std::fs::write(place.path("p/policy.safetensors"), &after).unwrap();
        warned("another policy");
        // Where an older policy is meant to have acted, nothing is to be said.
        std::fs::write(place.path("c.toml"), format!("{SETTINGS}\nadvantage = \"puff\"")).unwrap();
        assert_eq!(warnings(&place), "");
        // Half the digits: said once as converted, and not as another policy.
        learner.save(&place.path("p/policy.safetensors")).unwrap();
        std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
        spoil(&place, |all| {
            for name in ["obs", "logp"] {
                let (_, dtype, _, bytes) = tensor(all, name);
                *dtype = Dtype::BF16;
                // To the nearest; no tie is broken right, which is nothing here.
                let rounded =
                    |word: &[u8]| (u32::from_le_bytes(word.try_into().unwrap()) + 0x8000).to_le_bytes()[2..].to_vec();
                *bytes = bytes.chunks(4).flat_map(rounded).collect();
            }
        });
        assert_eq!(warnings(&place), "");
        let said = place.run(UPDATE);
        assert_eq!(said.matches("converted: ").count(), 1, "{said}");
        assert!(said.contains("obs (BF16)") && said.contains("logp (BF16)"), "{said}");
    }
}

#[test]
fn a_state_with_statistics_needs_settings_that_have_them() {
    let place = place(Env::CartPole);
    std::fs::write(place.path("t.toml"), "[norm_reward]\n[norm_obs]").unwrap();
    let train =
        "train cartpole --backend cpu --config t.toml --envs 3 --rollout 8 --steps 24 --hidden 8 --eval-episodes 0";
    place.run(&format!("{train} --out p --force"));
    place.refused(UPDATE, 1, &["norm_obs: is off", "c.toml"]);
    // Nor is anything measured for it.
    if let Some(index) = adapter(&place) {
        let tuned = format!("--adapter {index} --kernels tuned --tuning t.json");
        place.refused(&UPDATE.replace("--backend cpu", &tuned), 1, &["norm_obs: is off", "c.toml"]);
        assert!(!place.path("t.json").exists(), "a refused update wrote a tuning");
    }
    std::fs::write(place.path("c.toml"), "[norm_reward]\n[norm_obs]").unwrap();
    place.run(UPDATE);
}

#[test]
fn other_bad_files_are_refused_and_nothing_is_written() {
    let place = place(Env::CartPole);
    let whole = place.bytes("p/policy.safetensors");
    std::fs::write(place.path("p/policy.safetensors"), &whole[..whole.len() - 1]).unwrap();
    place.refused(UPDATE, 1, &["policy.safetensors"]);
    std::fs::copy(place.path("r.safetensors"), place.path("p/policy.safetensors")).unwrap();
    place.refused(UPDATE, 1, &["policy.safetensors"]);
    std::fs::write(place.path("p/policy.safetensors"), &whole).unwrap();

    std::fs::write(place.path("c.toml"), "update_epochs = 0").unwrap();
    place.refused(UPDATE, 1, &["c.toml", "update_epochs"]);
    std::fs::write(place.path("c.toml"), "").unwrap();
    place.refused(&UPDATE.replace("r.safetensors", "none.safetensors"), 1, &["none.safetensors"]);
    place.refused(&UPDATE.replace("--out o", "--out nowhere/o"), 1, &["nowhere", "no such folder"]);
    place.refused("update r.safetensors", 2, &["--policy", "--config", "--out"]);
    assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
}
