//! What changes while a policy learns, as plain numbers: the states of learners and trainers, running statistics, sums over episodes.
//!
//! They know neither devices nor files. [`checkpoint`](mod@crate::checkpoint) writes and reads them.

mod episodes;
mod learner;
mod normalizer;
mod off_policy;
mod trainer;

pub use episodes::EpisodeStats;
pub use learner::LearnerState;
pub use normalizer::{NormalizerState, RunningMoments};
pub use off_policy::{OffPolicyState, ReplayState};
pub use trainer::TrainerState;
pub(crate) use trainer::env_name;
