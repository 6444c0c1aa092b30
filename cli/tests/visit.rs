//! `benches/gpu/visit.sh`, as it runs on a machine that has no GPU, no Python and no driver, and beside peers that answer.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use assert_cmd::Command;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use support::Place;

const ROWS: [&str; 4] = ["ppo_step/cartpole", "fvp/cartpole", "gae/wide", "train/cartpole"];

/// The script in the folder of `place`, where no API has a driver.
fn visit(place: &Place, python: &str, line: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/gpu/visit.sh"));
    command.args(["--small", "--out", "visit"]).args(line.split_whitespace()).current_dir(place.path(""));
    command.env("WGPO", assert_cmd::cargo::cargo_bin!("wgpo")).env("PYTHON", python);
    command.env("WGPU_BACKEND", "vulkan").env("VK_DRIVER_FILES", "/nowhere").env_remove("VK_ICD_FILENAMES");
    command
}

fn part<'a>(record: &'a Value, name: &str) -> &'a Value {
    record["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap()
}

#[test]
fn a_machine_without_gpu_driver_and_python_leaves_a_record() {
    let place = Place::new();
    visit(&place, "/nowhere/python3", "--only info,bench-1,bench-direct,jax,torch,train-cartpole").assert().success();
    let (text, json) = (place.text("visit/visit.txt"), place.text("visit/visit.json"));
    let record: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["format"], 1);
    let info = part(&record, "info")["text"].as_str().unwrap();
    assert!(info.contains("no adapter: ") && info.contains("processor: "), "{info}");
    let bench = part(&record, "bench-1");
    assert_eq!((bench["code"].as_i64(), bench["end"].as_str()), (Some(0), Some("done")), "{bench}");
    let rows = bench["record"]["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ROWS);
    assert!(rows.iter().all(|row| row["passed"] == true), "{bench}");
    assert!(part(&record, "train-cartpole")["text"].as_str().unwrap().contains("all steps done"));
    let left_out = |name: &str| part(&record, name)["end"].as_str().unwrap().to_owned();
    assert_eq!(left_out("jax-1"), "left out: no python3 here");
    assert_eq!(left_out("bench-direct"), "left out: no GPU to compare kernels on");

    // The summary comes first, with every row: its time, its share of the roof, and nothing where there was no peer.
    let (summary, rest) = text.split_once("\n== parts\n").unwrap();
    assert!(rest.contains("== 01-info\n$ wgpo info\n"), "{rest}");
    assert_eq!(record["summary"].as_str().unwrap().trim_end(), summary.trim_end());
    assert!(summary.contains("note: no hardware GPU was found"), "{summary}");
    for name in ROWS {
        let row = summary.lines().find(|line| line.starts_with(name)).unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert!(cells[1].parse::<f64>().unwrap() > 0.0 && cells[2].ends_with('%'), "{row}");
        assert!(cells.len() == 9 && cells[3..].iter().all(|cell| *cell == "-"), "{row}");
    }
    // Nobody's folders are in it.
    let folder = place.path("").display().to_string();
    assert!(!text.contains(folder.trim_end_matches('/')) && !json.contains("/benches/"), "{text}");
}

/// A Python that answers as the peers do: JAX takes a second for everything, and PyTorch fails.
const PEER: &str = r#"#!/usr/bin/env bash
case "$*" in
    *-c*) printf 'torch True\njax True\nnumpy True\ndevice cpu\n' ;;
    *jax_bench*) printf '{"peer": "jax", "version": "1", "device": "cpu", "cores": 2}\n{"row": "gae/wide", "median_ms": 1e3, "calls": 5}\n' ;;
    *) printf 'no "such" \\ module\n' >&2; exit 3 ;;
esac
"#;

#[test]
fn peers_are_measured_in_turns_and_a_failure_is_no_end() {
    let place = Place::new();
    let python = place.path("python");
    std::fs::write(&python, PEER).unwrap();
    std::fs::set_permissions(&python, PermissionsExt::from_mode(0o755)).unwrap();
    visit(&place, python.to_str().unwrap(), "--only bench-1,bench-2,jax-1,jax-2,torch-1").assert().success();
    let record: Value = serde_json::from_str(&place.text("visit/visit.json")).unwrap();
    let order = ["bench-1", "jax-1", "torch-1", "bench-2", "jax-2"];
    assert_eq!(
        record["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect::<Vec<_>>(),
        order
    );
    assert_eq!(part(&record, "jax-2")["rows"][1]["median_ms"], 1e3);
    let torch = part(&record, "torch-1");
    assert_eq!((torch["code"].as_i64(), torch["text"].as_str()), (Some(3), Some("no \"such\" \\ module")), "{torch}");
    // The ratio is that of the medians over both turns.
    let summary = record["summary"].as_str().unwrap();
    let row = summary.lines().find(|line| line.starts_with("gae/wide")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    let (own, peer, ratio): (f64, f64, f64) =
        (cells[1].parse().unwrap(), cells[3].parse().unwrap(), cells[6].parse().unwrap());
    assert_eq!(peer, 1000.0);
    // `own` has three digits after the point.
    assert!((peer / (own + 6e-4)..=peer / (own - 6e-4)).contains(&ratio), "{row}");

    // No time is left for anything, and that is said.
    visit(&place, python.to_str().unwrap(), "--minutes 0 --only info,bench-1").assert().success();
    let record: Value = serde_json::from_str(&place.text("visit/visit.json")).unwrap();
    assert_eq!(part(&record, "info")["end"], "left out: the time is up");
}
