//! Settings read by their type, with words for all that is wrong: where it is, and what else it might have been.

use super::document::{Item, Value};
use super::fault::{Fault, Kind};
use super::layered::Layered;
use super::mistake::{MOST, Mistake};
use super::old_keys::is_old;
use serde::de::DeserializeOwned;

/// How other libraries call a setting that has another name here.
const ELSEWHERE: [(&str, &str); 14] = [
    ("batch_size", "minibatch_size"),
    ("clip_param", "clip_coef"),
    ("clip_range", "clip_coef"),
    ("clip_range_vf", "clip_coef_vf"),
    ("clip_vloss", "value_loss"),
    ("entropy_coef", "ent_coef"),
    ("lam", "gae_lambda"),
    ("lambda", "gae_lambda"),
    ("lr", "learning_rate"),
    ("n_envs", "num_envs"),
    ("n_epochs", "update_epochs"),
    ("n_steps", "num_steps"),
    ("normalize_advantage", "norm_adv"),
    ("vf_loss_coef", "vf_coef"),
];

/// The names among `names` that `wrong` was most likely to be: all that are equally near, none if none is.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let wrong = plain(wrong);
    let meant = ELSEWHERE.iter().find(|(other, _)| *other == wrong).map(|(_, own)| *own);
    let mut best = (0.0, Vec::new());
    for name in names {
        let like = if meant == Some(name) { 2.0 } else { strsim::normalized_damerau_levenshtein(&wrong, &plain(name)) };
        if like > best.0 {
            best = (like, vec![name]);
        } else if like == best.0 {
            best.1.push(name);
        }
    }
    // Half of the letters in their places: below, it is another word.
    if best.0 >= 0.5 { best.1 } else { Vec::new() }
}

/// `, did you mean …?` or nothing.
fn suggestion(wrong: &str, names: &[String]) -> String {
    let names = names.iter().map(String::as_str).filter(|name| !is_old(name));
    let near = nearest(wrong.trim_matches('"'), names);
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// `a, b or c`.
pub fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Reads a `T` by its type.
pub struct Reader<'a> {
    /// What stands where the file says nothing.
    pub base: Option<&'a Item>,
    /// Goes in where a key that must be there is not, so that more mistakes are found: the result is then thrown away.
    pub filler: Option<&'a Item>,
    /// Everything that may be set, for keys that are in a wrong table.
    pub known: &'a Item,
    /// The table that is read, where it is not the file's root.
    pub within: Option<&'static str>,
    /// What to say of a key that is missing.
    pub whole: &'static str,
}

