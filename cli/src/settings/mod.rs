//! Settings: presets, TOML files over them, and config.toml of a run folder.

mod document;
mod fault;
pub mod file;
mod layered;
pub mod mistake;
mod old_keys;
pub mod presets;
mod reader;
pub mod run_config;
#[cfg(test)]
mod tests;
