//! Categorical rows that a workgroup walks: evaluation, draws, Fisher products and the losses of such rows.
//!
//! With so many choices a probability is small, and so is its gradient; here each element is held against its own size.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head::{
    actions_of, array, evaluate_work, masked, masked_choice, masked_choices, name, rows_of, sample_work,
};
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::trust_region;
use crate::algo::rows;
use crate::config::{KlDirection, KlPenalty, PpoConfig};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::{Gpu, Schedule, Slot};
use crate::kernels::{
    batch_clean, head_evaluate_wide, head_fisher_wide, loss_ppo, loss_trust_region, policy_sample_wide,
};
use crate::policy::{Bounds, Head};
use crate::reference::head::{
    entropy, entropy_grad, fisher_vector, greedy, hits, kl, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad,
    to_env,
};
use crate::reference::head_categorical::log_softmax;
use crate::reference::loss_ppo::{Targets, loss_ppo as oracle};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, Array2, Axis, s};

/// Choices that are left of each row's rounding, in units of the tolerance.
struct Sizes {
    /// Per choice its probability.
    p: Array2<f64>,
    /// Per choice what its log-probability is the result of: |log p|, the largest logit and 1.
    own: Array2<f64>,
    /// Per choice p times that, 0 where it is not allowed.
    p_size: Array2<f64>,
    /// Per row the terms of its entropy.
    entropy: Vec<f64>,
    /// Per row the mean of `own`, of the dimension where it is largest.
    mean: Vec<f64>,
}

fn ranges(head: &Head) -> Vec<std::ops::Range<usize>> {
    let mut first = 0;
    let range = |count: usize| {
        first += count;
        first - count..first
    };
    head.choices().into_iter().map(range).collect()
}

impl Sizes {
    fn new(head: &Head, dist: &Array2<f64>) -> Self {
        let (mut p, mut own) = (dist.clone(), dist.clone());
        let (mut entropies, mut means) = (Vec::new(), Vec::new());
        for row in 0..dist.nrows() {
            let (mut entropy, mut mean) = (0.0, 0.0_f64);
            for range in ranges(head) {
                let logits = dist.slice(s![row, range.clone()]);
                let most = logits.iter().filter(|l| l.is_finite()).fold(0.0, |most: f64, l| most.max(l.abs()));
                let mut of_dimension = 0.0;
                for (i, logp) in range.zip(log_softmax(logits)) {
                    let possible = logp.is_finite();
                    p[[row, i]] = if possible { logp.exp() } else { 0.0 };
                    own[[row, i]] = if possible { 1.0 + logp.abs() + most } else { 0.0 };
                    let size = p[[row, i]] * own[[row, i]];
                    entropy += size * (1.0 + if possible { logp.abs() } else { 0.0 });
                    of_dimension += size;
                }
                mean = mean.max(of_dimension);
            }
            entropies.push(entropy);
            means.push(mean);
        }
        let p_size = &p * &own;
        Self { p, own, p_size, entropy: entropies, mean: means }
    }

    /// Of a row's log-probability of the action taken.
    fn logp(&self, head: &Head, row: usize, taken: &[u32]) -> f64 {
        let places = ranges(head).into_iter().zip(taken);
        places.map(|(range, taken)| self.own[[row, range.start + *taken as usize]].max(1.0)).sum()
    }

    /// Of the derivative of w.0 logp + w.1 entropy + w.2 KL(old‖new) + w.3 KL(new‖old), rows that differ by up to `change`.
    fn slope(&self, row: usize, i: usize, hit: bool, w: [f64; 4], change: f64) -> f64 {
        let by_entropy = w[1].abs() * (self.own[[row, i]] + self.mean[row]);
        let by_kl = (w[2].abs() + w[3].abs()) * (2.0 * change).exp();
        // Where it is taken the derivative is 1 − p, which is rounded once.
        let one = if hit { 0.1 * w[0].abs() } else { 0.0 };
        self.p_size[[row, i]] * (w[0].abs() + by_entropy + by_kl) + one
    }
}

