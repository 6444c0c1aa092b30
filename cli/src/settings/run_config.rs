//! config.toml: everything that decides a run.

use super::document::{self, Item, Value, tree};
use super::fault::{Fault, Kind};
use super::layered::Layered;
use super::mistake::wrong;
use super::old_keys;
use super::presets::{Known, whole};
use super::reader::Reader;
use crate::files;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use wgpo::Config;
use wgpo::env::Env;
use wgpo::gpu::ProductPath;
use wgpo::policy::PolicySpec;

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
    /// The settings of the algorithm.
    #[serde(rename = "config")]
    pub settings: Config,
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
        let mut given = document::parse(&text).map_err(|all| wrong(path, all))?;
        let (hints, mistakes) = old_keys::renamed(&mut given);
        old_keys::say_once(path, hints);
        if !mistakes.is_empty() {
            return Err(wrong(path, mistakes));
        }
        let (filler, known) = (whole(tree(&Config::cleanrl())?), whole(Known::new()?.all));
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
        let head = "# Settings of this run. `wgpo train … --resume` reads them; `--config` takes the [config] part for another run.\n\
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

/// The keys of a run's file.
pub fn keys_of_a_run() -> Vec<String> {
    let nonsense = Item::unwritten(Value::Table([(String::new(), Item::unwritten(Value::Boolean(true)))].into()));
    match RunConfig::deserialize(Layered { given: Some(&nonsense), base: None }) {
        Err(Fault { kind: Kind::Unknown(keys), .. }) => keys,
        _ => Vec::new(),
    }
}
