//! Settings read by their types: what a file gives, over what stands without it.
//!
//! The types of the settings say everything that there is to know (which keys a table has, which choices, what is a whole number, what
//! may be off), so there is no list of settings to keep beside them. Where a table is in both layers, the file replaces only
//! the keys that it names; a choice is replaced as a whole, unless the file names the same one again.

use super::document::{Item, Table, Value};
use super::fault::{Fault, Kind, owned};
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// A value of two layers.
#[derive(Debug, Clone, Copy)]
pub struct Layered<'a> {
    pub given: Option<&'a Item>,
    pub base: Option<&'a Item>,
}

impl<'de> Layered<'de> {
    /// The file's value, else the one below.
    fn item(self) -> Result<&'de Item, Fault> {
        self.given.or(self.base).ok_or_else(|| Fault::of(Kind::Missing))
    }

    /// The keys of both layers, each with its two values.
    fn fields(self) -> Fields<'de> {
        let of = |item: Option<&'de Item>| item.and_then(Item::table);
        let (given, base) = (of(self.given), of(self.base));
        let names: std::collections::BTreeSet<&'de str> =
            [given, base].into_iter().flatten().flat_map(|table| table.keys().map(String::as_str)).collect();
        let value = |table: Option<&'de Table>, name: &str| table.and_then(|table| table.get(name));
        let entries: Vec<_> = names
            .into_iter()
            .map(|name| (name, Layered { given: value(given, name), base: value(base, name) }))
            .collect();
        Fields { entries: entries.into_iter(), value: None }
    }

    fn whole(self) -> Result<i128, Fault> {
        let item = self.item()?;
        match item.value {
            Value::Integer(number) => Ok(number),
            // 1e6 is how such numbers are written. Beyond 2⁵³ a float may stand for another whole number than was meant.
            Value::Float(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                Ok(number as i128)
            }
            _ => Err(Fault::expected(item, "a whole number")),
        }
    }

    fn float(self) -> Result<f64, Fault> {
        let item = self.item()?;
        match item.value {
            Value::Integer(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            _ => Err(Fault::expected(item, "a number")),
        }
    }

    fn unsigned(self) -> Result<u64, Fault> {
        let whole = self.whole()?;
        u64::try_from(whole)
            .map_err(|_| Fault::expected(&Item::unwritten(Value::Integer(whole)), "a whole number from 0 to 2^64 - 1"))
    }

    fn signed(self) -> Result<i64, Fault> {
        let whole = self.whole()?;
        i64::try_from(whole)
            .map_err(|_| Fault::expected(&Item::unwritten(Value::Integer(whole)), "a whole number below 2^63"))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $number:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.$number()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Layered<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.item()?.value {
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(_) if self.whole()? < 0 => visitor.visit_i64(self.signed()?),
            Value::Integer(_) => visitor.visit_u64(self.unsigned()?),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Table(_) => visitor.visit_map(self.fields()),
            Value::Other(_) => Err(Fault::expected(self.item()?, "a setting")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let item = self.item()?;
        match item.value {
            Value::Boolean(value) => visitor.visit_bool(value),
            _ => Err(Fault::expected(item, "true or false")),
        }
    }

    numbers! {
        deserialize_u8 visit_u64 unsigned
        deserialize_u16 visit_u64 unsigned
        deserialize_u32 visit_u64 unsigned
        deserialize_u64 visit_u64 unsigned
        deserialize_i8 visit_i64 signed
        deserialize_i16 visit_i64 signed
        deserialize_i32 visit_i64 signed
        deserialize_i64 visit_i64 signed
        deserialize_f32 visit_f64 float
        deserialize_f64 visit_f64 float
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let item = self.item()?;
        match &item.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            _ => Err(Fault::expected(item, "words in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.given.or(self.base) {
            None => visitor.visit_none(),
            Some(item) if item.text() == Some("off") => visitor.visit_none(),
            // A table over one that is off has the table's own defaults.
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let item = self.item()?;
        match &item.value {
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            _ => Err(Fault::expected(item, "a list")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let item = self.item()?;
        let Some(table) = item.table() else {
            // A choice with settings of its own may be written by its name alone.
            return match item.text() {
                Some(text) if fields.contains(&"kind") => visitor.visit_map(Kinded(Some(text))),
                _ => Err(Fault::expected(item, format!("a table with {}", fields.join(", ")))),
            };
        };
        match table.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(key) => Err(Fault::of(Kind::Unknown(owned(fields))).under(key)),
            None => visitor.visit_map(self.fields()),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let item = self.item()?;
        let unknown = |found: String| Fault::of(Kind::Choice { found, expected: owned(variants) });
        let (name, content) = match &item.value {
            Value::Text(text) if text == "off" && variants.contains(&"none") => ("none", None),
            Value::Text(text) => (text.as_str(), None),
            Value::Table(table) => match table.iter().next() {
                Some((name, content)) if table.len() == 1 => {
                    let below = self.base.filter(|_| self.given.is_some()).and_then(|base| base.table()?.get(name));
                    (name.as_str(), Some(Layered { given: Some(content), base: below }))
                }
                _ => return Err(unknown(format!("a table with {} keys", table.len()))),
            },
            _ => return Err(unknown(item.shown())),
        };
        if !variants.contains(&name) {
            return Err(unknown(format!("\"{name}\"")));
        }
        visitor.visit_enum(Choice { name, content })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

/// The keys of a table.
struct Fields<'de> {
    entries: std::vec::IntoIter<(&'de str, Layered<'de>)>,
    value: Option<(&'de str, Layered<'de>)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.entries.next();
        self.value.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((name, value)) = self.value.take() else { return Err(Fault::of(Kind::Missing)) };
        seed.deserialize(value).map_err(|fault| fault.under(name))
    }
}

/// A table that was written as the name of its kind.
struct Kinded<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for Kinded<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.0.map(|_| seed.deserialize(BorrowedStrDeserializer::new("kind"))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        // A fault is the whole value's: there is no key `kind` in the file.
        seed.deserialize(BorrowedStrDeserializer::new(self.0.take().unwrap_or_default()))
    }
}

/// The elements of a list.
struct Items<'de>(std::slice::Iter<'de, Item>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|item| seed.deserialize(Layered { given: Some(item), base: None })).transpose()
    }
}

/// One of several choices, perhaps with settings of its own.
struct Choice<'de> {
    name: &'de str,
    content: Option<Layered<'de>>,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.name))?, self))
    }
}

impl<'de> Choice<'de> {
    /// What belongs to the choice; `form` is how it is written.
    fn content(&self, form: &str) -> Result<Layered<'de>, Fault> {
        let found = format!("\"{}\" alone", self.name);
        let expected = format!("{{ {} = {form} }}", self.name);
        self.content.ok_or_else(|| Fault::of(Kind::Type { found, expected }))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content.and_then(|content| content.given) {
            None => Ok(()),
            Some(_) => {
                let found = format!("a table with {}", self.name);
                Err(Fault::of(Kind::Type { found, expected: format!("\"{}\" alone", self.name) }))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.content("…")?).map_err(|fault| fault.under(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.content("[…]")?.deserialize_seq(visitor).map_err(|fault| fault.under(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let form = fields.iter().map(|field| format!("{field} = …")).collect::<Vec<_>>().join(", ");
        let content = self.content(&format!("{{ {form} }}"))?;
        content.deserialize_struct("", fields, visitor).map_err(|fault| fault.under(self.name))
    }
}
