//! The program on the first adapter that there is, software included.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use serde_json::Value;
use support::{Place, adapter};
use wgpo::check::SLACK_LIMIT;

#[test]
fn info_says_what_is_there() {
    let place = Place::new();
    let text = place.run("info");
    assert!(text.contains("kernel variants") && text.contains("`--backend auto` takes"), "{text}");
    if adapter(&place).is_some() {
        assert!(text.contains("max_storage_buffer_binding_size"), "{text}");
    }
}

#[test]
fn an_adapter_that_is_not_there_is_refused_with_those_that_are() {
    let place = Place::new();
    place.refused("train cartpole --adapter nowhere", 1, &["--adapter", "none matches \"nowhere\"", "found: "]);
    place.refused("check --adapter 99", 1, &["there is no index 99"]);
    assert!(place.list("").is_empty());
}

#[test]
fn a_run_on_the_device_stops_and_goes_on_bit_for_bit() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let small =
        format!("train cartpole --adapter {index} --envs 4 --rollout 16 --steps 384 --hidden 8 --eval-episodes 2");
    let said = place.run(&format!("{small} --out whole"));
    assert!(said.contains("backend: GPU") && said.contains("over 2 greedy episodes"), "{said}");
    place.run(&format!("{small} --out parts --pause-after 2"));
    place.run("train cartpole --resume --out parts");
    assert!(place.bytes("whole/policy.safetensors") == place.bytes("parts/policy.safetensors"));
    assert!(place.text("whole/config.toml").contains("backend = \"gpu\""));
}

#[test]
fn every_algorithm_stops_on_the_device_and_goes_on_bit_for_bit() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    for algo in ["ppo-penalty", "npg", "a2c", "reinforce"] {
        let small = format!(
            "train cartpole --algo {algo} --adapter {index} --envs 4 --rollout 16 --steps 192 --hidden 8 --eval-episodes 0"
        );
        place.run(&format!("{small} --out {algo}"));
        place.run(&format!("{small} --out {algo}-parts --pause-after 1"));
        place.run(&format!("train cartpole --resume --out {algo}-parts"));
        let bytes = |folder: &str| place.bytes(&format!("{folder}/policy.safetensors"));
        assert!(bytes(algo) == bytes(&format!("{algo}-parts")), "{algo}");
    }
    let small = format!(
        "train cartpole --algo trpo --adapter {index} --envs 4 --rollout 16 --steps 256 --hidden 8 --eval-episodes 0"
    );
    let said = place.run(&format!("{small} --out whole"));
    assert!(said.contains("backend: GPU") && said.contains("CartPole-v1: trpo,"), "{said}");
    place.run(&format!("{small} --out parts --pause-after 2"));
    place.run("train cartpole --resume --out parts");
    assert!(place.bytes("whole/policy.safetensors") == place.bytes("parts/policy.safetensors"));
    assert_eq!(place.text("whole/metrics.csv").lines().count(), 5);

    // Behind another API it is another compiler: the run says so, or goes nowhere.
    let config = place.text("parts/config.toml");
    let line = config.lines().find(|line| line.starts_with("api = ")).unwrap().to_owned();
    // Changed on purpose, so without its checksum.
    let changed = config.lines().filter(|line| !line.starts_with("checksum")).map(|line| line.to_owned() + "\n");
    let changed = changed.collect::<String>().replace(&line, "api = \"Nowhere\"");
    std::fs::write(place.path("parts/config.toml"), changed).unwrap();
    place.refused(
        "train cartpole --resume --out parts",
        1,
        &["through Nowhere, which is not available here", "--adapter"],
    );
    let said = place.run(&format!("train cartpole --resume --out parts --adapter {index} --eval-episodes 0"));
    assert!(said.contains("(Nowhere), so its numbers differ in rounding"), "{said}");
    assert!(place.text("parts/config.toml").contains(&line));
}

#[test]
fn a_run_moves_between_device_and_cpu() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let small = "train pendulum --envs 2 --rollout 8 --steps 64 --hidden 4 --eval-episodes 0";
    place.run(&format!("{small} --adapter {index} --out r --pause-after 2"));
    let said = place.run("train pendulum --resume --out r --backend cpu");
    assert!(said.contains("its numbers differ in rounding"), "{said}");
    assert_eq!(place.text("r/metrics.csv").lines().count(), 5);
    assert!(place.text("r/config.toml").contains("backend = \"cpu\""));
}

