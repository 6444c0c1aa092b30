//! What the program does to files and folders, and what becomes of it where they, or its readers, do not play along.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(unix)]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use safetensors::SafeTensors;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Place;

/// Ten updates of 64 steps.
const SMALL: &str = "train cartpole --backend cpu --envs 4 --rollout 16 --steps 640 --hidden 8 --eval-episodes 0";
const FILES: [&str; 4] = ["config.toml", "learning_curve.svg", "metrics.csv", "policy.safetensors"];

/// A run that does not end by itself, once it has written a row.
fn endless(place: &Place, out: &str) -> Child {
    let options =
        format!("train cartpole --backend cpu --envs 4 --rollout 16 --steps 6400000 --hidden 8 --no-stop --out {out}");
    let child = Command::new(assert_cmd::cargo::cargo_bin!("wgpo"))
        .current_dir(place.path(""))
        .args(options.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while std::fs::read_to_string(place.path(format!("{out}/metrics.csv"))).map_or(0, |text| text.lines().count()) < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "no update within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_folder_belongs_to_one_run_until_its_process_ends() {
    let place = Place::new();
    let mut child = endless(&place, "r");
    let words = format!("r: another run is in progress there (process {})", child.id());
    place.refused(&format!("{SMALL} --out r"), 1, &[&words, "--out for another folder"]);
    place.refused(&format!("{SMALL} --out r --force"), 1, &[&words]);
    place.refused("train cartpole --resume --out r", 1, &[&words]);
    // However it ends.
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(place.path("r/.wgpo-Ab12Cd"), "half").unwrap();
    assert!(place.list("r").contains(&".wgpo.lock".to_owned()), "a killed process tidies nothing");
    let said = place.run("train cartpole --resume --out r --pause-after 1");
    assert!(said.contains("paused"), "{said}");
    assert_eq!(place.list("r"), FILES);
}

#[test]
fn files_of_two_runs_are_refused_by_name() {
    let place = Place::new();
    for (run, seed) in [("a", 1), ("b", 2)] {
        place.run(&format!("{SMALL} --seed {seed} --out {run} --pause-after 2"));
    }
    for (file, words) in [
        ("policy.safetensors", ["c/policy.safetensors is of run ", "c/config.toml of run "]),
        ("config.toml", ["c/policy.safetensors is of run ", "c/config.toml of run "]),
        ("metrics.csv", ["c/metrics.csv: has rows of run ", "but this is run "]),
    ] {
        std::fs::create_dir(place.path("c")).unwrap();
        FILES.iter().for_each(|name| drop(std::fs::copy(place.path("a").join(name), place.path("c").join(name))));
        std::fs::copy(place.path("b").join(file), place.path("c").join(file)).unwrap();
        let before = FILES.map(|name| place.bytes(&format!("c/{name}")));
        place.refused("train cartpole --resume --out c", 1, &words);
        assert!(before == FILES.map(|name| place.bytes(&format!("c/{name}"))), "{file}: something was changed");
        assert_eq!(place.list("c"), FILES);
        std::fs::remove_dir_all(place.path("c")).unwrap();
    }
}

#[test]
fn damage_is_found_and_costs_what_was_damaged() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out whole"));
    place.run(&format!("{SMALL} --out r --pause-after 5"));
    let flip = |file: &str, what: &str, by: &str| {
        let text = place.bytes(file);
        let at = text.windows(what.len()).position(|window| window == what.as_bytes()).unwrap();
        std::fs::write(place.path(file), [&text[..at], by.as_bytes(), &text[at + what.len()..]].concat()).unwrap();
        text
    };
    // A digit that another digit takes the place of.
    let row = place.text("r/metrics.csv").lines().nth(3).unwrap().to_owned();
    let other = row.replacen("3,192,", "3,193,", 1);
    flip("r/metrics.csv", &row, &other);
    let output = place.wgpo("train cartpole --resume --out r --pause-after 1").assert().success();
    let said = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(said.contains("r/metrics.csv: damaged rows: 1, moved to r/metrics.damaged.csv"), "{said}");
    assert!(said.contains("the rows of 1 of 5 updates are missing"), "{said}");
    let updates = |file: &str| -> Vec<String> {
        place.text(file).lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    assert_eq!(updates("r/metrics.csv"), ["1", "2", "4", "5", "6"]);
    assert_eq!(place.text("r/metrics.damaged.csv").lines().nth(1), Some(other.as_str()));

    let whole = flip("r/config.toml", "gamma = 0.9", "gamma = 0.8");
    place.refused("train cartpole --resume --out r", 1, &["r/config.toml: is not as it was written", "`checksum`"]);
    std::fs::write(place.path("r/config.toml"), whole).unwrap();
    let whole = flip("r/policy.safetensors", "\"seed\":\"1\"", "\"seed\":\"3\"");
    place.refused("train cartpole --resume --out r", 1, &["r/policy.safetensors: is damaged", "crc32:"]);
    std::fs::write(place.path("r/policy.safetensors"), whole).unwrap();

    place.run("train cartpole --resume --out r");
    assert!(place.bytes("r/policy.safetensors") == place.bytes("whole/policy.safetensors"));
    assert_eq!(updates("r/metrics.csv"), ["1", "2", "4", "5", "6", "7", "8", "9", "10"]);
    // A new run in the folder is not told of the old one's damage.
    place.run(&format!("{SMALL} --out r --force"));
    assert_eq!(place.list("r"), FILES);
}

#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out whole"));
    place.run(&format!("{SMALL} --out r --pause-after 4"));
    let config = place.text("r/config.toml");
    let old: String =
        config.split_inclusive('\n').filter(|line| !line.starts_with("checksum") && !line.starts_with("run")).collect();
    assert!(old.len() + 20 < config.len());
    std::fs::write(place.path("r/config.toml"), old).unwrap();
    let metrics = place.text("r/metrics.csv");
    // Its last column was this one.
    let columns = 1 + metrics.lines().next().unwrap().split(',').position(|name| name == "greedy_return_max").unwrap();
    let cut = |line: &str| line.split(',').take(columns).collect::<Vec<_>>().join(",") + "\n";
    let old: String = metrics.lines().map(cut).collect();
    std::fs::write(place.path("r/metrics.csv"), old).unwrap();
    let bytes = place.bytes("r/policy.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut keys = header.metadata().clone().unwrap();
    assert!(keys.remove("checksum").is_some() && keys.remove("label.run").is_some());
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(place.path("r/policy.safetensors"), safetensors::serialize(tensors.tensors(), Some(keys)).unwrap())
        .unwrap();

    place.run("train cartpole --resume --out r");
    assert!(place.bytes("r/policy.safetensors") == place.bytes("whole/policy.safetensors"));
    assert!(place.bytes("r/config.toml") == place.bytes("whole/config.toml"));
    assert_eq!(place.text("r/metrics.csv").lines().count(), 11);
}

#[test]
fn a_run_that_was_killed_at_its_start_is_in_nobodys_way() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out whole"));
    let config = place.bytes("whole/config.toml");
    let begun = |name: &str, with_settings: bool| {
        std::fs::create_dir(place.path(name)).unwrap();
        std::fs::write(place.path(name).join(".wgpo.lock"), "1").unwrap();
        std::fs::write(place.path(name).join(".wgpo-zzzzzz"), "{").unwrap();
        if with_settings {
            std::fs::write(place.path(name).join("config.toml"), &config).unwrap();
        }
    };
    for (name, with_settings, line) in [
        ("a", false, format!("{SMALL} --out a")),
        ("b", true, format!("{SMALL} --out b")),
        ("c", true, "train cartpole --resume --out c".to_owned()),
    ] {
        begun(name, with_settings);
        place.run(&line);
        assert!(
            place.bytes(&format!("{name}/policy.safetensors")) == place.bytes("whole/policy.safetensors"),
            "{name}"
        );
        assert_eq!(place.list(name), FILES);
    }
    begun("d", false);
    place.refused("train cartpole --resume --out d", 1, &["d/config.toml", "no run to resume"]);
    // Settings that somebody wrote are not a run, and a state that is lost is not a beginning.
    std::fs::write(place.path("d/config.toml"), "gamma = 0.9").unwrap();
    place.refused(&format!("{SMALL} --out d"), 1, &["d: exists already"]);
    std::fs::remove_file(place.path("a/policy.safetensors")).unwrap();
    place.refused("train cartpole --resume --out a", 1, &["a/policy.safetensors", "no run to resume"]);
}

