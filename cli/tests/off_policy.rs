//! `wgpo train` and `wgpo update` with algorithms that learn from a replay memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::{Place, adapter};
use crate::train::column;
use ndarray::{Array1, Array2};
use serde_json::Value;
use wgpo::checkpoint::{load_learner, write_batches};
use wgpo::cpu::CpuOffPolicy;
use wgpo::data::{Actions, TransitionBatch};
use wgpo::{Agent, OffPolicy};

/// Each algorithm with a task whose actions suit it.
const PAIRS: [(&str, &str); 5] =
    [("dqn", "cartpole"), ("ddpg", "pendulum"), ("td3", "pendulum"), ("sac", "cartpole"), ("sac", "pendulum")];

/// A run of 160 environment steps in five updates, of which gradient steps are due in the last four.
fn small(algo: &str, task: &str, more: &str) -> String {
    format!(
        "train {task} --algo {algo} --config small.toml --hidden 8 --rollout 16 --steps 160 --eval-episodes 2 {more}"
    )
}

fn place() -> Place {
    let place = Place::new();
    let text = "num_envs = 2\nbuffer_size = 64\nbatch_size = 8\nlearning_starts = 40\ntrain_frequency = 4\ngradient_steps = 1\n";
    std::fs::write(place.path("small.toml"), text).unwrap();
    place
}

/// Trains whole and in parts with each algorithm, on `backend`.
fn stops_and_goes_on(place: &Place, backend: &str) {
    for (algo, task) in PAIRS {
        let (whole, parts) = (format!("{algo}-{task}-whole"), format!("{algo}-{task}-parts"));
        let said = place.run(&small(algo, task, &format!("{backend} --out {whole}")));
        assert!(said.contains("over 2 greedy episodes"), "{said}");
        place.run(&small(algo, task, &format!("{backend} --out {parts} --pause-after 2")));
        place.run(&format!("train {task} --resume --out {parts}"));
        let bytes = |folder: &str| place.bytes(&format!("{folder}/policy.safetensors"));
        assert!(bytes(&whole) == bytes(&parts), "{algo} {backend}");
        let of = |name: &str| column(place, &format!("{whole}/metrics.csv"), name);
        // Multiples of 4 beyond 40, up to 160.
        assert_eq!(of("gradient_steps"), [0.0, 6.0, 14.0, 22.0, 30.0].map(Some), "{algo}");
        let there = |name: &str| of(name).iter().map(Option::is_some).collect::<Vec<_>>();
        let learnt = [false, true, true, true, true];
        assert_eq!((there("value_loss"), there("q_values")), (learnt.to_vec(), learnt.to_vec()), "{algo}");
        assert!(there("approx_kl").iter().chain(&there("explained_variance")).all(|there| !there), "{algo}");
        assert_eq!(there("epsilon"), [algo == "dqn"; 5], "{algo}");
        assert_eq!(there("alpha")[1..], [algo == "sac"; 4], "{algo}");
        let best = std::fs::metadata(place.path(format!("{whole}/best.safetensors"))).unwrap().len();
        assert!(best < bytes(&whole).len() as u64, "the best policy comes without the memory");
        let json = place.run(&format!("eval {whole} --episodes 3 {backend} --json"));
        assert!(serde_json::from_str::<Value>(&json).unwrap()["mark_reached"].is_boolean(), "{json}");
        place.run(&format!("play {whole} --every 0 {backend} --out {algo}-{task}.svg"));
        // The last state has its memory with it, which is of another size than one that only acts needs.
        place.run(&format!("eval {whole}/policy.safetensors --episodes 3 {backend}"));
    }
}

#[test]
fn every_algorithm_stops_and_goes_on_bit_for_bit() {
    let place = place();
    stops_and_goes_on(&place, "--backend cpu");
    place.run(&small("sac", "pendulum", "--backend cpu --seeds 2 --out seeds"));
    assert!(place.bytes("seeds/seed-1/policy.safetensors") == place.bytes("sac-pendulum-whole/policy.safetensors"));
}

