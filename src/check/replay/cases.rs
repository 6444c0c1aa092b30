//! The table of cases.

use super::world::World;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{EPS, Guarded, Report, schedule};
use crate::check::work::Work;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::replay_sample::{self, MOST_STEPS};
use crate::kernels::replay_store::{self, ReplayShape};

const EXACT: (f64, &str) = (0.0, "words are copied to places of integer arithmetic");
const SEED: u64 = 0x0123_4567_89ab_cdef;
/// The low word of the gradient steps overflows when the offset is added.
const GRADIENT_STEP: u64 = (3 << 32) + u32::MAX as u64 - 1;
const GRADIENT_OFFSET: u32 = 4;
const GAMMA: f32 = 0.97;

fn name(shape: ReplayShape, steps: usize, ends: u32) -> String {
    let ReplayShape { capacity, envs, obs_dim, action_words, slots } = shape;
    let form = if slots == 0 { "plain".to_owned() } else { format!("{slots} slots") };
    format!("{steps} steps in {capacity} × {envs} of {obs_dim} + {action_words}, {form}, one in {ends} ends")
}

fn store_case(shape: ReplayShape, steps: usize, ends: u32) -> Case {
    Case::new(replay_store::DEF.name, name(shape, steps, ends), EXACT, async move |gpu, report| {
        let world = World::new(shape, steps, ends);
        let [ring, own] = world.store(gpu, report)?;
        report.exact("ring", &ring.read(gpu, report).await?, &world.ring());
        let want = if shape.slots == 0 { vec![0] } else { world.ends() };
        report.exact("ends", &own.read(gpu, report).await?, &want);
        Ok(())
    })
}

/// A batch.
#[derive(Clone, Copy)]
struct Batch {
    rows: usize,
    n_steps: u32,
    /// With actions in copy 0, and a third copy.
    whole: bool,
}

fn sample_case(shape: ReplayShape, steps: usize, ends: u32, batch: Batch) -> Case {
    let Batch { rows, n_steps, whole } = batch;
    let parts = if whole { "whole" } else { "observations apart" };
    let label = format!("{rows} rows of {n_steps} steps, {parts}; {}", name(shape, steps, ends));
    // A power of γ has as many roundings as steps, each term one more, and the sum as many additions.
    let tolerance = EPS * (2.0 * f64::from(n_steps) + 1.0);
    let reason = "words are copied; a discount is rounded once a step, a sum twice; scale: its terms";
    Case::new(replay_sample::DEF.name, label, (tolerance, reason), async move |gpu, report| {
        let world = World::new(shape, steps, ends);
        let [ring, own] = world.store(gpu, report)?;
        sample(gpu, report, &world, [&ring, &own], batch).await
    })
}

async fn sample(
    gpu: &Gpu,
    report: &Report,
    world: &World,
    [ring, own]: [&Guarded<u32>; 2],
    batch: Batch,
) -> Result<()> {
    let ReplayShape { capacity, envs, obs_dim, action_words, slots } = world.shape;
    let Batch { rows, n_steps, whole } = batch;
    let (width, words) = (obs_dim as usize, action_words as usize);
    let stride = width + if whole { words + 1 } else { 0 };
    let copies = if whole { 3 } else { 2 };
    let seen = Guarded::<u32>::output(gpu, "seen", copies * rows * stride)?;
    let actions = Guarded::<u32>::output(gpu, "actions", (rows * words).max(1))?;
    let samples = Guarded::<[f32; 4]>::output(gpu, "samples", rows)?;
    // Half of the steps were counted on by the host, the others by the recording.
    let known = world.steps / 2;
    let values = PerUpdate {
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        gradient_step_low: GRADIENT_STEP as u32,
        gradient_step_high: (GRADIENT_STEP >> 32) as u32,
        replay_place: known as u32 % capacity,
        replay_stored: (known as u32).min(capacity),
        ..PerUpdate::default()
    };
    let (uniforms, slot) = schedule(gpu, &values)?;
    let p = replay_sample::Params {
        rows: rows as u32,
        envs,
        capacity,
        obs_dim,
        action_words,
        slots,
        steps: n_steps,
        gamma: GAMMA,
        step_offset: (world.steps - known) as u32,
        gradient_offset: GRADIENT_OFFSET,
        seen_stride: stride as u32,
        with_actions: whole.into(),
        copies: copies as u32,
        ..Default::default()
    };
    let io = replay_sample::Io {
        ring: ring.io(),
        ends: own.io(),
        seen: seen.io(),
        actions: actions.io(),
        samples: samples.io(),
    };
    report.run(gpu, &replay_sample::bind(gpu, &[p], &io, &uniforms)?, slot)?;

    let got = Found {
        seen: seen.read(gpu, report).await?,
        actions: actions.read(gpu, report).await?,
        stride,
        samples: samples.read(gpu, report).await?,
    };
    got.compare(report, world, batch)
}

