//! PPO's loss: gradients at the heads and partial sums.

use super::accuracy::{Known, exact, exp_accuracy};
use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head::{
    CLAMP, FLOOR, actions_of, beta, binned, deviating, masked, masked_choice, masked_choices, name, rows_of, squashed,
};
use super::head_accuracy::accuracy;
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::config::{Algorithm, KlDirection, KlPenalty, PpoConfig, ValueLoss};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::{Gpu, Schedule};
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::loss_ppo::{self, VALUE_UNIT};
use crate::policy::Head;
use crate::reference::head::{entropy, entropy_grad, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad};
use crate::reference::loss_ppo::{PpoLoss, Targets, loss_ppo as oracle};
use crate::reference::surrogate;
use ndarray::{Array1, Array2, Axis};

pub(super) const CLIP: f32 = 0.2;
pub(super) const CLIP_VF: f32 = 0.25;
/// Of Huber's loss and of the clamped error; both kinds of rows are among the inputs.
const LIMIT: f32 = 1.2;
pub(super) const ENT_COEF: f32 = 0.03;
pub(super) const VF_COEF: f32 = 0.7;
const KL_COEF: f32 = 0.8;
/// Rows of one workgroup, hence of one partial sum.
pub(super) const GROUP: usize = 64;

#[derive(Clone)]
pub(super) struct Loss {
    pub head: Head,
    pub rows: usize,
    pub row_offset: usize,
    pub value_loss: ValueLoss,
    pub dual_clip: Option<f32>,
    /// 0 clipped, 1 −r A, 2 −A logp.
    pub surrogate: u32,
    /// Direction of a penalty of weight [`KL_COEF`].
    pub kl: Option<KlDirection>,
    /// Log-ratios up to ±25, beyond the clamp.
    pub wild: bool,
    /// NaN and infinities among the inputs.
    pub broken: bool,
    /// Every third row does not count.
    pub padded: bool,
}

/// Inputs of one minibatch, stepped away from the places where the derivative jumps.
pub(super) struct Inputs {
    dist: Vec<f32>,
    values: Vec<f32>,
    /// Of all rows, too.
    old: Vec<f32>,
    /// Of all rows, the offset before the minibatch included.
    pub words: Vec<u32>,
    pub samples: Vec<[f32; 4]>,
}

impl Loss {
    /// Of `range`, the rows that count.
    pub(super) fn counted(&self, range: std::ops::Range<usize>) -> Vec<usize> {
        range.filter(|row| !self.padded || row % 3 != 1).collect()
    }

    fn inputs(&self) -> Result<Inputs> {
        let mut random = Random::new((self.rows * 10 + self.head.width()) as u64);
        let dist = rows_of(&self.head, &mut random, self.rows, 1.5);
        let values = (0..self.rows).map(|_| random.range(-2.0, 2.0)).collect();
        self.inputs_at(random, dist, values)
    }

    /// With these distribution rows and values.
    pub(super) fn inputs_at(&self, mut random: Random, mut dist: Vec<f32>, mut values: Vec<f32>) -> Result<Inputs> {
        let (rows, offset, dims) = (self.rows, self.row_offset, self.head.action_words());
        let words = actions_of(&self.head, &mut random, &dist);
        let actions = Actions::from_words(&self.head, rows, &words)?;
        let logp = log_prob(&self.head, masked(&self.head, &dist, &actions)?.view(), &actions)?;
        let mut samples = vec![[f32::NAN; 4]; offset];
        for (row, (logp, value)) in logp.iter().zip(&values).enumerate() {
            let log_ratio = if self.wild && row % 4 == 0 {
                [-25.0, -19.0, 15.0, 25.0][row / 4 % 4]
            } else {
                // Not near 1 ± 0.2, nor near a dual clip of 3.
                let bands = [(0.4, 0.79), (0.81, 1.19), (1.21, 2.9), (3.1, 4.0)];
                let (low, high) = bands[random.below(4) as usize];
                random.range(low, high).ln()
            };
            let moved = if random.below(2) == 0 { random.range(0.0, 0.24) } else { random.range(0.26, 1.5) };
            let old = if random.below(2) == 0 { value + moved } else { value - moved };
            let logp_old = (logp - f64::from(log_ratio)) as f32;
            samples.push([logp_old, random.range(-2.0, 2.0), random.range(-3.0, 3.0), old]);
        }
        let old: Vec<f32> = dist.iter().map(|x| x + random.range(-0.3, 0.3)).collect();
        let old = [vec![f32::NAN; offset * self.head.width()], old].concat();
        if self.broken {
            for row in (0..rows).step_by(5) {
                match row % 4 {
                    0 => dist[row * self.head.width()] = f32::NAN,
                    1 => values[row] = f32::INFINITY,
                    2 => samples[offset + row][1] = f32::NAN,
                    _ => samples[offset + row][2] = f32::NEG_INFINITY,
                }
            }
        }
        let words = [vec![0; offset * dims], words].concat();
        Ok(Inputs { dist, values, old, words, samples })
    }

