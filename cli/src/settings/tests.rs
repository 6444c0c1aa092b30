//! What settings files are taken for, and what is said of their mistakes.

use super::*;

fn file(text: &str) -> Result<PpoConfig> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let head = Env::CartPole.head();
    from_file(&path, &head, None, |algorithm| usual(algorithm, &head))
}

fn message(text: &str) -> String {
    file(text).unwrap_err().to_string()
}

/// The whole message, which begins with the file's name.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    let message = message(text);
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}

#[test]
fn a_preset_brings_its_deviation() {
    let policy = |preset| policy(preset, Algorithm::Ppo, Env::Pendulum).unwrap();
    assert_eq!(policy(Preset::RslRl).head.std(), Some(&wgpo::policy::Std::SCALAR));
    assert_eq!(policy(Preset::Cleanrl).head.std(), Some(&wgpo::policy::Std::default()));
}

#[test]
fn a_file_replaces_what_it_names() {
    let config = file("learning_rate = 1\ntarget_kl = 0.02\nmax_grad_norm = \"off\"\nnorm_adv = \"batch\"").unwrap();
    let expected = PpoConfig {
        learning_rate: 1.0,
        target_kl: Some(0.02),
        max_grad_norm: None,
        norm_adv: wgpo::AdvantageNorm::Batch,
        ..PpoConfig::cleanrl()
    };
    assert_eq!(config, expected);
    assert_eq!(file("preset = \"sb3\"").unwrap(), PpoConfig::sb3());
    // Choices with a number in them, written in one line or as a table.
    let config = file("ent_coef_schedule = { linear = { to = 0.0 } }\n[value_loss.huber]\ndelta = 1.5").unwrap();
    let expected = PpoConfig {
        ent_coef_schedule: wgpo::Anneal::Linear { to: 0.0 },
        value_loss: wgpo::ValueLoss::Huber { delta: 1.5 },
        ..PpoConfig::cleanrl()
    };
    assert_eq!(config, expected);
    let config = file("preset = \"rllib-penalty\"\nvalue_loss = \"plain\"\n[init]\nlog_std = -1.0").unwrap();
    assert_eq!((config.value_loss, config.init.log_std), (wgpo::ValueLoss::Plain, -1.0));
}

#[test]
fn a_file_says_its_algorithm() {
    assert_eq!(file("algorithm = \"trpo\"").unwrap(), PpoConfig::trpo_sb3_contrib());
    assert_eq!(file("algorithm = \"npg\"").unwrap(), PpoConfig::npg());
    assert_eq!(file("algorithm = \"ppo_penalty\"").unwrap(), PpoConfig::ppo_penalty());
    assert_eq!(file("algorithm = \"a2c\"\npreset = \"sb3\"").unwrap(), PpoConfig::a2c());
    let trpo = file("preset = \"baselines\"\n[trust_region]\nmax_kl = 0.02").unwrap();
    let expected = wgpo::TrustRegion { max_kl: 0.02, ..wgpo::TrustRegion::baselines() };
    assert_eq!(trpo, PpoConfig { trust_region: expected, ..PpoConfig::trpo_baselines() });
    assert!(message("algorithm = \"trpo\"\npreset = \"cleanrl\"").contains("must be \"sb3-contrib\" or"));
}

