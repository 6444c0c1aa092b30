//! Advantages: the column form, the chunked form, k steps.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, Report};
use super::work::Work;
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::{advantage_gae, advantage_gae_chunked, advantage_k_step};
use crate::reference::advantage_gae::{Window, advantage_gae as gae, discounted_reward};
use crate::reference::advantage_k_step::advantage_k_step as k_step;
use ndarray::Array2;

/// A window as the device sees it and as the oracle does.
pub(super) struct Rollout {
    pub(super) steps: usize,
    pub(super) envs: usize,
    pub(super) rewards: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) final_values: Vec<f32>,
    pub(super) terminated: Vec<u32>,
    pub(super) truncated: Vec<u32>,
}

pub(super) struct Buffers {
    pub(super) rewards: Guarded<f32>,
    pub(super) values: Guarded<f32>,
    pub(super) final_values: Guarded<f32>,
    pub(super) terminated: Guarded<u32>,
    pub(super) truncated: Guarded<u32>,
    pub(super) advantages: Guarded<f32>,
    pub(super) returns: Guarded<f32>,
}

impl Rollout {
    /// Each flag is set once in `one_in` transitions, sometimes both.
    pub(super) fn new(steps: usize, envs: usize, one_in: u32) -> Self {
        let mut random = Random::new((steps * 1000 + envs) as u64);
        let rows = steps * envs;
        let truncated = random.flags(rows, one_in);
        // Not to be read where nothing was truncated.
        let final_values =
            truncated.iter().map(|flag| if *flag == 0 { f32::NAN } else { random.range(-2.0, 2.0) }).collect();
        Self {
            steps,
            envs,
            rewards: random.normals(rows, 1.0),
            values: random.normals(rows + envs, 1.0),
            final_values,
            terminated: random.flags(rows, one_in),
            truncated,
        }
    }

    pub(super) fn buffers(&self, gpu: &Gpu) -> Result<Buffers> {
        let rows = self.steps * self.envs;
        Ok(Buffers {
            rewards: Guarded::holding(gpu, "rewards", &self.rewards)?,
            values: Guarded::holding(gpu, "values", &self.values)?,
            final_values: Guarded::holding(gpu, "final_values", &self.final_values)?,
            terminated: Guarded::holding(gpu, "terminated", &self.terminated)?,
            truncated: Guarded::holding(gpu, "truncated", &self.truncated)?,
            advantages: Guarded::output(gpu, "advantages", rows)?,
            returns: Guarded::output(gpu, "returns", rows)?,
        })
    }

