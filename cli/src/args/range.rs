//! Whole numbers between limits.

use clap::builder::TypedValueParser;

/// Whole numbers from 0 to `most`.
pub fn up_to(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(0..=most).map(|count| count as usize)
}

/// Whole numbers from 1 to `most`.
pub fn counts(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(1..=most).map(|count| count as usize)
}
