//! What is said of mistakes.

use super::{message, says};

/// Files, and what is said of each.
const MISTAKES: &[(&str, &[&str])] = &[
    ("\nlerning_rate = 1", &[":2: lerning_rate: there is no such setting; did you mean learning_rate?"]),
    ("[kl_penalty]\nkl_coeff = 1.0", &[":2: kl_coeff in [kl_penalty]: ", "did you mean kl_coef? ([kl_penalty] has "]),
    ("[kl_penalti]\nkl_coef = 1.0", &[":1: kl_penalti: ", "did you mean kl_penalty?"]),
    ("max_kl = 0.02", &[":1: max_kl: ", "; max_kl belongs in [trust_region]"]),
    (
        "[init]\nlog_std = -1.0\nlearning_rate = 1",
        &[":3: learning_rate in [init]: ", "belongs above the first [table]"],
    ),
    ("clip_range = 0.1\nn_epochs = 3", &["clip_range: ", "did you mean clip_coef?", "did you mean update_epochs?"]),
    ("gamma = 2.0", &[":1: gamma: is 2, must be in [0, 1]"]),
    ("gamma = \"off\"", &[":1: gamma: is \"off\", but cannot be off by itself"]),
    ("gamma = \"0.9\"", &[":1: gamma: is \"0.9\" in quotes, expected a number"]),
    ("anneal_lr = \"false\"", &[":1: anneal_lr: is \"false\" in quotes, expected true or false"]),
    ("num_envs = 1.5", &[":1: num_envs: is 1.5, expected a whole number"]),
    ("num_envs = \"8\"", &[":1: num_envs: is \"8\" in quotes, expected a whole number"]),
    ("num_envs = -1", &[":1: num_envs: is -1, expected a whole number from 0"]),
    ("num_envs = 1e300", &[":1: num_envs: is 1", "expected a whole number"]),
    ("adv_ddof = 5000000000", &[":1: adv_ddof: is integer `5000000000`, expected u32"]),
    (
        "optimizer = \"adamw\"",
        &[":1: optimizer: is \"adamw\", expected \"adam\", \"adam_w\" or \"rmsprop\"; did you mean adam_w?"],
    ),
    ("norm_adv = 1", &[":1: norm_adv: is integer `1`, expected \"none\", \"minibatch\", \"batch\", true or false"]),
    ("norm_adv = \"minibach\"", &["did you mean minibatch?"]),
    ("value_loss = \"huber\"", &[":1: value_loss: is \"huber\" alone, expected { huber = { delta = … } }"]),
    ("[value_loss.huber]", &[":1: delta in [value_loss.huber] is missing"]),
    ("value_loss = { plain = {} }", &["value_loss: is a table with plain, expected \"plain\" alone"]),
    (
        "value_loss = { huber = { delta = 1 }, plain = 1 }",
        &["value_loss: is a table with 2 keys, expected \"plain\", "],
    ),
    (
        "algorithm = \"trpo\"\n[trust_region.acceptance]\nratio = true",
        &[":3: ratio in [trust_region.acceptance]: is true, expected a number"],
    ),
    (
        "algorithm = \"npg\"\n[trust_region.acceptance]\nratio = 2",
        &[":3: ratio in [trust_region.acceptance]: is 2, must be in [0, 1]"],
    ),
    ("[value_loss.huber]\ndelta = -1", &["delta in [value_loss]: is -1, must be in (0, "]),
    ("advantage = { kind = \"vtrace\", rho_clip = 2 }", &[":1: advantage: rho_clip is no limit of kind \"vtrace\""]),
    (
        "advantage = { kind = \"puf\" }",
        &["kind in [advantage]: is \"puf\", expected \"gae\", \"vtrace\" or \"puff\"; did you mean puff?"],
    ),
    ("advantage = \"puf\"", &["advantage: is \"puf\"", "did you mean puff?"]),
    ("kl_penalty = 1.0", &[":1: kl_penalty: is 1.0, expected a table with kl_coef, adaptive, "]),
    ("trust_region = \"off\"\nalgorithm = \"trpo\"", &[":1: trust_region: is \"off\", but cannot be off by itself"]),
    ("[kl_penalty]\nkl_coef = \"off\"", &[":2: kl_coef in [kl_penalty]: ", "kl_penalty = \"off\" turns all of it off"]),
    (
        "kl_penalty.hinge.coef = \"off\"",
        &["coef in [kl_penalty.hinge]: ", "kl_penalty.hinge = \"off\" turns all of it off"],
    ),
    ("preset = \"best\"", &[":1: preset: is \"best\", must be \"cleanrl\" or \"sb3\""]),
    ("preset = \"clean_rl\"", &["did you mean cleanrl?"]),
    ("preset = 3", &[":1: preset: is 3, expected a name in quotes"]),
    (
        "algorithm = \"impala\"",
        &[
            ":1: algorithm: is \"impala\", expected \"ppo\", \"ppo_penalty\", \"trpo\", \"npg\", \"a2c\", \"reinforce\", \"dqn\", \"ddpg\", \"td3\" or \"sac\"",
        ],
    ),
    ("algorithm = \"ppo-penalty\"", &["did you mean ppo_penalty?"]),
    ("dual_clip = 2.0\nkl_penalty.clip = false", &[":1: dual_clip: is set, but the ratio is not clipped"]),
    // What only another algorithm reads: of the file's own, of its preset's, and of the usual one's.
    (
        "dual_clip = 2.0\nalgorithm = \"a2c\"\nclip_coef = 0.1",
        &[":1: dual_clip: is a setting of ppo or ppo-penalty; a2c does not read it"],
    ),
    (
        "preset = \"baselines\"\nclip_coef = 0.1\nlerning_rate = 2",
        &[
            "2 mistakes",
            ":2: clip_coef: is a setting of ppo, ppo-penalty or a2c; trpo does not read it",
            ":3: lerning_rate",
        ],
    ),
    ("[trust_region]\nmax_kl = 0.1", &[":1: trust_region: is a setting of trpo or npg; ppo does not read it"]),
    ("kl_stop = \"epoch\"\nalgorithm = \"npg\"", &[":1: kl_stop: is a setting of ppo or ppo-penalty; npg does not"]),
    // Old names are no suggestions, and do not stand beside the new ones.
    ("obs_nrm = \"off\"", &[":1: obs_nrm: there is no such setting (docs/presets.md"]),
    ("norm_obs = \"off\"\n[obs_norm]", &[":2: obs_norm: is the old name of norm_obs, which is there, too"]),
    ("gamma = ", &[":1: "]),
    ("gamma = 0.9\ngamma = 0.8", &[":2: "]),
    (
        "total_timesteps = 99999999999999999999",
        &[":1: total_timesteps: is 99999999999999999999, expected a whole number"],
    ),
    ("gamma = 2020-01-01", &[":1: gamma: is 2020-01-01, expected a number"]),
];