/// The action words of each row, without masks.
fn taken(head: &Head, words: &[u32]) -> Vec<Vec<u32>> {
    words.chunks(head.action_words()).map(|words| words[..head.action_dims()].to_vec()).collect()
}

/// Whether choice `i` of some row is the one that dimension's action took.
fn is_hit(head: &Head, taken: &[u32], i: usize) -> bool {
    ranges(head).into_iter().zip(taken).any(|(range, taken)| range.start + *taken as usize == i)
}

fn evaluate(gpu: &Gpu, report: &Report, head: &Head, rows: usize, spread: f32, change: f32) -> Result<()> {
    let mut random = Random::new((rows * 100 + head.width()) as u64);
    let (width, offset) = (head.width(), 1);
    let new = rows_of(head, &mut random, rows, spread);
    let old: Vec<f32> = new.iter().map(|x| x + random.range(-change, change)).collect();
    let words = actions_of(head, &mut random, &new);
    // Before the offset lies what must not be read.
    let old_all = [vec![f32::NAN; offset * width], old.clone()].concat();
    let words_all = [vec![u32::MAX; offset * head.action_words()], words.clone()].concat();
    let mut weights = Vec::new();
    let counts = |row: usize| row % 3 != 1;
    for row in 0..rows {
        let w = random.normals(4, 1.0);
        weights.push(if row % 3 == 2 { [w[0], w[1], 0.0, 0.0] } else { [w[0], w[1], w[2], w[3]] });
        weights.push([f32::from(u8::from(counts(row))), f32::NAN, f32::NAN, f32::NAN]);
    }
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &new)?,
        Guarded::holding(gpu, "head_outputs_old", &old_all)?,
        Guarded::holding(gpu, "actions", &words_all)?,
        Guarded::holding(gpu, "weights", &weights)?,
    );
    let row_values = Guarded::<[f32; 4]>::output(gpu, "row_values", 2 * rows)?;
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", new.len())?;
    let p = head_evaluate_wide::Params {
        rows: rows as u32,
        row_offset: offset as u32,
        stride: 2,
        with_kl: 1,
        values: 1,
        gradients: 1,
        ..Default::default()
    };
    let io = head_evaluate_wide::Io {
        head_outputs: buffers.0.io(),
        head_outputs_old: buffers.1.io(),
        actions: buffers.2.io(),
        weights: buffers.3.io(),
        row_values: row_values.io(),
        d_head_outputs: d_head_outputs.io(),
    };
    report.run(gpu, &head_evaluate_wide::bind(gpu, head, &[p], &io)?, Slot::default())?;

    let actions = Actions::from_words(head, rows, &words)?;
    let (p, q) = (masked(head, &new, &actions)?, masked(head, &old, &actions)?);
    let (sizes, taken) = (Sizes::new(head, &p), taken(head, &words));
    let got = row_values.read(gpu, report)?;
    let column = |place: usize, i: usize| got.iter().skip(place).step_by(2).map(|v| v[i]).collect::<Vec<_>>();
    report.floats("logp", &column(0, 0), &log_prob(head, p.view(), &actions)?.to_vec(), |row| {
        sizes.logp(head, row, &taken[row])
    });
    report.floats("entropy", &column(0, 1), &entropy(head, p.view())?.to_vec(), |row| sizes.entropy[row]);
    // Of second order in the change d of a logit, whose rounding is that of two log-probabilities.
    let d = f64::from(change);
    let of_kl = |row: usize| head.action_dims() as f64 * (d + d * d) * (2.0 * d).exp() * sizes.mean[row];
    report.floats("kl_old_new", &column(0, 2), &kl(head, q.view(), p.view())?.to_vec(), of_kl);
    report.floats("kl_new_old", &column(0, 3), &kl(head, p.view(), q.view())?.to_vec(), of_kl);
    let met: Vec<f32> = hits(head, p.view())?.iter().map(|hits| *hits as f32).collect();
    report.exact("row_values (limits met)", &column(1, 0), &met);

    let ones = Array1::ones(rows);
    let gradients = [
        log_prob_grad(head, p.view(), &actions, ones.view())?,
        entropy_grad(head, p.view(), ones.view())?,
        kl_old_new_grad(head, q.view(), p.view(), ones.view())?,
        kl_new_old_grad(head, q.view(), p.view(), ones.view())?,
    ];
    let mut want = vec![0.0; rows * width];
    for (i, gradient) in gradients.iter().enumerate() {
        for ((row, j), g) in gradient.indexed_iter().filter(|((row, _), _)| counts(*row)) {
            want[row * width + j] += f64::from(weights[2 * row][i]) * g;
        }
    }
    let size = |at: usize| {
        let (row, i) = (at / width, at % width);
        let w = if counts(row) { weights[2 * row].map(f64::from) } else { [0.0; 4] };
        sizes.slope(row, i, is_hit(head, &taken[row], i), w, d)
    };
    report.floats("d_head_outputs", &d_head_outputs.read(gpu, report)?, &want, size);
    Ok(())
}

