//! `wgpo train` on the CPU: what it leaves. That it can stop and go on at any time is in `resume`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use support::Place;

/// Small enough for a test: ten updates of 64 steps.
pub(crate) const SMALL: &str =
    "train cartpole --backend cpu --envs 4 --rollout 16 --steps 640 --hidden 8 --eval-episodes 2";
/// Of a run that was evaluated, and of one that was not.
const FILES: [&str; 5] = ["best.safetensors", "config.toml", "learning_curve.svg", "metrics.csv", "policy.safetensors"];
pub(crate) const UNEVALUATED: &[&str] = FILES.split_at(1).1;

#[test]
fn a_run_leaves_its_files() {
    let place = Place::new();
    let said = place.run(SMALL);
    for words in [
        "backend: CPU",
        "CartPole-v1",
        "policy 4-8-2",
        "not solved: the sampled mean is below the mark of 475",
        "policy.safetensors: the last policy, of update 10: mean return",
        "best.safetensors: the best evaluated policy (the same), of update 10: mean return",
        "over 2 greedy episodes",
        "runs/cartpole-cpu-s1",
    ] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    assert_eq!(place.list("runs/cartpole-cpu-s1"), FILES);

    let metrics = place.text("runs/cartpole-cpu-s1/metrics.csv");
    let mut lines = metrics.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    for column in [
        "update",
        "env_steps",
        "steps_per_second",
        "mean_return",
        "approx_kl",
        "learning_rate",
        "kl_coef",
        "step_accepted",
    ] {
        assert!(header.contains(&column), "{column} is not in {header:?}");
    }
    let rows: Vec<Vec<_>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 10);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row.len(), header.len());
        assert_eq!((row[0], row[1]), ((index + 1).to_string().as_str(), ((index + 1) * 64).to_string().as_str()));
        assert!(row.iter().all(|field| field.is_empty() || field.parse::<f64>().unwrap().is_finite()), "{row:?}");
    }

    let config = place.text("runs/cartpole-cpu-s1/config.toml");
    for line in ["env = \"cartpole\"", "backend = \"cpu\"", "seed = 1", "num_envs = 4", "total_timesteps = 640"] {
        assert!(config.contains(line), "{line} is not in: {config}");
    }
    let picture = place.text("runs/cartpole-cpu-s1/learning_curve.svg");
    assert!(picture.starts_with("<svg") && picture.contains("environment steps"));
}

#[test]
fn settings_come_from_preset_file_and_options_in_this_order() {
    let place = Place::new();
    std::fs::write(place.path("c.toml"), "num_envs = 2\nnum_steps = 16\ngamma = 0.9\nmax_grad_norm = \"off\"").unwrap();
    place.run("train pendulum --backend cpu --preset sb3 --config c.toml --envs 3 --steps 96 --hidden 4 --eval-episodes 0 --out p");
    let config = place.text("p/config.toml");
    for line in ["num_envs = 3", "num_steps = 16", "gamma = 0.9", "minibatch_size = 64", "policy_hidden = [4]"] {
        assert!(config.contains(line), "{line} is not in: {config}");
    }
    assert!(!config.contains("max_grad_norm"));
    // A run's own file serves as --config.
    place.run("train pendulum --backend cpu --config p/config.toml --hidden 4 --eval-episodes 0 --out q");
    assert!(place.bytes("p/policy.safetensors") == place.bytes("q/policy.safetensors"));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let place = Place::new();
    for (out, seed) in [("a", 5), ("b", 5), ("c", 6)] {
        place.run(&format!("{SMALL} --seed {seed} --out {out}"));
    }
    assert!(place.bytes("a/policy.safetensors") == place.bytes("b/policy.safetensors"));
    assert!(place.bytes("a/policy.safetensors") != place.bytes("c/policy.safetensors"));
}

/// The numbers of a column; `None` where empty.
pub(crate) fn column(place: &Place, csv: &str, name: &str) -> Vec<Option<f64>> {
    let text = place.text(csv);
    let index = text.lines().next().unwrap().split(',').position(|one| one == name).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(index).unwrap().parse().ok()).collect()
}

