//! Steps one by one, and all of them at once.

use crate::check::env::{SEED, Seen, Want, action, compare, words};
use crate::check::head::on_edge;
use crate::check::head_accuracy::{accuracy, draws};
use crate::check::mlp::fused::chain;
use crate::check::support::{EPS, Guarded, Random, Report, schedule, wide};
use crate::data::Actions;
use crate::env::{Autoreset, Env};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, UniformRing};
use crate::kernels::per_update::PerUpdate;
use crate::kernels::rollout_fused;
use crate::policy::{Branch, PolicySpec};
use crate::reference::env::observe;
use crate::reference::head::{log_prob, log_prob_grad};
use crate::reference::head_actions::{draw_margins, sample, to_env};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, Array2, Axis, concatenate, s};

/// That of `env_step`; other scales are in units of it.
pub(super) const TOLERANCE: f64 = 16.0 * EPS;

/// Elements before and between the two arrays of one buffer.
const SLACK: usize = 3;

/// The low word overflows within a window.
const FIRST_STEP: u64 = u32::MAX as u64;

struct World {
    env_state: Guarded<u32>,
    words: Guarded<u32>,
    numbers: Guarded<f32>,
    truncated: Guarded<u32>,
    obs: Guarded<f32>,
    final_obs: Guarded<f32>,
    episodes: Guarded<[f32; 2]>,
}

/// One case's shape.
pub(super) struct Setup {
    pub spec: PolicySpec,
    pub env: Env,
    pub envs: usize,
    pub steps: usize,
    pub parameters: Vec<f32>,
}

impl Setup {
    fn rows(&self) -> usize {
        self.envs * self.steps
    }

    /// Where terminated begins in `words`: after the actions.
    fn terminated(&self) -> usize {
        2 * SLACK + self.rows() * self.spec.head.action_words()
    }

    /// Where logp begins in `numbers`: after the rewards.
    fn logp(&self) -> usize {
        2 * SLACK + self.rows()
    }

    fn world(&self, gpu: &Gpu, env_state: &[u32]) -> Result<World> {
        let (rows, dim) = (self.rows(), self.env.obs_dim());
        Ok(World {
            env_state: Guarded::updated(gpu, "env_state", env_state)?,
            words: Guarded::output(gpu, "words", self.terminated() + rows)?,
            numbers: Guarded::output(gpu, "numbers", self.logp() + rows)?,
            truncated: Guarded::output(gpu, "truncated", rows)?,
            obs: Guarded::output(gpu, "obs", (rows + self.envs) * dim)?,
            final_obs: Guarded::output(gpu, "final_obs", rows * dim)?,
            episodes: Guarded::output(gpu, "episodes", rows)?,
        })
    }

    /// Calls of so many steps each.
    fn bind(&self, gpu: &Gpu, world: &World, ring: &UniformRing, each: usize) -> Result<Vec<Call>> {
        let parameters = Guarded::holding(gpu, "parameters", &self.parameters)?;
        let places = rollout_fused::Params {
            envs: self.envs as u32,
            steps: each as u32,
            actions_offset: SLACK as u32,
            terminated_offset: self.terminated() as u32,
            rewards_offset: SLACK as u32,
            logp_offset: self.logp() as u32,
            ..rollout_fused::Params::new(&self.spec, &self.spec.layout())
        };
        let params: Vec<_> =
            (0..self.steps).step_by(each).map(|t| rollout_fused::Params { first_step: t as u32, ..places }).collect();
        let io = rollout_fused::Io {
            parameters: parameters.io(),
            env_state: world.env_state.io(),
            words: world.words.io(),
            numbers: world.numbers.io(),
            truncated: world.truncated.io(),
            obs: world.obs.io(),
            final_obs: world.final_obs.io(),
            episodes: world.episodes.io(),
        };
        rollout_fused::bind(gpu, &self.spec, self.env, &params, &io, ring)
    }