/// Sums of weights up to and with each choice of one dimension, as shares of all.
fn running(logits: &[f64]) -> Vec<f64> {
    let p = log_softmax(ndarray::ArrayView1::from(logits)).mapv(f64::exp);
    let mut sum = 0.0;
    p.iter()
        .map(|p| {
            sum += p;
            sum
        })
        .collect()
}

fn draw(gpu: &Gpu, report: &Report, head: &Head, rows: usize, mode: bool) -> Result<()> {
    let seed = 0x1111_2222_3333_4444_u64 + rows as u64;
    let (first, offset) = ((7_u64 << 32) + u64::from(u32::MAX) - 1, 3_u32);
    let (actions_offset, logp_offset, env_offset) = (5, 2, 3);
    let mut random = Random::new(rows as u64);
    let dist = rows_of(head, &mut random, rows, 1.5);
    let (dims, width) = (head.action_dims(), head.action_words());
    let head_outputs = Guarded::holding(gpu, "head_outputs", &dist)?;
    // Masks are there before; a mark stands for everything else.
    let masks = if head.is_masked() { actions_of(head, &mut random, &dist) } else { Vec::new() };
    let before = Actions::from_words(head, masks.len() / width, &masks)?;
    let mut initial = vec![0x7f7f_7f7f; actions_offset + rows * width];
    for (row, words) in masks.chunks(width).enumerate() {
        let at = actions_offset + row * width;
        initial[at + dims..at + width].copy_from_slice(&words[dims..]);
    }
    let actions = Guarded::<u32>::holding(gpu, "actions", &initial)?;
    let env_actions = Guarded::<u32>::output(gpu, "env_actions", env_offset + rows * dims)?;
    let logp = Guarded::<f32>::output(gpu, "logp", logp_offset + rows)?;
    let values = Schedule {
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        policy_step_low: first as u32,
        policy_step_high: (first >> 32) as u32,
        ..Schedule::default()
    };
    let (ring, slot) = schedule(gpu, &values)?;
    let p = policy_sample_wide::Params {
        rows: rows as u32,
        greedy: mode.into(),
        step_offset: offset,
        actions_offset: actions_offset as u32,
        logp_offset: logp_offset as u32,
        env_actions_offset: env_offset as u32,
        ..Default::default()
    };
    let io = policy_sample_wide::Io {
        head_outputs: head_outputs.io(),
        actions: actions.io(),
        logp: logp.io(),
        env_actions: env_actions.io(),
    };
    report.run(gpu, &policy_sample_wide::bind(gpu, head, &[p], &io, &ring)?, slot)?;

    let p = if head.is_masked() { masked(head, &dist, &before)? } else { array(head, &dist) };
    let step = first + u64::from(offset);
    let best = greedy(head, p.view())?;
    let got = actions.read(gpu, report)?;
    if got[..actions_offset] != initial[..actions_offset] {
        report.fault("\"actions\" was written before its offset".to_owned());
        return Ok(());
    }
    let words = &got[actions_offset..];
    for row in 0..rows {
        for (d, range) in ranges(head).into_iter().enumerate() {
            let word = words[row * width + d] as usize;
            let logits = p.slice(s![row, range]).to_vec();
            let u = f64::from(uniform(block(seed, Draw::Action, row as u32, d as u32, step)[0]));
            let right = if mode {
                best.indices().is_some_and(|best| best[[row, d]] as usize == word)
            } else {
                // The uniform lies within what the choice has of the distribution function, but for rounding.
                let sums = running(&logits);
                let start = if word == 0 { 0.0 } else { sums.get(word - 1).copied().unwrap_or(f64::INFINITY) };
                let allowed =
                    logits.iter().all(|l| *l == f64::NEG_INFINITY) || logits[word.min(logits.len() - 1)].is_finite();
                allowed && start - MARGIN <= u && sums.get(word).is_some_and(|end| u < end + MARGIN)
            };
            if !right {
                report.fault(format!("\"actions\"[{row}, {d}] is {word} for the uniform {u}"));
                return Ok(());
            }
        }
        if head.is_masked()
            && words[row * width + dims..(row + 1) * width] != masks[row * width + dims..(row + 1) * width]
        {
            report.fault(format!("the mask of row {row} was changed"));
        }
    }
    let actions = Actions::from_words(head, rows, words)?;
    let got = env_actions.read(gpu, report)?;
    let floats = |words: &[u32]| words.iter().map(|word| f32::from_bits(*word)).collect::<Vec<_>>();
    report.untouched("env_actions (before)", floats(&got[..env_offset]).iter().enumerate());
    match to_env(head, &actions)? {
        Actions::Continuous(want) => {
            let want: Vec<f64> = want.iter().map(|x| f64::from(*x)).collect();
            report.floats("env_actions", &floats(&got[env_offset..]), &want, |_| 1.0);
        }
        other => report.exact("env_actions", &got[env_offset..], &other.words()),
    }
    let (sizes, taken) = (Sizes::new(head, &p), taken(head, words));
    let got = logp.read(gpu, report)?;
    report.untouched("logp (before)", got[..logp_offset].iter().enumerate());
    let want = log_prob(head, p.view(), &actions)?.to_vec();
    report.floats("logp", &got[logp_offset..], &want, |row| sizes.logp(head, row, &taken[row]));
    Ok(())
}

