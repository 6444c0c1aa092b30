//! Losses of off-policy algorithms: DQN's, those of critics, and that of an actor.

mod actor;
mod choices;
mod critics;
mod dqn;
mod rows;
mod support;

pub(super) use rows::FAMILY;
