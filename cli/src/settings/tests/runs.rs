//! A run's own file.

use super::{file, says};
use crate::program::one_line;
use crate::settings::file::from_file;
use crate::settings::run_config::RunConfig;
use wgpo::env::Env;
use wgpo::{Algorithm, Config};

/// Of Pendulum on the CPU.
fn run(ppo: Config) -> RunConfig {
    RunConfig {
        env: Env::Pendulum,
        backend: "cpu".into(),
        adapter: None,
        api: None,
        driver: None,
        kernels: None,
        seed: 7,
        eval_episodes: 12,
        run: Some(u64::MAX >> 12),
        checksum: None,
        policy: Env::Pendulum.policy(&[8]),
        ppo,
    }
}

#[test]
fn a_runs_own_file_is_taken_whole() {
    let run = run(Config { max_grad_norm: None, ..Config::sb3() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    run.write(&path).unwrap();
    assert_eq!(RunConfig::read(&path).unwrap(), run);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replacen("seed = 7", "seed = 8", 1);
    std::fs::write(&path, &changed).unwrap();
    let error = one_line(&RunConfig::read(&path).unwrap_err());
    assert!(error.contains("take out its line that begins with `checksum`"), "{error}");
    let own: String = changed.split_inclusive('\n').filter(|line| !line.starts_with("checksum")).collect();
    std::fs::write(&path, &own).unwrap();
    assert_eq!(RunConfig::read(&path).unwrap(), RunConfig { seed: 8, ..run.clone() });
    assert_ne!(run.number().unwrap(), RunConfig { seed: 8, ..run.clone() }.number().unwrap());
    std::fs::write(&path, &text).unwrap();
    let from = |asked| from_file(&path, &Env::CartPole.head(), asked, |_| Ok(Config::cleanrl()));
    assert_eq!(from(None).unwrap(), run.ppo);
    let error = from(Some(Algorithm::Trpo)).unwrap_err().to_string();
    assert!(error.contains("its algorithm is ppo, --algo says trpo"), "{error}");
}

/// Networks that the lists of widths cannot say stand in their own keys.
#[test]
fn a_runs_own_file_says_every_network() {
    use wgpo::policy::{Branch, Input, PolicySpec};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let usual = run(Config::sb3());
    let mut policy = PolicySpec { obs_shape: vec![3, 1], ..usual.policy.clone() };
    policy.branches.insert(0, Branch::dense("torso", Input::Obs, &[6]));
    for branch in &mut policy.branches[1..] {
        branch.input = Input::Branch("torso".into());
    }
    policy.validate().unwrap();
    let run = RunConfig { policy, ..usual };
    run.write(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("obs_shape = [") && text.contains("[[policy.branches]]"), "{text}");
    assert_eq!(RunConfig::read(&path).unwrap(), run);
    let own = text.split_inclusive('\n').filter(|line| !line.starts_with("checksum")).collect::<String>();
    std::fs::write(&path, own.replacen("name = \"torso\"", "nam = \"torso\"", 1)).unwrap();
    let error = one_line(&RunConfig::read(&path).unwrap_err());
    assert!(error.contains("did you mean name?"), "{error}");
}

#[test]
fn a_table_ppo_is_whole_and_alone() {
    let config = Config::sb3();
    let whole = |change: &dyn Fn(&mut toml::Table)| {
        let mut ppo = toml::Table::try_from(&config).unwrap();
        change(&mut ppo);
        toml::Table::from_iter([("seed".to_owned(), 3.into()), ("ppo".to_owned(), ppo.into())]).to_string()
    };
    assert_eq!(file(&whole(&|_| {})).unwrap(), config);
    let spoilt = whole(&|table| {
        table.remove("gamma");
        table.remove("num_envs");
        table.insert("lerning_rate".into(), 1.into());
    });
    says(
        &spoilt,
        &[
            "c.toml: 3 mistakes",
            "gamma in [ppo] is missing: [ppo] holds all",
            "num_envs in [ppo] is missing",
            "lerning_rate in [ppo]: ",
        ],
    );
    says(&format!("learning_rate = 1\n{}", whole(&|_| {})), &[":1: learning_rate: stands beside [ppo]"]);
    says(&format!("sead = 1\n{}", whole(&|_| {})), &[":1: sead: there is no such key beside [ppo]"]);
}

#[test]
fn a_runs_file_says_where_it_is_wrong() {
    let run = run(Config::sb3());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    run.write(&path).unwrap();
    // Who changes the file takes the checksum out.
    let written = std::fs::read_to_string(&path).unwrap();
    let good: String = written.split_inclusive('\n').filter(|line| !line.starts_with("checksum")).collect();
    for (from, to, words) in [
        ("seed = 7", "seed = \"7\"", &["config.toml:5: seed: is \"7\" in quotes, expected a whole number"][..]),
        ("seed = 7", "sead = 7", &[":5: sead: there is no such setting; did you mean seed?", "seed is missing"]),
        ("[ppo]\n", "[ppo]\nentcoef = 1\n", &["entcoef in [ppo]: ", "did you mean ent_coef?"]),
        ("gamma = 0.99\n", "", &["gamma in [ppo] is missing"]),
        ("policy_hidden = [8]", "policy_hidden = [\"8\"]", &["policy_hidden in [policy]: is \"8\" in quotes"]),
        ("dims = 1", "dims = \"1\"", &["dims in [policy.head]: is \"1\" in quotes, expected a whole number"]),
        ("dims = 1", "dimms = 1", &["dimms in [policy.head]: ", "did you mean dims?"]),
        (
            "kind = \"gaussian\"",
            "kind = \"gausian\"",
            &["kind in [policy.head]: is \"gausian\"", "did you mean gaussian"],
        ),
        (
            "kind = \"gaussian\"",
            "kind = \"discretised\"",
            &["head in [policy]: a head of kind \"discretised\" needs bins"],
        ),
        ("env = \"pendulum\"", "env = \"pendulm\"", &[":3: env: is \"pendulm\"", "did you mean pendulum?"]),
    ] {
        assert!(good.contains(from), "{from} is not in {good}");
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let message = RunConfig::read(&path).unwrap_err().to_string();
        for words in words {
            assert!(message.contains(words), "{words} is not in {message}");
        }
    }
}