#[test]
fn every_algorithm_stops_on_the_device_and_goes_on_bit_for_bit() {
    let place = place();
    let Some(index) = adapter(&place) else { return };
    stops_and_goes_on(&place, &format!("--adapter {index}"));
    place.run(&small("sac", "pendulum", &format!("--adapter {index} --seeds 2 --out seeds")));
    assert!(place.bytes("seeds/seed-1/policy.safetensors") == place.bytes("sac-pendulum-whole/policy.safetensors"));
}

/// One key makes the networks, too; what is learnt stops, goes on, is evaluated, and takes recorded batches.
#[test]
fn a_dueling_network_is_asked_for_by_a_key() {
    let place = place();
    let text = std::fs::read_to_string(place.path("small.toml")).unwrap() + "dueling = true\n";
    std::fs::write(place.path("small.toml"), text).unwrap();
    place.run(&small("dqn", "cartpole", "--backend cpu --out whole"));
    place.run(&small("dqn", "cartpole", "--backend cpu --out parts --pause-after 2"));
    place.run("train cartpole --resume --out parts");
    assert!(place.bytes("whole/policy.safetensors") == place.bytes("parts/policy.safetensors"));
    place.run("eval whole --episodes 3 --backend cpu --json");
    let saved = load_learner(&place.path("whole/policy.safetensors")).unwrap();
    assert_eq!((saved.spec.sizes("policy"), saved.spec.sizes("value")), (vec![4, 8, 2], vec![4, 8, 1]));
    write_batches(&place.path("b.safetensors"), &batches("dqn", "cartpole")).unwrap();
    std::fs::write(place.path("c.toml"), "algorithm = \"dqn\"\ndueling = true").unwrap();
    let line =
        "update b.safetensors --policy whole/policy.safetensors --config c.toml --backend cpu --out o.safetensors";
    place.run(line);
    let after = load_learner(&place.path("o.safetensors")).unwrap();
    let value = saved.spec.layout().own_range("value");
    assert!(after.state.parameters[value.clone()] != saved.state.parameters[value]);
    std::fs::write(place.path("c.toml"), "algorithm = \"dqn\"").unwrap();
    place.refused(line, 1, &["branch \"value\", but dqn has none"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let place = place();
    place.refused("train cartpole --algo td3", 1, &["td3 takes floats", "cartpole has choices", "dqn and sac"]);
    place.refused("train pendulum --algo dqn", 1, &["dqn chooses", "pendulum takes floats"]);
    place.refused("train pendulum --algo sac --head beta", 1, &["--head", "sac's actor is the algorithm's own"]);
    place.refused("train pendulum --algo sac --std-limit free", 1, &["head.std", "within a clamp or by tanh"]);
    place.refused("train pendulum --algo td3 --std-limit free", 1, &["--std-limit", "td3's actor has no deviation"]);
    std::fs::write(place.path("c.toml"), "gae_lambda = 0.9").unwrap();
    place.refused("train pendulum --algo sac --config c.toml", 1, &["c.toml:1: gae_lambda", "sac"]);
    std::fs::write(place.path("c.toml"), "tau = 0.9").unwrap();
    place.refused("train pendulum --config c.toml", 1, &["c.toml:1: tau", "ppo"]);
    std::fs::write(place.path("c.toml"), "n_steps = 40").unwrap();
    place.refused("train pendulum --algo sac --config c.toml", 1, &["n_steps: is 40, must be from 1 to 32"]);
}

/// Two batches for a policy of `algo` on `task`, with noise.
fn batches(algo: &str, task: &str) -> Vec<TransitionBatch> {
    let (rows, wave) = (5, |k: usize| (0.9 * k as f32).sin());
    let (obs_dim, discrete) = if task == "cartpole" { (4, true) } else { (3, false) };
    let matrix = |first: usize, columns: usize| {
        Array2::from_shape_fn((rows, columns), |(row, column)| wave(first + 7 * row + 3 * column))
    };
    let batch = |first: usize| TransitionBatch {
        obs: matrix(first, obs_dim),
        actions: if discrete {
            Actions::Discrete(Array2::from_shape_fn((rows, 1), |(row, _)| (row % 2) as u32))
        } else {
            Actions::Continuous(matrix(first + 1, 1))
        },
        rewards: Array1::from_shape_fn(rows, |row| wave(first + 2 + row)),
        next_obs: matrix(first + 3, obs_dim),
        terminated: Array1::from_shape_fn(rows, |row| u32::from(row == 2)),
        discounts: Array1::from_elem(rows, 0.9),
        next_noise: (!discrete).then(|| matrix(first + 4, 1)),
        noise: (algo == "sac" && !discrete).then(|| matrix(first + 5, 1)),
    };
    vec![batch(10), batch(100)]
}

/// The program's numbers are the library's, and the device's are near them.
#[test]
fn recorded_batches_are_repeated() {
    let place = place();
    let index = adapter(&place);
    for (algo, task) in PAIRS {
        place.run(&small(algo, task, &format!("--backend cpu --out {algo}-{task} --pause-after 2")));
        let own = batches(algo, task);
        write_batches(&place.path("b.safetensors"), &own).unwrap();
        std::fs::write(place.path("c.toml"), format!("algorithm = \"{algo}\"\nlearning_rate = 1e-3")).unwrap();
        let line =
            format!("update b.safetensors --policy {algo}-{task}/policy.safetensors --config c.toml --json --out");
        let json: Value = serde_json::from_str(&place.run(&format!("{line} o.safetensors --backend cpu"))).unwrap();
        let saved = load_learner(&place.path(format!("{algo}-{task}/policy.safetensors"))).unwrap();
        let mut state = saved.state.clone();
        state.off_policy.as_mut().unwrap().replay = None;
        let after = load_learner(&place.path("o.safetensors")).unwrap();
        let mut learner = CpuOffPolicy::<f32>::from_state(saved.spec, after.config, &state).unwrap();
        for (batch, step) in own.iter().zip(json["steps"].as_array().unwrap()) {
            let stats = learner.learn_batch(batch).unwrap();
            assert_eq!(step["value_loss"].as_f64(), Some(stats.last().value_loss), "{algo}");
            assert_eq!((step["rows"].as_u64(), step["alpha"].is_null()), (Some(5), algo != "sac"), "{algo}");
        }
        assert_eq!(after.state.parameters, learner.parameters().unwrap(), "{algo}");
        assert!(after.state.parameters != state.parameters && after.state.off_policy.unwrap().gradient_steps > 2);
        let text = place.run(&line.replace(" --json", "").replace("--out", "--out o.safetensors --backend cpu"));
        assert!(text.contains("2 batches of 5 transitions") && text.contains("q_values"), "{text}");
        if let Some(index) = index {
            let there = format!("{line} d.safetensors --adapter {index}");
            let device: Value = serde_json::from_str(&place.run(&there)).unwrap();
            // Sums of up to 8 terms near 1 in f32, through three layers and two steps of 1e-3: far below this.
            for (a, b) in json["steps"].as_array().unwrap().iter().zip(device["steps"].as_array().unwrap()) {
                for name in ["value_loss", "q_values", "targets", "grad_norm"] {
                    let (a, b) = (a[name].as_f64().unwrap(), b[name].as_f64().unwrap());
                    assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{algo} {name}: {a} and {b}");
                }
            }
        }
    }
    // A file that lacks what the algorithm draws by, and one with an action out of range.
    let mut lacking = batches("sac", "pendulum");
    lacking.iter_mut().for_each(|batch| batch.noise = None);
    write_batches(&place.path("b.safetensors"), &lacking).unwrap();
    let line = "update b.safetensors --policy sac-pendulum/policy.safetensors --config c.toml --out no --backend cpu";
    place.refused(line, 1, &["batch 0", "noise: is missing"]);
    let mut far = batches("sac", "pendulum");
    far[1].actions = Actions::Continuous(Array2::from_elem((5, 1), 1.5));
    write_batches(&place.path("b.safetensors"), &far).unwrap();
    place.refused(line, 1, &["b.safetensors", "batch 1", "actions"]);
    assert!(!place.path("no").exists());
}
