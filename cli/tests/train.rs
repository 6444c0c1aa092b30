//! `wgpo train` on the CPU: what it leaves, and that it can stop and go on at any time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use predicates::str::contains;
use support::Place;

/// Small enough for a test: ten updates of 64 steps.
const SMALL: &str = "train cartpole --backend cpu --envs 4 --rollout 16 --steps 640 --hidden 8 --eval-episodes 2";
/// Of a run that was evaluated, and of one that was not.
const FILES: [&str; 5] = ["best.safetensors", "config.toml", "learning_curve.svg", "metrics.csv", "policy.safetensors"];
const UNEVALUATED: &[&str] = FILES.split_at(1).1;

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

#[test]
fn a_resumed_run_is_the_uninterrupted_one_bit_for_bit() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out whole"));
    place.run(&format!("{SMALL} --out parts --pause-after 3"));
    assert!(place.bytes("whole/policy.safetensors") != place.bytes("parts/policy.safetensors"));
    let said = place.run("train cartpole --resume --out parts --pause-after 4");
    assert!(said.contains("continuing after update 3") && said.contains("continue with: "), "{said}");
    place.run("train cartpole --resume --out parts");
    assert!(place.bytes("whole/policy.safetensors") == place.bytes("parts/policy.safetensors"));
    assert!(place.bytes("whole/config.toml") == place.bytes("parts/config.toml"));

    // All but the two columns of time, and the checksum over them.
    let timeless = |name: &str| -> Vec<Vec<String>> {
        let drop = ["seconds", "steps_per_second", "checksum"];
        let text = place.text(name);
        let header: Vec<_> = text.lines().next().unwrap().split(',').collect();
        let keep: Vec<_> = (0..header.len()).filter(|column| !drop.contains(&header[*column])).collect();
        text.lines()
            .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .map(|row| keep.iter().map(|column| row[*column].clone()).collect())
            .collect()
    };
    assert_eq!(timeless("whole/metrics.csv"), timeless("parts/metrics.csv"));
}

/// The numbers of a column; `None` where empty.
fn column(place: &Place, csv: &str, name: &str) -> Vec<Option<f64>> {
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

#[test]
fn a_run_without_its_metrics_goes_on() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out r --pause-after 3"));
    std::fs::remove_file(place.path("r/metrics.csv")).unwrap();
    place
        .wgpo("train cartpole --resume --out r --pause-after 2")
        .assert()
        .success()
        .stderr(contains("warning: r/metrics.csv: the rows of 3 of 3 updates are missing"));
    assert_eq!(column(&place, "r/metrics.csv", "update"), [Some(4.0), Some(5.0)]);
    assert_eq!(place.list("r"), UNEVALUATED);
}

#[test]
fn a_finished_run_can_be_resumed_with_more_steps() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out r"));
    place.run("train cartpole --resume --out r --steps 768");
    assert_eq!(place.text("r/metrics.csv").lines().count(), 13);
}

/// `tests/old_run` was written by version 0.1.0 and stays as it is. Its settings have every table that there was.
#[test]
fn a_run_of_an_earlier_version_goes_on_and_its_settings_are_taken() {
    let place = Place::new();
    std::fs::create_dir(place.path("r")).unwrap();
    for name in ["config.toml", "metrics.csv", "policy.safetensors"] {
        let old = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_run").join(name);
        std::fs::copy(old, place.path("r").join(name)).unwrap();
    }
    let rows = place.text("r/metrics.csv");
    let quiet = |line: &str| {
        let done = place.wgpo(line).assert().success();
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(!said.contains("warning"), "{said}");
    };
    quiet("train acrobot --backend cpu --config r/config.toml --out s --seed 3 --eval-episodes 0");
    assert_eq!(column(&place, "s/metrics.csv", "update"), [1.0, 2.0].map(Some));
    quiet("train acrobot --resume --out r --steps 256 --eval-episodes 0");
    assert!(place.text("r/metrics.csv").starts_with(&rows), "the rows that were there stay");
    assert_eq!(column(&place, "r/metrics.csv", "update"), [1.0, 2.0, 3.0, 4.0].map(Some));
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

#[test]
fn resume_refuses_what_does_not_fit() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out r --pause-after 2"));
    place.refused("train pendulum --resume --out r", 1, &["r is a run of cartpole, not of pendulum"]);
    place.refused("train cartpole --resume --out r --seed 9", 1, &["--seed 1, not 9"]);
    place.refused("train cartpole --resume --out r --envs 8", 1, &["--envs 4, not 8"]);
    // Neither none, nor so few that a lucky one is the best.
    for episodes in [0, 1] {
        let words = format!("r was run with --eval-episodes 2, not {episodes}; leave the option out");
        place.refused(&format!("train cartpole --resume --out r --eval-episodes {episodes}"), 1, &[&words]);
    }
    assert!(place.text("r/config.toml").contains("eval_episodes = 2\n"));
    place.run("train cartpole --resume --out r --eval-episodes 2 --pause-after 1");
    place.refused("train cartpole --resume --out elsewhere", 1, &["elsewhere", "no run to resume"]);
    let whole = place.bytes("r/policy.safetensors");
    std::fs::write(place.path("r/policy.safetensors"), &whole[..whole.len() / 2]).unwrap();
    place.refused("train cartpole --resume --out r", 1, &["policy.safetensors", "not a whole safetensors file"]);
}

#[test]
#[cfg(unix)]
fn an_interrupt_saves_and_the_run_can_go_on() {
    use std::io::Read;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let place = Place::new();
    let options = "train cartpole --backend cpu --envs 4 --rollout 16 --steps 6400000 --hidden 8 --no-stop --out r";
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("wgpo"))
        .current_dir(place.path(""))
        .args(options.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Once it has written a row it is in its loop.
    let start = Instant::now();
    while std::fs::read_to_string(place.path("r/metrics.csv")).map_or(0, |text| text.lines().count()) < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "no update within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let code = child.wait().unwrap().code();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted after") && said.contains("train cartpole --resume --out r --no-stop"), "{said}");
    assert_eq!(place.list("r"), UNEVALUATED);

    let rows = place.text("r/metrics.csv").lines().count();
    place
        .wgpo("train cartpole --resume --out r --no-stop --pause-after 1")
        .assert()
        .success()
        .stdout(contains("paused"));
    assert_eq!(place.text("r/metrics.csv").lines().count(), rows + 1);
}
