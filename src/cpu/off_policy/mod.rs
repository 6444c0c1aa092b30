//! Off-policy learning on the CPU: a learner of DQN, DDPG, TD3 and SAC with its ring of transitions, and a trainer around it.

mod act;
mod batch;
mod given;
mod learn;
pub mod learner;
mod method;
mod networks;
mod sac_step;
mod state;
mod trainer;
mod undo;

pub use learner::CpuOffPolicy;
pub(super) use trainer::OffPolicyTrainer;
