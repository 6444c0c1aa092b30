//! What passes between a trainer and a learner: rollouts, flat batches, actions and statistics, as host arrays.

mod actions;
mod batch;
mod checks;
mod counted;
mod env_step;
mod rollout;
mod stats;
mod transition_batch;
pub mod valid;

pub use actions::{Acted, Actions};
pub(crate) use actions::{check_mask, mask_bits};
pub use batch::Batch;
pub(crate) use checks::{check_order, check_shape, finite};
pub use env_step::EnvStep;
pub use rollout::Rollout;
pub use stats::{MinibatchStats, OffPolicyStats, TrustRegionStats, UpdateStats};
pub use transition_batch::TransitionBatch;
pub use valid::Autoreset;