/// What the kernel wrote.
struct Found {
    seen: Vec<u32>,
    actions: Vec<u32>,
    stride: usize,
    samples: Vec<[f32; 4]>,
}

impl Found {
    fn compare(&self, report: &Report, world: &World, batch: Batch) -> Result<()> {
        let ReplayShape { capacity, obs_dim, action_words, .. } = world.shape;
        let Batch { rows, n_steps, whole } = batch;
        let (width, words, stride) = (obs_dim as usize, action_words as usize, self.stride);
        let replay = world.replay()?;
        let mut sizes = replay.clone();
        sizes.rewards.mapv_inplace(f64::abs);
        let gamma = f64::from(GAMMA);
        for row in 0..rows {
            let at = GRADIENT_STEP + u64::from(GRADIENT_OFFSET);
            let drawn = replay.draw(SEED, at, row as u32, n_steps as usize, gamma)?;
            let size = sizes.draw(SEED, at, row as u32, n_steps as usize, gamma)?.sum.reward;
            let (start, env, last) = (drawn.start, drawn.env, drawn.sum.last);
            let bits = |numbers: &[f64]| numbers.iter().map(|x| (*x as f32).to_bits()).collect::<Vec<_>>();
            let obs = bits(&(0..width).map(|i| replay.obs[[start, env, i]]).collect::<Vec<_>>());
            let itself = world.newest_at(last).is_some_and(|step| world.stands_for_itself(step, env));
            let next = if itself { &replay.obs } else { &replay.next_obs };
            let next = bits(&(0..width).map(|i| next[[last, env, i]]).collect::<Vec<_>>());
            let action: Vec<u32> = (0..words).map(|i| replay.actions[[start, env, i]]).collect();
            let copy = |index: usize| &self.seen[(index * rows + row) * stride..][..stride];
            report.exact(&format!("observation of row {row}"), &copy(0)[..width], &obs);
            report.exact(&format!("next observation of row {row}"), &copy(1)[..width], &next);
            report.exact(&format!("action of row {row}"), &self.actions[row * words..][..words], &action);
            let rest = |words: &[u32]| words.iter().map(|word| f32::from_bits(*word)).collect::<Vec<_>>();
            report.untouched("seen (behind next observations)", rest(&copy(1)[width..]).iter().enumerate());
            if whole {
                report.exact(&format!("seen action of row {row}"), &copy(0)[width..width + words], &action);
                report.untouched("seen (behind actions)", rest(&copy(0)[width + words..]).iter().enumerate());
                report.exact(&format!("third copy of row {row}"), &copy(2)[..width], &obs);
                report.untouched("seen (behind the third copy)", rest(&copy(2)[width..]).iter().enumerate());
            }
            let sum = drawn.sum;
            let [reward, discount, terminated, taken] = self.samples[row];
            report.floats(&format!("rewards {row}"), &[reward], &[sum.reward], |_| size);
            report.floats(&format!("discounts {row}"), &[discount], &[sum.discount], |_| 0.0);
            let capacity = capacity as usize;
            let m = (last + capacity - start) % capacity + 1;
            report.exact(
                &format!("flags of row {row}"),
                &[terminated, taken],
                &[f32::from(sum.terminated as u8), m as f32],
            );
        }
        Ok(())
    }
}

