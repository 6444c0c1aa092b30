//! Settings: presets, TOML files over them, and config.toml of a run folder.

use crate::args::Preset;
use crate::files;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use toml::{Table, Value};
use wgpo::env::Env;
use wgpo::gpu::ProductPath;
use wgpo::policy::{Head, PolicySpec};
use wgpo::{Algorithm, PpoConfig};

/// config.toml: everything that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The task.
    pub env: Env,
    /// `gpu` or `cpu`.
    pub backend: String,
    /// Name of the adapter, with `gpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// What reaches it (`Vulkan`, `Metal`, `Dx12`, `Gl`): the same adapter behind another is another compiler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Its driver and that one's version: another one is another compiler, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Which kernels computed networks there: others may round differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<ProductPath>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Greedy episodes of an evaluation ([`wgpo::solved`]).
    #[serde(default = "eval_episodes")]
    pub eval_episodes: usize,
    /// Which run this is: the same number is in its state and in its metrics. Files of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// CRC-32 of the text after its own line. Who changes that text takes the line out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// The policy's shape.
    pub policy: PolicySpec,
    /// The algorithm's settings.
    pub ppo: PpoConfig,
}

/// Of files of versions that did not write it.
const fn eval_episodes() -> usize {
    wgpo::solved::EPISODES
}

impl RunConfig {
    /// Reads a run's file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read(path)?;
        let config: Self = toml::from_str(&text).map_err(|error| parse_error(path, &error))?;
        let found = after_checksum(&text).map(|rest| crc32fast::hash(rest.as_bytes()));
        if config.checksum.is_some() && config.checksum != found {
            bail!(
                "{}: is not as it was written; if it was changed on purpose, take out its line that begins with `checksum`",
                path.display()
            );
        }
        Ok(Self { checksum: None, ..config })
    }

    /// Writes it, with a line on what it is.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("config.toml")?;
        let head = "# Settings of this run. `wgpo train … --resume` reads them; `--config` takes the [ppo] part for another run.\n\
                    # Who changes them takes the next line out.\n";
        let checksum = crc32fast::hash(text.as_bytes());
        files::write(path, format!("{head}checksum = {checksum}\n{text}").as_bytes())
    }

    /// The number of a run that begins with these settings. Equal runs are the same run: their files are equal, too.
    pub fn number(&self) -> Result<u64> {
        let mut hasher = std::hash::DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), toml::to_string(&Self { run: None, ..self.clone() }).context("config.toml")?)
            .hash(&mut hasher);
        // Every reader of a table of floats has 53 bits.
        Ok(hasher.finish() >> 12)
    }
}

/// The text after the line of the checksum.
fn after_checksum(text: &str) -> Option<&str> {
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end, line))
    });
    let end = lines.filter(|(_, line)| line.starts_with("checksum")).map(|(end, _)| end).next()?;
    text.get(end..)
}

/// The settings of `preset` for `env` under `algorithm`.
pub fn of_task(preset: Preset, algorithm: Algorithm, env: Env) -> Result<PpoConfig> {
    match preset.published() {
        None => Ok(env.tuned_for(algorithm).0),
        Some(name) => published(name, algorithm, &env.head()),
    }
}

/// The networks of `preset` for `env` under `algorithm`, with the usual head of the environment.
pub fn policy(preset: Preset, algorithm: Algorithm, env: Env) -> Result<PolicySpec> {
    Ok(match preset.published() {
        None => env.policy(&env.tuned_for(algorithm).1),
        Some(name) => {
            let named = wgpo::Preset::named(name, algorithm, env.head().is_discrete())?;
            let usual = env.policy(&named.hidden);
            PolicySpec { activation: named.activation, head: usual.head.with_std(named.std), ..usual }
        }
    })
}

/// What is published for an algorithm, for files that name no preset.
pub fn usual(algorithm: Algorithm, head: &Head) -> Result<PpoConfig> {
    published(wgpo::Preset::usual(algorithm), algorithm, head)
}

/// The settings that another library publishes, by its name, for an algorithm and a kind of action.
fn published(name: &str, algorithm: Algorithm, head: &Head) -> Result<PpoConfig> {
    Ok(PpoConfig::preset(name, algorithm, head.env_is_discrete())?)
}

/// The algorithm that a preset stands for where nothing else says it.
fn algorithm_of(preset: &str) -> Algorithm {
    wgpo::Preset::algorithm_of(preset).unwrap_or_default()
}