    fn config(&self) -> PpoConfig {
        PpoConfig {
            clip_coef: CLIP.into(),
            clip_coef_vf: Some(CLIP_VF.into()),
            dual_clip: self.dual_clip.map(f64::from),
            value_loss: self.value_loss,
            vf_loss_scale: 0.5,
            ent_coef: ENT_COEF.into(),
            vf_coef: VF_COEF.into(),
            algorithm: if self.surrogate == 2 { Algorithm::A2c } else { Algorithm::Ppo },
            kl_penalty: match (self.kl, self.surrogate) {
                (None, 1) => Some(KlPenalty { clip: false, ..KlPenalty::fixed(0.0, KlDirection::OldNew) }),
                (kl, surrogate) => {
                    kl.map(|kl| KlPenalty { clip: surrogate == 0, ..KlPenalty::fixed(KL_COEF.into(), kl) })
                }
            },
            ..PpoConfig::cleanrl()
        }
    }
}

/// The oracle's view of the rows of a minibatch.
pub(super) struct Minibatch {
    head: Head,
    pub config: PpoConfig,
    dist: Array2<f64>,
    old: Array2<f64>,
    values: Array1<f64>,
    words: Vec<u32>,
    samples: [Array1<f64>; 4],
}

impl Minibatch {
    pub(super) fn new(c: &Loss, inputs: &Inputs) -> Result<Self> {
        let words = inputs.words[c.row_offset * c.head.action_words()..].to_vec();
        let actions = Actions::from_words(&c.head, c.rows, &words)?;
        let column = |i: usize| inputs.samples[c.row_offset..].iter().map(|sample| f64::from(sample[i])).collect();
        Ok(Self {
            head: c.head.clone(),
            config: c.config(),
            dist: masked(&c.head, &inputs.dist, &actions)?,
            old: masked(&c.head, &inputs.old[c.row_offset * c.head.width()..], &actions)?,
            values: wide(&inputs.values).into(),
            words,
            samples: [column(0), column(1), column(2), column(3)],
        })
    }

    fn actions(&self) -> Result<Actions> {
        Actions::from_words(&self.head, self.dist.nrows(), &self.words)
    }

    /// The loss over these rows alone.
    pub(super) fn oracle(&self, rows: &[usize]) -> Result<PpoLoss<f64>> {
        let actions = self.actions()?.select(rows);
        let [logp_old, advantages, returns, values_old] = self.samples.each_ref().map(|c| c.select(Axis(0), rows));
        let old = self.old.select(Axis(0), rows);
        let targets = Targets {
            actions: &actions,
            logp_old: logp_old.view(),
            advantages: advantages.view(),
            returns: returns.view(),
            values_old: values_old.view(),
            old_dist: Some(old.view()),
        };
        let (dist, values) = (self.dist.select(Axis(0), rows), self.values.select(Axis(0), rows));
        oracle(&self.head, &self.config, dist.view(), values.view(), &targets)
    }
}

