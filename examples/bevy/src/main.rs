//! Agents that learn inside Bevy, on the device that Bevy renders with.
//!
//! Each agent is an entity: a paddle below a falling ball. In every frame three systems run one after another. `think` shows wgpo what
//! the agents see and writes what the policy decides into their [`Steering`]. `play` moves the world and knows nothing of learning.
//! `remember` tells wgpo what came of it, and in the frame that fills a window of [`STEPS`] frames the policy is updated.
//!
//! wgpo makes no device of its own: [`Brain`] takes `wgpu::Device` and `wgpu::Queue` out of Bevy's [`RenderDevice`] and
//! [`RenderQueue`], with which the render world goes on submitting its frames. No window is opened, so this runs anywhere.
//!
//! Run with `cargo run --ignore-rust-version` in this folder (it has its own lock file, so that nobody else compiles Bevy).

use bevy::app::ScheduleRunnerPlugin;
use bevy::prelude::*;
use bevy::render::renderer::{RenderAdapterInfo, RenderDevice, RenderQueue};
use bevy::window::ExitCondition;
use ndarray::Array2;
use wgpo::data::Actions;
use wgpo::env::Autoreset;
use wgpo::gpu::Gpu;
use wgpo::host::{RolloutRecorder, StepOutcome};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{Config, GpuLearner, OnPolicy};

const AGENTS: usize = 16;
const STEPS: usize = 64;
const UPDATES: usize = 25;

/// The agent's row in arrays: a query promises no order.
#[derive(Component)]
struct Row(usize);

/// The world, which is the engine's.
#[derive(Component)]
struct Paddle {
    x: f32,
    ball: Vec2,
    drops: u32,
}

impl Paddle {
    fn drop_ball(&mut self) {
        // A low-discrepancy sequence does for chance here.
        self.drops += 1;
        self.ball = Vec2::new((self.drops as f32 * 0.618_034).fract() * 2.0 - 1.0, 1.0);
    }
}

/// Left (−1), stay or right (1): what the policy tells the agent.
#[derive(Component)]
struct Steering(f32);

/// Whether the ball of this frame's step was caught; `None` while it falls.
#[derive(Component)]
struct Landed(Option<bool>);

/// The learner, the window that it records, and what each window's episodes returned.
#[derive(Resource)]
struct Brain {
    learner: GpuLearner,
    window: RolloutRecorder,
    returns: Vec<f64>,
}

/// Once, when the renderer has its device.
fn wake(
    mut commands: Commands,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    adapter: Res<RenderAdapterInfo>,
) -> Result {
    println!("Bevy renders on {}, and wgpo learns on the same device", adapter.name);
    let gpu = Gpu::from_wgpu(device.wgpu_device().clone(), (**queue).clone(), true)?;
    let spec = PolicySpec::separate(3, &[16], Activation::Tanh, Head::categorical(3));
    let config = Config { num_envs: AGENTS, num_steps: STEPS, learning_rate: 1e-2, ..Config::cleanrl() };
    let window = RolloutRecorder::new(&spec, STEPS, AGENTS, Autoreset::SameStep)?;
    commands.insert_resource(Brain { learner: GpuLearner::new(&gpu, spec, config, 1)?, window, returns: Vec::new() });
    for row in 0..AGENTS {
        let mut paddle = Paddle { x: 0.0, ball: Vec2::ZERO, drops: 37 * row as u32 };
        paddle.drop_ball();
        commands.spawn((Row(row), paddle, Steering(0.0), Landed(None)));
    }
    Ok(())
}

fn seen<'a>(agents: impl Iterator<Item = (&'a Row, &'a Paddle)>) -> Array2<f32> {
    let mut obs = Array2::zeros((AGENTS, 3));
    for (row, Paddle { x, ball, .. }) in agents {
        obs.row_mut(row.0).assign(&ndarray::arr1(&[*x, ball.x, ball.y]));
    }
    obs
}

fn think(mut brain: ResMut<Brain>, mut agents: Query<(&Row, &Paddle, &mut Steering)>) -> Result {
    let obs = seen(agents.iter().map(|(row, paddle, _)| (row, paddle)));
    let Brain { learner, window, .. } = &mut *brain;
    if let Actions::Discrete(choices) = window.act(learner, obs.view(), None)? {
        for (row, _, mut steering) in &mut agents {
            steering.0 = choices[[row.0, 0]] as f32 - 1.0;
        }
    }
    Ok(())
}

fn play(mut agents: Query<(&mut Paddle, &Steering, &mut Landed)>) {
    for (mut paddle, steering, mut landed) in &mut agents {
        paddle.x = (paddle.x + 0.15 * steering.0).clamp(-1.0, 1.0);
        paddle.ball.y -= 0.1;
        landed.0 = (paddle.ball.y < 0.05).then(|| (paddle.ball.x - paddle.x).abs() < 0.2);
    }
}

fn remember(
    mut brain: ResMut<Brain>,
    mut agents: Query<(&Row, &mut Paddle, &Landed)>,
    mut exit: MessageWriter<AppExit>,
) -> Result {
    let last_obs = seen(agents.iter().map(|(row, paddle, _)| (row, paddle)));
    let (mut rewards, mut terminated) = ([0.0; AGENTS], [false; AGENTS]);
    for (row, mut paddle, landed) in &mut agents {
        rewards[row.0] = landed.0.map_or(0.0, |caught| if caught { 1.0 } else { -1.0 });
        terminated[row.0] = landed.0.is_some();
        if landed.0.is_some() {
            paddle.drop_ball();
        }
    }
    let truncated = &[false; AGENTS];
    let outcome = StepOutcome { rewards: &rewards, terminated: &terminated, truncated, last_obs: last_obs.view() };
    let Brain { learner, window, returns } = &mut *brain;
    window.outcome(learner, &outcome)?;
    if window.is_full() {
        let next = seen(agents.iter().map(|(row, paddle, _)| (row, paddle)));
        let (rollout, episodes) = window.finish(learner, next.view())?;
        learner.update(&rollout)?;
        let mean = episodes.mean_return().unwrap_or(0.0);
        returns.push(mean);
        println!("frame {:4}: mean return {mean:5.2} (−1: none is caught, 1: all are)", returns.len() * STEPS);
    }
    if returns.len() == UPDATES {
        let last = returns[UPDATES - 3..].iter().sum::<f64>() / 3.0;
        println!("mean return {:.2} at first, {last:.2} at last", returns[0]);
        let learnt = returns[0] < 0.0 && last > 0.3;
        exit.write(if learnt { AppExit::Success } else { AppExit::error() });
    }
    Ok(())
}

fn main() -> AppExit {
    let no_window = WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() };
    App::new()
        .add_plugins((DefaultPlugins.set(no_window), ScheduleRunnerPlugin::default()))
        .add_systems(Startup, wake)
        .add_systems(Update, (think, play, remember).chain())
        .run() // frame by frame: the systems above, then the render world
}
