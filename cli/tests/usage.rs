//! What the program says to people who ask, and to people who err.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use predicates::str::contains;
use support::Place;

#[test]
fn help_names_every_command_and_option() {
    let place = Place::new();
    let help = place.run("--help");
    for word in ["train", "check", "update", "failure-modes", "info", "wgpo train cartpole"] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
    let help = place.run("train --help");
    for word in [
        "cartpole",
        "pendulum",
        "--backend",
        "--adapter",
        "acrobot",
        "mountain-car",
        "--head",
        "discretised[:BINS]",
        "--std-limit",
        "tanh:LOW:HIGH",
        "--algo",
        "sb3-contrib",
        "--resume",
        "--config",
        "--no-stop",
        "Ctrl-C",
    ] {
        assert!(help.contains(word), "{word} is not in: {help}");
    }
    for command in ["check", "update", "failure-modes", "lecture", "info"] {
        place.run(&format!("{command} --help"));
    }
    place.wgpo("--version").assert().success().stdout(contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_arguments_are_refused_before_anything_happens() {
    let place = Place::new();
    place.wgpo("").assert().code(2);
    place.refused("train", 2, &["<TASK>"]);
    place.refused("train breakout", 2, &["breakout", "cartpole, pendulum, acrobot, mountain-car"]);
    place.refused("train cartpole --steps 0", 2, &["--steps"]);
    place.refused("train cartpole --seed -1", 2, &["-1"]);
    place.refused("train pendulum --head normal", 2, &["--head", "normal", "tanh-gaussian-state-std"]);
    place.refused("train pendulum --head discretised:1", 2, &["--head", "2 to 1024"]);
    place.refused("train pendulum --head categorical --backend cpu", 1, &["pendulum", "beta, discretised[:BINS]"]);
    place.refused("train acrobot --head bernoulli --backend cpu", 1, &["acrobot", "categorical, multi-discrete"]);
    place.refused("train pendulum --std-limit tanh:-5", 2, &["--std-limit", "clamp:LOW:HIGH or tanh:LOW:HIGH"]);
    place.refused("train cartpole --std-limit free --backend cpu", 1, &["--std-limit", "categorical head has no"]);
    place.refused("train pendulum --std-limit tanh:2:-5 --backend cpu", 1, &["head", "[2, -5]", "[-40, 40]"]);
    place.refused("train pendulum --std-limit free --resume", 2, &["--std-limit", "--resume"]);
    place.refused("train cartpole --resume --force", 2, &["--resume", "--force"]);
    place.refused("train cartpole --backend cpu --envs 0", 1, &["num_envs", "at least 1"]);
    place.refused("train cartpole --backend cpu --hidden 64,0", 1, &["policy_hidden", "at least 1"]);
    place.refused("train cartpole --backend cpu --adapter 0", 1, &["--adapter", "--backend cpu"]);
    place.refused("train cartpole --tuning t.json", 1, &["--tuning", "--kernels tuned"]);
    place.refused("train cartpole --backend cpu --config nowhere.toml", 1, &["nowhere.toml", "No such file"]);
    place.refused("train cartpole --backend cpu --resume", 1, &["runs/cartpole-cpu-s1", "no run to resume"]);
    place.refused("failure-modes --mode 4", 2, &["--mode", "1, 2, 3, all"]);
    place.refused("failure-modes --seeds 0", 2, &["--seeds"]);
    place.refused("train cartpole --resume", 1, &["cartpole", "nothing to resume"]);
    assert!(place.list("").is_empty(), "a refused command wrote something");
}

#[test]
fn settings_in_a_file_are_checked() {
    let place = Place::new();
    for (text, words) in [
        ("lerning_rate = 1e-3", "c.toml:1: lerning_rate: there is no such setting; did you mean learning_rate?"),
        ("clip_coef = -0.2", "c.toml:1: clip_coef: is -0.2"),
        ("clip_coef = \"big\"", "c.toml:1: clip_coef: is \"big\", expected a number"),
        ("clip_coef =", "c.toml:1: "),
    ] {
        std::fs::write(place.path("c.toml"), text).unwrap();
        place.refused("train cartpole --backend cpu --config c.toml", 1, &[words, "c.toml"]);
    }
    // Several at once, a line each.
    std::fs::write(place.path("c.toml"), "num_envs = \"4\"\n\n[kl_penalty]\nkl_coeff = 1").unwrap();
    let output = place.wgpo("train cartpole --backend cpu --config c.toml").assert().code(1);
    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let starts = [
        "error: c.toml: 2 mistakes",
        "  c.toml:1: num_envs: is \"4\" in quotes, expected a whole number",
        "  c.toml:4: kl_coeff in [kl_penalty]: there is no such setting; did you mean kl_coef?",
    ];
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{text}");
    assert_eq!(place.list(""), ["c.toml"]);
    // A run's own file, too.
    place.run("train cartpole --backend cpu --envs 2 --rollout 4 --steps 8 --hidden 4 --eval-episodes 0 --out r");
    let config = place.text("r/config.toml");
    // Who changes the file takes the checksum out.
    let own: String = config.split_inclusive('\n').filter(|line| !line.starts_with("checksum")).collect();
    std::fs::write(place.path("r/config.toml"), own.replace("seed = 1", "seed = \"1\"")).unwrap();
    let words = ["config.toml:5: seed: is \"1\" in quotes, expected a whole number"];
    place.refused("train cartpole --resume --out r", 1, &words);
}

/// A file that is no settings file at all: some of its mistakes are as good as all.
#[test]
fn a_list_of_mistakes_ends() {
    let place = Place::new();
    let unknown: String = (0..60).map(|i| format!("k{i:02} = 1\n")).collect();
    std::fs::write(place.path("c.toml"), unknown).unwrap();
    let output = place.wgpo("train cartpole --backend cpu --config c.toml").assert().code(1);
    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "error: c.toml: 50 mistakes or more, of which these are shown");
    assert_eq!(lines.len(), 51, "{text}");
    assert!(lines[1].starts_with("  c.toml:1: k00: ") && lines[50].starts_with("  c.toml:50: k49: "), "{text}");
}

#[test]
fn every_shader_can_be_written_out_whole() {
    let place = Place::new();
    let said = place.run("info --wgsl shaders");
    let files = place.list("shaders");
    assert!(said.contains(&format!("{} files written", files.len())), "{said}");
    for name in
        ["mlp_forward_tiled.wgsl", "loss_ppo_fused.head_beta.wgsl", "rollout_fused.head_gaussian.env_pendulum.wgsl"]
    {
        let text = place.text(&format!("shaders/{name}"));
        let entry = format!("fn {}(", name.split('.').next().unwrap());
        assert!(text.contains("@compute") && text.contains(&entry), "{name}");
    }
    place.refused("info --wgsl shaders --json", 2, &["--json"]);
}

/// The pictures are whole, and a second run replaces them.
#[test]
fn the_lectures_pictures_are_drawn() {
    let place = Place::new();
    for _ in 0..2 {
        let said = place.run("lecture --out pictures");
        assert!(said.contains("trust_region.svg"), "{said}");
    }
    for (name, words) in
        [("clip.svg", "a bad action: A = −1"), ("trust_region.svg", "gradient ascent, rate 2: J = 0.000 at last")]
    {
        let picture = std::fs::read_to_string(place.path("pictures").join(name)).unwrap();
        assert!(picture.contains(words) && picture.trim_end().ends_with("</svg>"), "{name}");
    }
}
