//! DQN, DDPG, TD3 and SAC on the device.
//!
//! A gradient step is bound once and recorded often: a batch from the memory, the networks that share a shape in one dispatch per direction, losses,
//! weights, and a step of Adam for the critics and for the actor each. What it moves besides the critics follows from counters that the host knows, so
//! there is a list of dispatches for each case and nothing is read back ([`Moves`]). What changes from step to step is a slot of the schedule.

mod act;
mod arrangement;
mod chain;
mod given;
mod learn;
mod learner;
mod model;
mod moves;
mod optim;
mod ring;
mod sampled;
mod settings;
mod shell;
mod state;
mod stats;
mod step;
mod step_dqn;
mod step_learn;
mod step_sac;
mod step_sac_choices;
mod step_td3;
mod store;
mod store_calls;
mod trainer;
mod values;
mod values_plan;
mod window;

pub use given::BatchRows;
pub use learner::GpuOffPolicy;
pub use moves::Moves;
pub use store_calls::{StepBuffers, StorePlan};
pub use trainer::GpuOffPolicyTrainer;
