//! Every key of docs/presets.md.

use crate::settings::document::{self, Item, Value, tree};
use crate::settings::mistake::Mistake;
use crate::settings::presets::{Known, complete};
use crate::settings::reader::Reader;
use std::sync::LazyLock;
use wgpo::config::AdvantageKind;
use wgpo::{AlgorithmKind, Config};

/// The rows of a table of `docs/presets.md`: cells without their bars.
fn rows(document: &str, first_line: &str) -> Vec<Vec<String>> {
    let start = document.find(first_line).unwrap();
    let lines = document[start..].lines().take_while(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

const DOCUMENT: &str = include_str!("../../../../docs/presets.md");

/// What the file gives, before what goes together is looked at.
fn parsed_alone(text: &str, base: &Config) -> std::result::Result<Config, Vec<Mistake>> {
    let (base, known) = (tree(base).unwrap(), &KNOWN.all);
    let reader = Reader { base: Some(&base), filler: None, known, within: None, whole: "" };
    reader.read(&document::parse(text).unwrap())
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::new().unwrap());

fn readers(key: &str) -> Vec<AlgorithmKind> {
    KNOWN.readers(key.split('.').next().unwrap())
}

/// Every setting of the first algorithm that reads `key`.
fn complete_for(key: &str) -> Config {
    let readers = readers(key);
    complete(*readers.first().unwrap_or_else(|| panic!("{key} is not known"))).unwrap()
}

/// What stands at `key` of `config`, where it is not off.
fn value_at(config: &Config, key: &str) -> Option<Item> {
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

/// The rows that explain a key, and the keys.
fn explained() -> (Vec<Vec<String>>, Vec<String>) {
    let explained = rows(DOCUMENT, "| switch | what | default, its source; other choices |");
    let keys: Vec<String> = explained.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert!(keys.len() > 90, "{}", keys.len());
    (explained, keys)
}

/// A setting as a user would write it: dotted, and in its table.
fn forms(key: &str, value: &str) -> Vec<String> {
    let dotted = format!("{key} = {value}");
    match key.rsplit_once('.') {
        None => vec![dotted],
        Some((table, key)) => vec![dotted, format!("[{table}]\n{key} = {value}")],
    }
}

/// The tables of presets, column by column.
#[test]
fn values_of_presets_are_read() {
    let (_, keys) = explained();
    for first_line in ["| switch | cleanrl, discrete |", "| switch | sb3-contrib | baselines |"] {
        for row in rows(DOCUMENT, first_line) {
            let key = row[0].trim_matches('`');
            assert!(keys.iter().any(|known| known == key), "{key}");
            for (cell, text) in
                row[1..].iter().flat_map(|cell| forms(key, &as_toml(cell)).into_iter().map(move |text| (cell, text)))
            {
                is_read(key, cell, &text);
            }
        }
    }
}

/// That `text` sets `key` to what `cell` of the page says.
fn is_read(key: &str, cell: &str, text: &str) {
    // Another algorithm leaves some of those aside.
    let of_name =
        AlgorithmKind::ALL.into_iter().find(|kind| key == "algorithm" && kind.name().replace('-', "_") == cell);
    let all = of_name.map_or_else(|| complete_for(key), |kind| complete(kind).unwrap());
    let read = parsed_alone(text, &all);
    if cell == "–" {
        // The algorithm of that column does not read it.
    } else if cell == "gae" {
        // A file leaves the usual estimator out.
        assert_eq!(read.unwrap().advantage, AdvantageKind::Gae);
    } else if cell != "off" {
        let value = value_at(&read.unwrap_or_else(|wrong| panic!("{text}: {wrong:?}")), key);
        let value = value.unwrap_or_else(|| panic!("{text} is off"));
        let expected = document::parse(&format!("x = {}", as_toml(cell))).unwrap();
        same(&value, expected.at(&["x"]).unwrap(), text);
    } else if let Ok(config) = read {
        assert_eq!(value_at(&config, key), None, "{text}");
    } else {
        // Not by itself: its table is. The message says which.
        let words = &read.unwrap_err()[0].words;
        let hint = words.split_once("by itself; ").and_then(|(_, hint)| hint.split_once(" turns all"));
        let off = hint.unwrap_or_else(|| panic!("{words}")).0;
        let config = parsed_alone(off, &all).unwrap();
        assert_eq!(value_at(&config, key), None, "{off}");
    }
}

/// Choices in the explanation, `a`, and with a number, `{ a = { b = x } }`: all are read, and none is left out there.
#[test]
fn choices_are_read_and_explained() {
    let (explained, keys) = explained();
    for row in &explained {
        let (key, what, default) = (row[0].trim_matches('`'), &row[1], &row[2]);
        // A key has a value of its own kind.
        let value = value_at(&complete_for(key), key).unwrap_or_else(|| panic!("{key} is not known"));
        let is_choice = value.text().is_some()
            || matches!(key, "value_loss" | "trust_region.acceptance" | "advantage")
            || key.ends_with("_schedule");
        if !is_choice {
            continue;
        }
        // Names of other settings and of a statistic are no choices.
        let is_name = |form: &str| {
            form == "approx_kl" || keys.iter().any(|key| key == form || key.rsplit('.').next() == Some(form))
        };
        for form in what.split('`').skip(1).step_by(2).filter(|form| !is_name(form)) {
            let form = form.replace(" x ", " 0.5 ");
            let plain = form.starts_with('{') || ["true", "false"].contains(&form.as_str());
            let form = if plain { form } else { format!("\"{form}\"") };
            for text in forms(key, &form) {
                let readers = readers(key);
                // An algorithm's name chooses what the file starts from.
                let named = AlgorithmKind::ALL
                    .into_iter()
                    .find(|kind| key == "algorithm" && form == format!("\"{}\"", kind.name().replace('-', "_")));
                let base = match readers.first() {
                    _ if named.is_some_and(AlgorithmKind::is_off_policy) => complete(named.unwrap()).unwrap(),
                    _ if readers.contains(&AlgorithmKind::Ppo) => Config::cleanrl(),
                    Some(AlgorithmKind::Reinforce) => Config::reinforce_spinningup(),
                    Some(kind) if kind.is_off_policy() => complete(*kind).unwrap(),
                    _ => Config::npg(),
                };
                let read = parsed_alone(&text, &base);
                assert!(read.is_ok(), "{text}: {read:?}");
            }
        }
        if !key.ends_with("schedule") && !what.contains("as `") {
            let nonsense =
                parsed_alone(&format!("{key} = \"nonsense\""), &complete_for(key)).unwrap_err().remove(0).words;
            let names = nonsense.split_once("expected ").unwrap().1;
            for name in names.split('"').skip(1).step_by(2).filter(|name| !name.contains(' ')) {
                assert!(what.contains(name) || default.contains(name), "{key}: {name} is not explained");
            }
        }
    }
}

/// A table that is off and is named has the defaults of its rows.
#[test]
fn a_table_has_the_defaults_of_its_rows() {
    for row in &explained().0 {
        let (key, default) = (row[0].trim_matches('`'), &row[2]);
        let Some((table, _)) = key.rsplit_once('.') else { continue };
        let rest = default.strip_prefix("the table is off; ").unwrap_or(default);
        // `0.01, Schulman` is a default; `10: CleanRL` is another's choice.
        let value = rest.split("; ").next().unwrap().split(", ").next().unwrap();
        let base = if table.starts_with("trust_region") { Config::trpo_sb3_contrib() } else { Config::sb3() };
        let config = parsed_alone(&format!("[{table}]"), &base).unwrap();
        let got = value_at(&config, key);
        if value.contains(':') || value == "off" {
            assert_eq!(got, None, "{key}: {default}");
        } else {
            let expected = document::parse(&format!("x = {}", as_toml(value))).unwrap();
            same(&got.unwrap_or_else(|| panic!("{key} is off, not {value}")), expected.at(&["x"]).unwrap(), key);
        }
    }
}

/// Two letters change places, or one is twice there.
#[test]
fn a_misspelt_key_is_named() {
    for row in &explained().0 {
        let path: Vec<&str> = row[0].trim_matches('`').split('.').collect();
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
            let mistakes = parsed_alone(&text, &complete_for(&path.join("."))).unwrap_err();
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
