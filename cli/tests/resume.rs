//! `wgpo train --resume`: a run can stop and go on at any time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::Place;
use crate::train::{SMALL, UNEVALUATED, column};
use predicates::str::contains;

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
    // Columns have been added since, so the file is written anew; what the rows said stays.
    std::fs::write(place.path("old.csv"), &rows).unwrap();
    for name in rows.lines().next().unwrap().split(',').filter(|name| *name != "checksum") {
        assert_eq!(column(&place, "r/metrics.csv", name)[..2], column(&place, "old.csv", name), "{name}");
    }
    assert_eq!(column(&place, "r/metrics.csv", "update"), [1.0, 2.0, 3.0, 4.0].map(Some));
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
