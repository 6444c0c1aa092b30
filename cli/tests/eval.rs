//! `wgpo eval`, `wgpo play` and `wgpo train --seeds` on the CPU.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use serde_json::Value;
use support::Place;

/// Small enough for a test: ten updates of 64 steps.
const SMALL: &str = "--backend cpu --envs 4 --rollout 16 --steps 640 --hidden 8 --eval-episodes 4";

fn json(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.run(line)).unwrap()
}

#[test]
fn an_evaluation_says_which_policy_and_how_good() {
    let place = Place::new();
    place.run(&format!("train cartpole {SMALL} --seed 5 --out r"));
    let said = place.run("eval r --backend cpu --episodes 7");
    for words in [
        "policy: r/best.safetensors, of update 10, trained with seed 5",
        "CartPole-v1: 7 greedy episodes, from the start states of evaluation seed 6",
        "return: mean ",
        "length: mean ",
        "mark of 475: not reached",
    ] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    assert_eq!(said, place.run("eval r --backend cpu --episodes 7"), "it repeats");

    // Of the run's own seed, and as many: what the run itself was told.
    let own = json(&place, "eval r --backend cpu --episodes 4 --seed 5 --json");
    let (_, evaluation) = wgpo::checkpoint::load_best(&place.path("r/best.safetensors")).unwrap();
    assert_eq!(own["return"]["mean"].as_f64(), Some(evaluation.mean_return));
    assert_eq!(own["return"]["min"].as_f64(), Some(evaluation.return_min));
    assert_eq!(own["return"]["max"].as_f64(), Some(evaluation.return_max));
    // In CartPole every step pays 1.
    assert_eq!(own["return"], own["length"]);
    assert_eq!(
        (&own["env"], &own["actions"], &own["mark_reached"]),
        (&"cartpole".into(), &"greedy".into(), &false.into())
    );

    // Several seeds are the episodes of each, together.
    let both = json(&place, "eval r/policy.safetensors --backend cpu --episodes 3 --seeds 5,9 --json");
    let mean = |value: &Value| value["return"]["mean"].as_f64().unwrap();
    let each: Vec<f64> = both["seeds"].as_array().unwrap().iter().map(mean).collect();
    assert_eq!((both["episodes"].as_u64(), each.len()), (Some(6), 2));
    assert!((mean(&both) - (each[0] + each[1]) / 2.0).abs() < 1e-9);
    assert!(both["policy"].as_str().unwrap().ends_with("policy.safetensors"));

    // Sampled actions are others, and repeat.
    let sampled = json(&place, "eval r --backend cpu --episodes 4 --seed 5 --sampled --json");
    assert_ne!(sampled["return"], own["return"]);
    assert_eq!(sampled, json(&place, "eval r --backend cpu --episodes 4 --seed 5 --sampled --json"));

    place.refused("eval r --backend cpu --env pendulum", 1, &["does not play pendulum", "4 wide", "3"]);
    place.refused("eval nowhere --backend cpu", 1, &["nowhere"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.refused("eval empty --backend cpu", 1, &["empty: has neither best.safetensors nor policy.safetensors"]);
    let whole = place.bytes("r/best.safetensors");
    std::fs::write(place.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    place.refused("eval half.safetensors --backend cpu", 1, &["half.safetensors", "not a whole safetensors file"]);
}

#[test]
fn a_learners_file_needs_the_name_of_its_environment() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --out r"));
    let saved = wgpo::checkpoint::load_learner(&place.path("r/policy.safetensors")).unwrap();
    wgpo::checkpoint::save_learner(&place.path("l.safetensors"), &saved.spec, &saved.config, &saved.state).unwrap();
    place.refused("eval l.safetensors --backend cpu", 1, &["Name it with --env", "holds a learner"]);
    let named = json(&place, "eval l.safetensors --backend cpu --env pendulum --episodes 2 --json");
    assert_eq!(named["return"], json(&place, "eval r/policy.safetensors --backend cpu --episodes 2 --json")["return"]);
    place.refused("play l.safetensors --backend cpu", 1, &["Name it with --env"]);
}

/// What is read twice may be two files. A pipe is there once.
#[test]
#[cfg(unix)]
fn a_policys_file_is_read_once() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --out r"));
    for options in ["", " --env pendulum"] {
        let mut command = place.wgpo(&format!("eval /dev/stdin --backend cpu --episodes 2 --json{options}"));
        let output = command.write_stdin(place.bytes("r/policy.safetensors")).assert().success();
        let piped: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let named = json(&place, "eval r/policy.safetensors --backend cpu --episodes 2 --json");
        assert_eq!(piped["return"], named["return"]);
    }
}

/// Pendulum and MountainCar have running statistics of observations, which an evaluation must leave alone.
#[test]
fn every_task_is_played_printed_and_drawn() {
    let place = Place::new();
    for (task, word) in
        [("cartpole", "theta_dot"), ("pendulum", "torque"), ("acrobot", "theta2"), ("mountain-car", "force")]
    {
        place.run(&format!(
            "train {task} --backend cpu --envs 4 --rollout 16 --steps 64 --hidden 8 --eval-episodes 0 --out {task}"
        ));
        let said = place.run(&format!("play {task} --backend cpu --seed 3"));
        assert!(said.contains(word) && said.contains("the end"), "{said}");
        assert!(said.ends_with(&format!("drawn: {task}/policy.svg\n")), "{said}");
        let film = place.text(&format!("{task}/policy.svg"));
        assert!(film.starts_with("<svg") && film.contains("<animateTransform"));
        // What was played is what an evaluation of one episode measures.
        let one = json(&place, &format!("eval {task} --backend cpu --seed 3 --episodes 1 --json"));
        let words = format!("return {:.1} in {} steps", one["return"]["mean"].as_f64().unwrap(), one["length"]["mean"]);
        assert!(said.contains(&words.replace(".0 steps", " steps")), "{words}: {said}");
        let said = place.run(&format!("play {task} --backend cpu --sampled --still --every 0 --out {task}.svg"));
        assert!(!said.contains("the end") && said.contains("sampled"), "{said}");
        let strip = place.text(&format!("{task}.svg"));
        assert_eq!((strip.matches("return").count() >= 12, strip.contains("animateTransform")), (true, false));
    }
    // One picture after another is told, and a new run does not have that of the one before.
    let said = place.run("play cartpole --backend cpu --seed 4 --every 0");
    assert!(said.ends_with("drawn: cartpole/policy.svg, in place of what was there\n"), "{said}");
    std::fs::copy(place.path("cartpole/policy.safetensors"), place.path("cartpole/best.safetensors")).unwrap();
    assert!(place.run("play cartpole --backend cpu --every 0").ends_with("drawn: cartpole/best.svg\n"));
    place.run(&format!("train cartpole {SMALL} --out cartpole --force"));
    assert!(place.list("cartpole").iter().all(|name| name == "learning_curve.svg" || !name.ends_with(".svg")));
}

#[test]
fn seeds_are_runs_side_by_side_and_each_is_the_one_that_it_would_be_alone() {
    let place = Place::new();
    let said = place.run(&format!("train cartpole {SMALL} --seeds 3 --seed 4"));
    for words in ["seeds 4 to 6", "solved: 0 of 3 seeds", "not solved", "runs/cartpole-cpu-s4-6"] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    let group = "runs/cartpole-cpu-s4-6";
    assert_eq!(place.list(group), ["seed-4", "seed-5", "seed-6", "seeds.svg", "summary.csv"]);
    let figure = place.text(&format!("{group}/seeds.svg"));
    assert!(figure.contains("solved: 0 of 3 seeds") && figure.contains("95 % interval"), "{figure}");
    let summary = place.text(&format!("{group}/summary.csv"));
    assert!(summary.starts_with("seed,solved,updates,env_steps,"));
    assert_eq!(summary.lines().count(), 4);
    let state = |path: &str| wgpo::checkpoint::load_trainer(&place.path(path)).unwrap().state;
    for seed in 4..=6 {
        place.run(&format!("train cartpole {SMALL} --seed {seed} --out alone-{seed}"));
        for file in ["policy.safetensors", "best.safetensors"] {
            assert_eq!(
                state(&format!("{group}/seed-{seed}/{file}")),
                state(&format!("alone-{seed}/{file}")),
                "{seed} {file}"
            );
        }
        assert_eq!(place.list(&format!("{group}/seed-{seed}")), place.list(&format!("alone-{seed}")));
    }
    place.refused(&format!("train cartpole {SMALL} --seeds 3 --seed 4"), 1, &["exists already"]);
    place.refused("eval runs/cartpole-cpu-s4-6 --backend cpu", 1, &["holds 3 runs", "seed-4"]);
    place.refused("train cartpole --resume --out runs/cartpole-cpu-s4-6", 1, &["holds 3 runs; --seeds 3"]);
    place.refused(
        &format!("train cartpole {SMALL} --seeds 2 --out {group} --force"),
        1,
        &["seed-4: is not of seeds 1 to 2"],
    );
    // Fewer would leave a summary of some, a single run a mixture.
    place.refused(
        &format!("train cartpole --resume --seeds 2 --seed 4 --out {group}"),
        1,
        &["seed-6: is not of seeds 4 to 5", "--resume --seeds 3 --seed 4 --out runs/cartpole-cpu-s4-6"],
    );
    for force in ["", "--force"] {
        place.refused(&format!("train cartpole {SMALL} --out {group} {force}"), 1, &["is the folder of 3 seeds"]);
    }
    assert_eq!(place.text(&format!("{group}/summary.csv")), summary);
    assert_eq!(place.list(group), ["seed-4", "seed-5", "seed-6", "seeds.svg", "summary.csv"]);
}

#[test]
fn paused_seeds_go_on_together_or_one_by_one_bit_for_bit() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --algo trpo --seeds 2 --out whole"));
    let said = place.run(&format!("train pendulum {SMALL} --algo trpo --seeds 2 --out parts --pause-after 3"));
    assert!(said.contains("paused with 2 of 2 seeds unfinished"), "{said}");
    assert!(said.contains("train pendulum --resume --seeds 2 --seed 1 --out parts"), "{said}");
    // One alone, then all: the first is at its end, the other is taken there.
    place.run("train pendulum --resume --out parts/seed-1");
    let said = place.run("train pendulum --resume --seeds 2 --out parts");
    assert!(!said.contains("continue with"), "{said}");
    let state = |path: String| wgpo::checkpoint::load_trainer(&place.path(path)).unwrap().state;
    for seed in [1, 2] {
        for file in ["policy.safetensors", "best.safetensors"] {
            assert_eq!(
                state(format!("parts/seed-{seed}/{file}")),
                state(format!("whole/seed-{seed}/{file}")),
                "{seed} {file}"
            );
        }
    }
    place.refused("train pendulum --resume --seeds 3 --out parts", 1, &["seed-3", "no run to resume"]);
}