#[test]
fn a_reader_that_goes_away_ends_the_words_and_not_the_work() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out whole"));
    let full = || -> Option<Stdio> { Some(File::options().write(true).open("/dev/full").ok()?.into()) };
    let gone = || -> Option<Stdio> {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Some(writer.into())
    };
    let null = || Some(Stdio::null());
    let run = |line: &str, out: Option<Stdio>, err: Option<Stdio>| -> Option<Option<i32>> {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("wgpo"));
        command.current_dir(place.path("")).args(line.split_whitespace()).stdout(out?).stderr(err?);
        Some(command.status().unwrap().code())
    };
    let is = |found: Option<Option<i32>>, code: i32| found.is_none_or(|found| found == Some(code));
    for (name, out, err) in [
        ("o", gone(), null()),
        ("e", null(), gone()),
        ("oe", gone(), gone()),
        ("fo", full(), null()),
        ("fe", null(), full()),
        ("foe", full(), full()),
    ] {
        let skipped = out.is_none() || err.is_none();
        assert!(is(run(&format!("{SMALL} --out {name}"), out, err), 0), "{name}");
        assert!(
            skipped || place.bytes(&format!("{name}/policy.safetensors")) == place.bytes("whole/policy.safetensors")
        );
        assert!(skipped || place.list(name) == FILES);
    }
    // Where nothing is left but words, losing them is an error; a reader that has enough is none.
    assert!(is(run("info", gone(), null()), 0) && is(run("info", full(), null()), 1));
    assert!(is(run("--help", gone(), null()), 0));
    assert!(is(run("train cartpole --resume --out nowhere", null(), gone()), 1));
}

#[test]
fn what_is_written_to_stays_what_it_is() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out r --pause-after 2"));
    // A run elsewhere, by a link; a state that only its group may read; a snapshot by hard links.
    std::fs::rename(place.path("r/policy.safetensors"), place.path("state")).unwrap();
    symlink("../state", place.path("r/policy.safetensors")).unwrap();
    std::fs::set_permissions(place.path("state"), Permissions::from_mode(0o640)).unwrap();
    std::fs::hard_link(place.path("r/metrics.csv"), place.path("snapshot.csv")).unwrap();
    let snapshot = place.bytes("snapshot.csv");
    place.run("train cartpole --resume --out r");
    place.run(&format!("{SMALL} --out whole"));
    assert!(place.path("r/policy.safetensors").is_symlink());
    assert!(place.bytes("state") == place.bytes("whole/policy.safetensors"));
    assert_eq!(std::fs::metadata(place.path("state")).unwrap().mode() & 0o7777, 0o640);
    assert!(place.bytes("snapshot.csv") == snapshot, "going on changed a snapshot");
}
