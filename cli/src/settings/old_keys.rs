//! Keys of earlier versions: read on under the names that they have now, which is said once.

use super::document::{Item, Value};
use super::mistake::Mistake;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What the table of settings in a run's file is called, and what it was called.
const TABLE: [&str; 2] = ["config", "ppo"];

/// Settings that have another name now, each with its old one.
const SETTINGS: [[&str; 2]; 2] = [["norm_obs", "obs_norm"], ["norm_reward", "reward_norm"]];

/// Whether a setting was called so.
pub fn is_old(key: &str) -> bool {
    SETTINGS.iter().any(|[_, old]| *old == key)
}

/// A key that was found under its old name.
#[derive(Debug, PartialEq)]
pub struct Hint {
    old: &'static str,
    line: usize,
    words: String,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.words)
    }
}

/// Gives old keys of `given` the names of today. Returns what to say of them, and what is wrong with them.
pub fn renamed(given: &mut Item) -> (Vec<Hint>, Vec<Mistake>) {
    let (mut hints, mut mistakes) = (Vec::new(), Vec::new());
    let [table, old_table] = TABLE;
    // Only a table is one: `ppo = 1` is a mistake like another.
    if given.at(&[old_table]).is_some_and(|settings| settings.table().is_some()) {
        rename(given, [table, old_table], ["[config]", "[ppo]"], &mut hints, &mut mistakes);
    }
    let settings = match &mut given.value {
        Value::Table(keys) if keys.contains_key(table) => keys.get_mut(table),
        _ => Some(given),
    };
    if let Some(settings) = settings {
        for [new, old] in SETTINGS {
            rename(settings, [new, old], [new, old], &mut hints, &mut mistakes);
        }
    }
    (hints, mistakes)
}

fn rename(
    table: &mut Item,
    [new, old]: [&'static str; 2],
    [new_shown, old_shown]: [&str; 2],
    hints: &mut Vec<Hint>,
    mistakes: &mut Vec<Mistake>,
) {
    let Value::Table(keys) = &mut table.value else { return };
    let Some(item) = keys.remove(old) else { return };
    let line = item.line;
    if keys.contains_key(new) {
        let words = format!("{old_shown}: is the old name of {new_shown}, which is there, too; leave one of them out");
        mistakes.push(Mistake { line, words });
        return;
    }
    keys.insert(new.to_owned(), item);
    hints.push(Hint { old, line, words: format!("{old_shown} is called {new_shown} now; the old name is read, too") });
}

/// Says each hint the first time that its key is met: a folder of many runs has it in every file.
pub fn say_once(path: &Path, hints: Vec<Hint>) {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    for hint in hints {
        if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(hint.old) {
            tell!("{}:{hint}", path.display());
        }
    }
}