/// One row in `row_stride` belongs to the product; `None`: the expectation, and no actions.
fn fisher(gpu: &Gpu, report: &Report, head: &Head, rows: usize, row_stride: Option<usize>) -> Result<()> {
    let mut random = Random::new((rows * 10 + head.width()) as u64);
    let (width, words_of_row) = (head.width(), head.action_words());
    let dist = rows_of(head, &mut random, rows, 1.5);
    let tangents = random.normals(dist.len(), 1.0);
    let words = actions_of(head, &mut random, &dist);
    let stride = row_stride.unwrap_or(1);
    // The rows that are not in the product have other actions.
    let mut all = vec![0x7f80_0000; ((rows - 1) * stride + 1) * words_of_row];
    for (row, words) in words.chunks(words_of_row).enumerate() {
        all[row * stride * words_of_row..][..words_of_row].copy_from_slice(words);
    }
    let counts = |row: usize| row_stride.is_none() || row % 4 != 1;
    let weight = if row_stride.is_some() { 1.25 } else { 1.0 };
    let mut marks = vec![[f32::NAN; 4]; (rows - 1) * stride + 1];
    for row in 0..rows {
        marks[row * stride][0] = if counts(row) { -1.0 } else { batch_clean::INVALID_LOGP };
    }
    marks.push([1.25, 0.0, 0.0, 0.0]);
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &dist)?,
        Guarded::holding(gpu, "head_tangents", &tangents)?,
        Guarded::holding(gpu, "actions", if row_stride.is_some() || head.is_masked() { &all } else { &[7] })?,
        Guarded::holding(gpu, "samples", &marks)?,
    );
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", dist.len())?;
    let p = head_fisher_wide::Params {
        rows: rows as u32,
        empirical: row_stride.is_some().into(),
        row_stride: stride as u32,
        scale: SCALE,
        valid_sample: if row_stride.is_some() { marks.len() as u32 - 1 } else { 0 },
        ..Default::default()
    };
    let io = head_fisher_wide::Io {
        head_outputs: buffers.0.io(),
        head_tangents: buffers.1.io(),
        actions: buffers.2.io(),
        samples: buffers.3.io(),
        d_head_outputs: d_head_outputs.io(),
    };
    report.run(gpu, &head_fisher_wide::bind(gpu, head, &[p], &io)?, Slot::default())?;

    let actions = Actions::from_words(head, rows, &words)?;
    let (p, t) = (masked(head, &dist, &actions)?, array(head, &tangents));
    let (sizes, taken) = (Sizes::new(head, &p), taken(head, &words));
    let (mut want, mut scales) = (Array2::zeros(p.dim()), Array2::zeros(p.dim()));
    if row_stride.is_some() {
        let score = log_prob_grad(head, p.view(), &actions, Array1::ones(rows).view())?;
        for row in (0..rows).filter(|row| counts(*row)) {
            let (s, t) = (score.row(row), t.row(row));
            let along = s.dot(&t);
            let of_score = |i: usize| sizes.slope(row, i, is_hit(head, &taken[row], i), [1.0, 0.0, 0.0, 0.0], 0.0);
            let size: f64 = (0..width).map(|i| of_score(i) * t[i].abs()).sum();
            for i in 0..width {
                want[[row, i]] = s[i] * along;
                scales[[row, i]] = of_score(i) * along.abs() + s[i].abs() * size;
            }
        }
    } else {
        want = fisher_vector(head, p.view(), t.view())?;
        for row in 0..rows {
            let largest = t.row(row).iter().fold(0.0, |most: f64, t| most.max(t.abs()));
            for i in 0..width {
                scales[[row, i]] = 2.0 * largest * (sizes.p_size[[row, i]] + sizes.p[[row, i]] * sizes.mean[row]);
            }
        }
    }
    let factor = f64::from(SCALE) * weight;
    let flat = |a: Array2<f64>| (a * factor).into_iter().collect::<Vec<f64>>();
    let (want, scales) = (flat(want), flat(scales));
    report.floats("d_head_outputs", &d_head_outputs.read(gpu, report)?, &want, |i| scales[i]);
    Ok(())
}