fn run(gpu: &Gpu, report: &Report, c: &Loss) -> Result<()> {
    let inputs = c.inputs()?;
    let m = Minibatch::new(c, &inputs)?;
    let rows = c.rows;
    let mut samples = inputs.samples.clone();
    let kl_sample = if c.kl.is_some() { samples.len() as u32 } else { 0 };
    let on = |direction: KlDirection| if c.kl == Some(direction) { KL_COEF } else { 0.0 };
    samples.push([on(KlDirection::OldNew), on(KlDirection::NewOld), f32::NAN, f32::NAN]);
    let counted = c.counted(0..rows);
    // What a row that counts weighs: sums over them, divided by all rows, are means over them.
    let weight = if c.padded { rows as f32 / counted.len() as f32 } else { 1.0 };
    let valid_sample = if c.padded { samples.len() as u32 } else { 0 };
    samples.push([weight, f32::NAN, f32::NAN, f32::NAN]);
    for row in (0..rows).filter(|row| !counted.contains(row)) {
        samples[c.row_offset + row][0] = INVALID_LOGP;
    }
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &inputs.dist)?,
        Guarded::holding(gpu, "values", &inputs.values)?,
        Guarded::holding(gpu, "actions", &inputs.words)?,
        Guarded::holding(gpu, "samples", &samples)?,
        Guarded::holding(gpu, "head_outputs_old", &inputs.old)?,
    );
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", inputs.dist.len())?;
    let d_values = Guarded::output(gpu, "d_values", rows)?;
    let groups = rows.div_ceil(GROUP);
    let loss_partials = Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups * 3)?;
    let clip_coef_vf = m.config.value_limit_at(0.0) as f32;
    let values = Schedule { clip_coef: CLIP, clip_coef_vf, ent_coef: ENT_COEF, ..Schedule::default() };
    let (ring, slot) = schedule(gpu, &values)?;
    let mut p = loss_ppo::Params::default();
    (p.rows, p.row_offset, p.value_loss) = (rows as u32, c.row_offset as u32, c.value_loss.code());
    (p.dual_clip, p.vf_loss_scale, p.vf_coef) = (c.dual_clip.unwrap_or(0.0), 0.5, VF_COEF);
    (p.surrogate, p.kl_sample, p.valid_sample) = (c.surrogate, kl_sample, valid_sample);
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
    report.run(gpu, &loss_ppo::bind(gpu, &c.head, &[p], &io, &ring)?, slot)?;
    let partials = loss_partials.read(gpu, report)?;
    let d_dist = d_head_outputs.read(gpu, report)?;
    let d_v = d_values.read(gpu, report)?;

    if c.broken {
        for group in 0..groups {
            let own = m.oracle(&c.counted(group * GROUP..rows.min((group + 1) * GROUP)))?;
            let want = f64::from(own.stats.non_finite_rows);
            report.floats("loss_partials (not finite)", &[partials[group * 3 + 1][3]], &[want], |_| 1.0);
        }
        return Ok(());
    }
    let bounds = Bounds::new(&m, rows, None)?;
    let whole = m.oracle(&counted)?;
    // Rows that do not count have no gradient: exactly, as their size is 0.
    let weight = f64::from(weight);
    let mut want = Array2::zeros(m.dist.dim());
    let (mut want_values, mut share) = (vec![0.0; rows], vec![0.0; rows]);
    for (place, &row) in counted.iter().enumerate() {
        want.row_mut(row).assign(&whole.d_dist.row(place));
        want_values[row] = whole.d_values[place];
        share[row] = weight;
    }
    let width = c.head.width();
    let want: Vec<f64> = want.into_iter().collect();
    report.floats("d_head_outputs", &d_dist, &want, |i| share[i / width] * bounds.d_dist[i] / EPS);
    report.floats("d_values", &d_v, &want_values, |row| share[row] * bounds.d_values[row] / EPS);
    for group in 0..groups {
        let range = c.counted(group * GROUP..rows.min((group + 1) * GROUP));
        if range.is_empty() {
            let nothing = [[0.0; 4], [0.0; 4], [3.4e38, 0.0, 0.0, 0.0]];
            report.exact("loss_partials (no row counts)", &partials[group * 3..group * 3 + 3], &nothing);
            continue;
        }
        let stats = m.oracle(&range)?.stats;
        let n = range.len() as f64 * weight;
        let sums = [
            stats.policy_loss,
            stats.value_loss,
            stats.entropy,
            stats.old_approx_kl,
            stats.approx_kl_k2,
            stats.approx_kl,
            stats.clipfrac,
            // This one is a count.
            f64::from(stats.non_finite_rows) / n,
        ]
        .map(|mean| mean * n);
        let mut got: Vec<f32> = partials[group * 3..group * 3 + 3].iter().flatten().copied().collect();
        got[1] *= VALUE_UNIT;
        let size = |i: usize| weight * range.iter().map(|row| bounds.in_sum(*row, i)).sum::<f64>() / EPS;
        for (i, name) in SUMS.iter().enumerate() {
            report.floats(name, &got[i..=i], &sums[i..=i], |_| size(i));
        }
        let extremes = [stats.ratio_min, stats.ratio_max];
        let most = range.iter().map(|row| bounds.ratio[*row]).fold(0.0, f64::max);
        report.floats("loss_partials (ratios)", &got[8..10], &extremes, |i| extremes[i] * most / EPS);
        report.exact("loss_partials (hits, rows)", &got[10..], &[stats.head_hits as f32, range.len() as f32]);
    }
    Ok(())
}

