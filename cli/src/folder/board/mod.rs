//! TensorBoard's event files: the numbers of a run under the tags of Stable-Baselines3.

mod event;
pub mod file;
mod tags;
#[cfg(test)]
mod tests;