#[test]
fn check_compares_kernels_and_says_so() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let report: Value = serde_json::from_str(&place.run(&format!("check --adapter {index} --json"))).unwrap();
    assert_eq!(report["passed"], true);
    let rows = report["adapters"][0]["rows"].as_array().unwrap();
    for kernel in ["advantage_gae", "mlp_forward", "loss_ppo", "optim_adam"] {
        let row = rows.iter().find(|row| row["kernel"] == kernel).unwrap();
        assert!(row["worst_error"].as_f64() <= row["tolerance"].as_f64(), "{row}");
    }
    for row in rows {
        let slack = row["slack"].as_f64().unwrap();
        assert!(slack <= SLACK_LIMIT || row["slack_reason"].is_string(), "{row}");
    }
    let said = place.run(&format!("check --adapter {index}"));
    let header = said.lines().find(|line| line.starts_with("kernel")).unwrap();
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["kernel", "worst", "error", "tolerance", "slack", "shape"]
    );
}

#[test]
fn many_seeds_on_the_device_show_a_failure_and_its_remedy() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let said = place.run(&format!("failure-modes --adapter {index} --mode 2 --seeds 6 --updates 60 --out r"));
    assert!(said.contains("backend: GPU"), "{said}");
    let summary = place.text("r/summary.csv");
    let successes = |variant: &str| -> u64 {
        let line = summary.lines().find(|line| line.contains(&format!(",{variant},"))).unwrap();
        line.split(',').nth(4).unwrap().parse().unwrap()
    };
    // Six seeds: half of them more.
    assert!(successes("kl_new_old") >= successes("clip") + 3, "{summary}");
    assert!(place.text("r/failure_modes.svg").contains("clip, softmax"));
}

#[test]
fn kernels_are_chosen_tuned_and_kept() {
    let place = Place::new();
    let Some(index) = adapter(&place) else { return };
    let small = format!(
        "train cartpole --adapter {index} --envs 4 --rollout 16 --steps 128 --hidden 8 --eval-episodes 0 --kernels"
    );
    place.run(&format!("{small} plain --pause-after 1 --out plain"));
    assert!(place.text("plain/config.toml").contains("kernels = \"plain\""));
    place.run("train cartpole --resume --out plain");
    assert!(place.text("plain/config.toml").contains("kernels = \"plain\""), "a run goes on with its kernels");

    let said = place.run(&format!("{small} tuned --tuning cache/t.json --out first"));
    assert!(said.contains(" kernels, measured now: plain ") && said.contains(", fused "), "{said}");
    let said = place.run(&format!("{small} tuned --tuning cache/t.json --out second"));
    assert!(said.contains(" kernels, as found earlier: plain "), "{said}");
    let kernels = |run: &str| {
        let config = place.text(&format!("{run}/config.toml"));
        config.lines().find(|line| line.starts_with("kernels = ")).unwrap().to_owned()
    };
    assert_eq!(kernels("first"), kernels("second"));
    assert_eq!(place.list("cache"), ["t.json"]);

    // Our own file spares time, no more: where there can be none, the run goes on.
    std::fs::write(place.path("no-folder"), "").unwrap();
    let mut fourth = place.wgpo(&format!("{small} tuned --out fourth"));
    let fourth = fourth.env("XDG_CACHE_HOME", place.path("no-folder")).assert().success();
    let said = String::from_utf8_lossy(&fourth.get_output().stderr).into_owned();
    let kept = !cfg!(target_os = "linux"); // elsewhere another variable says where it is
    assert!(kept || (said.contains("warning: ") && said.contains("is not kept")), "{said}");

    std::fs::write(place.path("no.json"), "[").unwrap();
    place.refused(&format!("{small} tuned --tuning no.json --out third"), 1, &["no.json", "no file of tunings"]);
    assert!(!place.path("third").exists());
    place.refused("train cartpole --backend cpu --kernels plain", 1, &["--kernels", "--backend cpu"]);
    let info: Value = serde_json::from_str(&place.run("info --json")).unwrap();
    if info["automatic"].is_null() {
        place.refused("train cartpole --kernels plain", 1, &["--kernels needs a GPU", "no hardware GPU found"]);
    }
    place.refused(&format!("bench --adapter {index} --kernels tuned"), 1, &["--kernels tuned", "one net"]);
    place.refused("failure-modes --kernels tuned", 1, &["--kernels tuned", "one net"]);
}
