//! Fisher products, and the surrogate with its divergences.

use super::accuracy::exp_accuracy;
use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head::{
    CLAMP, FLOOR, REASON, TANH, Walk, actions_of, beta, binned, deviating, fisher_case, masked, masked_choices, name,
    rows_of, squashed,
};
use super::head_accuracy::accuracy;
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, wide};
use super::work::Work;
use crate::algo::rows as rows_of_algo;
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::{batch_clean, head_fisher, loss_trust_region};
use crate::policy::Head;
use crate::reference::head::{kl, log_prob};
use crate::reference::surrogate::log_ratio;
use ndarray::{Array1, Zip};

/// Rows of one workgroup, hence of one partial sum.
const GROUP: usize = 64;

/// A candidate's rows, the old ones, and what is known of both.
struct Inputs {
    new: Vec<f32>,
    old: Vec<f32>,
    words: Vec<u32>,
    actions: Actions,
    samples: Vec<[f32; 4]>,
    /// Rows of each workgroup that are not finite.
    non_finite: Vec<f64>,
}

impl Inputs {
    fn new(head: &Head, rows: usize, change: f32, which: Rows) -> Result<Self> {
        let mut random = Random::new((rows * 31 + head.width()) as u64);
        let mut new = rows_of(head, &mut random, rows, 1.5);
        let old: Vec<f32> = new.iter().map(|x| x + random.range(-change, change)).collect();
        let words = actions_of(head, &mut random, &old);
        let actions = Actions::from_words(head, rows, &words)?;
        let logp_old = log_prob(head, masked(head, &old, &actions)?.view(), &actions)?;
        let mut samples: Vec<[f32; 4]> = Vec::new();
        for (row, logp) in logp_old.iter().enumerate() {
            let shift = if which == Rows::Wild && row % 3 == 0 { [-25.0, 25.0, 15.0][row / 3 % 3] } else { 0.0 };
            samples.push([(logp + shift) as f32, random.range(-2.0, 2.0), f32::NAN, f32::NAN]);
        }
        let mut non_finite = vec![0.0; rows.div_ceil(GROUP)];
        for row in (0..rows).step_by(5).filter(|_| which == Rows::Broken) {
            match row % 3 {
                0 => new[row * head.width()] = f32::NAN,
                1 => samples[row][0] = f32::NEG_INFINITY,
                _ => samples[row][1] = f32::NAN,
            }
            non_finite[row / GROUP] += 1.0;
        }
        Ok(Self { new, old, words, actions, samples, non_finite })
    }

    /// What each row weighs, and `samples` with the marks of those that do not count: sums over the others, divided by all rows, are means
    /// over them.
    fn marked(&self, which: Rows) -> (Vec<f32>, Vec<[f32; 4]>) {
        let rows = self.samples.len();
        let (mut weights, mut marked) = (vec![1.0_f32; rows], self.samples.clone());
        if which == Rows::Padded {
            let counts = |row: &usize| row % 3 != 1;
            let weight = rows as f32 / (0..rows).filter(counts).count() as f32;
            for row in 0..rows {
                weights[row] = if counts(&row) { weight } else { 0.0 };
                marked[row][0] = if counts(&row) { self.samples[row][0] } else { batch_clean::INVALID_LOGP };
            }
            marked.push([weight, f32::NAN, f32::NAN, f32::NAN]);
        }
        (weights, marked)
    }
}