#[test]
fn every_algorithm_trains_measures_and_goes_on_bit_for_bit() {
    let place = Place::new();
    let small = SMALL.replace("640", "256");
    for algo in ["ppo-penalty", "trpo", "npg", "a2c", "reinforce"] {
        let said = place.run(&format!("{small} --algo {algo} --out {algo}"));
        assert!(said.contains(&format!("CartPole-v1: {algo},")), "{said}");
        place.run(&format!("{small} --algo {algo} --out {algo}-parts --pause-after 2"));
        let said = place.run(&format!("train cartpole --resume --out {algo}-parts"));
        assert!(said.contains(&format!("CartPole-v1: {algo},")) && said.contains("after update 2"), "{said}");
        let bytes = |folder: &str| place.bytes(&format!("{folder}/policy.safetensors"));
        assert!(bytes(algo) == bytes(&format!("{algo}-parts")), "{algo}");
        let name = algo.replace('-', "_");
        assert!(place.text(&format!("{algo}/config.toml")).contains(&format!("algorithm = \"{name}\"")));

        let csv = format!("{algo}/metrics.csv");
        let there = |name: &str| column(&place, &csv, name).iter().all(Option::is_some);
        let region = ["trpo", "npg"].contains(&algo);
        for name in ["cg_iterations", "step_accepted", "line_search_tries", "surrogate_improvement"] {
            assert_eq!(there(name), region, "{algo}: {name}");
        }
        assert_eq!(there("kl"), region || algo == "ppo-penalty", "{algo}");
        assert_eq!(there("kl_coef"), algo == "ppo-penalty", "{algo}");
        assert_eq!(there("approx_kl"), !region, "{algo}");
    }
    place.refused("train cartpole --resume --out trpo --algo npg", 1, &["--algo trpo, not npg"]);
    // Without --out, the folder has the algorithm in its name, and is found by it.
    place.run(&format!("{small} --algo trpo --preset baselines --pause-after 1"));
    place.run("train cartpole --algo trpo --resume");
    assert_eq!(place.text("runs/cartpole-trpo-cpu-s1/metrics.csv").lines().count(), 5);
    place.refused(&format!("{small} --algo trpo --preset cleanrl --out x"), 1, &["sb3-contrib", "for trpo"]);
}

#[test]
fn every_head_of_a_task_trains_and_goes_on_bit_for_bit() {
    let place = Place::new();
    let small = "--backend cpu --envs 4 --rollout 16 --steps 256 --hidden 8 --eval-episodes 0";
    for (task, head, kind) in [
        ("pendulum", "gaussian-state-std", "gaussian"),
        ("pendulum", "tanh-gaussian", "tanh_gaussian"),
        ("pendulum", "beta", "beta"),
        ("mountain-car", "tanh-gaussian-state-std", "tanh_gaussian"),
        ("mountain-car", "discretised:5", "discretised"),
        ("cartpole", "bernoulli", "bernoulli"),
        ("acrobot", "multi-discrete", "multi_discrete"),
    ] {
        let folder = format!("runs/{task}-{}-cpu-s1", head.replace(':', ""));
        let said = place.run(&format!("train {task} --head {head} {small}"));
        assert!(said.contains(&format!("{head} head")) && said.contains(&folder), "{said}");
        let config = place.text(&format!("{folder}/config.toml"));
        assert!(config.contains(&format!("kind = \"{kind}\"")), "{config}");
        let bounds = match task {
            "pendulum" => Some("low = [-2.0]"),
            "mountain-car" => Some("low = [-1.0]"),
            _ => None,
        };
        assert_eq!(bounds.is_some_and(|line| config.contains(line)), bounds.is_some(), "{config}");
        assert!(column(&place, &format!("{folder}/metrics.csv"), "head_hits").iter().all(Option::is_some));

        place.run(&format!("train {task} --head {head} {small} --pause-after 2 --out parts --force"));
        place.run(&format!("train {task} --resume --out parts --eval-episodes 0"));
        let bytes = |folder: &str| place.bytes(&format!("{folder}/policy.safetensors"));
        assert!(bytes(&folder) == bytes("parts"), "{task} {head}");
    }
    place.refused("train acrobot --resume --out parts --head categorical", 1, &["--head multi-discrete, not"]);
    // Without --out, the folder has the head in its name, and is found by it.
    place.run("train pendulum --head beta --resume --steps 320 --eval-episodes 0");
    assert_eq!(place.text("runs/pendulum-beta-cpu-s1/metrics.csv").lines().count(), 6);
    place.refused("train pendulum --resume", 1, &["no run of pendulum"]);
    // The task's usual head is no other run.
    place.run(&format!("train pendulum --head gaussian --activation gelu-erf {small}"));
    assert!(place.text("runs/pendulum-cpu-s1/config.toml").contains("activation = \"gelu_erf\""));
}