impl Reader<'_> {
    /// A key and its table.
    pub fn place<S: AsRef<str>>(&self, path: &[S]) -> String {
        let path: Vec<String> = path.iter().map(|key| key.as_ref().to_owned()).collect();
        match path.split_last() {
            None => self.table(&path),
            Some((key, [])) if self.within.is_none() => key.clone(),
            Some((key, tables)) => format!("{key} in {}", self.table(tables)),
        }
    }

    /// A table, or the file.
    fn table(&self, path: &[String]) -> String {
        let tables: Vec<&str> = self.within.into_iter().chain(path.iter().map(String::as_str)).collect();
        if tables.is_empty() { "the file".to_owned() } else { format!("[{}]", tables.join(".")) }
    }

    /// The line of `path`, or of the innermost table on the way that the file has.
    pub fn line<S: AsRef<str>>(given: &Item, path: &[S]) -> usize {
        (0..=path.len()).rev().find_map(|depth| given.at(&path[..depth])).map_or(0, |item| item.line)
    }

    /// What `given` says over the base, or all that is wrong with it.
    ///
    /// One fault ends a reading, so each is noted, taken out, and the rest is read again.
    pub fn read<T: DeserializeOwned>(&self, given: &Item) -> Result<T, Vec<Mistake>> {
        let mut left = given.clone();
        let (mut mistakes, mut wrong) = (Vec::new(), Vec::new());
        loop {
            match T::deserialize(Layered { given: Some(&left), base: self.base }) {
                Ok(value) if mistakes.is_empty() => return Ok(value),
                Ok(_) => return Err(mistakes),
                Err(fault) => {
                    let filler = self.filler.and_then(|filler| filler.at(&fault.path));
                    // What was taken out for a fault of its own is not missing.
                    if !wrong.contains(&fault.path) {
                        mistakes.push(self.mistake::<T>(given, &fault));
                        wrong.push(fault.path.clone());
                        if mistakes.len() == MOST {
                            return Err(mistakes);
                        }
                    }
                    // Of a choice that lacks a number, the choice.
                    let tables = &fault.path[..fault.path.len().saturating_sub(1)];
                    let goes_on = match (&fault.kind, filler) {
                        (Kind::Missing, Some(filler)) => left.insert(&fault.path, filler.clone()),
                        _ => left.remove(&fault.path) || left.remove(tables),
                    };
                    if !goes_on {
                        return Err(mistakes);
                    }
                }
            }
        }
    }

    fn mistake<T: DeserializeOwned>(&self, given: &Item, fault: &Fault) -> Mistake {
        let path = &fault.path;
        let (tables, key) = path.split_at(path.len().saturating_sub(1));
        let key = key.first().map_or("", String::as_str);
        let words = match &fault.kind {
            Kind::Missing => format!("{} is missing{}", self.place(path), self.whole),
            Kind::Other(message) => format!("{}: {message}", self.place(path)),
            Kind::Type { found, .. } | Kind::Choice { found, .. } if found == "\"off\"" => {
                let table = (1..path.len()).rev().map(|depth| &path[..depth]).find(|table| self.may_be_off::<T>(table));
                let hint =
                    table.map_or(String::new(), |table| format!("; {} = \"off\" turns all of it off", table.join(".")));
                format!("{}: is \"off\", but cannot be off by itself{hint}", self.place(path))
            }
            Kind::Choice { found, expected } => {
                let quoted: Vec<String> = expected.iter().map(|name| format!("\"{name}\"")).collect();
                let nearest = suggestion(found, expected);
                format!("{}: is {found}, expected {}{nearest}", self.place(path), listed(&quoted))
            }
            Kind::Type { found, expected } => format!("{}: is {found}, expected {expected}", self.place(path)),
            Kind::Unknown(expected) => {
                let near = suggestion(key, expected);
                let elsewhere = tables_with(self.known, key);
                let hint = match elsewhere.first() {
                    _ if !near.is_empty() => near,
                    Some(home) if home.is_empty() => format!("; {key} belongs above the first [table]"),
                    Some(_) => {
                        let homes: Vec<String> = elsewhere.iter().map(|home| format!("[{}]", home.join("."))).collect();
                        format!("; {key} belongs in {}", listed(&homes))
                    }
                    None => String::new(),
                };
                // The whole list of settings is a page.
                let has = match expected.len() {
                    0..=16 => format!("{} has {}", self.table(tables), expected.join(", ")),
                    _ => "docs/presets.md lists the settings".to_owned(),
                };
                format!("{}: there is no such setting{hint} ({has})", self.place(path))
            }
        };
        Mistake { line: Self::line(given, path), words }
    }

    /// Whether a `T` may do without the table at `path`.
    fn may_be_off<T: DeserializeOwned>(&self, path: &[String]) -> bool {
        let mut off = Item::unwritten(Value::Text("off".to_owned()));
        for key in path.iter().rev() {
            off = Item::unwritten(Value::Table([(key.clone(), off)].into()));
        }
        let base = self.base.or(self.filler);
        T::deserialize(Layered { given: Some(&off), base }).is_ok()
    }
}

/// The paths of the tables of `known` that have `key`.
fn tables_with(known: &Item, key: &str) -> Vec<Vec<String>> {
    let Some(table) = known.table() else { return Vec::new() };
    let mut found = Vec::new();
    if table.contains_key(key) {
        found.push(Vec::new());
    }
    for (name, inner) in table {
        let inside = tables_with(inner, key).into_iter();
        found.extend(inside.map(|path| [vec![name.clone()], path].concat()));
    }
    found
}
