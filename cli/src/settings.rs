//! Settings: presets, TOML files over them, and config.toml of a run folder.

use crate::args::Preset;
use crate::files;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};
use wgpo::PpoConfig;
use wgpo::env::Env;
use wgpo::policy::{Head, PolicySpec};

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
    /// Seed of all random numbers.
    pub seed: u64,
    /// The policy's shape.
    pub policy: PolicySpec,
    /// The algorithm's settings.
    pub ppo: PpoConfig,
}

impl RunConfig {
    /// Reads a run's file.
    pub fn read(path: &Path) -> Result<Self> {
        toml::from_str(&files::read(path)?).map_err(|error| parse_error(path, &error))
    }

    /// Writes it, with a line on what it is.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("config.toml")?;
        let head = "# Settings of this run. `wgpo train … --resume` reads them; `--config` takes the [ppo] part for another run.\n\n";
        files::write(path, format!("{head}{text}").as_bytes())
    }
}

/// The settings and hidden widths of `preset` for `env`.
pub fn of_task(preset: Preset, env: Env) -> (PpoConfig, Vec<usize>) {
    match preset {
        Preset::Tuned => env.tuned(),
        // Both use two hidden layers of 64.
        Preset::Cleanrl => (published("cleanrl", &env.head()).unwrap_or_else(PpoConfig::cleanrl), vec![64, 64]),
        Preset::Sb3 => (PpoConfig::sb3(), vec![64, 64]),
    }
}

/// The settings that another library publishes, by its name, for a kind of action.
fn published(name: &str, head: &Head) -> Option<PpoConfig> {
    match name {
        "cleanrl" if head.is_discrete() => Some(PpoConfig::cleanrl()),
        "cleanrl" => Some(PpoConfig::cleanrl_continuous()),
        "sb3" => Some(PpoConfig::sb3()),
        _ => None,
    }
}

/// The settings in `path`, over `base`, or over those that its key `preset` names.
///
/// The file is either a list of settings (`learning_rate = 3e-4`; `"off"` turns an optional one off), or has them all in a
/// table `[ppo]`, as a run's config.toml does.
pub fn from_file(path: &Path, base: &PpoConfig, head: &Head) -> Result<PpoConfig> {
    let mut given: Table = files::read(path)?.parse().map_err(|error| parse_error(path, &error))?;
    let at = || format!("{}", path.display());
    let settings = if let Some(complete) = given.remove("ppo") {
        complete
    } else {
        let base = match given.remove("preset") {
            None => base.clone(),
            Some(Value::String(name)) if published(&name, head).is_some() => {
                published(&name, head).unwrap_or_else(PpoConfig::cleanrl)
            }
            Some(other) => bail!("{}: preset is {other}, must be \"cleanrl\" or \"sb3\"", path.display()),
        };
        let mut all = Table::try_from(base).context("settings")?;
        for (key, value) in given {
            match value.as_str() {
                Some("off") => drop(all.remove(&key)),
                _ => drop(all.insert(key, value)),
            }
        }
        Value::Table(all)
    };
    let config: PpoConfig = settings.try_into().map_err(|error| parse_error(path, &error))?;
    config.validate().with_context(at)?;
    Ok(config)
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
        from_file(&path, &PpoConfig::cleanrl(), &Env::CartPole.head())
    }

    fn message(text: &str) -> String {
        crate::one_line(&file(text).unwrap_err())
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
    }

    #[test]
    fn a_runs_own_file_is_taken_whole() {
        let run = RunConfig {
            env: Env::Pendulum,
            backend: "cpu".into(),
            adapter: None,
            seed: 7,
            policy: Env::Pendulum.policy(&[8]),
            ppo: PpoConfig { max_grad_norm: None, ..PpoConfig::sb3() },
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        run.write(&path).unwrap();
        assert_eq!(RunConfig::read(&path).unwrap(), run);
        assert_eq!(from_file(&path, &PpoConfig::cleanrl(), &Env::CartPole.head()).unwrap(), run.ppo);
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