#[test]
fn mistakes_say_line_key_table_and_what_was_meant() {
    for (text, words) in MISTAKES {
        says(text, words);
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let text = "lerning_rate = 1\ngamma = \"0.9\"\nnum_envs = 1.5\nalgorithm = \"impala\"\npreset = \"best\"\n[kl_penalty]\nkl_coeff = 1";
    let message = message(text);
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[0].ends_with("c.toml: 6 mistakes"), "{message}");
    for (line, words) in lines[1..].iter().zip([
        ":1: lerning_rate",
        ":2: gamma",
        ":3: num_envs",
        ":4: alg",
        ":5: preset",
        ":7: kl_coeff",
    ]) {
        assert!(line.contains(words), "{words} is not in {line}");
    }
    // Numbers out of range as well, and TOML that is none.
    let ranges = self::message("gamma = 2\nclip_coef = 0\nadv_ddof = 2\nupdate_epochs = 0\n[init]\nlog_std = nan");
    for words in [
        ":1: gamma: is 2",
        ":2: clip_coef: is 0",
        ":3: adv_ddof: is 2",
        ":4: update_epochs: is 0",
        ":6: log_std in [init]: is NaN",
    ] {
        assert!(ranges.contains(words), "{words} is not in {ranges}");
    }
    let broken = self::message("gamma = \n= 3\nnum_envs = 4\n[init\n");
    assert!(broken.lines().count() > 2 && broken.contains(":1: ") && broken.contains(":4: "), "{broken}");
}
