//! What ends the reading of a settings file.

use super::document::Item;
use serde::de;

/// What is wrong, and at which key.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The key that is at fault, from the root.
    pub path: Vec<String>,
    pub kind: Kind,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nobody knows it; the table has these.
    Unknown(Vec<String>),
    /// It is none of these choices.
    Choice { found: String, expected: Vec<String> },
    /// It is not there, and nothing stands in its place.
    Missing,
    /// It is something else.
    Type { found: String, expected: String },
    /// What the type itself has to say.
    Other(String),
}

impl Fault {
    pub fn of(kind: Kind) -> Self {
        Self { path: Vec::new(), kind }
    }

    pub fn expected(found: &Item, expected: impl Into<String>) -> Self {
        Self::of(Kind::Type { found: found.shown(), expected: expected.into() })
    }

    pub fn under(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.path.join("."), self.kind)
    }
}

impl std::error::Error for Fault {}

/// Names as they are kept.
pub fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::of(Kind::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Type { found: found.to_string(), expected: expected.to_string() })
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Kind::Choice { found: format!("\"{found}\""), expected: owned(expected) })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Kind::Unknown(owned(expected))).under(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Kind::Missing).under(field)
    }
}
