//! `wgpo check --pipelines` on software drivers of three kinds, each in a child process with a limit of time and of memory: a
//! kernel that a driver's compiler cannot cope with takes neither the machine nor the tests with it.
//!
//! Drivers are found as tests/run.sh installs them: lavapipe by VK_DRIVER_FILES, SwiftShader by SWIFTSHADER_ICD. One that is not
//! there is skipped with a word, and is a failure where REQUIRE_DRIVERS=1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::process::Command;

/// Most CPU seconds for one pipeline: what is written for is 5 on an idle machine; one whose cores are shared takes up to three times as many.
const PIPELINE_SECONDS: f64 = 15.0;

/// Most for the whole, in seconds of a clock. It only ends what would not end: a busy machine must not fail here.
const SECONDS: u32 = 1800;

/// Most address space, in KiB.
const KIB: u32 = 8_000_000;

fn check(name: &str, adapter: &str, settings: &[(&str, &str)]) {
    let limited = format!("ulimit -v {KIB}; exec timeout -k 5 {SECONDS} \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_wgpo"), "check", "--pipelines", "--json", "--adapter", adapter]);
    command.env("MESA_SHADER_CACHE_DISABLE", "true").envs(settings.iter().copied());
    let output = command.output().unwrap();
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

fn skip(name: &str, why: &str) {
    assert!(std::env::var("REQUIRE_DRIVERS").as_deref() != Ok("1"), "REQUIRE_DRIVERS=1, but {name}: {why}");
    println!("SKIPPED {name}: {why}");
}

#[test]
fn lavapipe_compiles_and_passes() {
    match std::env::var("VK_DRIVER_FILES") {
        Ok(files) if files.contains("lvp") => check("lavapipe", "vulkan", &[("WGPU_BACKEND", "vulkan")]),
        _ => skip("lavapipe", "VK_DRIVER_FILES names none"),
    }
}

#[test]
fn swiftshader_compiles_and_passes() {
    match std::env::var("SWIFTSHADER_ICD") {
        Ok(file) => check("SwiftShader", "swiftshader", &[("WGPU_BACKEND", "vulkan"), ("VK_DRIVER_FILES", &file)]),
        Err(_) => skip("SwiftShader", "SWIFTSHADER_ICD does not name its JSON file"),
    }
}

#[test]
fn gl_compiles_and_passes() {
    let info = Command::new(env!("CARGO_BIN_EXE_wgpo")).arg("info").env("WGPU_BACKEND", "gl").output().unwrap();
    // What is there may be hardware: then it is that which is checked.
    match String::from_utf8_lossy(&info.stdout).to_lowercase().contains("llvmpipe") {
        true => check("GL llvmpipe", "llvmpipe", &[("WGPU_BACKEND", "gl")]),
        false => skip("GL llvmpipe", "WGPU_BACKEND=gl finds none"),
    }
}
