//! Settings: presets, TOML files over them, and config.toml of a run folder.

mod document;
mod fault;
mod layered;
mod mistakes;
#[cfg(test)]
mod tests;

use crate::args::Preset;
use crate::files;
use anyhow::{Context, Result, bail};
use document::{Item, Value, tree};
use fault::{Fault, Kind};
use layered::Layered;
pub use mistakes::Mistakes;
use mistakes::{Mistake, Reader, nearest};
use serde::{Deserialize, Serialize};
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use wgpo::env::Env;
use wgpo::gpu::ProductPath;
use wgpo::policy::{Head, PolicySpec};
use wgpo::{
    AdaptiveLr, AdvantageKind, Algorithm, Error, KlHinge, KlPenalty, ObsNorm, PpoConfig, RewardNorm, TrustRegion,
    ValueNorm,
};

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
        // Before the text is looked into: what is damaged says nothing.
        if let Some((said, rest)) = checksum(&text)
            && said.parse() != Ok(crc32fast::hash(rest.as_bytes()))
        {
            bail!(
                "{}: is not as it was written; if it was changed on purpose, take out its line that begins with `checksum`",
                path.display()
            );
        }
        let given = document::parse(&text).map_err(|all| wrong(path, all))?;
        let (filler, known) = (whole(&PpoConfig::cleanrl())?, whole(&complete())?);
        let reader = Reader {
            base: None,
            filler: Some(&filler),
            known: &known,
            within: None,
            whole: ", which a run's file has",
        };
        let config: Self = reader.read(&given).map_err(|all| wrong(path, all))?;
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

/// What the line of the checksum says, and the text after it.
fn checksum(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end, line))
    });
    let (end, line) = lines.find(|(_, line)| line.starts_with("checksum"))?;
    Some((line.split_once('=')?.1.trim(), text.get(end..)?))
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

/// Every setting with something in it, so that each has a key.
fn complete() -> PpoConfig {
    PpoConfig {
        minibatch_size: Some(1),
        dual_clip: Some(2.0),
        clip_coef_vf: Some(1.0),
        max_grad_norm: Some(1.0),
        target_kl: Some(1.0),
        value_learning_rate: Some(1.0),
        adaptive_lr: Some(AdaptiveLr::default()),
        advantage: AdvantageKind::PUFF,
        obs_norm: Some(ObsNorm::sb3()),
        reward_norm: Some(RewardNorm { gamma: Some(1.0), ..RewardNorm::sb3() }),
        norm_value: Some(ValueNorm::rl_games()),
        kl_penalty: Some(KlPenalty { hinge: Some(KlHinge::default()), ..KlPenalty::adaptive() }),
        trust_region: TrustRegion { step_size: Some(1.0), ..TrustRegion::sb3_contrib() },
        ..PpoConfig::cleanrl()
    }
}

/// The table `[ppo]` of a run's file.
fn whole(config: &PpoConfig) -> Result<Item> {
    Ok(Item::unwritten(Value::Table([("ppo".to_owned(), tree(config)?)].into())))
}

/// The keys of a run's file.
fn keys_of_a_run() -> Vec<String> {
    let nonsense = Item::unwritten(Value::Table([(String::new(), Item::unwritten(Value::Boolean(true)))].into()));
    match RunConfig::deserialize(Layered { given: Some(&nonsense), base: None }) {
        Err(Fault { kind: Kind::Unknown(keys), .. }) => keys,
        _ => Vec::new(),
    }
}

fn parsed(path: &Path) -> Result<Item> {
    document::parse(&files::read(path)?).map_err(|all| wrong(path, all))
}

/// All that is wrong with the file, as an error.
fn wrong(path: &Path, all: Vec<Mistake>) -> anyhow::Error {
    Mistakes::of(path, all).map_or_else(|| anyhow::anyhow!("{}: cannot be read", path.display()), anyhow::Error::new)
}

