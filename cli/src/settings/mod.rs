//! Settings: presets, TOML files over them, and config.toml of a run folder.

mod document;
mod fault;
pub(crate) mod file;
pub mod given;
mod layered;
pub(crate) mod mistake;
mod old_keys;
pub(crate) mod presets;
mod reader;
pub(crate) mod run_config;
#[cfg(test)]
mod tests;
