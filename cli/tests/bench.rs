//! `wgpo bench`, on the CPU and on the first adapter that there is, software included.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use serde_json::Value;
use std::collections::BTreeSet;
use support::{Place, adapter};

fn record(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.text(name)).unwrap()
}

fn row<'a>(record: &'a Value, name: &str) -> &'a Value {
    record["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

/// All keys of all objects.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn rows_on_a_device_are_timed_written_and_compared() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let only = "--only ppo_update/cartpole --only gae/wide --only kernel/mlp_forward/cartpole";
    let line = format!("bench --adapter {index} --kernels plain --quick {only}");
    let said = place.run(&format!("{line} --json r.json --report r.html"));
    assert!(said.lines().all(|line| line.chars().count() <= 120 || line.starts_with("GPU")), "{said}");
    for words in
        ["ppo_update/cartpole", "limits: ", "costs: ", "\nkernels\n", "\nmlp_forward/cartpole", "written: r.json"]
    {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    let record = record(&place, "r.json");
    assert_eq!((record["format"].as_u64(), record["place"]["backend"].as_str()), (Some(1), Some("gpu")));
    let roof = &record["roof"];
    for limit in ["bytes_per_second", "flops_per_second", "submission_seconds", "readback_seconds"] {
        assert!(roof[limit].as_f64().unwrap() > 0.0, "{limit}");
    }
    // What no clock can tell is not 0.
    assert!(roof["dispatch_seconds"].as_f64().is_none_or(|seconds| seconds > 0.0), "{roof}");
    for limit in ["bytes_per_second", "flops_per_second"] {
        let of = |half: &str| roof[half][limit].as_f64().unwrap();
        assert_eq!(roof[limit].as_f64().unwrap(), of("before").max(of("after")), "the better half");
    }
    let update = row(&record, "ppo_update/cartpole");
    assert_eq!((update["passed"].as_bool(), update["submissions"].as_u64()), (Some(true), Some(1)));
    assert_eq!(update["readbacks"], 0);
    let seconds = |row: &Value, which: &str| row["seconds"][which].as_f64().unwrap();
    assert!(seconds(update, "low") > 0.0 && seconds(update, "low") <= seconds(update, "high"));
    assert!((3..=6).contains(&update["rounds"].as_array().unwrap().len()), "{update}");
    assert_eq!(record["load"]["cpus"].as_u64().is_some(), cfg!(target_os = "linux"));
    assert_eq!(update["other_cpus"].is_number(), cfg!(target_os = "linux"));
    assert!(update["worst_error"].as_f64() <= update["tolerance"].as_f64());
    let kernels = update["kernels"].as_array().unwrap();
    let sum: u64 = kernels.iter().map(|kernel| kernel["dispatches"].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), update["dispatches"].as_u64());
    // Its products are most of an update, alone and together with the others.
    let forward = row(&record, "kernel/mlp_forward/cartpole");
    let share = forward["update_share"].as_f64().unwrap();
    assert!(share > 0.0 && share < 1.0, "{forward}");
    let rate = forward["flops"].as_f64().unwrap() / seconds(forward, "median");
    assert!((rate / forward["flops_per_second"].as_f64().unwrap() - 1.0).abs() < 1e-9);

    // Every key is described.
    let format = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bench-format.md")).unwrap();
    let mut found = BTreeSet::new();
    keys(&record, &mut found);
    let missing: Vec<_> = found.iter().filter(|key| !format.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/bench-format.md does not describe {missing:?}");

    let page = place.text("r.html");
    for words in ["<!DOCTYPE html>", "<svg", "How near to what the device can do", "What the time goes to", "gae/wide"]
    {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("src=") && !page.contains("href="), "the page needs other files");
    for words in ["<title>ppo_update/cartpole (", "prefers-color-scheme:dark", ">ppo_update/cartpole "] {
        assert!(page.contains(words), "{words}");
    }

    // A narrow terminal: a row has two lines, and none of them is cut by it.
    let output = place.wgpo(&format!("{line} --compare r.json --report r.svg")).env("COLUMNS", "80").assert().success();
    let said = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(said.contains(" rb, error "), "{said}");
    assert!(said.contains("compared with ") && said.contains("6 rows in both: "), "{said}");
    assert!(!said.contains("note: "), "{said}");
    assert!(place.text("r.svg").starts_with("<svg"));
}

#[test]
fn what_does_not_match_is_refused() {
    let place = Place::new();
    let line = "bench --backend cpu --quick --only forward/cartpole --only gae/long --tolerance 0 --json r.json";
    let output = place.wgpo(line).assert().code(1);
    let said = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(said.contains("REFUSED: the worst error is") && said.contains("2 of 2 rows were REFUSED"), "{said}");
    let record = record(&place, "r.json");
    let row = row(&record, "gae/long");
    assert_eq!(row["passed"], false);
    assert!(row["seconds"].is_null() && row["fault"].is_string(), "{row}");
}

#[test]
fn the_cpu_has_the_whole_pieces() {
    let place = Place::new();
    let list = place.run("bench --backend cpu --list");
    assert!(list.contains("ppo_step/ant") && list.contains("16384 rows, 27-256-256") && !list.contains("kernel/"));
    let own = "--obs 5 --hidden 8,8 --head gaussian --actions 2 --rows 100 --steps 8 --envs 4";
    let said = place.run(&format!("bench --backend cpu {own} --seconds 0.01 --json r.json"));
    assert!(said.contains("fvp/own") && !said.contains("cartpole"), "{said}");
    let record = record(&place, "r.json");
    assert_eq!(row(&record, "ppo_step/own")["shape"], "100 rows, 5-8-8, gaussian 2");
    assert!(record["place"]["threads"].as_u64() > Some(0) && record["roof"]["dispatch_seconds"].is_null());
}

#[test]
fn what_makes_no_sense_is_said_before_anything_runs() {
    let place = Place::new();
    let cpu = "bench --backend cpu --quick";
    place.refused(&format!("{cpu} --only nothing"), 1, &["no row", "`nothing`"]);
    place.refused(&format!("{cpu} --compare nowhere.json"), 1, &["nowhere.json", "cannot read"]);
    std::fs::write(place.path("bad.json"), "{\"format\": 7}").unwrap();
    place.refused(&format!("{cpu} --compare bad.json"), 1, &["bad.json", "has format 7"]);
    place.refused(&format!("{cpu} --json nowhere/r.json"), 1, &["nowhere/r.json", "no such folder"]);
    place.refused(&format!("{cpu} --report r.pdf"), 2, &[".html or .svg"]);
    place.refused(&format!("{cpu} --seconds 0"), 2, &["0.001"]);
    place.refused(&format!("{cpu} --rows 5"), 2, &["--quick"]);
    assert!(place.list("").iter().all(|name| name == "bad.json"));
}
