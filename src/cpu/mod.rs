//! The traits on the CPU: a learner, a trainer and evaluations that compute by the [`reference`](mod@crate::reference), on every core and
//! without a GPU. In `f64` they are the oracle of the same on the device.

pub mod evaluate;
mod host;
pub mod learner;
mod needs;
pub mod off_policy;
mod on_policy;
mod suits;
mod team;
pub mod trainer;
mod update;

pub use evaluate::evaluate;
pub use host::BuiltIn;
pub use learner::CpuLearner;
pub use off_policy::CpuOffPolicy;
pub use trainer::CpuTrainer;
