//! A settings file as a tree whose keys know their lines.

use super::mistake::Mistake;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Keys and what they hold.
pub type Table = BTreeMap<String, Item>;

/// A value, and the line of its key: 0 if no file gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub line: usize,
    pub value: Value,
}

/// What TOML can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Item>),
    Table(Table),
    /// A date, or a whole number that no type of ours holds: no setting has it.
    Other(String),
}

impl Item {
    /// A value of no file.
    pub fn unwritten(value: Value) -> Self {
        Self { line: 0, value }
    }

    /// The keys, if this is a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What stands at `path` inside.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Self> {
        path.iter().try_fold(self, |item, key| item.table()?.get(key.as_ref()))
    }

    /// Removes what stands at `path` inside; says whether there was something.
    pub fn remove<S: AsRef<str>>(&mut self, path: &[S]) -> bool {
        let Value::Table(table) = &mut self.value else { return false };
        match path {
            [] => false,
            [key] => table.remove(key.as_ref()).is_some(),
            [key, rest @ ..] => table.get_mut(key.as_ref()).is_some_and(|item| item.remove(rest)),
        }
    }

    /// Puts `value` at `path`, whose tables are there; says whether they were.
    pub fn insert<S: AsRef<str>>(&mut self, path: &[S], value: Self) -> bool {
        let Value::Table(table) = &mut self.value else { return false };
        match path {
            [] => false,
            [key] => table.insert(key.as_ref().to_owned(), value).is_none(),
            [key, rest @ ..] => table.get_mut(key.as_ref()).is_some_and(|item| item.insert(rest, value)),
        }
    }

    /// As a message shows it.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Text(text) if text.parse::<f64>().is_ok() || ["true", "false"].contains(&text.as_str()) => {
                format!("\"{text}\" in quotes")
            }
            Value::Text(text) => format!("\"{text}\""),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(text) => text.clone(),
        }
    }
}

/// Settings of the library as a tree of no file.
pub fn tree(value: &impl serde::Serialize) -> anyhow::Result<Item> {
    Ok(of_json(serde_json::to_value(value)?))
}

fn of_json(value: serde_json::Value) -> Item {
    use serde_json::Value as Json;
    Item::unwritten(match value {
        Json::Null => Value::Text("off".to_owned()),
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), ..) => Value::Integer(whole.into()),
            (_, Some(whole), _) => Value::Integer(whole.into()),
            (.., Some(float)) => Value::Float(float),
            (None, None, None) => Value::Other(number.to_string()),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(of_json).collect()),
        Json::Object(fields) => Value::Table(fields.into_iter().map(|(key, value)| (key, of_json(value))).collect()),
    })
}

/// Reads TOML.
///
/// # Errors
/// Whatever is not TOML, all of it that can be told apart.
pub fn parse(text: &str) -> Result<Item, Vec<Mistake>> {
    let ends: Vec<usize> = text.bytes().enumerate().filter_map(|(at, byte)| (byte == b'\n').then_some(at)).collect();
    let line = |offset: usize| 1 + ends.partition_point(|end| *end < offset);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Item { line: 0, value: table(document.get_ref(), &line) });
    }
    let mistakes = errors.iter().map(|error| {
        let at = error.span().map_or(0, |span| line(span.start));
        // The words go over several lines where TOML says what it would have taken.
        Mistake { line: at, words: error.message().split_whitespace().collect::<Vec<_>>().join(" ") }
    });
    Err(mistakes.collect())
}

fn table(given: &DeTable<'_>, line: &impl Fn(usize) -> usize) -> Value {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: (&std::borrow::Cow<'_, str>, usize) = (key.get_ref(), line(key.span().start));
        (key.0.to_string(), Item { line: key.1, value: of_toml(value.get_ref(), line) })
    };
    Value::Table(given.iter().map(entry).collect())
}

fn of_toml(value: &DeValue<'_>, line: &impl Fn(usize) -> usize) -> Value {
    match value {
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Integer(number) => {
            let whole = i128::from_str_radix(number.as_str(), number.radix());
            whole.map_or_else(|_| Value::Other(number.to_string()), Value::Integer)
        }
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Other(number.to_string()), Value::Float)
        }
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| Item {
                line: line(item.span().start),
                value: of_toml(item.get_ref(), line),
            };
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(inner) => table(inner, line),
    }
}
