//! The program's commands.

use super::bench::BenchArgs;
use super::check::CheckArgs;
use super::eval::EvalArgs;
use super::failure_modes::FailureModesArgs;
use super::info::InfoArgs;
use super::lecture::LectureArgs;
use super::play::PlayArgs;
use super::train::TrainArgs;
use super::update::UpdateArgs;
use clap::{Parser, Subcommand};

/// Policy-optimisation kernels for any GPU, with a CPU reference that says what is right.
///
/// Start with `wgpo train cartpole`: it learns to balance a pole and leaves a picture of the learning curve.
#[derive(Debug, Parser)]
#[command(name = "wgpo", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn a task with PPO or one of its relatives and leave metrics, the policy and a picture of the learning curve
    Train(TrainArgs),
    /// Measure how good a saved policy is: returns and lengths of many episodes
    Eval(EvalArgs),
    /// Watch a saved policy: print an episode and draw it as an animated picture
    Play(PlayArgs),
    /// Compare every kernel and a whole update with the f64 reference on this machine's adapter
    Check(CheckArgs),
    /// Do one update of PPO or one of its relatives on a rollout that another trainer recorded
    Update(UpdateArgs),
    /// Show three ways in which usual PPO fails, and what helps: many seeds, one figure with confidence bands
    FailureModes(FailureModesArgs),
    /// Measure how fast policy optimisation runs here, kernel by kernel and as whole updates, against what the device can do
    Bench(BenchArgs),
    /// Draw two pictures of the lecture from what the reference computes: a trust region on a ridge, and the clipped surrogate
    Lecture(LectureArgs),
    /// List the adapters, their limits and features, and the kernel variants that would be chosen
    Info(InfoArgs),
}

impl Command {
    /// Whether the work is in files. Of the others nothing is left but what they print.
    pub const fn leaves_files(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Play(_) | Self::Update(_) | Self::FailureModes(_) | Self::Lecture(_))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
