//! A run's own file.

use super::{file, says};
use crate::program::one_line;
use crate::settings::document;
use crate::settings::file::from_file;
use crate::settings::old_keys::renamed;
use crate::settings::run_config::RunConfig;
use wgpo::env::Env;
use wgpo::{AlgorithmKind, Config};

/// Of Pendulum on the CPU.
fn run(settings: Config) -> RunConfig {
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
        settings,
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
    assert_eq!(from(None).unwrap(), run.settings);
    let error = from(Some(AlgorithmKind::Trpo)).unwrap_err().to_string();
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
fn a_table_of_settings_is_whole_and_alone() {
    let config = Config::sb3();
    let named = |name: &str, change: &dyn Fn(&mut toml::Table)| {
        let mut settings = toml::Table::try_from(&config).unwrap();
        change(&mut settings);
        toml::Table::from_iter([("seed".to_owned(), 3.into()), (name.to_owned(), settings.into())]).to_string()
    };
    let whole = |change: &dyn Fn(&mut toml::Table)| named("config", change);
    assert_eq!(file(&whole(&|_| {})).unwrap(), config);
    // The name that the table had before, and the keys of all algorithms.
    let every = |settings: &mut toml::Table| {
        let region = wgpo::config::TrustRegion::baselines();
        settings.insert("trust_region".into(), toml::Table::try_from(region).unwrap().into());
    };
    assert_eq!(file(&named("ppo", &every)).unwrap(), config);
    let spoilt = whole(&|table| {
        table.remove("gamma");
        table.remove("num_envs");
        table.insert("lerning_rate".into(), 1.into());
    });
    says(
        &spoilt,
        &[
            "c.toml: 3 mistakes",
            "gamma in [config] is missing: [config] holds all",
            "num_envs in [config] is missing",
            "lerning_rate in [config]: ",
        ],
    );
    says(&format!("learning_rate = 1\n{}", whole(&|_| {})), &[":1: learning_rate: stands beside [config]"]);
    says(&format!("sead = 1\n{}", whole(&|_| {})), &[":1: sead: there is no such key beside [config]"]);
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
        ("[config]\n", "[config]\nentcoef = 1\n", &["entcoef in [config]: ", "did you mean ent_coef?"]),
        ("gamma = 0.99\n", "", &["gamma in [config] is missing"]),
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

/// Settings of version 0.1.0: keys and a table that have other names now.
#[test]
fn old_names_are_read_and_hinted_at() {
    let norms = "clip = 5.0\n[reward_norm]\nkind = \"rewards\"\n";
    let (old, new) =
        (format!("[obs_norm]\n{norms}"), format!("[norm_obs]\n{norms}").replace("reward_norm", "norm_reward"));
    let config = file(&old).unwrap();
    assert_eq!(config, file(&new).unwrap());
    assert_eq!(config.norm_obs.unwrap().clip, Some(5.0));
    let said = |text: &str| {
        let mut item = document::parse(text).unwrap();
        let (hints, mistakes) = renamed(&mut item);
        assert_eq!(mistakes, []);
        (hints.iter().map(ToString::to_string).collect::<Vec<_>>(), item)
    };
    let (hints, item) = said(&old);
    let hint =
        |line: usize, old: &str, new: &str| format!("{line}: {old} is called {new} now; the old name is read, too");
    assert_eq!(hints, [hint(1, "obs_norm", "norm_obs"), hint(3, "reward_norm", "norm_reward")]);
    assert_eq!(said(&new), (vec![], item));
    // In a run's file.
    let (hints, item) = said(&format!("seed = 3\n[ppo]\ngamma = 1\n{}", old.replace('[', "[ppo.")));
    assert_eq!(hints[0], hint(2, "[ppo]", "[config]"));
    assert_eq!(hints[1..], [hint(4, "obs_norm", "norm_obs"), hint(6, "reward_norm", "norm_reward")]);
    assert!(item.at(&["config", "norm_reward", "kind"]).is_some() && item.at(&["ppo"]).is_none());
}
