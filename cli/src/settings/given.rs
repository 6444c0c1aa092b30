//! Settings that a caller gives by the keys of settings files, without a file.

use super::document::{Item, Value, tree};
use super::file::{of_keys, of_others};
use super::mistake::Mistake;
use super::presets::Known;
use super::reader::{Reader, nearest};
use wgpo::{AlgorithmKind, Config};

/// `base` with what `given` says, an object of the keys that a settings file has (docs/presets.md); `null` turns an optional setting off. A table
/// replaces the keys that it names.
///
/// # Errors
/// A sentence for all that is wrong: an unknown key with the nearest one, a setting that the algorithm does not read, another type, a number out
/// of its range, another algorithm than that of `base`.
pub fn over(base: &Config, given: serde_json::Value) -> Result<Config, String> {
    let mut given = tree(&given).map_err(|error| error.to_string())?;
    if given.table().is_none() {
        return Err(format!("settings are {}, expected keys with values", given.shown()));
    }
    let known = Known::new().map_err(|error| error.to_string())?;
    let layer = tree(base).map_err(|error| error.to_string())?;
    let kind = base.algorithm.kind();
    let mut mistakes = of_others(&mut given, kind, &known);
    mistakes.extend(other_algorithm(&mut given, kind));
    let reader = Reader { base: Some(&layer), filler: None, known: &known.all, within: None, whole: "" };
    of_keys(&reader, &given, mistakes).map_err(|all| in_words(&all))
}

/// The settings that `algorithm` reads, each by its key in a settings file.
///
/// # Errors
/// None that a caller could bring about.
pub fn keys(algorithm: AlgorithmKind) -> Result<Vec<String>, String> {
    let known = Known::new().map_err(|error| error.to_string())?;
    let all = known.all.table().into_iter().flatten().map(|(key, _)| key.clone());
    Ok(all.filter(|key| known.readers(key).contains(&algorithm)).collect())
}

/// `; did you mean …?` for the names among `names` that `wrong` was most likely to be, or nothing.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = nearest(wrong, names);
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// Takes `algorithm` out of the settings; it is wrong if it is another one.
fn other_algorithm(given: &mut Item, kind: AlgorithmKind) -> Option<Mistake> {
    const KEY: &str = "algorithm";
    let said = given.at(&[KEY]).cloned()?;
    given.remove(&[KEY]);
    // Files spell it with `_`.
    let own = [kind.name().to_owned(), kind.name().replace('-', "_")];
    match &said.value {
        Value::Text(name) if own.contains(name) => None,
        _ => Some(Mistake {
            line: 0,
            words: format!("algorithm: is {}, these settings are of {}", said.shown(), own[0]),
        }),
    }
}

fn in_words(all: &[Mistake]) -> String {
    let words: Vec<_> = all.iter().map(|mistake| mistake.words.as_str()).collect();
    match words[..] {
        [] => "settings cannot be read".to_owned(),
        _ => words.join("; and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_given_lies_over_the_base() {
        let base = Config::cleanrl();
        let config =
            over(&base, json!({"learning_rate": 1e-3, "num_steps": 64.0, "target_kl": 0.02, "norm_obs": {}})).unwrap();
        assert_eq!((config.learning_rate, config.num_steps), (1e-3, 64));
        assert_eq!(config.ppo().unwrap().target_kl, Some(0.02));
        assert!(config.norm_obs.is_some());
        let off = over(&config, json!({"target_kl": null, "norm_obs": null, "algorithm": "ppo"})).unwrap();
        assert_eq!(off, Config { learning_rate: 1e-3, num_steps: 64, ..base });
    }

    #[test]
    fn each_mistake_is_said_with_what_was_meant() {
        let words = |given| over(&Config::cleanrl(), given).unwrap_err();
        assert!(words(json!({"learning_rat": 1.0})).contains("did you mean learning_rate?"));
        assert!(words(json!({"n_epochs": 3})).contains("did you mean update_epochs?"));
        assert!(words(json!({"tau": 0.5})).contains("ppo does not read it"));
        assert!(words(json!({"gamma": 1.5})).contains("gamma"));
        assert!(words(json!({"gamma": "much"})).contains("expected a number"));
        assert!(words(json!({"algorithm": "sac"})).contains("these settings are of ppo"));
        assert!(words(json!([1])).contains("expected keys"));
        let both = words(json!({"gama": 0.5, "num_steps": -1}));
        assert!(both.contains("gamma") && both.contains("num_steps"), "{both}");
    }

    #[test]
    fn every_key_that_is_listed_is_read() {
        for algorithm in AlgorithmKind::ALL {
            let keys = keys(algorithm).unwrap();
            assert!(keys.iter().any(|key| key == "learning_rate"));
            let base = Config::preset(wgpo::Preset::usual(algorithm), algorithm, true).unwrap();
            for key in keys {
                let said = over(&base, json!({&key: "nonsense"}));
                assert!(
                    said.is_err_and(|words| words.starts_with(&key) && !words.contains("no such setting")),
                    "{key}"
                );
            }
        }
    }
}