/// A ring of a net's observations and actions.
fn sized(s: &Size, capacity: u32, envs: usize) -> ReplayShape {
    let action_words = s.head.action_words() as u32;
    ReplayShape { capacity, envs: envs as u32, obs_dim: s.obs_dim as u32, action_words, slots: 0 }
}

fn widths(s: &Size) -> (f64, f64) {
    (s.obs_dim as f64, s.head.action_words() as f64)
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &replay_store::DEF,
            about: "one step of all environments written to the replay ring, with next observations or with ends apart",
            oracle: oracle!(replay::Replay),
            at_size: |s| Some(store_case(sized(s, 3, s.rows), 2, 9)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| {
                let (obs, words) = widths(s);
                Work::rows(s.rows, 0.0, s.rows as f64 * (16.0 * obs + 8.0 * words + 20.0))
            },
        },
        Entry {
            def: &replay_sample::DEF,
            about: "a batch of transitions drawn from the replay ring, as sums of up to n steps",
            oracle: oracle!(replay::Replay),
            at_size: |s| {
                let batch = Batch { rows: s.rows, n_steps: 1, whole: true };
                Some(sample_case(sized(s, 16, 64), 16, 9, batch))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| {
                let (obs, words) = widths(s);
                Work::rows(s.rows, 2.0 * s.rows as f64, s.rows as f64 * (20.0 * obs + 12.0 * words + 24.0))
            },
        },
    ],
};

fn cases() -> Vec<Case> {
    let shape =
        |capacity, envs, obs_dim, action_words, slots| ReplayShape { capacity, envs, obs_dim, action_words, slots };
    let mut cases = Vec::new();
    for (shape, steps, ends) in [
        (shape(1, 1, 1, 1, 0), 1, 0),
        (shape(5, 3, 4, 1, 0), 13, 3),
        (shape(7, 2, 65, 3, 0), 4, 2),
        (shape(2, 67, 3, 2, 0), 5, 4),
        (shape(1, 1, 1, 1, 1), 3, 2),
        (shape(5, 3, 4, 1, 5), 13, 3),
        (shape(7, 2, 65, 3, 7), 4, 2),
        (shape(2, 67, 3, 2, 2), 5, 4),
        // Slots are written over while the ring still has the transitions, and after it has not.
        (shape(9, 5, 3, 1, 1), 40, 3),
        (shape(9, 5, 3, 1, 2), 40, 3),
    ] {
        cases.push(store_case(shape, steps, ends).quick(steps == 13));
    }
    for (shape, steps, ends, rows, n_steps, whole) in [
        (shape(1, 1, 1, 1, 0), 1, 0, 1, 1, false),
        (shape(5, 3, 4, 1, 0), 13, 3, 65, 3, true),
        (shape(11, 2, 65, 65, 0), 7, 4, 63, 2, true),
        (shape(40, 1, 2, 1, 0), 57, 0, 64, MOST_STEPS, false),
        (shape(40, 3, 2, 0, 0), 40, 19, 127, MOST_STEPS, true),
        (shape(64, 7, 3, 2, 0), 50, 5, 257, 1, true),
        (shape(5, 3, 4, 1, 5), 13, 3, 65, 3, true),
        (shape(5, 3, 4, 1, 5), 5, 3, 65, 1, true),
        (shape(5, 3, 65, 1, 5), 3, 3, 65, 1, false),
        (shape(11, 2, 65, 65, 11), 27, 4, 63, 2, true),
        (shape(9, 5, 3, 1, 1), 40, 3, 200, 1, true),
        (shape(9, 5, 3, 1, 2), 40, 3, 200, 4, false),
    ] {
        let batch = Batch { rows, n_steps, whole };
        cases.push(sample_case(shape, steps, ends, batch).quick(rows == 65));
    }
    cases
}