/// The settings in `path`, over those that its key `preset` names, else over `base` of its `algorithm`.
///
/// The file is either a list of settings (`learning_rate = 3e-4`; `"off"` turns an optional one off), or has them all in a
/// table `[ppo]`, as a run's config.toml does. Where `asked` is set, the file may not say another algorithm.
///
/// # Errors
/// [`Mistakes`] of the file, all that were found.
pub fn from_file(
    path: &Path,
    head: &Head,
    asked: Option<Algorithm>,
    base: impl Fn(Algorithm) -> Result<PpoConfig>,
) -> Result<PpoConfig> {
    let given = parsed(path)?;
    let known = tree(&complete())?;
    let config = if let Some(settings) = given.at(&["ppo"]) {
        let filler = tree(&PpoConfig::cleanrl())?;
        let whole =
            ": [ppo] holds all settings, as a run's config.toml does; to change a few, write them without [ppo]";
        let reader = Reader { base: None, filler: Some(&filler), known: &known, within: Some("ppo"), whole };
        of_keys(&reader, settings, beside_ppo(&given, &known))
    } else {
        let mut settings = given;
        let said =
            settings.at(&["algorithm"]).map(|given| Algorithm::deserialize(Layered { given: Some(given), base: None }));
        // A name that is none is a mistake of the reading below.
        let said = said.and_then(std::result::Result::ok);
        let (base, mistake) =
            starting_point(&mut settings, head, asked.or(said), base).with_context(|| format!("{}", path.display()))?;
        let base = tree(&base)?;
        let reader = Reader { base: Some(&base), filler: None, known: &known, within: None, whole: "" };
        of_keys(&reader, &settings, mistake.into_iter().collect())
    };
    let config = config.map_err(|all| wrong(path, all))?;
    if let Some(asked) = asked.filter(|asked| *asked != config.algorithm) {
        let (asked, said) = (asked.name(), config.algorithm.name());
        bail!("{}: its algorithm is {said}, --algo says {asked}; leave one of them out", path.display());
    }
    Ok(config)
}

/// Takes `preset` out of the file; the settings that it or `base` stands for, and what is wrong with it.
fn starting_point(
    settings: &mut Item,
    head: &Head,
    algorithm: Option<Algorithm>,
    base: impl Fn(Algorithm) -> Result<PpoConfig>,
) -> Result<(PpoConfig, Option<Mistake>)> {
    let Some(preset) = settings.at(&["preset"]).cloned() else {
        return Ok((base(algorithm.unwrap_or_default())?, None));
    };
    settings.remove(&["preset"]);
    let words = match preset.text() {
        None => format!("preset: is {}, expected a name in quotes", preset.shown()),
        Some(name) => {
            let algorithm = algorithm.unwrap_or_else(|| algorithm_of(name));
            match PpoConfig::preset(name, algorithm, head.env_is_discrete()) {
                Ok(config) => return Ok((config, None)),
                Err(Error::Config { field, message }) => {
                    let near = nearest(name, wgpo::Preset::names(algorithm).iter().copied());
                    let near =
                        if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
                    format!("{field}: {message}{near}")
                }
                Err(other) => other.to_string(),
            }
        }
    };
    Ok((base(algorithm.unwrap_or_default())?, Some(Mistake { line: preset.line, words })))
}

/// Keys beside `[ppo]` that are none of a run's: nobody would read them.
fn beside_ppo(given: &Item, known: &Item) -> Vec<Mistake> {
    let keys = keys_of_a_run();
    let unread = given.table().into_iter().flatten().filter(|(key, _)| !keys.contains(*key));
    let mistake = |(key, item): (&String, &Item)| {
        let words = if known.at(&[key]).is_some() || key == "preset" {
            format!("{key}: stands beside [ppo], which holds all settings, so nobody would read it")
        } else {
            format!("{key}: there is no such key beside [ppo] (a run's file has {})", keys.join(", "))
        };
        Mistake { line: item.line, words }
    };
    unread.map(mistake).collect()
}

/// Reads and checks settings; `mistakes` are those that were found before.
fn of_keys(
    reader: &Reader<'_>,
    given: &Item,
    mut mistakes: Vec<Mistake>,
) -> std::result::Result<PpoConfig, Vec<Mistake>> {
    match reader.read::<PpoConfig>(given) {
        Ok(config) if mistakes.is_empty() => in_range(reader, given, config),
        Ok(_) => Err(mistakes),
        Err(more) => {
            mistakes.extend(more);
            Err(mistakes)
        }
    }
}

/// Checks ranges and what goes together. A number out of its range is noted and taken out, so that the next one is found.
fn in_range(reader: &Reader<'_>, given: &Item, config: PpoConfig) -> std::result::Result<PpoConfig, Vec<Mistake>> {
    let (mut left, mut now, mut mistakes) = (given.clone(), config.clone(), Vec::new());
    while let Err(error) = now.validate() {
        let Error::Config { field, message } = error else {
            mistakes.push(Mistake { line: 0, words: error.to_string() });
            break;
        };
        // What two settings are to each other may be the doing of a number that was taken out.
        let range =
            message.contains(", must be in ") || message.contains(", must be at ") || message.contains(", must be 0 ");
        if !range && !mistakes.is_empty() {
            break;
        }
        let path: Vec<&str> = field.split('.').collect();
        let known = (1..=path.len()).rev().find(|depth| given.at(&path[..*depth]).is_some());
        let line = known.map_or(0, |depth| Reader::line(given, &path[..depth]));
        mistakes.push(Mistake { line, words: format!("{}: {message}", reader.place(&path)) });
        let removed = range && known.is_some_and(|depth| left.remove(&path[..depth]));
        match reader.read(&left) {
            Ok(next) if removed => now = next,
            _ => break,
        }
    }
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}