/// The sums among the partials.
pub(super) const SUMS: [&str; 8] = [
    "loss_partials (policy loss)",
    "loss_partials (value loss)",
    "loss_partials (entropy)",
    "loss_partials (k1)",
    "loss_partials (k2)",
    "loss_partials (k3)",
    "loss_partials (clipped)",
    "loss_partials (not finite)",
];

/// How far each number that a row gives may be off: WGSL's accuracy and the head's, carried through the loss to first order.
pub(super) struct Bounds {
    /// Of the ratio, relative.
    pub ratio: Vec<f64>,
    /// Row by row, of a mean over all rows.
    pub d_dist: Vec<f64>,
    pub d_values: Vec<f64>,
    /// The size of each term of the sums, and the bound of its error.
    terms: Vec<[[f64; 2]; 8]>,
}

/// How well the distribution rows and the values are known that a loss begins with.
pub(super) struct Room {
    pub dist: Array2<f64>,
    pub values: Vec<f64>,
}

impl Bounds {
    /// Of a term's share in a sum over a workgroup: its own error, a tree of 6 levels, the weight and the result.
    pub(super) fn in_sum(&self, row: usize, i: usize) -> f64 {
        let [size, error] = self.terms[row][i];
        error + 8.0 * EPS * size
    }

    pub(super) fn new(m: &Minibatch, rows: usize, room: Option<&Room>) -> Result<Self> {
        let actions = m.actions()?;
        let (head, config, ones) = (&m.head, &m.config, Array1::ones(rows));
        let logp = log_prob(head, m.dist.view(), &actions)?;
        let entropies = entropy(head, m.dist.view())?;
        let d_logp = log_prob_grad(head, m.dist.view(), &actions, ones.view())?;
        let d_entropy = entropy_grad(head, m.dist.view(), ones.view())?;
        // β of both divergences, and their gradients.
        let penalty = config.kl_penalty.as_ref().filter(|penalty| penalty.kl_coef != 0.0);
        let weight = |direction: KlDirection| penalty.filter(|p| p.direction == direction).map_or(0.0, |p| p.kl_coef);
        let betas = [weight(KlDirection::OldNew), weight(KlDirection::NewOld)];
        let none = || Array2::zeros(m.dist.dim());
        let (mut d_old_new, mut d_new_old) = (none(), none());
        if betas != [0.0; 2] {
            d_old_new = kl_old_new_grad(head, m.old.view(), m.dist.view(), ones.view())?;
            d_new_old = kl_new_old_grad(head, m.old.view(), m.dist.view(), ones.view())?;
        }
        let head_bounds = accuracy(head, &m.dist, (betas != [0.0; 2]).then_some(&m.old), &actions);
        let [mut by_logp_bound, mut by_entropy_bound, old_new_bound, new_old_bound] = head_bounds.gradients;
        let [mut logp_bound, mut entropy_bound, ..] = head_bounds.values;
        if let Some(room) = room {
            let along = |slopes: &Array2<f64>| (slopes.mapv(f64::abs) * &room.dist).sum_axis(Axis(1));
            logp_bound.iter_mut().zip(along(&d_logp)).for_each(|(bound, more)| *bound += more);
            entropy_bound.iter_mut().zip(along(&d_entropy)).for_each(|(bound, more)| *bound += more);
            // How far the slopes move with the rows; a larger change, so that it is seen in f64.
            for i in 0..m.dist.ncols() {
                let mut moved = m.dist.clone();
                moved.column_mut(i).scaled_add(16.0, &room.dist.column(i));
                let change = log_prob_grad(head, moved.view(), &actions, ones.view())? - &d_logp;
                by_logp_bound += &change.mapv(|change| change.abs() / 16.0);
                let change = entropy_grad(head, moved.view(), ones.view())? - &d_entropy;
                by_entropy_bound += &change.mapv(|change| change.abs() / 16.0);
            }
        }
        let column = |i: usize| &m.samples[i];
        let policy_loss = |row: usize| -> Result<(f64, f64)> {
            let own = |values: &Array1<f64>| Array1::from_elem(1, values[row]);
            let (new, old, advantage) = (own(&logp), own(column(0)), own(column(1)));
            let (loss, by_logp) = match config {
                PpoConfig { algorithm: Algorithm::A2c, .. } => {
                    surrogate::policy_gradient(new.view(), advantage.view())?
                }
                PpoConfig { kl_penalty: Some(penalty), .. } if !penalty.clip => {
                    surrogate::unclipped(new.view(), old.view(), advantage.view())?
                }
                _ => {
                    let clip = f64::from(CLIP);
                    surrogate::clip(new.view(), old.view(), advantage.view(), clip, clip, config.dual_clip)?
                }
            };
            Ok((loss, by_logp[0].abs()))
        };
        let n = rows as f64;
        let (mut ratio, mut d_dist, mut d_values, mut terms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let [logp_old, advantage, target, value_old] = [0, 1, 2, 3].map(|i| column(i)[row]);
            let difference = logp[row] - logp_old;
            let log_ratio = difference.clamp(-20.0, 20.0);
            // The ratio's relative error is the absolute one of its logarithm, and exp's own.
            let of_log = if difference == log_ratio { logp_bound[row] + EPS * difference.abs() } else { EPS };
            let of_ratio = of_log + exp_accuracy(log_ratio);
            let (loss, by_logp) = policy_loss(row)?;
            let no_ratio = config.algorithm == Algorithm::A2c;
            let follows_ratio = (loss + advantage * log_ratio.exp()).abs() <= 1e-9 * loss.abs();
            let loss_bound = match (no_ratio, follows_ratio) {
                (true, _) => advantage.abs() * logp_bound[row],
                (_, true) => loss.abs() * of_ratio,
                // A bound times the advantage.
                _ => 0.0,
            };
            let of_by_logp = if no_ratio { 0.0 } else { of_ratio };
            for i in 0..m.dist.ncols() {
                let at = [row, i];
                // weight · slope, each with an error: first order has one summand for either.
                let parts = [
                    (by_logp, d_logp[at], of_by_logp, by_logp_bound[at]),
                    (config.ent_coef, d_entropy[at], 0.0, by_entropy_bound[at]),
                    (betas[0], d_old_new[at], 0.0, old_new_bound[at]),
                    (betas[1], d_new_old[at], 0.0, new_old_bound[at]),
                ];
                // A dozen roundings: of the shares, the products and the sum of four.
                let own = |(weight, slope, relative, bound): (f64, f64, f64, f64)| {
                    weight * (slope.abs() * (relative + 12.0 * EPS) + bound)
                };
                d_dist.push(parts.into_iter().map(own).sum::<f64>() / n);
            }
            let (error, passes) = value_error(config, m.values[row], target, value_old);
            let of_error = error.error + room.map_or(0.0, |room| room.values[row]);
            let size = error.value.abs();
            let scale = config.vf_loss_scale;
            d_values.push(if passes { config.vf_coef * scale * 2.0 * (of_error + 6.0 * EPS * size) / n } else { 0.0 });
            let square = scale * size * size;
            let k3 = exact(log_ratio).give(of_log).k3();
            terms.push([
                [loss.abs(), loss_bound + 2.0 * EPS * loss.abs()],
                [square, scale * 2.0 * size * of_error + 4.0 * EPS * square],
                [entropies[row].abs(), entropy_bound[row]],
                [log_ratio.abs(), of_log],
                [0.5 * log_ratio * log_ratio, log_ratio.abs() * of_log + EPS * log_ratio * log_ratio],
                [k3.value, k3.error],
                [1.0, 0.0],
                [0.0, 0.0],
            ]);
            ratio.push(of_ratio);
        }
        Ok(Self { ratio, d_dist, d_values, terms })
    }
}

