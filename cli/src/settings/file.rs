//! A settings file: what it says, over a preset, and all that is wrong with it.

use super::document::{self, Item, Value, tree};
use super::layered::Layered;
use super::mistake::{Mistake, wrong};
use super::old_keys;
use super::presets::{Known, algorithm_of};
use super::reader::{Reader, listed, nearest};
use super::run_config::keys_of_a_run;
use crate::files;
use anyhow::{Context, Result, bail};
use serde::Deserialize as _;
use std::path::Path;
use wgpo::policy::Head;
use wgpo::{AlgorithmKind, Config, Error};

/// The settings in `path`, over those that its key `preset` names, else over `base` of its `algorithm`.
///
/// The file is either a list of settings (`learning_rate = 3e-4`; `"off"` turns an optional one off), or has them all in a
/// table `[config]`, as a run's config.toml does. Where `asked` is set, the file may not say another algorithm.
///
/// # Errors
/// [`Mistakes`] of the file, all that were found.
pub fn from_file(
    path: &Path,
    head: &Head,
    asked: Option<AlgorithmKind>,
    base: impl Fn(AlgorithmKind) -> Result<Config>,
) -> Result<Config> {
    let mut given = document::parse(&files::read(path)?).map_err(|all| wrong(path, all))?;
    let (hints, mut mistakes) = old_keys::renamed(&mut given);
    old_keys::say_once(path, hints);
    let known = Known::new()?;
    let config = if let Some(settings) = given.at(&["config"]) {
        let filler = tree(&Config::cleanrl())?;
        let whole =
            ": [config] holds all settings, as a run's config.toml does; to change a few, write them without [config]";
        let reader = Reader { base: None, filler: Some(&filler), known: &known.all, within: Some("config"), whole };
        mistakes.extend(beside_config(&given, &known.all));
        of_keys(&reader, settings, mistakes)
    } else {
        let mut settings = given;
        let said = settings.at(&["algorithm"]);
        let said = said.map(|given| AlgorithmKind::deserialize(Layered { given: Some(given), base: None }));
        // A name that is none is a mistake of the reading below.
        let (is_none, said) = (matches!(said, Some(Err(_))), said.and_then(std::result::Result::ok));
        let (base, mistake) =
            starting_point(&mut settings, head, said.or(asked), base).with_context(|| format!("{}", path.display()))?;
        mistakes.extend(mistake);
        if !is_none {
            mistakes.extend(of_others(&mut settings, base.algorithm.kind(), &known));
        }
        let base = tree(&base)?;
        let reader = Reader { base: Some(&base), filler: None, known: &known.all, within: None, whole: "" };
        of_keys(&reader, &settings, mistakes)
    };
    let config = config.map_err(|all| wrong(path, all))?;
    let kind = config.algorithm.kind();
    if let Some(asked) = asked.filter(|asked| *asked != kind) {
        let (asked, said) = (asked.name(), kind.name());
        bail!("{}: its algorithm is {said}, --algo says {asked}; leave one of them out", path.display());
    }
    Ok(config)
}

/// Takes `preset` out of the file; the settings that it or `base` stands for, and what is wrong with it.
fn starting_point(
    settings: &mut Item,
    head: &Head,
    algorithm: Option<AlgorithmKind>,
    base: impl Fn(AlgorithmKind) -> Result<Config>,
) -> Result<(Config, Option<Mistake>)> {
    let Some(preset) = settings.at(&["preset"]).cloned() else {
        return Ok((base(algorithm.unwrap_or_default())?, None));
    };
    settings.remove(&["preset"]);
    let words = match preset.text() {
        None => format!("preset: is {}, expected a name in quotes", preset.shown()),
        Some(name) => {
            let algorithm = algorithm.unwrap_or_else(|| algorithm_of(name));
            match Config::preset(name, algorithm, head.env_is_discrete()) {
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

/// Takes out of the file the settings that only other algorithms than `kind` read, and says so: nobody would read them.
pub fn of_others(settings: &mut Item, kind: AlgorithmKind, known: &Known) -> Vec<Mistake> {
    let Value::Table(keys) = &mut settings.value else { return Vec::new() };
    let mut mistakes = Vec::new();
    for (key, item) in keys.iter() {
        let readers = known.readers(key);
        if readers.is_empty() || readers.contains(&kind) {
            continue;
        }
        let readers: Vec<_> = readers.iter().map(|reader| reader.name().to_owned()).collect();
        let words = format!("{key}: is a setting of {}; {} does not read it", listed(&readers), kind.name());
        mistakes.push((key.clone(), Mistake { line: item.line, words }));
    }
    keys.retain(|key, _| mistakes.iter().all(|(other, _)| other != key));
    mistakes.into_iter().map(|(_, mistake)| mistake).collect()
}

/// Keys beside `[config]` that are none of a run's: nobody would read them.
fn beside_config(given: &Item, known: &Item) -> Vec<Mistake> {
    let keys = keys_of_a_run();
    let unread = given.table().into_iter().flatten().filter(|(key, _)| !keys.contains(*key));
    let mistake = |(key, item): (&String, &Item)| {
        let words = if known.at(&[key]).is_some() || key == "preset" {
            format!("{key}: stands beside [config], which holds all settings, so nobody would read it")
        } else {
            format!("{key}: there is no such key beside [config] (a run's file has {})", keys.join(", "))
        };
        Mistake { line: item.line, words }
    };
    unread.map(mistake).collect()
}

/// Reads and checks settings; `mistakes` are those that were found before.
pub fn of_keys(
    reader: &Reader<'_>,
    given: &Item,
    mut mistakes: Vec<Mistake>,
) -> std::result::Result<Config, Vec<Mistake>> {
    match reader.read::<Config>(given) {
        Ok(config) if mistakes.is_empty() => in_range(reader, given, config),
        Ok(_) => Err(mistakes),
        Err(more) => {
            mistakes.extend(more);
            Err(mistakes)
        }
    }
}

/// Checks ranges and what goes together. A number out of its range is noted and taken out, so that the next one is found.
fn in_range(reader: &Reader<'_>, given: &Item, config: Config) -> std::result::Result<Config, Vec<Mistake>> {
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