    /// What the device has, with the words of actions and the log-probabilities.
    async fn read(&self, gpu: &Gpu, report: &Report, world: &World) -> Result<(Seen, Vec<u32>, Vec<f32>)> {
        let (words, numbers) = (world.words.read(gpu, report).await?, world.numbers.read(gpu, report).await?);
        let floats: Vec<f32> = words.iter().map(|word| f32::from_bits(*word)).collect();
        for (name, from, to) in [("words", &floats, self.terminated()), ("numbers", &numbers, self.logp())] {
            report.untouched(name, from[..SLACK].iter().enumerate());
            report.untouched(name, from[to - SLACK..to].iter().enumerate());
        }
        let seen = Seen {
            env_state: world.env_state.read(gpu, report).await?,
            obs: world.obs.read(gpu, report).await?,
            final_obs: world.final_obs.read(gpu, report).await?,
            rewards: numbers[SLACK..SLACK + self.rows()].to_vec(),
            terminated: words[self.terminated()..].to_vec(),
            truncated: world.truncated.read(gpu, report).await?,
            episodes: world.episodes.read(gpu, report).await?,
        };
        let actions = words[SLACK..self.terminated() - SLACK].to_vec();
        Ok((seen, actions, numbers[self.logp()..].to_vec()))
    }

    /// Distribution rows of some observations, and how well f32 knows them: the free parameters are copies.
    fn rows_of(&self, obs: &[f32]) -> (Array2<f64>, Array2<f64>) {
        let dim = self.env.obs_dim();
        let obs = Array2::from_shape_fn((obs.len() / dim, dim), |(r, i)| f64::from(obs[r * dim + i]));
        let (raw, room) = chain(&self.spec, &self.parameters, obs.view(), Branch::POLICY);
        let free = self.spec.head.free_parameters();
        let at = self.spec.layout().log_std().unwrap_or(0);
        let copies = Array2::from_shape_fn((raw.nrows(), free), |(_, i)| f64::from(self.parameters[at + i]));
        let exact = Array2::zeros(copies.raw_dim());
        let join = |a: Array2<f64>, b: Array2<f64>| concatenate![Axis(1), a, b];
        (join(raw, copies), join(room, exact))
    }

    /// Whether `got` is what the reference draws from these rows, and `logp` its log-probability.
    fn drawn(&self, report: &Report, obs: &[f32], step: u64, got: &Actions, logp: &[f32]) -> Result<()> {
        let head = &self.spec.head;
        let (p, room) = self.rows_of(obs);
        let want = sample(head, p.view(), SEED, step)?;
        if let (Some(got), Some(want)) = (got.indices(), want.indices()) {
            for (row, (got, want)) in got.column(0).iter().zip(want.column(0)).enumerate() {
                let u = f64::from(uniform(block(SEED, Draw::Action, row as u32, 0, step)[0]));
                let margin = 1e-6 + 2.0 * room.row(row).fold(0.0, |most: f64, room| most.max(*room));
                if got != want && !on_edge(head, &p.row(row).to_vec(), u, margin) {
                    report.fault(format!("\"actions\"[{row}] of step {step} is {got}, expected {want}"));
                }
            }
        }
        if let (Actions::Continuous(got), Actions::Continuous(want)) = (got, &want) {
            // How far the draw moves with the rows; a larger change, so that it is seen in f32.
            let mut moves = Array2::<f64>::zeros(want.raw_dim());
            for i in 0..head.width() {
                let mut moved = p.clone();
                moved.slice_mut(s![.., i]).scaled_add(256.0, &room.slice(s![.., i]));
                if let Actions::Continuous(moved) = sample(head, moved.view(), SEED, step)? {
                    moves += &(&moved - want).mapv(|change| f64::from(change.abs()) / 256.0);
                }
            }
            // A rejection that rounding may turn round gives another draw.
            let edge: Vec<bool> = draw_margins(head, p.view(), SEED, step)?.iter().map(|m| *m < 1e-4).collect();
            if edge.iter().filter(|edge| **edge).count() > 1 + edge.len() / 100 {
                report.fault(format!("too many draws of step {step} lie on the edge of a rejection"));
            }
            let drawn = want.clone();
            let want: Vec<f64> = got
                .indexed_iter()
                .map(|((row, d), got)| f64::from(if edge[row] && got.is_finite() { *got } else { want[[row, d]] }))
                .collect();
            let got: Vec<f32> = got.iter().copied().collect();
            let (own, dims) = (draws(head, &p, &drawn), head.action_dims());
            report.floats("actions", &got, &want, |i| {
                let at = [i / dims, i % dims];
                (own[at] + moves[at]) / TOLERANCE
            });
        }
        let want = log_prob(head, p.view(), got)?;
        let slope = log_prob_grad(head, p.view(), got, Array1::ones(p.nrows()).view())?;
        let moves = (slope.mapv(f64::abs) * &room).sum_axis(Axis(1));
        let [own, ..] = accuracy(head, &p, None, got).values;
        report.floats("logp", logp, &want.to_vec(), |row| (own[row] + moves[row]) / TOLERANCE);
        Ok(())
    }