/// A number e of which the value's loss is about the square, and whether it has a gradient. Huber's line has the slope 2 e of such an e,
/// and a smaller loss.
fn value_error(config: &PpoConfig, value: f64, target: f64, old: f64) -> (Known, bool) {
    let plain = exact(value) - exact(target);
    let limit = config.value_limit_at(0.0);
    let moved = exact(value) - exact(old);
    let inside = moved.value.abs() <= limit;
    let change = if inside { moved } else { exact(limit.copysign(moved.value)) };
    let clipped = exact(old) + change - exact(target);
    match config.value_loss {
        // Inside they are one number, of which rounding takes either form.
        ValueLoss::ClipMax if inside => (clipped, true),
        ValueLoss::ClipMax if clipped.value.abs() > plain.value.abs() => (clipped, false),
        ValueLoss::ClipOnly => (clipped, inside),
        ValueLoss::ClampError { max } => (plain, plain.value * plain.value <= max),
        _ => (plain, true),
    }
}

fn loss_case(c: Loss) -> Case {
    let mut shape = format!("{} rows, {}, {:?}", c.rows, name(&c.head), c.value_loss);
    if c.row_offset > 0 {
        shape += &format!(", from row {}", c.row_offset);
    }
    if let Some(dual_clip) = c.dual_clip {
        shape += &format!(", dual clip {dual_clip}");
    }
    shape += ["", ", unclipped", ", no ratio"][c.surrogate as usize % 3];
    if let Some(direction) = c.kl {
        shape += &format!(", penalty {direction:?}");
    }
    shape += if c.wild { ", log-ratios beyond the clamp" } else { "" };
    shape += if c.broken { ", not finite" } else { "" };
    shape += if c.padded { ", every third row does not count" } else { "" };
    let reason = "one rounding of the result; scale: the head's own accuracy as in head_evaluate, the log-ratio's rounding and a device's \
                  exp (3 + 2|x| ulp), carried through the loss to first order, a tree of 6 levels, in units of 2⁻²⁴";
    Case::new(loss_ppo::DEF.name, shape, (EPS, reason), move |gpu, report| run(gpu, report, &c))
}