pub(super) async fn loss(gpu: &Gpu, report: &Report, head: &Head, rows: usize, change: f32, which: Rows) -> Result<()> {
    let inputs = Inputs::new(head, rows, change, which)?;
    let (weights, marked) = inputs.marked(which);
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &inputs.new)?,
        Guarded::holding(gpu, "head_outputs_old", &inputs.old)?,
        Guarded::holding(gpu, "actions", &inputs.words)?,
        Guarded::holding(gpu, "samples", &marked)?,
    );
    let trust_partials = Guarded::<[f32; 4]>::output(gpu, "trust_partials", inputs.non_finite.len())?;
    let valid_sample = if which == Rows::Padded { rows as u32 } else { 0 };
    let p = loss_trust_region::Params { rows: rows as u32, valid_sample, ..Default::default() };
    let io = loss_trust_region::Io {
        head_outputs: buffers.0.io(),
        head_outputs_old: buffers.1.io(),
        actions: buffers.2.io(),
        samples: buffers.3.io(),
        trust_partials: trust_partials.io(),
    };
    report.run(gpu, &rows_of_algo::trust_region(gpu, head, &[p], &io)?.concat(), Slot::default())?;
    let got = trust_partials.read(gpu, report).await?;
    let broken: Vec<f32> = got.iter().map(|partial| partial[3]).collect();
    report.floats("trust_partials (not finite)", &broken, &inputs.non_finite, |_| 1.0);
    if which != Rows::Broken {
        compare(report, head, &inputs, &weights, &got)?;
    }
    Ok(())
}

/// The partial sums of workgroups whose rows weigh so much.
fn compare(report: &Report, head: &Head, inputs: &Inputs, weights: &[f32], got: &[[f32; 4]]) -> Result<()> {
    let (rows, actions) = (weights.len(), &inputs.actions);
    let (p, q) = (masked(head, &inputs.new, actions)?, masked(head, &inputs.old, actions)?);
    let logp = log_prob(head, p.view(), actions)?;
    let column = |i: usize| Array1::from(wide(&inputs.samples.iter().map(|sample| sample[i]).collect::<Vec<_>>()));
    let (stored, advantages) = (column(0), column(1));
    let (log_ratios, _) = log_ratio(logp.view(), stored.view())?;
    let terms = Zip::from(&log_ratios).and(&advantages).map_collect(|d, a| d.exp() * a);
    let bounds = accuracy(head, &p, Some(&q), actions);
    // The ratio's relative error is the absolute one of its logarithm, and exp's own.
    let surrogate_bounds = Array1::from_shape_fn(rows, |row| {
        let d = log_ratios[row];
        terms[row].abs() * (bounds.values[0][row] + EPS * d.abs() + exp_accuracy(d) + EPS)
    });
    let [_, _, old_new, new_old] = bounds.values.map(Array1::from);
    let weights = Array1::from(wide(weights));
    let sums = |rows: &Array1<f64>| -> Vec<f64> {
        (rows * &weights).as_slice().unwrap_or_default().chunks(GROUP).map(|own| own.iter().sum()).collect()
    };
    for (i, (what, want, bounds)) in [
        ("surrogate", terms, surrogate_bounds),
        ("kl_old_new", kl(head, q.view(), p.view())?, old_new),
        ("kl_new_old", kl(head, p.view(), q.view())?, new_old),
    ]
    .into_iter()
    .enumerate()
    {
        // A tree of 6 levels, and the weight.
        let (bounds, sizes) = (sums(&bounds), sums(&want.mapv(f64::abs)));
        let size = |group: usize| bounds[group] / EPS + 7.0 * sizes[group];
        let own: Vec<f32> = got.iter().map(|partial| partial[i]).collect();
        report.floats(&format!("trust_partials ({what})"), &own, &sums(&want), size);
    }
    Ok(())
}

/// What is odd about the rows of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rows {
    Usual,
    /// Log-ratios beyond the clamp.
    Wild,
    /// Some are not finite.
    Broken,
    /// Every third does not count.
    Padded,
}

fn loss_case(head: Head, rows: usize, change: f32, which: Rows) -> Case {
    let why = match which {
        Rows::Usual => "",
        Rows::Wild => ", wild",
        Rows::Broken => ", not finite",
        Rows::Padded => ", every third row masked",
    };
    let shape = format!("{rows} rows, {}, change {change}{why}", name(&head));
    let body = async move |gpu: &Gpu, report: &Report| loss(gpu, report, &head, rows, change, which).await;
    Case::new(loss_trust_region::DEF.name, shape, (EPS, REASON), body)
}

