//! Sizes that no machine has, as a user may write them: one line with both numbers, at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use support::Place;

#[test]
fn what_nothing_holds_is_refused_at_once() {
    let place = Place::new();
    let most = "18446744073709551615";
    for (options, words) in [
        (format!("--envs {most}"), ["num_envs 18446744073709551615", "wgpo allows 4294967295"]),
        (format!("--rollout {most}"), ["num_steps 18446744073709551615", "wgpo allows 4294967295"]),
        (format!("--envs {most} --rollout {most}"), ["needs 18446744073709551615 for rows", "wgpo allows 4294967295"]),
        ("--envs 65536 --rollout 65536".into(), ["needs 4295032832 for rows", "wgpo allows 4294967295"]),
        ("--hidden 100000,100000".into(), ["needs 20001500003 for parameters", "wgpo allows 4294967295"]),
        (format!("--hidden {most},{most}"), ["for parameters", "wgpo allows 4294967295"]),
        (format!("--hidden 8,{most},8"), ["for parameters", "wgpo allows 4294967295"]),
    ] {
        let line = format!("train cartpole --backend cpu {options}");
        place.refused(&line, 1, &words);
    }
    // Episodes are played at the end, and refused at the beginning.
    place.refused(&format!("train cartpole --backend cpu --eval-episodes {most}"), 2, &[most, "0..=1000000"]);
    assert!(place.list("").is_empty());
}

#[test]
fn a_run_of_less_than_one_update_is_refused_with_what_it_would_take() {
    let place = Place::new();
    let words = ["--steps 1 is less than one update takes", "1000000 environments", "at least --steps 128000000"];
    place.refused("train cartpole --backend cpu --preset cleanrl --rollout 128 --steps 1 --envs 1000000", 1, &words);
    place.refused(
        "train cartpole --backend cpu --envs 4 --rollout 16 --steps 63",
        1,
        &["4 environments × 16 steps = 64"],
    );
    assert!(place.list("").is_empty());
}

/// Linux promises what it has not: a limit of the process stands for a machine's end, so that every machine refuses.
#[cfg(target_os = "linux")]
#[test]
fn what_this_machine_does_not_hold_is_refused_before_it_is_drawn() {
    let place = Place::new();
    let program = assert_cmd::cargo::cargo_bin!("wgpo");
    for options in ["--hidden 20000,20000", "--hidden 64 --envs 4000000 --rollout 128 --steps 1000000000"] {
        let line = format!("ulimit -v 3000000 && exec {} train cartpole --backend cpu {options}", program.display());
        let mut shell = assert_cmd::Command::new("sh");
        let output = shell.arg("-c").arg(line).current_dir(place.path("")).timeout(std::time::Duration::from_secs(60));
        let output = output.assert().code(1);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u64>().ok());
        let numbers: Vec<u64> = numbers.filter(|number| *number > 100_000_000).collect();
        assert!(text.contains(" bytes of memory, ") && text.ends_with("are free\n"), "{text}");
        let [.., needs, has] = numbers[..] else { panic!("not both numbers in: {text}") };
        assert!(has < needs, "{text}");
    }
    assert!(place.list("").is_empty());
}

/// A device is no file, and has no end.
#[cfg(target_os = "linux")]
#[test]
fn files_without_an_end_are_refused() {
    let place = Place::new();
    for option in ["--config /dev/zero", "--preset sb3 --config /dev/full"] {
        place.refused(&format!("train cartpole --backend cpu {option}"), 1, &["bytes, too large for such a file"]);
    }
    std::fs::write(place.path("c.toml"), "").unwrap();
    let line = "update /dev/zero --policy /dev/zero --config c.toml --out o.safetensors --backend cpu";
    place.refused(line, 1, &["/dev/zero", "safetensors"]);
    assert_eq!(place.list(""), ["c.toml"]);
}