/// Without a penalty, all rows count, nothing is beyond a clamp or not finite.
pub(super) fn usual(head: Head, rows: usize) -> Loss {
    Loss {
        head,
        rows,
        row_offset: 0,
        value_loss: ValueLoss::Plain,
        dual_clip: None,
        surrogate: 0,
        kl: None,
        wild: false,
        broken: false,
        padded: false,
    }
}

/// So many operations per number of a distribution row, and per row.
fn work(s: &Size) -> Work {
    let (n, width, words) = (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64);
    Work::rows(s.rows, n * (16.0 * width + 40.0), 4.0 * n * (2.0 * width + words + 6.0) + 0.75 * n)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_ppo::DEF,
        about: "the clipped surrogate, value loss and entropy bonus: gradients at the heads",
        oracle: oracle!(loss_ppo::loss_ppo),
        at_size: |s| Some(loss_case(Loss { value_loss: ValueLoss::ClipMax, ..usual(s.head.clone(), s.rows) })),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let categorical = |actions| Head::categorical(actions);
    let gaussian = |dims| Head::gaussian(dims);
    let usual = usual(categorical(2), 65);
    let mut cases = Vec::new();
    for head in [categorical(2), gaussian(1)] {
        for rows in [1, 63, 64, 65, 1021] {
            cases.push(loss_case(Loss { head: head.clone(), rows, ..usual.clone() }).quick(rows == 65));
        }
        for value_loss in [
            ValueLoss::Plain,
            ValueLoss::ClipMax,
            ValueLoss::ClipOnly,
            ValueLoss::Huber { delta: LIMIT.into() },
            ValueLoss::ClampError { max: LIMIT.into() },
        ] {
            for dual_clip in [None, Some(3.0)] {
                let c = Loss { head: head.clone(), rows: 131, row_offset: 67, value_loss, dual_clip, ..usual.clone() };
                cases.push(loss_case(c).quick(dual_clip.is_some()));
            }
        }
        cases.push(loss_case(Loss { head: head.clone(), wild: true, ..usual.clone() }));
        for value_loss in [ValueLoss::Plain, ValueLoss::Huber { delta: 1.0 }, ValueLoss::ClampError { max: 1.0 }] {
            cases.push(loss_case(Loss { head: head.clone(), rows: 127, value_loss, broken: true, ..usual.clone() }));
        }
        for rows in [3, 65, 131] {
            let (head, kl) = (head.clone(), Some(KlDirection::OldNew));
            let c = Loss { head, rows, row_offset: 67, kl, padded: true, ..usual.clone() };
            cases.push(loss_case(c).quick(rows == 131));
        }
    }
    for head in [categorical(3), gaussian(2)] {
        let (old_new, new_old) = (Some(KlDirection::OldNew), Some(KlDirection::NewOld));
        for (surrogate, kl) in [(1, None), (2, None), (1, old_new), (0, new_old)] {
            let c = Loss { head: head.clone(), rows: 131, row_offset: 67, surrogate, kl, ..usual.clone() };
            cases.push(loss_case(c).quick(kl.is_some()));
        }
    }
    let others = [
        masked_choice(5),
        masked_choices(&[3, 40, 2]),
        Head::bernoulli(5),
        binned(2, 11),
        beta(3),
        deviating(2, true, CLAMP),
        squashed(2, false, FLOOR),
    ];
    for head in [categorical(1), categorical(33), gaussian(3), gaussian(17)].into_iter().chain(others) {
        cases.push(loss_case(Loss { head, rows: 67, value_loss: ValueLoss::ClipMax, ..usual.clone() }));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient of a minibatch as it should be, its bounds, and what `change` makes of it compared with them.
    fn fault(head: &Head, change: impl Fn(usize, f64) -> f64) -> (Vec<f64>, Vec<f64>, Option<String>) {
        let c = Loss { kl: Some(KlDirection::OldNew), ..usual(head.clone(), 67) };
        let inputs = c.inputs().unwrap();
        let m = Minibatch::new(&c, &inputs).unwrap();
        let bounds = Bounds::new(&m, c.rows, None).unwrap();
        let want: Vec<f64> = m.oracle(&(0..c.rows).collect::<Vec<_>>()).unwrap().d_dist.into_iter().collect();
        let got: Vec<f32> = want.iter().enumerate().map(|(i, want)| change(i, *want) as f32).collect();
        let report = Report::new("loss_ppo", "", EPS, "");
        report.floats("d_head_outputs", &got, &want, |i| bounds.d_dist[i] / EPS);
        (want, bounds.d_dist, report.row().fault)
    }

    /// Scales that multiplied the bounds of a ratio and of a slope let a Gaussian of 17 dimensions be 10 % off.
    #[test]
    fn a_gradient_that_is_a_hundredth_off_fails() {
        for head in [
            Head::gaussian(17),
            Head::gaussian(1),
            squashed(3, true, FLOOR),
            deviating(2, true, CLAMP),
            beta(3),
            Head::categorical(33),
            masked_choices(&[3, 40, 2]),
            Head::bernoulli(5),
        ] {
            let (want, bounds, right) = fault(&head, |_, want| want);
            assert_eq!(right, None);
            assert!(fault(&head, |_, want| 1.01 * want).2.is_some(), "{head:?}");
            // And so it does in nearly any single element.
            let moving: Vec<usize> = (0..want.len()).filter(|i| want[*i] != 0.0).collect();
            let seen = |i: &&usize| bounds[**i] < 0.01 * want[**i].abs();
            let share = moving.iter().filter(seen).count() as f64 / moving.len() as f64;
            assert!(share > 0.95, "{head:?}: a hundredth off is seen in {share} of the elements");
            let one = moving.iter().find(seen).unwrap();
            let found = fault(&head, |i, want| if i == *one { 1.01 * want } else { want }).2;
            assert!(found.is_some_and(|fault| fault.contains(&format!("[{one}]"))), "{head:?}");
        }
    }
}
