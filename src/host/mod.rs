//! Your own environments, on the host: [`HostEnv`] is one of them, a [`Collector`] runs many on threads, a [`HostTrainer`] learns in
//! them. If you own the loop (an engine's frame, a robot's tick), take a [`RolloutRecorder`]: it runs nothing.
//!
//! ```
//! use wgpo::host::{EnvResult, HostAction, HostEnv, HostStep, HostTrainer, Spaces, Start};
//! use wgpo::{Config, Trainer};
//!
//! /// A hidden coin shows in the observation; saying which side it is pays 1.
//! struct Coin(usize);
//!
//! impl HostEnv for Coin {
//!     fn spaces(&self) -> Spaces {
//!         Spaces::discrete(1, 2)
//!     }
//!
//!     fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()> {
//!         self.0 = usize::from(start.uniforms()[0] < 0.5);
//!         obs[0] = self.0 as f32;
//!         Ok(())
//!     }
//!
//!     fn step(&mut self, action: HostAction<'_>, _obs: &mut [f32]) -> EnvResult<HostStep> {
//!         let reward = f32::from(action.indices[0] as usize == self.0);
//!         Ok(HostStep { reward, terminated: true, ..HostStep::default() })
//!     }
//! }
//!
//! let config = Config { num_envs: 4, num_steps: 8, ..Config::cleanrl() };
//! // Or a policy, a learner (on the device, say) and a collector of your own: HostTrainer::new.
//! let mut trainer = HostTrainer::on_cpu(&[8], config, 1, |_| Coin(0))?;
//! assert_eq!(trainer.iterate()?.episodes.count, 32);
//! # Ok::<(), wgpo::Error>(())
//! ```
//!
//! # What decides the bits
//!
//! The seed of the learner, the seed of the collector and the environments, and nothing else: the number of threads does not, as each
//! environment's start states are functions of (seed, environment, step) and results are taken in the environments' order.

mod collector;
mod environment;
mod recorder;
mod slot;
mod threads;
mod trainer;
mod window;

pub use collector::Collector;
pub use environment::{EnvResult, HostAction, HostEnv, HostStep, Spaces, Start};
pub use recorder::{RolloutRecorder, StepOutcome};
pub use trainer::HostTrainer;
