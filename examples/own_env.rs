//! An environment of your own: a point mass that learns to fly to the origin and to stay there, on the CPU, in seconds.
//!
//! Run with `cargo run --release --example own_env`.

use wgpo::host::{EnvResult, HostAction, HostEnv, HostStep, HostTrainer, Spaces, Start};
use wgpo::{ActMode, Config, Trainer};

/// Position and velocity in the plane, [x, y, vx, vy].
#[derive(Default)]
struct PointMass([f32; 4]);

impl HostEnv for PointMass {
    fn spaces(&self) -> Spaces {
        Spaces::bounded(4, &[-1.0, -1.0], &[1.0, 1.0]) // four numbers are seen; two forces in [−1, 1] are the action
    }

    fn time_limit(&self) -> Option<u32> {
        Some(50)
    }

    fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()> {
        let [x, y, ..] = start.uniforms();
        self.0 = [2.0 * x - 1.0, 2.0 * y - 1.0, 0.0, 0.0];
        obs.copy_from_slice(&self.0);
        Ok(())
    }

    fn step(&mut self, action: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep> {
        for d in 0..2 {
            self.0[d + 2] = 0.9 * self.0[d + 2] + 0.1 * action.floats[d];
            self.0[d] += 0.2 * self.0[d + 2];
        }
        obs.copy_from_slice(&self.0);
        Ok(HostStep { reward: -self.0[0].hypot(self.0[1]), ..HostStep::default() })
    }
}

fn main() -> wgpo::Result<()> {
    let config = Config { num_envs: 16, num_steps: 64, learning_rate: 3e-3, ..Config::cleanrl_continuous() };
    let mut trainer = HostTrainer::on_cpu(&[16], config, 1, |_| PointMass::default())?;
    let before = trainer.evaluate(32, ActMode::Greedy)?.mean_return().unwrap_or(0.0);
    trainer.iterate_to(30_000)?;
    let after = trainer.evaluate(32, ActMode::Greedy)?.mean_return().unwrap_or(0.0);
    println!("mean distance from the origin: {:.2} before, {:.2} after", -before / 50.0, -after / 50.0);
    assert!(after > 0.5 * before, "it has not learnt"); // the way there alone costs a quarter of it
    Ok(())
}