/// So many operations per number of a distribution row.
pub(super) fn fisher_work(s: &Size) -> Work {
    let (n, width) = (s.rows as f64, s.head.width() as f64);
    Work::rows(s.rows, 6.0 * n * width, 4.0 * n * 3.0 * width)
}

/// So many operations per number of a distribution row.
fn loss_work(s: &Size) -> Work {
    let (n, width, words) = (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64);
    Work::rows(s.rows, 16.0 * n * width, 4.0 * n * (2.0 * width + words + 4.0) + 0.25 * n)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &head_fisher::DEF,
            about: "the Fisher matrix of each row's distribution times a tangent",
            oracle: oracle!(head::fisher_vector),
            at_size: |s| Some(fisher_case(Walk::Invocation, s.head.clone(), s.rows, 1.0, None)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: fisher_work,
        },
        Entry {
            def: &loss_trust_region::DEF,
            about: "surrogate and both KL divergences of candidate parameters",
            oracle: oracle!(surrogate::log_ratio),
            at_size: |s| Some(loss_case(s.head.clone(), s.rows, 0.03, Rows::Usual)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: loss_work,
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let categorical = |actions| Head::categorical(actions);
    let gaussian = |dims| Head::gaussian(dims);
    let mut cases = Vec::new();
    for (head, rows, spread) in [
        (categorical(1), 3, 1.0),
        (categorical(2), 65, 2.0),
        (categorical(31), 63, 2.0),
        (categorical(65), 1, 2.0),
        (categorical(7), 127, 15.0),
        (gaussian(1), 65, 2.0),
        (gaussian(3), 63, 1.0),
        (gaussian(17), 67, 1.0),
        (masked_choices(&[3, 40, 2]), 65, 2.0),
        (Head::bernoulli(5), 65, 4.0),
        (binned(2, 11), 63, 2.0),
        (beta(3), 65, 2.0),
        (beta(1), 127, 6.0),
        (deviating(2, true, CLAMP), 63, 1.0),
        (squashed(2, false, FLOOR), 65, 1.0),
        (deviating(3, true, TANH), 67, 1.0),
    ] {
        for row_stride in [None, Some(1), Some(3)] {
            cases.push(fisher_case(Walk::Invocation, head.clone(), rows, spread, row_stride).quick(rows == 65));
        }
    }
    for (head, rows, change, which) in [
        (categorical(2), 1, 0.1, Rows::Usual),
        (categorical(2), 65, 0.1, Rows::Usual),
        (categorical(7), 1021, 1e-3, Rows::Usual),
        (categorical(3), 257, 0.3, Rows::Wild),
        (categorical(3), 257, 0.3, Rows::Broken),
        (gaussian(1), 64, 0.1, Rows::Usual),
        (gaussian(17), 193, 0.03, Rows::Usual),
        (gaussian(2), 63, 0.3, Rows::Wild),
        (gaussian(2), 131, 0.3, Rows::Broken),
        (masked_choices(&[3, 40, 2]), 65, 0.1, Rows::Usual),
        (Head::bernoulli(5), 193, 0.03, Rows::Usual),
        (beta(2), 65, 0.1, Rows::Usual),
        (beta(3), 131, 0.3, Rows::Broken),
        (deviating(2, true, CLAMP), 63, 0.1, Rows::Usual),
        (squashed(3, true, FLOOR), 193, 0.03, Rows::Usual),
        (deviating(2, true, TANH), 65, 0.1, Rows::Usual),
        (categorical(3), 3, 0.3, Rows::Padded),
        (gaussian(2), 65, 0.3, Rows::Padded),
        (categorical(3), 257, 0.3, Rows::Padded),
    ] {
        cases.push(loss_case(head, rows, change, which).quick(rows == 65 || rows == 257));
    }
    cases
}