const SCALE: f32 = 0.37;
const CLIP: f32 = 0.2;
const ENT_COEF: f32 = 0.01;
const KL_COEF: f32 = 2.0;
/// Of each logit, that a divergence is not 0.
const CHANGE: f32 = 0.3;

/// PPO's loss of wide rows: walked, the loss of what is known of them, and their gradient.
///
/// With `kl` the divergence in that direction is in it, from rows that differ by up to [`CHANGE`].
fn loss(gpu: &Gpu, report: &Report, head: &Head, rows: usize, padded: bool, kl: Option<KlDirection>) -> Result<()> {
    let mut random = Random::new((rows * 7 + head.width()) as u64);
    let (width, offset) = (head.width(), 2);
    let dist = rows_of(head, &mut random, rows, 1.5);
    let words = actions_of(head, &mut random, &dist);
    let actions = Actions::from_words(head, rows, &words)?;
    let p = masked(head, &dist, &actions)?;
    let logp = log_prob(head, p.view(), &actions)?;
    let values = random.normals(rows, 1.0);
    let counts = |row: usize| !padded || row % 3 != 1;
    let counted: Vec<usize> = (0..rows).filter(|row| counts(*row)).collect();
    let weight = rows as f32 / counted.len() as f32;
    let mut samples = vec![[f32::NAN; 4]; offset];
    for (row, logp) in logp.iter().enumerate() {
        // On both sides of the clip, and none near it.
        let moved = if row % 2 == 0 { random.range(0.01, 0.15) } else { random.range(0.25, 0.6) };
        let logp_old = (logp + f64::from(if random.below(2) == 0 { moved } else { -moved })) as f32;
        samples.push([logp_old, random.range(0.5, 2.0), random.range(-1.0, 1.0), 0.0]);
    }
    let old: Vec<f32> = dist.iter().map(|x| x + random.range(-CHANGE, CHANGE)).collect();
    let mut marked = samples.clone();
    for row in (0..rows).filter(|row| !counts(*row)) {
        marked[offset + row][0] = batch_clean::INVALID_LOGP;
    }
    let valid_sample = if padded { marked.len() as u32 } else { 0 };
    marked.push([weight, f32::NAN, f32::NAN, f32::NAN]);
    let kl_sample = if kl.is_some() { marked.len() as u32 } else { 0 };
    let on = |direction: KlDirection| if kl == Some(direction) { KL_COEF } else { 0.0 };
    let by_kl = [on(KlDirection::OldNew), on(KlDirection::NewOld)];
    marked.push([by_kl[0], by_kl[1], f32::NAN, f32::NAN]);
    let old_all = [vec![f32::NAN; offset * width], old.clone()].concat();
    let words_all = [vec![0; offset * head.action_words()], words.clone()].concat();
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &dist)?,
        Guarded::holding(gpu, "values", &values)?,
        Guarded::holding(gpu, "actions", &words_all)?,
        Guarded::holding(gpu, "samples", &marked)?,
        Guarded::holding(gpu, "head_outputs_old", &old_all)?,
    );
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", dist.len())?;
    let d_values = Guarded::output(gpu, "d_values", rows)?;
    let groups = loss_ppo::groups(rows as u32) as usize;
    let loss_partials = Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups * 3)?;
    let settings = Schedule { clip_coef: CLIP, ent_coef: ENT_COEF, ..Schedule::default() };
    let (ring, slot) = schedule(gpu, &settings)?;
    let p = loss_ppo::Params {
        rows: rows as u32,
        row_offset: offset as u32,
        vf_loss_scale: 0.5,
        vf_coef: 0.5,
        kl_sample,
        valid_sample,
        ..Default::default()
    };
    let io = loss_ppo::Io {
        head_outputs: buffers.0.io(),
        values: buffers.1.io(),
        actions: buffers.2.io(),
        samples: buffers.3.io(),
        d_head_outputs: d_head_outputs.io(),
        d_values: d_values.io(),
        loss_partials: loss_partials.io(),
        head_outputs_old: buffers.4.io(),
    };
    let calls = rows::loss(gpu, head, &[p], &io, &ring)?.concat();
    report.exact("dispatches", &[calls.len()], &[3]);
    report.run(gpu, &calls, slot)?;

    let config = PpoConfig {
        clip_coef: CLIP.into(),
        ent_coef: ENT_COEF.into(),
        vf_coef: 0.5,
        vf_loss_scale: 0.5,
        value_loss: crate::config::ValueLoss::Plain,
        kl_penalty: kl.map(|kl| KlPenalty::fixed(KL_COEF.into(), kl)),
        ..PpoConfig::cleanrl()
    };
    let (p, q) = (masked(head, &dist, &actions)?, masked(head, &old, &actions)?.select(Axis(0), &counted));
    let column = |i: usize| -> Array1<f64> { samples[offset..].iter().map(|sample| f64::from(sample[i])).collect() };
    let [logp_old, advantages, returns, values_old] = [0, 1, 2, 3].map(|i| column(i).select(Axis(0), &counted));
    let targets = Targets {
        actions: &actions.select(&counted),
        logp_old: logp_old.view(),
        advantages: advantages.view(),
        returns: returns.view(),
        values_old: values_old.view(),
        old_dist: kl.map(|_| q.view()),
    };
    let of_counted = (p.select(Axis(0), &counted), Array1::from(wide(&values)).select(Axis(0), &counted));
    let result = oracle(head, &config, of_counted.0.view(), of_counted.1.view(), &targets)?;
    let (sizes, taken) = (Sizes::new(head, &p), taken(head, &words));
    let mut want = Array2::zeros(p.dim());
    let mut scales = Array2::zeros(p.dim());
    let (mut want_values, mut terms) = (vec![0.0; rows], [0.0; 3]);
    for (place, &row) in counted.iter().enumerate() {
        want.row_mut(row).assign(&result.d_dist.row(place));
        want_values[row] = result.d_values[place];
        let [old, advantage] = [0, 1].map(|i| f64::from(samples[offset + row][i]));
        let by_kl = by_kl.map(f64::from);
        let (ratio, n) = ((logp[row] - old).exp(), counted.len() as f64);
        // The ratio's relative error is the absolute one of its logarithm.
        let of_ratio = sizes.logp(head, row, &taken[row]) + old.abs();
        let by_logp = ratio * advantage;
        for i in 0..width {
            let hit = is_hit(head, &taken[row], i);
            let score = if hit { 1.0 } else { sizes.p[[row, i]] };
            let own = sizes.slope(row, i, hit, [by_logp, ENT_COEF.into(), by_kl[0], by_kl[1]], CHANGE.into());
            scales[[row, i]] = (own + score * by_logp * of_ratio) / n;
        }
        terms[0] += by_logp * of_ratio;
        terms[1] += sizes.entropy[row];
        terms[2] += of_ratio;
    }
    let (want, scales): (Vec<f64>, Vec<f64>) = (want.into_iter().collect(), scales.into_iter().collect());
    report.floats("d_head_outputs", &d_head_outputs.read(gpu, report)?, &want, |i| scales[i]);
    report.floats("d_values", &d_values.read(gpu, report)?, &want_values, |_| 1.0 / rows as f64);
    let partials = loss_partials.read(gpu, report)?;
    let n = counted.len() as f64 * f64::from(if padded { weight } else { 1.0 });
    let sum = |vector: usize, i: usize| -> f32 { (0..groups).map(|group| partials[group * 3 + vector][i]).sum() };
    let stats = result.stats;
    for (what, got, mean, size) in [
        ("policy", sum(0, 0), stats.policy_loss, terms[0]),
        ("entropy", sum(0, 2), stats.entropy, terms[1]),
        ("k1", sum(0, 3), stats.old_approx_kl, terms[2]),
        ("clipped", sum(1, 2), stats.clipfrac, 1.0),
        ("not finite", sum(1, 3), 0.0, 1.0),
    ] {
        report.floats(&format!("loss_partials ({what})"), &[got], &[mean * n], |_| 2.0 * size);
    }
    report.exact("loss_partials (limits met)", &[sum(2, 2)], &[stats.head_hits as f32]);
    Ok(())
}