#[test]
fn a_runs_own_file_is_taken_whole() {
    let run = RunConfig {
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
        ppo: PpoConfig { max_grad_norm: None, ..PpoConfig::sb3() },
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    run.write(&path).unwrap();
    assert_eq!(RunConfig::read(&path).unwrap(), run);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replacen("seed = 7", "seed = 8", 1);
    std::fs::write(&path, &changed).unwrap();
    let error = crate::one_line(&RunConfig::read(&path).unwrap_err());
    assert!(error.contains("take out its line that begins with `checksum`"), "{error}");
    let own: String = changed.split_inclusive('\n').filter(|line| !line.starts_with("checksum")).collect();
    std::fs::write(&path, &own).unwrap();
    assert_eq!(RunConfig::read(&path).unwrap(), RunConfig { seed: 8, ..run.clone() });
    assert_ne!(run.number().unwrap(), RunConfig { seed: 8, ..run.clone() }.number().unwrap());
    std::fs::write(&path, &text).unwrap();
    let from = |asked| from_file(&path, &Env::CartPole.head(), asked, |_| Ok(PpoConfig::cleanrl()));
    assert_eq!(from(None).unwrap(), run.ppo);
    let error = from(Some(Algorithm::Trpo)).unwrap_err().to_string();
    assert!(error.contains("its algorithm is ppo, --algo says trpo"), "{error}");
}

#[test]
fn mistakes_say_line_key_table_and_what_was_meant() {
    for (text, words) in [
        ("\nlerning_rate = 1", &[":2: lerning_rate: there is no such setting; did you mean learning_rate?"][..]),
        (
            "[kl_penalty]\nkl_coeff = 1.0",
            &[":2: kl_coeff in [kl_penalty]: ", "did you mean kl_coef? ([kl_penalty] has "],
        ),
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
            "[trust_region.acceptance]\nratio = true",
            &[":2: ratio in [trust_region.acceptance]: is true, expected a number"],
        ),
        ("[trust_region.acceptance]\nratio = 2", &[":2: ratio in [trust_region.acceptance]: is 2, must be in [0, 1]"]),
        ("[value_loss.huber]\ndelta = -1", &["delta in [value_loss]: is -1, must be in (0, "]),
        (
            "advantage = { kind = \"vtrace\", rho_clip = 2 }",
            &[":1: advantage: rho_clip is no limit of kind \"vtrace\""],
        ),
        (
            "advantage = { kind = \"puf\" }",
            &["kind in [advantage]: is \"puf\", expected \"gae\", \"vtrace\" or \"puff\"; did you mean puff?"],
        ),
        ("advantage = \"puf\"", &["advantage: is \"puf\"", "did you mean puff?"]),
        ("kl_penalty = 1.0", &[":1: kl_penalty: is 1.0, expected a table with kl_coef, adaptive, "]),
        ("trust_region = \"off\"", &[":1: trust_region: is \"off\", but cannot be off by itself"]),
        (
            "[kl_penalty]\nkl_coef = \"off\"",
            &[":2: kl_coef in [kl_penalty]: ", "kl_penalty = \"off\" turns all of it off"],
        ),
        (
            "kl_penalty.hinge.coef = \"off\"",
            &["coef in [kl_penalty.hinge]: ", "kl_penalty.hinge = \"off\" turns all of it off"],
        ),
        ("preset = \"best\"", &[":1: preset: is \"best\", must be \"cleanrl\" or \"sb3\""]),
        ("preset = \"clean_rl\"", &["did you mean cleanrl?"]),
        ("preset = 3", &[":1: preset: is 3, expected a name in quotes"]),
        (
            "algorithm = \"sac\"",
            &[":1: algorithm: is \"sac\", expected \"ppo\", \"ppo_penalty\", \"trpo\", \"npg\" or \"a2c\""],
        ),
        ("algorithm = \"ppo-penalty\"", &["did you mean ppo_penalty?"]),
        ("dual_clip = 2.0\nalgorithm = \"a2c\"", &[":1: dual_clip: is set, but the ratio is not clipped"]),
        ("gamma = ", &[":1: "]),
        ("gamma = 0.9\ngamma = 0.8", &[":2: "]),
        (
            "total_timesteps = 99999999999999999999",
            &[":1: total_timesteps: is 99999999999999999999, expected a whole number"],
        ),
        ("gamma = 2020-01-01", &[":1: gamma: is 2020-01-01, expected a number"]),
    ] {
        says(text, words);
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let text = "lerning_rate = 1\ngamma = \"0.9\"\nnum_envs = 1.5\nalgorithm = \"sac\"\npreset = \"best\"\n[kl_penalty]\nkl_coeff = 1";
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

#[test]
fn numbers_are_taken_as_people_write_them() {
    let config =
        file("total_timesteps = 1e6\nnum_envs = 8.0\nlearning_rate = 1\nadv_ddof = 0.0\nmax_grad_norm = 1").unwrap();
    assert_eq!((config.total_timesteps, config.num_envs, config.adv_ddof), (1_000_000, 8, 0));
    assert_eq!((config.learning_rate, config.max_grad_norm), (1.0, Some(1.0)));
    assert_eq!(file("total_timesteps = 1_000_000\nnum_envs = 0x10").unwrap().num_envs, 16);
    assert_eq!(file("total_timesteps = 18446744073709551615").unwrap().total_timesteps, u64::MAX);
    for (text, norm) in [
        ("true", wgpo::AdvantageNorm::Minibatch),
        ("false", wgpo::AdvantageNorm::None),
        ("\"off\"", wgpo::AdvantageNorm::None),
        ("\"batch\"", wgpo::AdvantageNorm::Batch),
    ] {
        assert_eq!(file(&format!("norm_adv = {text}")).unwrap().norm_adv, norm);
    }
}

#[test]
fn tables_may_be_partial_and_off() {
    let with = |text: &str| file(text).unwrap();
    let penalty = |change: fn(&mut KlPenalty)| {
        let mut penalty = KlPenalty::adaptive();
        change(&mut penalty);
        Some(penalty)
    };
    assert_eq!(with("[kl_penalty]").kl_penalty, penalty(|_| {}));
    assert_eq!(with("[kl_penalty]\nkl_coef = 0.5").kl_penalty, penalty(|penalty| penalty.kl_coef = 0.5));
    assert_eq!(with("[kl_penalty.adapt]\nraise = 3").kl_penalty, penalty(|penalty| penalty.adapt.raise = 3.0));
    assert_eq!(
        with("[kl_penalty.hinge]").kl_penalty,
        penalty(|penalty| penalty.hinge = Some(KlHinge { coef: 1000.0, factor: 2.0 }))
    );
    assert_eq!(with("[kl_penalty]\nhinge = \"off\"").kl_penalty, penalty(|_| {}));
    assert_eq!(with("anneal_lr = false\n[adaptive_lr]").adaptive_lr, Some(AdaptiveLr::default()));
    let rate = Some(AdaptiveLr { max: 1.0, ..AdaptiveLr::default() });
    assert_eq!(with("anneal_lr = false\nadaptive_lr = { max = 1 }").adaptive_lr, rate);
    // Over a preset's own table, the preset's numbers stay.
    let rllib = with("preset = \"rllib-penalty\"\n[kl_penalty]\nkl_coef = 0.3").kl_penalty.unwrap();
    assert_eq!((rllib.kl_coef, rllib.clip, rllib.adapt), (0.3, true, wgpo::config::KlAdaptation::RLLIB));
    assert_eq!(with("preset = \"rllib-penalty\"\nkl_penalty = \"off\"").kl_penalty, None);
    // In a table that the preset does not have, and in one that it has.
    assert_eq!(with("[obs_norm]\nclip = \"off\"").obs_norm.unwrap().clip, None);
    assert_eq!(with("[reward_norm]\ngamma = \"off\"\nclip = \"off\"").reward_norm.unwrap().gamma, None);
    assert_eq!(with("obs_norm = \"off\"").obs_norm, None);
    let region = with("algorithm = \"trpo\"\ntrust_region.cg_absolute_tolerance = \"off\"").trust_region;
    assert_eq!(region.cg_absolute_tolerance, None);
    assert_eq!(with("clip_coef_schedule = \"off\"").clip_coef_schedule, wgpo::Anneal::None);
    assert_eq!(with("advantage = \"vtrace\"").advantage, AdvantageKind::VTRACE);
    // The same choice again keeps what it has.
    let clamped = with("preset = \"rllib-penalty\"\nvalue_loss = { clamp_error = {} }").value_loss;
    assert_eq!(clamped, wgpo::ValueLoss::ClampError { max: 10.0 });
}

#[test]
fn a_table_ppo_is_whole_and_alone() {
    let config = PpoConfig::sb3();
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
    let run = RunConfig {
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
        ppo: PpoConfig::sb3(),
    };
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

/// The rows of a table of `docs/presets.md`: cells without their bars.
fn rows(document: &str, first_line: &str) -> Vec<Vec<String>> {
    let start = document.find(first_line).unwrap();
    let lines = document[start..].lines().take_while(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

const DOCUMENT: &str = include_str!("../../../docs/presets.md");

/// What the file gives, before what goes together is looked at.
fn parsed_alone(text: &str, base: &PpoConfig) -> std::result::Result<PpoConfig, Vec<Mistake>> {
    let (base, known) = (tree(base).unwrap(), tree(&complete()).unwrap());
    let reader = Reader { base: Some(&base), filler: None, known: &known, within: None, whole: "" };
    reader.read(&document::parse(text).unwrap())
}

/// What stands at `key` of `config`, where it is not off.
fn value_at(config: &PpoConfig, key: &str) -> Option<Item> {
    tree(config).unwrap().at(&key.split('.').collect::<Vec<_>>()).cloned()
}

/// A documented value as TOML: `√2`, `1/1.5`, `huber delta 1`, `gae`, `true`, `1e-5`, `147456000`.
fn as_toml(cell: &str) -> String {
    let number = |text: &str| text.replace('−', "-").replace(',', "").parse::<f64>().ok();
    match cell.split(' ').collect::<Vec<_>>()[..] {
        ["√2"] => std::f64::consts::SQRT_2.to_string(),
        ["1/1.5"] => (1.0 / 1.5).to_string(),
        [choice, key, value] => format!("{{ {choice} = {{ {key} = {value} }} }}"),
        ["true"] | ["false"] => cell.to_owned(),
        _ if number(cell).is_some() => cell.replace('−', "-").replace(',', ""),
        _ => format!("\"{cell}\""),
    }
}

/// Every key of the page: the values of all presets, the forms that are written there, the defaults of tables that are off, and a
/// misspelling of it.
#[test]
fn every_key_of_the_page_is_read_and_its_misspelling_is_named() {
    let all = complete();
    let explained = rows(DOCUMENT, "| switch | what | default, its source; other choices |");
    let keys: Vec<String> = explained.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert!(keys.len() > 90, "{}", keys.len());
    // Written as a user would: dotted, and in its table.
    let forms = |key: &str, value: &str| {
        let dotted = format!("{key} = {value}");
        match key.rsplit_once('.') {
            None => vec![dotted],
            Some((table, key)) => vec![dotted, format!("[{table}]\n{key} = {value}")],
        }
    };
    // The tables of presets, column by column.
    for first_line in ["| switch | cleanrl, discrete |", "| switch | sb3-contrib | baselines |"] {
        for row in rows(DOCUMENT, first_line) {
            let key = row[0].trim_matches('`');
            assert!(keys.iter().any(|known| known == key), "{key}");
            for cell in &row[1..] {
                for text in forms(key, &as_toml(cell)) {
                    let read = parsed_alone(&text, &all);
                    if cell == "gae" {
                        // A file leaves the usual estimator out.
                        assert_eq!(read.unwrap().advantage, AdvantageKind::Gae);
                    } else if cell != "off" {
                        let value = value_at(&read.unwrap_or_else(|wrong| panic!("{text}: {wrong:?}")), key);
                        let value = value.unwrap_or_else(|| panic!("{text} is off"));
                        let expected = document::parse(&format!("x = {}", as_toml(cell))).unwrap();
                        same(&value, expected.at(&["x"]).unwrap(), &text);
                    } else if let Ok(config) = read {
                        assert_eq!(value_at(&config, key), None, "{text}");
                    } else {
                        // Not by itself: its table is. The message says which.
                        let words = &read.unwrap_err()[0].words;
                        let off = words
                            .split_once("by itself; ")
                            .and_then(|(_, hint)| hint.split_once(" turns all"))
                            .unwrap_or_else(|| panic!("{words}"))
                            .0;
                        let config = parsed_alone(off, &all).unwrap();
                        assert_eq!(value_at(&config, key), None, "{off}");
                    }
                }
            }
        }
    }
    for row in &explained {
        let (key, what, default) = (row[0].trim_matches('`'), &row[1], &row[2]);
        let path: Vec<&str> = key.split('.').collect();
        // A key has a value of its own kind.
        let value = value_at(&all, key).unwrap_or_else(|| panic!("{key} is not known"));
        // Choices in the explanation, `a`, and with a number, `{ a = { b = x } }`.
        let is_choice = value.text().is_some()
            || matches!(key, "value_loss" | "trust_region.acceptance" | "advantage")
            || key.ends_with("_schedule");
        let quoted: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
        // Names of other settings and of a statistic are no choices.
        let is_name = |form: &str| {
            form == "approx_kl" || keys.iter().any(|key| key == form || key.rsplit('.').next() == Some(form))
        };
        let choices: Vec<&&str> = quoted.iter().filter(|form| !is_name(form)).collect();
        for form in choices.iter().filter(|_| is_choice) {
            let form = form.replace(" x ", " 0.5 ");
            let form = if form.starts_with('{') || ["true", "false"].contains(&form.as_str()) {
                form
            } else {
                format!("\"{form}\"")
            };
            for text in forms(key, &form) {
                let read = parsed_alone(&text, &PpoConfig::cleanrl());
                assert!(read.is_ok(), "{text}: {read:?}");
            }
        }
        // And none is left out there.
        if is_choice && !key.ends_with("schedule") && !what.contains("as `") {
            let nonsense = parsed_alone(&format!("{key} = \"nonsense\""), &all).unwrap_err().remove(0).words;
            let names = nonsense.split_once("expected ").unwrap().1;
            for name in names.split('"').skip(1).step_by(2).filter(|name| !name.contains(' ')) {
                assert!(what.contains(name) || default.contains(name), "{key}: {name} is not explained");
            }
        }
        // A table that is off and is named has the defaults of its rows.
        if let Some(first) = default.split("; ").next().filter(|_| path.len() > 1) {
            let rest =
                default.strip_prefix("the table is off; ").map_or(first, |rest| rest.split("; ").next().unwrap());
            // `0.01, Schulman` is a default; `10: CleanRL` is another's choice.
            let value = rest.split(", ").next().unwrap();
            let config =
                parsed_alone(&format!("[{}]", path[..path.len() - 1].join(".")), &PpoConfig::trpo_sb3_contrib())
                    .unwrap();
            let got = value_at(&config, key);
            if value.contains(':') || value == "off" {
                assert_eq!(got, None, "{key}: {default}");
            } else {
                let expected = document::parse(&format!("x = {}", as_toml(value))).unwrap();
                same(&got.unwrap_or_else(|| panic!("{key} is off, not {value}")), expected.at(&["x"]).unwrap(), key);
            }
        }
        // Misspelt: two letters change places, or one is twice there.
        let (tables, name) = path.split_at(path.len() - 1);
        let mut swapped: Vec<char> = name[0].chars().collect();
        let at = (0..swapped.len() - 1)
            .rev()
            .find(|at| swapped[*at] != swapped[at + 1] && !swapped[*at + 1].is_numeric())
            .unwrap();
        swapped.swap(at, at + 1);
        let doubled = format!("{}{}", &name[0][..1], name[0]);
        for wrong in [swapped.into_iter().collect(), doubled] {
            let text = if tables.is_empty() {
                format!("\n{wrong} = 1")
            } else {
                format!("[{}]\n{wrong} = 1", tables.join("."))
            };
            let mistakes = parsed_alone(&text, &all).unwrap_err();
            let inside = if tables.is_empty() { String::new() } else { format!(" in [{}]", tables.join(".")) };
            let words = format!("{wrong}{inside}: there is no such setting; did you mean {}? (", name[0]);
            assert!(
                mistakes.len() == 1 && mistakes[0].line == 2 && mistakes[0].words.starts_with(&words),
                "{words}: {mistakes:?}"
            );
        }
    }
}

/// That two trees hold the same, whole numbers as floats or not.
#[track_caller]
fn same(got: &Item, expected: &Item, what: &str) {
    let number = |item: &Item| match item.value {
        Value::Integer(whole) => Some(whole as f64),
        Value::Float(float) => Some(float),
        _ => None,
    };
    match (got.table(), expected.table()) {
        (Some(a), Some(b)) => {
            assert!(a.keys().eq(b.keys()), "{what}: {got:?}");
            a.iter().zip(b).for_each(|((_, a), (_, b))| same(a, b, what));
        }
        _ if number(got).is_some() => assert_eq!(number(got), number(expected), "{what}"),
        _ => assert_eq!(got.value, expected.value, "{what}"),
    }
}