/// The settings in `path`, over those that its key `preset` names, else over `base` of its `algorithm`.
///
/// The file is either a list of settings (`learning_rate = 3e-4`; `"off"` turns an optional one off), or has them all in a
/// table `[ppo]`, as a run's config.toml does. Where `asked` is set, the file may not say another algorithm.
pub fn from_file(
    path: &Path,
    head: &Head,
    asked: Option<Algorithm>,
    base: impl Fn(Algorithm) -> Result<PpoConfig>,
) -> Result<PpoConfig> {
    let mut given: Table = files::read(path)?.parse().map_err(|error| parse_error(path, &error))?;
    let at = || format!("{}", path.display());
    let settings = if let Some(complete) = given.remove("ppo") {
        complete
    } else {
        let said: Option<Algorithm> = match given.get("algorithm") {
            Some(value) => Some(value.clone().try_into().map_err(|error| parse_error(path, &error))?),
            None => None,
        };
        let base = match given.remove("preset") {
            None => base(asked.or(said).unwrap_or_default()),
            Some(Value::String(name)) => published(&name, asked.or(said).unwrap_or_else(|| algorithm_of(&name)), head),
            Some(other) => bail!("{}: preset is {other}, must be a name in quotes", path.display()),
        };
        let mut all = Table::try_from(base.with_context(at)?).context("settings")?;
        overlay(&mut all, given);
        Value::Table(all)
    };
    let config: PpoConfig = settings.try_into().map_err(|error| parse_error(path, &error))?;
    if let Some(asked) = asked.filter(|asked| *asked != config.algorithm) {
        let (asked, said) = (asked.name(), config.algorithm.name());
        bail!("{}: its algorithm is {said}, --algo says {asked}; leave one of them out", path.display());
    }
    config.validate().with_context(at)?;
    Ok(config)
}

/// Settings that are one of several choices, some with a table of their own: a file replaces the choice.
const CHOICES: [&str; 5] =
    ["value_loss", "ent_coef_schedule", "clip_coef_schedule", "clip_coef_vf_schedule", "acceptance"];

/// Puts `given` over `all`, key by key, also inside of tables.
fn overlay(all: &mut Table, given: Table) {
    for (key, value) in given {
        match (value, all.get_mut(&key)) {
            (Value::String(off), _) if off == "off" => drop(all.remove(&key)),
            (Value::Table(given), Some(Value::Table(all))) if !CHOICES.contains(&key.as_str()) => overlay(all, given),
            (value, _) => drop(all.insert(key, value)),
        }
    }
}

/// The file, and what TOML has to say in one line.
fn parse_error(path: &Path, error: &toml::de::Error) -> anyhow::Error {
    anyhow!("{}: {}", path.display(), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<PpoConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let head = Env::CartPole.head();
        from_file(&path, &head, None, |algorithm| usual(algorithm, &head))
    }

    fn message(text: &str) -> String {
        crate::one_line(&file(text).unwrap_err())
    }

    #[test]
    fn a_preset_brings_its_deviation() {
        let policy = |preset| policy(preset, Algorithm::Ppo, Env::Pendulum).unwrap();
        assert_eq!(policy(Preset::RslRl).head.std(), Some(&wgpo::policy::Std::SCALAR));
        assert_eq!(policy(Preset::Cleanrl).head.std(), Some(&wgpo::policy::Std::default()));
    }

    #[test]
    fn a_file_replaces_what_it_names() {
        let config =
            file("learning_rate = 1\ntarget_kl = 0.02\nmax_grad_norm = \"off\"\nnorm_adv = \"batch\"").unwrap();
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
        assert!(message("algorithm = \"sac\"").contains("unknown variant `sac`"));
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
        let error = crate::one_line(&from(Some(Algorithm::Trpo)).unwrap_err());
        assert!(error.contains("its algorithm is ppo, --algo says trpo"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            message("lerning_rate = 1").contains("unknown field `lerning_rate`"),
            "{}",
            message("lerning_rate = 1")
        );
        assert!(message("gamma = 2.0").contains("gamma: is 2, must be in [0, 1]"));
        assert!(message("gamma = \"off\"").contains("missing field `gamma`"));
        assert!(message("preset = \"best\"").contains("must be \"cleanrl\" or \"sb3\""));
        assert!(message("gamma = ").contains("c.toml: "));
    }
}