#[test]
fn a_group_whose_beginning_was_killed_begins_where_it_has_not() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out whole"));
    let state = |path: String| wgpo::checkpoint::load_trainer(&place.path(path)).unwrap().state;
    let same = |group: &str| {
        for seed in 1..=3 {
            let of = |group: &str| state(format!("{group}/seed-{seed}/policy.safetensors"));
            assert_eq!(of(group), of("whole"), "{group} {seed}");
        }
    };
    // A folder is lost; and one is there with nothing in it.
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out parts --pause-after 3"));
    std::fs::remove_dir_all(place.path("parts/seed-2")).unwrap();
    std::fs::remove_dir_all(place.path("parts/seed-3")).unwrap();
    std::fs::create_dir(place.path("parts/seed-3")).unwrap();
    place.run("train pendulum --resume --seeds 3 --out parts");
    same("parts");
    // Killed before anything was written: both ways lead on, and the second has nothing to go on with.
    for seed in 1..=3 {
        std::fs::create_dir_all(place.path(format!("early/seed-{seed}"))).unwrap();
    }
    place.refused("train pendulum --resume --seeds 3 --out early", 1, &["no run to resume"]);
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out early"));
    same("early");
}

#[test]
fn a_seed_that_is_locked_elsewhere_keeps_the_others_whole() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out r"));
    let before: Vec<_> = (1..=3).map(|seed| place.bytes(&format!("r/seed-{seed}/policy.safetensors"))).collect();
    let lock = std::fs::File::create(place.path("r/seed-3/.wgpo.lock")).unwrap();
    lock.lock().unwrap();
    place.refused(
        &format!("train pendulum {SMALL} --seeds 3 --out r --force"),
        1,
        &["another run is in progress there"],
    );
    for (seed, before) in (1..=3).zip(before) {
        assert_eq!(place.bytes(&format!("r/seed-{seed}/policy.safetensors")), before, "{seed}");
    }
}

