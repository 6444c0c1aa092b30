//! metrics.csv: one row per update.

pub mod file;
pub mod row;
#[cfg(test)]
mod tests;
mod text;