/// Of a distribution function: 112 roundings of sums, and weights by a device's exp of numbers down to −15.
const MARGIN: f64 = 112.0 * EPS + (3.0 + 2.0 * 15.0) * 2.0 * EPS;

const TOLERANCE: f64 = 5e-6;
const REASON: &str = "sums of 72 roundings (4.3e-6), a device's exp (3 + 2|x| ulp); scale: each element's own probability, with the logarithm \
                      and the logits that it comes from";

fn case(
    kernel: &'static str,
    head: &Head,
    rows: usize,
    what: &str,
    body: impl Fn(&Gpu, &Report) -> Result<()> + Send + Sync + 'static,
) -> Case {
    Case::new(kernel, format!("{rows} rows, wide {}{what}", name(head)), (TOLERANCE, REASON), body)
}

fn evaluate_case(head: Head, rows: usize, spread: f32, change: f32) -> Case {
    let what = format!(", spread {spread}, change {change}");
    let own = head.clone();
    case(head_evaluate_wide::DEF.name, &head, rows, &what, move |gpu, report| {
        evaluate(gpu, report, &own, rows, spread, change)
    })
}

fn sample_case(head: Head, rows: usize, mode: bool) -> Case {
    let (what, own) = (if mode { ", greedy" } else { ", drawn" }, head.clone());
    case(policy_sample_wide::DEF.name, &head, rows, what, move |gpu, report| draw(gpu, report, &own, rows, mode))
}