/// Every end is evaluated, and the file keeps the best of them with its score, whatever came after it.
#[test]
fn the_best_policy_stays_over_resumes_and_evaluations_change_no_training() {
    let place = Place::new();
    let score = || wgpo::checkpoint::load_best(&place.path("r/best.safetensors")).unwrap().1;
    let (mut scores, mut kept) = (Vec::new(), 0);
    place.run(&format!("{SMALL} --out r"));
    for steps in 11..19 {
        let column = column(&place, "r/metrics.csv", "greedy_return");
        scores = column.into_iter().flatten().collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!((score().mean_return, score().episodes), (most, 2));
        kept += u32::from(scores.last() != Some(&most));
        place.run(&format!("train cartpole --resume --out r --steps {}", 64 * steps));
    }
    assert_eq!(scores.len(), 8);
    assert!(kept > 0, "no end was worse than one before it: {scores:?}");

    // The same without an evaluation in between: the last policy has the same bits.
    let unevaluated = SMALL.replace("--eval-episodes 2", "--eval-episodes 0");
    place.run(&format!("{unevaluated} --out q"));
    assert_eq!(place.list("q"), UNEVALUATED);
    for steps in 11..19 {
        place.run(&format!("train cartpole --resume --out q --steps {}", 64 * steps));
    }
    let state =
        |run: &str| wgpo::checkpoint::load_trainer(&place.path(format!("{run}/policy.safetensors"))).unwrap().state;
    assert_eq!(state("q"), state("r"));
    // An end that was not evaluated is, once somebody asks for it.
    let said = place.run("train cartpole --resume --out q --steps 1152 --eval-episodes 2");
    assert!(said.contains("the last policy, of update 18: mean return"), "{said}");
    assert_eq!(place.list("q"), FILES);
    place.run(&format!("{unevaluated} --out q --force"));
    assert_eq!(place.list("q"), UNEVALUATED, "the best of the run that was replaced is not this one's");
}

/// That TensorBoard reads them, and forgets what a killed run did after its last save, is in python/tests.
#[test]
fn event_files_are_kept_over_resumes_and_go_with_the_run() {
    let place = Place::new();
    let events = |folder: &str| -> Vec<Vec<u8>> {
        let names = place.list(folder).into_iter().filter(|name| name.starts_with("events.out.tfevents."));
        names.map(|name| place.bytes(&format!("{folder}/{name}"))).collect()
    };
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).filter(|part| *part == word.as_bytes()).count();
    let said = place.run(&format!("{SMALL} --out r --pause-after 3 --tensorboard"));
    assert!(said.contains("events.out.tfevents.*"), "{said}");
    place.run("train cartpole --resume --out r --pause-after 2");
    let files = events("r");
    let updates: Vec<usize> = files.iter().map(|bytes| holds(bytes, "train/approx_kl")).collect();
    assert_eq!(updates, [3, 2], "a run that has them goes on with them");
    place.run(&format!("{SMALL} --out r --force"));
    assert_eq!(place.list("r"), FILES);
    place.run("train cartpole --resume --out r --steps 768 --tensorboard");
    assert_eq!(events("r").iter().map(|bytes| holds(bytes, "rollout/ep_rew_mean")).collect::<Vec<_>>(), [2]);
    place.run(&format!("{SMALL} --seeds 2 --pause-after 1 --out both --tensorboard"));
    assert_eq!((events("both/seed-1").len(), events("both/seed-2").len()), (1, 1));
}

#[test]
fn an_existing_folder_is_refused_unless_told_otherwise() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out r"));
    let before = place.bytes("r/policy.safetensors");
    place.refused(&format!("{SMALL} --seed 2 --out r"), 1, &["r: exists already", "--resume", "--force", "--out"]);
    assert!(place.bytes("r/policy.safetensors") == before);
    std::fs::write(place.path("file"), "").unwrap();
    place.refused(&format!("{SMALL} --out file"), 1, &["file: exists already"]);
    place.run(&format!("{SMALL} --seed 2 --out r --force"));
    assert!(place.bytes("r/policy.safetensors") != before);
    assert_eq!(place.list("r"), FILES);
}