#[cfg(unix)]
#[test]
fn a_seed_whose_picture_cannot_be_written_keeps_the_others_not_from_it() {
    let place = Place::new();
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out whole"));
    place.run(&format!("train pendulum {SMALL} --seeds 3 --out r --pause-after 3"));
    // Its picture cannot be renamed over a folder.
    std::fs::remove_file(place.path("r/seed-1/learning_curve.svg")).unwrap();
    std::fs::create_dir_all(place.path("r/seed-1/learning_curve.svg/taken")).unwrap();
    for file in ["seed-3/learning_curve.svg", "seeds.svg", "summary.csv"] {
        std::fs::remove_file(place.path("r").join(file)).unwrap();
    }
    let output = place.wgpo("train pendulum --resume --seeds 3 --out r").assert().code(1);
    let said = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(
        said.ends_with("error: cannot write: r/seed-1/learning_curve.svg: is a folder, expected a file\n"),
        "{said}"
    );
    assert_eq!(place.text("r/summary.csv").lines().count(), 4);
    for seed in 1..=3 {
        let state = |group: &str| {
            wgpo::checkpoint::load_trainer(&place.path(format!("{group}/seed-{seed}/policy.safetensors")))
                .unwrap()
                .state
        };
        assert_eq!(state("r"), state("whole"), "{seed}");
    }
    assert!(place.path("r/seed-3/learning_curve.svg").is_file() && place.path("r/seeds.svg").is_file());
}