fn fisher_case(head: Head, rows: usize, row_stride: Option<usize>) -> Case {
    let what = row_stride.map_or(", exact".to_owned(), |k| format!(", empirical, one row in {k}"));
    let own = head.clone();
    case(head_fisher_wide::DEF.name, &head, rows, &what, move |gpu, report| fisher(gpu, report, &own, rows, row_stride))
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &head_evaluate_wide::DEF,
            about: "`head_evaluate` with a workgroup for each row, if a row is too long for one invocation (more than 7,500 choices); both ends of a loss of such rows",
            oracle: oracle!(head::log_prob),
            at_size: |s| Some(evaluate_case(s.head.clone(), s.rows, 1.0, 0.1)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: evaluate_work,
        },
        Entry {
            def: &head_fisher_wide::DEF,
            about: "`head_fisher` likewise",
            oracle: oracle!(head::fisher_vector),
            at_size: |s| Some(fisher_case(s.head.clone(), s.rows, None)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: trust_region::fisher_work,
        },
        Entry {
            def: &policy_sample_wide::DEF,
            about: "`policy_sample` likewise",
            oracle: oracle!(head::sample),
            at_size: |s| Some(sample_case(s.head.clone(), s.rows, false)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: sample_work,
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let categorical = |actions| Head::categorical(actions);
    let bins = Head::Discretised { dims: 2, bins: 4001, bounds: Bounds::uniform(2, -1.0, 0.5) };
    let mut cases = Vec::new();
    for (head, rows, spread, change) in [
        (categorical(7_501), 3, 2.0, 0.3),
        (categorical(8_193), 1, 1.0, 0.1),
        (categorical(65_537), 2, 1.5, 0.3),
        // The kernels take any number of choices.
        (categorical(1), 3, 1.0, 0.3),
        (categorical(257), 65, 2.0, 1.0),
        (masked_choice(7_777), 5, 2.0, 0.3),
        (masked_choices(&[3, 7_500, 40]), 9, 2.0, 0.3),
        (bins.clone(), 3, 1.0, 0.1),
        (Head::multi_discrete(vec![33; 256]), 2, 2.0, 0.3),
    ] {
        cases.push(evaluate_case(head, rows, spread, change).quick(rows == 3));
    }
    for (head, rows) in [
        (categorical(7_501), 5),
        (categorical(8_193), 1),
        (categorical(65_537), 4),
        (categorical(257), 65),
        (masked_choice(7_777), 5),
        (masked_choices(&[3, 7_500, 40]), 17),
        (bins.clone(), 3),
        (Head::multi_discrete(vec![33; 256]), 2),
    ] {
        for mode in [false, true] {
            cases.push(sample_case(head.clone(), rows, mode).quick(rows == 5));
        }
    }
    for (head, rows) in [
        (categorical(7_501), 3),
        (categorical(65_537), 2),
        (categorical(257), 65),
        (masked_choices(&[3, 7_500, 40]), 6),
        (bins, 3),
    ] {
        for row_stride in [None, Some(1), Some(3)] {
            cases.push(fisher_case(head.clone(), rows, row_stride).quick(rows == 3));
        }
    }
    for (head, rows, padded) in
        [(categorical(7_501), 67, false), (categorical(8_193), 5, true), (masked_choices(&[3, 7_500, 40]), 6, false)]
    {
        let (own, what) = (head.clone(), if padded { ", every third row does not count" } else { "" });
        let body = move |gpu: &Gpu, report: &Report| loss(gpu, report, &own, rows, padded, None);
        let cancels =
            "k1 sums up log-ratios of both signs, which nearly cancel, each as well known as two logarithms of about 9";
        cases.push(case(loss_ppo::DEF.name, &head, rows, what, body).loose(cancels));
        for kl in [KlDirection::OldNew, KlDirection::NewOld].into_iter().filter(|_| rows < 10) {
            let (own, what) = (head.clone(), format!("{what}, KL {kl:?}"));
            let body = move |gpu: &Gpu, report: &Report| loss(gpu, report, &own, rows, padded, Some(kl));
            cases.push(case(loss_ppo::DEF.name, &head, rows, &what, body).loose(cancels));
        }
    }
    for (head, rows, which) in [
        (categorical(7_501), 65, trust_region::Rows::Usual),
        (categorical(8_193), 5, trust_region::Rows::Padded),
        (masked_choices(&[3, 7_500, 40]), 6, trust_region::Rows::Usual),
    ] {
        let own = head.clone();
        let body = move |gpu: &Gpu, report: &Report| trust_region::loss(gpu, report, &own, rows, 0.1, which);
        let shape = format!("{rows} rows, wide {}, {which:?}", name(&head));
        // Sums of a workgroup have fewer roundings on the way of a term than the bounds allow so many terms.
        cases.push(Case::new(loss_trust_region::DEF.name, shape, (EPS, trust_region::REASON), body));
    }
    cases
}
