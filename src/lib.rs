//! wgpo

pub mod config;
pub mod data;
mod error;
pub mod learner;
pub mod policy;
pub mod rng;

pub use config::{AdvantageNorm, KlStop, Optimizer, PpoConfig, ValueLoss};
pub use error::{Error, Result};
pub use learner::{ActMode, Learner, LearnerState};
pub use wgpu;
