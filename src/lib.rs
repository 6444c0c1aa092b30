//! wgpo

pub mod algo;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod env;
mod error;
pub mod gpu;
pub mod kernels;
pub mod learner;
pub mod policy;
pub mod reference;
pub mod rng;
pub mod trainer;

pub use config::{AdvantageNorm, KlStop, Optimizer, PpoConfig, ValueLoss};
pub use env::Env;
pub use error::{Error, Result};
pub use learner::{ActMode, Learner, LearnerState};
pub use trainer::{EpisodeStats, IterationStats, Trainer, TrainerState};
pub use wgpu;
