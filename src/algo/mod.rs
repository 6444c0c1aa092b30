//! Plans: which kernels, in which order, over which buffers. No formulas.
//!
//! A plan allocates and binds everything when it is made; recording it into an encoder is a list of dispatches.
//!
//! | plan | from | to |
//! | --- | --- | --- |
//! | [`ActPlan`] | observations | actions, log-probabilities, values |
//! | [`RolloutPlan`] | environments on the device | a rollout `[T, N]` with values |
//! | [`NormalizerBuffers`] | rewards, values, returns | the same, normalised with running statistics |
//! | [`ValidPlan`] | ends of episodes, a mode of resetting | which rows count |
//! | [`LogRhoPlan`] | recorded actions | how much more probable they are now |
//! | [`AdvantagePlan`] | a rollout | advantages and returns |
//! | [`ReturnPlan`] | a rollout | returns of whole episodes, which rows have one |
//! | [`RolloutUpdate`] | a rollout | all of what follows, by the settings |
//! | [`PpoUpdate`] | rows with advantages | updated parameters, statistics |
//! | [`FisherPlan`] | observations, a vector v | F v |
//! | [`TrustRegionUpdate`] | rows with advantages | a TRPO or NPG step, the critic's steps, statistics |
//!
//! [`GpuOffPolicy`] and [`GpuOffPolicyTrainer`] are DQN, DDPG, TD3 and SAC, whose gradient steps they bind and record themselves.
//!
//! [`GpuLearner`] and [`GpuTrainer`] put them behind the traits that the CPU reference has, too; [`GpuTrainerGroup`] advances
//! several seeds at once.

mod act;
mod advantage;
mod batch;
mod clean;
mod clear;
mod fisher;
mod forward;
mod group;
mod iteration;
mod learner;
mod learner_shell;
mod log_rho;
mod model;
mod network;
mod normalize;
mod normalized;
mod off_policy;
mod plan;
mod policy_step;
mod prepare;
mod returns;
mod rollout;
mod rollout_steps;
pub(crate) mod rows;
mod running_words;
mod statistics;
mod submit;
mod subsample;
mod trainer;
mod trust_region;
mod update;
mod update_build;
mod update_epoch;
mod update_kl;
mod update_loss;
mod update_optim;
mod updating;
mod valid;
mod values;

pub use act::ActPlan;
pub use advantage::{AdvantagePlan, Estimator, RolloutBuffers};
pub use batch::BatchBuffers;
pub use fisher::FisherPlan;
pub use group::GpuTrainerGroup;
pub use iteration::Iteration;
pub use learner::GpuLearner;
pub use log_rho::LogRhoPlan;
pub use model::Model;
pub use normalize::NormalizerBuffers;
pub use off_policy::{BatchRows, GpuOffPolicy, GpuOffPolicyTrainer, Moves, StepBuffers, StorePlan};
pub use prepare::{RolloutRows, RolloutUpdate};
pub use returns::ReturnPlan;
pub use rollout::RolloutPlan;
pub use trainer::GpuTrainer;
pub use trust_region::TrustRegionUpdate;
pub use update::PpoUpdate;
pub use valid::ValidPlan;
