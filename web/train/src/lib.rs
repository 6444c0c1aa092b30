//! The module that trains: [`Run`] is a run, [`Player`] its policy in one environment on the host, [`FailureModes`] makes runs on the tasks where the
//! usual PPO fails; [`catalogue_json`] says what there is to choose.

mod catalogue;
mod failure_modes;
mod player;
mod run;
mod settings;
mod statistics;

pub use catalogue::{catalogue_json, preset_json};
pub use failure_modes::FailureModes;
pub use player::Player;
pub use run::Run;
