//! `wgpo update` on good and on bad files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use support::{Place, adapter};
use wgpo::checkpoint::{load_learner, write_rollout};
use wgpo::data::{Actions, Rollout};
use wgpo::env::Autoreset;
use wgpo::env::Env;
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::head;

pub(crate) const STEPS: usize = 7;
pub(crate) const ENVS: usize = 3;
pub(crate) const UPDATE: &str =
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
pub(crate) type Tensors = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

pub(crate) fn spoil(place: &Place, change: impl Fn(&mut Tensors)) {
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

pub(crate) fn tensor<'a>(tensors: &'a mut Tensors, name: &str) -> &'a mut (String, Dtype, Vec<usize>, Vec<u8>) {
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
