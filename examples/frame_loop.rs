//! Learning inside an engine's frames: the engine has the loop, takes one step of its world per frame at a fixed timestep, and no frame
//! waits for a GPU, because wgpo computes on the CPU here. wgpo gets the observation and gives the action; in the frame that fills a window, it updates the policy as well.
//!
//! The "engine" is a plain loop without a window and does not sleep, so that the example is over soon. In a real one the body of
//! `on_fixed_update` is a system of the fixed schedule. `examples/bevy` has it inside Bevy, on the engine's own device.
//!
//! Run with `cargo run --release --example frame_loop`.

use ndarray::{ArrayView2, arr2};
use std::time::{Duration, Instant};
use wgpo::cpu::CpuLearner;
use wgpo::data::Actions;
use wgpo::env::Autoreset;
use wgpo::host::{RolloutRecorder, StepOutcome};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{Config, OnPolicy};

/// 60 frames a second.
const FRAME: Duration = Duration::from_micros(16_667);

/// A paddle below a falling ball. It is the engine's, which knows nothing of learning.
struct World {
    paddle: f32,
    ball: [f32; 2],
    drops: u32,
}

impl World {
    fn drop_ball(&mut self) {
        // A low-discrepancy sequence does for chance here.
        self.drops += 1;
        self.ball = [(self.drops as f32 * 0.618_034).fract() * 2.0 - 1.0, 1.0];
    }

    /// One fixed timestep: the paddle moves left, not at all or right. `Some(caught)` when the ball is down.
    fn step(&mut self, direction: f32) -> Option<bool> {
        self.paddle = (self.paddle + 0.15 * direction).clamp(-1.0, 1.0);
        self.ball[1] -= 0.1;
        (self.ball[1] < 0.05).then(|| (self.ball[0] - self.paddle).abs() < 0.2)
    }

    fn seen(&self) -> [f32; 3] {
        [self.paddle, self.ball[0], self.ball[1]]
    }
}

/// What an engine keeps between frames: the learner, the window that it is recording, and a counter or two.
struct Brain {
    learner: CpuLearner<f32>,
    window: RolloutRecorder,
    updates: u32,
    drops: [u32; 2],
}

impl Brain {
    fn new() -> wgpo::Result<Self> {
        let spec = PolicySpec::separate(3, &[16], Activation::Tanh, Head::categorical(3));
        let config = Config { num_envs: 1, num_steps: 128, learning_rate: 5e-3, ..Config::cleanrl() };
        let window = RolloutRecorder::new(&spec, config.num_steps, config.num_envs, Autoreset::SameStep)?;
        Ok(Self { learner: CpuLearner::new(spec, config, 1)?, window, updates: 0, drops: [0, 0] })
    }

    /// One frame: look, act, let the world step, remember; and learn if the window is full.
    fn on_fixed_update(&mut self, world: &mut World) -> wgpo::Result<()> {
        let actions = self.window.act(&mut self.learner, arr2(&[world.seen()]).view(), None)?;
        let direction = match &actions {
            Actions::Discrete(indices) => indices[[0, 0]] as f32 - 1.0,
            _ => 0.0,
        };
        let down = world.step(direction);
        let reward = down.map_or(0.0, |caught| if caught { 1.0 } else { -1.0 });
        let after = world.seen();
        let outcome = StepOutcome {
            rewards: &[reward],
            terminated: &[down.is_some()],
            truncated: &[false],
            last_obs: ArrayView2::from(std::slice::from_ref(&after)),
        };
        self.window.outcome(&mut self.learner, &outcome)?;
        if let Some(caught) = down {
            self.drops[0] += 1;
            self.drops[1] += u32::from(caught);
            world.drop_ball();
        }
        if self.window.is_full() {
            let (rollout, _) = self.window.finish(&mut self.learner, arr2(&[world.seen()]).view())?;
            self.learner.update(&rollout)?;
            self.updates += 1;
        }
        Ok(())
    }
}

fn main() -> wgpo::Result<()> {
    let mut world = World { paddle: 0.0, ball: [0.0, 1.0], drops: 0 };
    world.drop_ball();
    let mut brain = Brain::new()?;
    let (mut longest, mut late, mut share) = (Duration::ZERO, 0, 0.0);
    for frame in 1..=20_000_u32 {
        let start = Instant::now();
        brain.on_fixed_update(&mut world)?;
        // … the engine draws, plays and waits for the next tick.
        let took = start.elapsed();
        longest = longest.max(took);
        late += u32::from(took > FRAME);
        if frame % 4_000 == 0 {
            let [drops, caught] = std::mem::take(&mut brain.drops);
            share = f64::from(caught) / f64::from(drops);
            println!("frame {frame}: {caught} of {drops} balls caught, {} updates so far", brain.updates);
        }
    }
    println!(
        "trained inside the frames: {} updates; longest frame {longest:.1?}, {late} over {FRAME:.1?}",
        brain.updates
    );
    assert!(share > 0.6, "it has not learnt");
    Ok(())
}