    pub async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (env, n, dim) = (self.env, self.envs, self.env.obs_dim());
        let mut random = Random::new(n as u64);
        // Nothing has ended yet: a step that ends resets.
        let initial: Vec<u32> = (0..n)
            .flat_map(|_| {
                let mut own = words(env, &mut random);
                own[env.state_words() - 1] &= u32::MAX >> 1;
                own
            })
            .collect();
        let values = PerUpdate {
            seed_low: SEED as u32,
            seed_high: (SEED >> 32) as u32,
            policy_step_low: 5,
            env_step_low: FIRST_STEP as u32,
            ..PerUpdate::default()
        };
        let (ring, slot) = schedule(gpu, &values)?;
        let world = self.world(gpu, &initial)?;
        let (width, action_words) = (env.state_words(), self.spec.head.action_words());
        let mut now = initial.clone();
        for (t, call) in self.bind(gpu, &world, &ring, 1)?.chunks(1).enumerate() {
            report.run(gpu, call, slot)?;
            let (seen, actions, logp) = self.read(gpu, report, &world).await?;
            let rows = t * n..(t + 1) * n;
            let own = &actions[rows.start * action_words..rows.end * action_words];
            let taken = Actions::from_words(&self.spec.head, n, own)
                .map_err(|_| Error::shape("actions", &[own.len()], &[n]))?;
            let before: Vec<f64> = now
                .chunks(width)
                .flat_map(|own| {
                    let state: Vec<f32> = own[..width - 2].iter().map(|word| f32::from_bits(*word)).collect();
                    observe(env, &wide(&state))
                })
                .collect();
            let obs = &seen.obs[rows.start * dim..rows.end * dim];
            let largest = before.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
            report.floats("obs (before)", obs, &before, |_| largest);
            self.drawn(report, obs, 5 + t as u64, &taken, &logp[rows.clone()])?;
            let gets = to_env(&self.spec.head, &taken)?.words();
            let mut want = Want::default();
            for (index, own) in now.chunks(width).enumerate() {
                let at = FIRST_STEP + t as u64;
                want.step((env, Autoreset::SameStep), index, own, action(env, gets[index]), at)?;
            }
            compare(report, env, &seen, &want, (rows.start, rows.end));
            // The next step is judged from what the device has.
            now = seen.env_state;
        }

        let at_once = self.world(gpu, &initial)?;
        report.run(gpu, &self.bind(gpu, &at_once, &ring, self.steps)?, slot)?;
        let bits = |floats: &[f32]| floats.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let all = async |world: &World| -> Result<Vec<(&'static str, Vec<u32>)>> {
            let (seen, actions, logp) = self.read(gpu, report, world).await?;
            Ok(vec![
                ("env_state", seen.env_state),
                ("actions", actions),
                ("logp", bits(&logp)),
                ("rewards", bits(&seen.rewards)),
                ("terminated", seen.terminated),
                ("truncated", seen.truncated),
                ("obs", bits(&seen.obs)),
                ("final_obs", bits(&seen.final_obs)),
                ("episodes", bits(bytemuck::cast_slice(&seen.episodes))),
            ])
        };
        for ((name, got), (_, want)) in all(&at_once).await?.iter().zip(all(&world).await?) {
            report.exact(name, got, &want);
        }
        Ok(())
    }
}