    pub(super) fn oracle<R>(&self, formula: impl FnOnce(&Window<'_, f64>) -> R) -> R {
        let floats = |rows: usize, values: &[f32]| {
            Array2::from_shape_fn((rows, self.envs), |(t, n)| f64::from(values[t * self.envs + n]))
        };
        let flags = |values: &[u32]| Array2::from_shape_fn((self.steps, self.envs), |(t, n)| values[t * self.envs + n]);
        formula(&Window {
            rewards: floats(self.steps, &self.rewards).view(),
            values: floats(self.steps + 1, &self.values).view(),
            final_values: floats(self.steps, &self.final_values).view(),
            terminated: flags(&self.terminated).view(),
            truncated: flags(&self.truncated).view(),
        })
    }
}

/// Sum of the absolute terms behind each advantage, discounted like the advantage itself.
pub(crate) fn sizes(window: &Window<'_, f64>, gamma: f64, lambda: f64) -> Vec<f64> {
    let (steps, envs) = window.dim();
    let mut sizes = vec![0.0; steps * envs];
    for n in 0..envs {
        let mut carry = 0.0;
        for t in (0..steps).rev() {
            let keep = if window.end(t, n) { 0.0 } else { gamma * lambda };
            let own = window.rewards[[t, n]].abs() + gamma * window.next(t, n).abs() + window.values[[t, n]].abs();
            carry = own + keep * carry;
            sizes[t * envs + n] = carry;
        }
    }
    sizes
}

/// How far each advantage may be off: of a step, four roundings of its terms and `per_step` of the sums that it adds to, and what the steps after
/// it were off by, discounted like the advantage. Sums are within twice the largest advantage from there on, whatever part of the
/// recurrence is worked out first.
fn bounds(window: &Window<'_, f64>, (gamma, lambda): (f64, f64), advantages: &Array2<f64>, per_step: f64) -> Vec<f64> {
    let (steps, envs) = window.dim();
    let mut bounds = vec![0.0; steps * envs];
    for n in 0..envs {
        let (mut most, mut bound) = (0.0_f64, 0.0);
        for t in (0..steps).rev() {
            let keep = if window.end(t, n) { 0.0 } else { gamma * lambda };
            let value = window.values[[t, n]].abs();
            let own = window.rewards[[t, n]].abs() + gamma * window.next(t, n).abs() + value;
            most = (advantages[[t, n]].abs() + value).max(keep * most);
            bound = keep * bound + EPS * (4.0 * own + per_step * 2.0 * most);
            bounds[t * envs + n] = bound;
        }
    }
    bounds
}

impl Buffers {
    pub(super) async fn compare(
        &self,
        gpu: &Gpu,
        report: &Report,
        want: (Array2<f64>, Array2<f64>),
        sizes: &[f64],
    ) -> Result<()> {
        let flat = |array: Array2<f64>| array.iter().copied().collect::<Vec<_>>();
        report.floats("advantages", &self.advantages.read(gpu, report).await?, &flat(want.0), |i| sizes[i]);
        report.floats("returns", &self.returns.read(gpu, report).await?, &flat(want.1), |i| sizes[i]);
        Ok(())
    }
}

async fn run_gae(
    gpu: &Gpu,
    report: &Report,
    rollout: &Rollout,
    (gamma, lambda, bootstrap): (f32, f32, u32),
    chunked: bool,
) -> Result<()> {
    let (steps, envs) = (rollout.steps as u32, rollout.envs as u32);
    let b = rollout.buffers(gpu)?;
    let scratch = Guarded::output(gpu, "carries", advantage_gae_chunked::carries(steps, envs) as usize)?;
    let calls = if chunked {
        let mut p = advantage_gae_chunked::Params::default();
        (p.steps, p.envs, p.gamma, p.gae_lambda, p.bootstrap) = (steps, envs, gamma, lambda, bootstrap);
        let io = advantage_gae_chunked::Io {
            rewards: b.rewards.io(),
            values: b.values.io(),
            final_values: b.final_values.io(),
            terminated: b.terminated.io(),
            truncated: b.truncated.io(),
            advantages: b.advantages.io(),
            returns: b.returns.io(),
            carries: scratch.io(),
        };
        advantage_gae_chunked::bind(gpu, &[p], &io)?
    } else {
        let mut p = advantage_gae::Params::default();
        (p.steps, p.envs, p.gamma, p.gae_lambda, p.bootstrap) = (steps, envs, gamma, lambda, bootstrap);
        let io = advantage_gae::Io {
            rewards: b.rewards.io(),
            values: b.values.io(),
            final_values: b.final_values.io(),
            terminated: b.terminated.io(),
            truncated: b.truncated.io(),
            advantages: b.advantages.io(),
            returns: b.returns.io(),
        };
        advantage_gae::bind(gpu, &[p], &io)?
    };
    report.run(gpu, &calls, Slot::default())?;
    let (gamma, lambda) = (f64::from(gamma), f64::from(lambda));
    // Three roundings take a sum one step on; the chunked form rounds its products once more, and joins the chunks' sums.
    let per_step = if chunked { 5.0 } else { 3.0 };
    let (want, sizes) = rollout.oracle(|window| -> Result<_> {
        let want = if bootstrap == 1 {
            gae(window, gamma, lambda)?
        } else {
            discounted_reward(window, gamma).map(|returns| (&returns - &window.state_values(), returns))?
        };
        let bounds = bounds(window, (gamma, lambda), &want.0, per_step);
        // And of a return, one more.
        let sizes = bounds.iter().zip(&want.1).map(|(bound, target)| bound / EPS + target.abs()).collect::<Vec<f64>>();
        Ok((want, sizes))
    })?;
    scratch.read(gpu, report).await?;
    b.compare(gpu, report, want, &sizes).await
}

fn gae_case(chunked: bool, steps: usize, envs: usize, settings: (f32, f32, u32), one_in: u32) -> Case {
    let (gamma, lambda, bootstrap) = settings;
    let kernel = if chunked { advantage_gae_chunked::DEF.name } else { advantage_gae::DEF.name };
    let plain = if bootstrap == 1 { "" } else { ", rewards alone" };
    let shape = format!("{steps} × {envs}, γ {gamma} λ {lambda}{plain}");
    let reason = "one rounding of the result; scale: a few roundings per step of its terms and of the sums so far, discounted, in units \
                  of 2⁻²⁴";
    Case::new(kernel, shape, (EPS, reason), async move |gpu, report| {
        run_gae(gpu, report, &Rollout::new(steps, envs, one_in), settings, chunked).await
    })
}

fn k_step_case(steps: usize, envs: usize, k: usize, gamma: f32) -> Case {
    let tolerance = EPS * (4.0 + 3.0 * k.min(steps) as f64);
    let reason = "three roundings per reward: power, product, sum; scale: the discounted |terms|";
    Case::new(
        advantage_k_step::DEF.name,
        format!("{steps} × {envs}, k {k} γ {gamma}"),
        (tolerance, reason),
        async move |gpu, report| {
            let rollout = Rollout::new(steps, envs, 17);
            let b = rollout.buffers(gpu)?;
            let p = advantage_k_step::Params { steps: steps as u32, envs: envs as u32, k: k as u32, gamma };
            let io = advantage_k_step::Io {
                rewards: b.rewards.io(),
                values: b.values.io(),
                final_values: b.final_values.io(),
                terminated: b.terminated.io(),
                truncated: b.truncated.io(),
                advantages: b.advantages.io(),
                returns: b.returns.io(),
            };
            report.run(gpu, &advantage_k_step::bind(gpu, &[p], &io)?, Slot::default())?;
            let gamma = f64::from(gamma);
            let (want, sizes) = rollout.oracle(|window| {
                // The first term and the last value are there whatever k.
                let size = |(t, n): (usize, usize)| {
                    let rewards = (t..steps.min(t + k)).map(|s| window.rewards[[s, n]].abs());
                    let next = (t..steps.min(t + k)).map(|s| window.next(s, n).abs()).fold(0.0, f64::max);
                    rewards.sum::<f64>() + next + window.values[[t, n]].abs()
                };
                let sizes: Vec<f64> = Array2::from_shape_fn((steps, envs), size).iter().copied().collect();
                (k_step(window, k, gamma), sizes)
            });
            b.compare(gpu, report, want?, &sizes).await
        },
    )
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &advantage_gae::DEF,
            about: "generalised advantage estimates and returns, one invocation per environment",
            oracle: oracle!(advantage_gae::advantage_gae),
            at_size: |s| Some(gae_case(false, s.steps, s.envs, (0.99, 0.95, 1), 100)),
            sweep: Sweep::Windows { chunked: false },
            timed: Timed::Last,
            work: |s| Work::gae(s.steps, s.envs),
        },
        Entry {
            def: &advantage_gae_chunked::DEF,
            about: "the same for long windows of few environments, in chunks of time",
            oracle: oracle!(advantage_gae::advantage_gae),
            at_size: |s| Some(gae_case(true, s.steps, s.envs, (0.99, 0.95, 1), 100)),
            sweep: Sweep::Windows { chunked: true },
            timed: Timed::Last,
            work: |s| Work::gae(s.steps, s.envs),
        },
        Entry {
            def: &advantage_k_step::DEF,
            about: "k-step advantages and returns",
            oracle: oracle!(advantage_k_step::advantage_k_step),
            at_size: |s| Some(k_step_case(s.steps, s.envs, 16, 0.99)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 3.0 * 16.0 + 3.0, 24.0),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let usual = (0.99, 0.95, 1);
    let mut cases = Vec::new();
    for (steps, envs) in [(1, 1), (1, 65), (2, 3), (63, 64), (64, 63), (65, 1), (127, 65), (128, 7)] {
        cases.push(gae_case(false, steps, envs, usual, 9).quick(steps == 128));
    }
    for settings in [(1.0, 1.0, 1), (0.0, 0.95, 1), (0.99, 0.0, 1), (0.99, 1.0, 1), (0.9, 1.0, 0)] {
        cases.push(gae_case(false, 67, 5, settings, 13));
        cases.push(gae_case(true, 67, 5, settings, 13));
    }
    for (steps, envs) in [(1, 1), (1, 65), (16, 1), (17, 3), (65, 63), (257, 2), (1024, 5), (4099, 2), (65_537, 1)] {
        cases.push(gae_case(true, steps, envs, usual, 50).quick(steps == 65_537));
    }
    cases.push(gae_case(true, 4099, 1, (1.0, 1.0, 1), 100_000));
    for (steps, envs, k) in [(1, 1, 1), (64, 3, 5), (65, 7, 1), (33, 65, 100), (127, 2, 63)] {
        cases.push(k_step_case(steps, envs, k, 0.97).quick(steps == 64));
    }
    cases.push(k_step_case(67, 3, 67, 1.0));
    cases
}
