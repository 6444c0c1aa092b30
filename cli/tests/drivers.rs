//! `wgpo check --pipelines` and a short training on software drivers of three kinds, each in a child process with a limit of time
//! and of memory: a kernel that a driver's compiler cannot cope with takes neither the machine nor the tests with it.
//!
//! Drivers are found as tests/run.sh installs them: lavapipe by VK_DRIVER_FILES, SwiftShader by SWIFTSHADER_ICD. One that is not
//! there is skipped with a word, and is a failure where REQUIRE_DRIVERS=1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use serde_json::Value;
use std::process::{Command, Output};
use support::Place;

/// Most CPU seconds for one pipeline. What is written for is 5 on an idle machine; one whose two cores are busy takes twice as many.
const PIPELINE_SECONDS: f64 = 10.0;

/// Most for the whole, in seconds of a clock. It only ends what would not end: a busy machine must not fail here.
const SECONDS: u32 = 1800;

/// Most address space, in KiB.
const KIB: u32 = 8_000_000;

/// The program in `place` with `line` as its arguments, within the limits.
fn limited(place: &Place, line: &str, settings: &[(&str, &str)]) -> Output {
    let limits = format!("ulimit -v {KIB}; exec timeout -k 5 {SECONDS} \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(place.path("")).args(["-c", &limits, env!("CARGO_BIN_EXE_wgpo")]).args(line.split_whitespace());
    command.env("MESA_SHADER_CACHE_DISABLE", "true").envs(settings.iter().copied()).output().unwrap()
}

fn check(name: &str, adapter: &str, settings: &[(&str, &str)]) {
    let output = limited(&Place::new(), &format!("check --pipelines --json --adapter {adapter}"), settings);
    let said = String::from_utf8_lossy(&output.stderr);
    // The last pipeline that began: the one that did not end, if none of the limits was kept.
    let last = said.lines().rev().find(|line| line.starts_with("compiling ")).unwrap_or("nothing was compiled");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{name}: {}, {error}; {last}\n{said}", output.status));
    let report = &report["adapters"][0];
    let failed: Vec<_> = report["rows"].as_array().unwrap().iter().filter(|row| row["passed"] != true).collect();
    assert!(output.status.success() && failed.is_empty(), "{name}: {}: {failed:#?}", output.status);
    assert!(report["rows"].as_array().unwrap().len() > 250, "{name}");
    let pipelines = report["pipelines"].as_array().unwrap();
    assert!(pipelines.len() > 100, "{name}: {} pipelines", pipelines.len());
    let seconds = |pipeline: &Value| pipeline["seconds"].as_f64().unwrap();
    let slow: Vec<_> = pipelines.iter().filter(|pipeline| seconds(pipeline) > PIPELINE_SECONDS).collect();
    assert!(slow.is_empty(), "{name}: pipelines above {PIPELINE_SECONDS} s: {slow:#?}");
    let slowest = &pipelines[0]; // the list is sorted
    println!("{name}: {} pipelines, the slowest {slowest}", pipelines.len());
}

/// Of metrics.csv: what has to be as on the CPU, since it is counted, or a sum of whole rewards.
const EXACT: [&str; 8] = [
    "env_steps",
    "episodes",
    "episode_length",
    "optimizer_steps",
    "skipped_steps",
    "cg_iterations",
    "step_accepted",
    "head_hits",
];

/// And what may differ by rounding: means of terms of magnitude 1 or in proportion to them, after steps that are the same within
/// 1e-5, as in tests/update.rs; TRPO's steps within 1e-4 (a solve's).
const ROUNDED: [&str; 5] = ["episode_return", "policy_loss", "value_loss", "entropy", "kl"];

/// What a run's metrics hold, by name and update.
fn metrics(place: &Place, run: &str) -> Vec<Vec<(String, String)>> {
    let text = place.text(&format!("{run}/metrics.csv"));
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().unwrap();
    lines.map(|row| names.iter().cloned().zip(row).collect()).collect()
}

/// Three updates of TRPO and of PPO on this driver, against the CPU's.
fn train(name: &str, adapter: &str, settings: &[(&str, &str)]) {
    let place = Place::new();
    for (task, algo, tolerance) in [("cartpole", "trpo", 1e-4), ("pendulum", "ppo", 1e-5)] {
        let line = format!(
            "train {task} --algo {algo} --envs 4 --rollout 32 --hidden 8 --steps 384 --no-stop --seed 1 --eval-episodes 0"
        );
        let run = |backend: &str, out: &str, settings: &[(&str, &str)]| {
            let output = limited(&place, &format!("{line} {backend} --out {out}"), settings);
            assert!(output.status.success(), "{name}, {task}: {}", String::from_utf8_lossy(&output.stderr));
            (metrics(&place, out), tensor_bytes(&place.bytes(&format!("{out}/policy.safetensors"))))
        };
        let (want, bytes) = run("--backend cpu", &format!("{task}-cpu"), &[]);
        let (got, own_bytes) = run(&format!("--adapter {adapter}"), task, settings);
        assert_eq!((got.len(), own_bytes), (want.len(), bytes), "{name}, {task}");
        assert_eq!(got.len(), 3, "{name}, {task}");
        let number = |text: &str| text.parse::<f64>().unwrap();
        for ((column, got), (_, want)) in got.iter().zip(&want).flat_map(|(got, want)| got.iter().zip(want)) {
            assert!(got.is_empty() || number(got).is_finite(), "{name}, {task}: {column} is {got}");
            assert_eq!(got.is_empty(), want.is_empty(), "{name}, {task}: {column} is {got:?}, on the CPU {want:?}");
            if got.is_empty() {
                continue;
            }
            let (got, want) = (number(got), number(want));
            assert!(
                !EXACT.contains(&column.as_str()) || got == want,
                "{name}, {task}: {column} is {got}, on the CPU {want}"
            );
            let near = (got - want).abs() <= tolerance * (1.0 + want.abs());
            assert!(
                !ROUNDED.contains(&column.as_str()) || near,
                "{name}, {task}: {column} is {got}, on the CPU {want}"
            );
        }
        // The policy moved, and each later update is of the moved one.
        let kl = if algo == "trpo" { "kl" } else { "approx_kl" };
        let moved = got.iter().all(|row| row.iter().any(|(column, kl_text)| column == kl && number(kl_text) > 1e-5));
        assert!(moved, "{name}, {task}: {kl} of {got:?}");
    }
}

/// Bytes of a file's tensors: its header has numbers of as many digits as they happen to have.
fn tensor_bytes(file: &[u8]) -> usize {
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file.len() - 8 - header
}

fn skip(name: &str, why: &str) {
    assert!(std::env::var("REQUIRE_DRIVERS").as_deref() != Ok("1"), "REQUIRE_DRIVERS=1, but {name}: {why}");
    println!("SKIPPED {name}: {why}");
}

type Work = fn(&str, &str, &[(&str, &str)]);

fn on_lavapipe(run: Work) {
    match std::env::var("VK_DRIVER_FILES") {
        Ok(files) if files.contains("lvp") => run("lavapipe", "vulkan", &[("WGPU_BACKEND", "vulkan")]),
        _ => skip("lavapipe", "VK_DRIVER_FILES names none"),
    }
}

fn on_swiftshader(run: Work) {
    match std::env::var("SWIFTSHADER_ICD") {
        Ok(file) => run("SwiftShader", "swiftshader", &[("WGPU_BACKEND", "vulkan"), ("VK_DRIVER_FILES", &file)]),
        Err(_) => skip("SwiftShader", "SWIFTSHADER_ICD does not name its JSON file"),
    }
}

fn on_gl(run: Work) {
    let info = Command::new(env!("CARGO_BIN_EXE_wgpo")).arg("info").env("WGPU_BACKEND", "gl").output().unwrap();
    // What is there may be hardware: then it is that which is checked.
    match String::from_utf8_lossy(&info.stdout).to_lowercase().contains("llvmpipe") {
        true => run("GL llvmpipe", "llvmpipe", &[("WGPU_BACKEND", "gl")]),
        false => skip("GL llvmpipe", "WGPU_BACKEND=gl finds none"),
    }
}

#[test]
fn lavapipe_compiles_and_passes() {
    on_lavapipe(check);
}

#[test]
fn swiftshader_compiles_and_passes() {
    on_swiftshader(check);
}

#[test]
fn gl_compiles_and_passes() {
    on_gl(check);
}

#[test]
fn lavapipe_trains() {
    on_lavapipe(train);
}

#[test]
fn swiftshader_trains() {
    on_swiftshader(train);
}

#[test]
fn gl_trains() {
    on_gl(train);
}
