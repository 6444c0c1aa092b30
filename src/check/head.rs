//! Heads: evaluation with gradients, and sampling.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head_accuracy::{accuracy, draws};
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule};
use super::work::Work;
use crate::data::{Actions, mask_bits};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Schedule, Slot};
use crate::kernels::{head_evaluate, policy_sample};
use crate::policy::{Bounds, Head, Std, StdLimit, StdType};
use crate::reference::head::{
    draw_margins, entropy, entropy_grad, forbid, greedy, kl, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad,
    sample, to_env,
};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, Array2};

pub(super) fn name(head: &Head) -> String {
    let masked = if head.is_masked() { "masked " } else { "" };
    let bounded = if matches!(head, Head::Gaussian { bounds: Some(_), .. }) { "bounded " } else { "" };
    let limited = match head.std().map(|std| std.limit) {
        Some(StdLimit::Free) => "free ",
        Some(StdLimit::Clamp { .. }) => "clamped ",
        Some(limit) if limit != StdLimit::default() => "floored ",
        _ => "",
    };
    let source = if head.std().is_some_and(|std| std.from_state) { "std of the state, " } else { "" };
    let plain = if is_plain(head) { "plain deviation, " } else { "" };
    format!("{plain}{source}{masked}{bounded}{limited}{} of {}", head.name(), head.raw_outputs())
}

/// Heads with float actions: Beta, and the sources and limits of a standard deviation. The rows of the checks lie within and
/// beyond the limits.
pub(super) fn beta(dims: usize) -> Head {
    Head::Beta { dims, bounds: Bounds::uniform(dims, -1.0, 0.5) }
}

pub(super) fn deviating(dims: usize, from_state: bool, limit: StdLimit) -> Head {
    Head::Gaussian { dims, std: Std { from_state, ..Std::FREE.limited(limit) }, bounds: None }
}

/// The deviation itself is trained, within about [0.5, 2]: rows lie on both sides of the limits.
pub(super) fn plain(dims: usize, from_state: bool) -> Head {
    let std = Std::SCALAR.limited(StdLimit::Clamp { low: -0.7, high: 0.7 });
    Head::Gaussian { dims, std: Std { from_state, ..std }, bounds: None }
}

fn is_plain(head: &Head) -> bool {
    head.std().is_some_and(|std| std.std_type == StdType::Scalar)
}

pub(super) fn squashed(dims: usize, from_state: bool, limit: StdLimit) -> Head {
    Head::TanhGaussian {
        dims,
        std: Std { from_state, ..Std::FREE.limited(limit) },
        bounds: Bounds::uniform(dims, -1.0, 0.5),
    }
}

pub(super) const FLOOR: StdLimit = StdLimit::SoftFloor { log_std: -0.3 };
pub(super) const CLAMP: StdLimit = StdLimit::Clamp { low: -0.5, high: 0.5 };

/// Distribution rows: logits, means or shapes of the given spread, log deviations within ±1, deviations up to 2.7.
pub(super) fn rows_of(head: &Head, random: &mut Random, rows: usize, spread: f32) -> Vec<f32> {
    let log_std = head.std().map_or(0, |_| head.action_dims());
    let others = head.width() - log_std;
    let (low, high) = if is_plain(head) { (0.2, 2.7) } else { (-1.0, 1.0) };
    (0..rows).flat_map(|_| [random.normals(others, spread), random.ranges(log_std, low, high)].concat()).collect()
}

/// Words of random actions that are not rare.
pub(super) fn actions_of(head: &Head, random: &mut Random, dist: &[f32]) -> Vec<u32> {
    match head {
        Head::Gaussian { dims, .. } | Head::TanhGaussian { dims, .. } => dist
            .chunks(2 * dims)
            .flat_map(|row| {
                let z = random.normals(*dims, 1.0);
                let deviation = |l: f32| if is_plain(head) { l } else { l.exp() };
                (0..*dims).map(|d| (row[d] + deviation(row[dims + d]) * z[d]).to_bits()).collect::<Vec<_>>()
            })
            .collect(),
        Head::Beta { dims, .. } => {
            random.ranges(dist.len() / head.width() * dims, 0.02, 0.98).into_iter().map(f32::to_bits).collect()
        }
        _ => (0..dist.len() / head.width()).flat_map(|_| choices_of(head, random)).collect(),
    }
}

/// An index per dimension; with a masked head, a mask that allows it, or nothing in some dimensions.
fn choices_of(head: &Head, random: &mut Random) -> Vec<u32> {
    let (mut indices, mut allowed) = (Vec::new(), Vec::new());
    for count in head.choices() {
        let chosen = random.below(count as u32);
        let none = random.below(6) == 0;
        allowed.extend((0..count as u32).map(|i| !none && (i == chosen || random.below(3) > 0)));
        indices.push(chosen);
    }
    if head.is_masked() {
        indices.extend(mask_bits(Array1::from(allowed).view()));
    }
    indices
}

/// Distribution rows for the oracle, with what the actions' masks forbid.
pub(super) fn masked(head: &Head, dist: &[f32], actions: &Actions) -> Result<Array2<f64>> {
    let mut rows = array(head, dist);
    forbid(&mut rows, actions)?;
    Ok(rows)
}

pub(super) fn array(head: &Head, dist: &[f32]) -> Array2<f64> {
    let width = head.width();
    Array2::from_shape_fn((dist.len() / width, width), |(r, i)| f64::from(dist[r * width + i]))
}

fn evaluate(gpu: &Gpu, report: &Report, head: &Head, rows: usize, spread: f32, change: f32) -> Result<()> {
    let mut random = Random::new((rows * 100 + head.width()) as u64);
    let new = rows_of(head, &mut random, rows, spread);
    let old: Vec<f32> = new.iter().map(|x| x + random.range(-change, change)).collect();
    let words = actions_of(head, &mut random, &new);
    let mut weights = Vec::new();
    for row in 0..rows {
        let w = random.normals(4, 1.0);
        // Some rows ask for no divergence, which the kernel then leaves out.
        weights.push(if row % 3 == 2 { [w[0], w[1], 0.0, 0.0] } else { [w[0], w[1], w[2], w[3]] });
    }
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &new)?,
        Guarded::holding(gpu, "head_outputs_old", &old)?,
        Guarded::holding(gpu, "actions", &words)?,
        Guarded::holding(gpu, "weights", &weights)?,
    );
    let row_values = Guarded::<[f32; 4]>::output(gpu, "row_values", rows)?;
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", new.len())?;
    let p = head_evaluate::Params { rows: rows as u32, ..Default::default() };
    let io = head_evaluate::Io {
        head_outputs: buffers.0.io(),
        head_outputs_old: buffers.1.io(),
        actions: buffers.2.io(),
        weights: buffers.3.io(),
        row_values: row_values.io(),
        d_head_outputs: d_head_outputs.io(),
    };
    report.run(gpu, &head_evaluate::bind(gpu, head, &[p], &io)?, Slot::default())?;

    let actions = Actions::from_words(head, rows, &words)?;
    let (p, q) = (masked(head, &new, &actions)?, masked(head, &old, &actions)?);
    let want = [
        log_prob(head, p.view(), &actions)?,
        entropy(head, p.view())?,
        kl(head, q.view(), p.view())?,
        kl(head, p.view(), q.view())?,
    ];
    let bounds = accuracy(head, &p, Some(&q), &actions);
    let got = row_values.read(gpu, report)?;
    let columns = ["logp", "entropy", "kl_old_new", "kl_new_old"];
    for (i, (name, want)) in columns.iter().zip(&want).enumerate() {
        let column: Vec<f32> = got.iter().map(|row| row[i]).collect();
        report.floats(name, &column, &want.to_vec(), |row| bounds.values[i][row] / EPS);
    }

    let ones = Array1::ones(rows);
    let gradients = [
        log_prob_grad(head, p.view(), &actions, ones.view())?,
        entropy_grad(head, p.view(), ones.view())?,
        kl_old_new_grad(head, q.view(), p.view(), ones.view())?,
        kl_new_old_grad(head, q.view(), p.view(), ones.view())?,
    ];
    let width = head.width();
    let mut want = vec![0.0; rows * width];
    let mut sizes = vec![0.0; rows * width];
    for (i, gradient) in gradients.iter().enumerate() {
        for ((row, j), g) in gradient.indexed_iter() {
            let w = f64::from(weights[row][i]);
            want[row * width + j] += w * g;
            // Four products and their sum.
            sizes[row * width + j] += w.abs() * (bounds.gradients[i][[row, j]] / EPS + 4.0 * g.abs());
        }
    }
    report.floats("d_head_outputs", &d_head_outputs.read(gpu, report)?, &want, |i| sizes[i]);
    Ok(())
}

/// Whether the running sum up to some choice is so near to the drawn number that rounding may decide.
pub(super) fn on_edge(head: &Head, row: &[f64], u: f64, margin: f64) -> bool {
    if let (Head::Bernoulli { .. }, [logit]) = (head, row) {
        return (1.0 / (1.0 + (-logit).exp()) - u).abs() < margin;
    }
    if row.iter().all(|l| *l == f64::NEG_INFINITY) {
        return on_edge(head, &vec![0.0; row.len()], u, margin);
    }
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|l| (l - most).exp()).sum();
    let mut running = 0.0;
    row.iter().any(|l| {
        running += (l - most).exp() / total;
        (running - u).abs() < margin
    })
}

fn draw(gpu: &Gpu, report: &Report, head: &Head, rows: usize, mode: bool) -> Result<()> {
    let seed = 0x1111_2222_3333_4444_u64 + rows as u64;
    // The low word overflows when the offset is added.
    let (first, offset) = ((7_u64 << 32) + u64::from(u32::MAX) - 1, 3_u32);
    let (actions_offset, logp_offset) = (5, 2);
    let mut random = Random::new(rows as u64);
    let dist = rows_of(head, &mut random, rows, 1.5);
    let (dims, width, env_offset) = (head.action_dims(), head.action_words(), 3);
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
    let mut p = policy_sample::Params::default();
    (p.rows, p.greedy, p.step_offset) = (rows as u32, mode.into(), offset);
    (p.actions_offset, p.logp_offset) = (actions_offset as u32, logp_offset as u32);
    p.env_actions_offset = env_offset as u32;
    let io = policy_sample::Io {
        head_outputs: head_outputs.io(),
        actions: actions.io(),
        logp: logp.io(),
        env_actions: env_actions.io(),
    };
    report.run(gpu, &policy_sample::bind(gpu, head, &[p], &io, &ring)?, slot)?;

    let mut p = array(head, &dist);
    if head.is_masked() {
        forbid(&mut p, &before)?;
    }
    let step = first + u64::from(offset);
    let want = if mode { greedy(head, p.view())? } else { sample(head, p.view(), seed, step)? };
    let got = actions.read(gpu, report)?;
    if got[..actions_offset] != initial[..actions_offset] {
        report.fault("\"actions\" was written before its offset".to_owned());
        return Ok(());
    }
    let words = &got[actions_offset..];
    if let Some(want) = want.indices() {
        let mut first_logit = 0;
        for (d, count) in head.choices().into_iter().enumerate() {
            let span = if matches!(head, Head::Bernoulli { .. }) { 1 } else { count };
            for (row, want) in want.column(d).iter().enumerate() {
                let got = words[row * width + d];
                let u = f64::from(uniform(block(seed, Draw::Action, row as u32, d as u32, step)[0]));
                let logits = p.row(row).to_vec()[first_logit..first_logit + span].to_vec();
                if got >= count as u32 || (got != *want && (mode || !on_edge(head, &logits, u, 1e-6))) {
                    report.fault(format!("\"actions\"[{row}, {d}] is {got}, expected {want}"));
                    return Ok(());
                }
            }
            first_logit += span;
        }
        for (row, (words, before)) in words.chunks(width).zip(masks.chunks(width)).enumerate() {
            if words[dims..] != before[dims..] {
                report.fault(format!("the mask of row {row} was changed"));
            }
        }
    } else if let Actions::Continuous(want) = &want {
        let floats: Vec<f32> = words.iter().map(|word| f32::from_bits(*word)).collect();
        let bounds = draws(head, &p, want);
        // A rejection that rounding may turn round gives another draw.
        let margins = draw_margins(head, p.view(), seed, step)?;
        let edge: Vec<bool> = margins.iter().map(|margin| !mode && *margin < 2e-5).collect();
        let count = edge.iter().filter(|edge| **edge).count();
        if count > 1 + rows / 500 {
            report.fault(format!("{count} of {rows} draws lie on the edge of a rejection"));
        }
        let on_edge = |i: usize, got: f32, want: f32| if edge[i / dims] && got.is_finite() { got } else { want };
        let want: Vec<f64> =
            floats.iter().zip(want).enumerate().map(|(i, (got, want))| f64::from(on_edge(i, *got, *want))).collect();
        report.floats("actions", &floats, &want, |i| bounds[[i / dims, i % dims]] / EPS);
    }
    // What the environment gets belongs to the action that was stored.
    let taken = Actions::from_words(head, rows, words).map_err(|_| Error::shape("actions", &[words.len()], &[rows]))?;
    let got = env_actions.read(gpu, report)?;
    let floats = |words: &[u32]| words.iter().map(|word| f32::from_bits(*word)).collect::<Vec<_>>();
    report.untouched("env_actions (before)", floats(&got[..env_offset]).iter().enumerate());
    match to_env(head, &taken)? {
        Actions::Continuous(want) => {
            let want: Vec<f64> = want.iter().map(|x| f64::from(*x)).collect();
            // Part math's tanh (2e-7 and a device's exp and quotient, 11 roundings in all) or a quotient of bins, times bounds that in the
            // checks are 1.5 wide; a Gaussian without bounds has the action itself.
            report.floats("env_actions", &floats(&got[env_offset..]), &want, |i| 3.0 * want[i].abs() + 10.0 * 1.5);
        }
        other => {
            if got[env_offset..] != other.words() {
                report.fault("\"env_actions\" are not the chosen indices".to_owned());
            }
        }
    }
    // The log-probability belongs to the action that was stored.
    let bounds = accuracy(head, &p, None, &taken);
    let got = logp.read(gpu, report)?;
    report.untouched("logp (before)", got[..logp_offset].iter().enumerate());
    let want = log_prob(head, p.view(), &taken)?;
    report.floats("logp", &got[logp_offset..], &want.to_vec(), |row| bounds.values[0][row] / EPS);
    Ok(())
}

pub(super) fn masked_choice(actions: usize) -> Head {
    Head::Categorical { actions, masked: true }
}

pub(super) fn masked_choices(nvec: &[usize]) -> Head {
    Head::MultiDiscrete { nvec: nvec.to_vec(), masked: true }
}

/// Discretised, each dimension on another interval.
pub(super) fn binned(dims: usize, bins: usize) -> Head {
    let low: Vec<f32> = (0..dims).map(|d| -1.0 - d as f32 * 0.25).collect();
    Head::Discretised { dims, bins, bounds: Bounds { high: low.iter().map(|low| low + 1.5).collect(), low } }
}

fn evaluate_case(head: Head, rows: usize, spread: f32, change: f32) -> Case {
    let reason = "one rounding of the result; scale: WGSL's accuracy of exp, log and division and that of part math, carried through \
                  the head's formulas to first order, in units of 2⁻²⁴";
    let shape = format!("{rows} rows, {}, spread {spread}, change {change}", name(&head));
    let body = move |gpu: &Gpu, report: &Report| evaluate(gpu, report, &head, rows, spread, change);
    Case::new(head_evaluate::DEF.name, shape, (EPS, reason), body)
}

fn sample_case(head: Head, rows: usize, mode: bool) -> Case {
    let reason = "categorical: the same choice, unless the draw lies within 1e-6 of an edge; floats: a normal's quantile (1.3e-6 and a \
                  device's log, root and division), a deviation's exp; log-probability as in head_evaluate";
    let shape = format!("{rows} rows, {}, {}", name(&head), if mode { "greedy" } else { "drawn" });
    let body = move |gpu: &Gpu, report: &Report| draw(gpu, report, &head, rows, mode);
    Case::new(policy_sample::DEF.name, shape, (EPS, reason), body)
}

/// So many operations per number of a distribution row.
pub(super) fn evaluate_work(s: &Size) -> Work {
    let (n, width, words) = (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64);
    Work::rows(s.rows, 24.0 * n * width, 4.0 * n * (3.0 * width + words + 8.0))
}

/// So many operations per number of a distribution row.
pub(super) fn sample_work(s: &Size) -> Work {
    let (n, width, words, dims) =
        (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64, s.head.action_dims() as f64);
    Work::rows(s.rows, 12.0 * n * width, 4.0 * n * (width + words + dims + 1.0))
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &head_evaluate::DEF,
            about: "log-probability, entropy, KL in both directions, and their gradients",
            oracle: oracle!(head::log_prob),
            at_size: |s| Some(evaluate_case(s.head.clone(), s.rows, 1.0, 0.1)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: evaluate_work,
        },
        Entry {
            def: &policy_sample::DEF,
            about: "an action per row, drawn or most probable, with its log-probability",
            oracle: oracle!(head::sample),
            at_size: |s| Some(sample_case(s.head.clone(), s.rows, false)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: sample_work,
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let (masked, masked_multi, bins) = (masked_choice, masked_choices, binned);
    let multi = |nvec: &[usize]| Head::multi_discrete(nvec.to_vec());
    let bounded = |dims| Head::Gaussian { dims, std: Std::default(), bounds: Some(Bounds::uniform(dims, -1.0, 0.5)) };
    let categorical = |actions| Head::categorical(actions);
    let gaussian = |dims| Head::gaussian(dims);
    let mut cases = Vec::new();
    for (head, rows, spread, change) in [
        (categorical(1), 3, 1.0, 0.5),
        (categorical(2), 65, 2.0, 0.1),
        (categorical(3), 64, 3.0, 1.0),
        (categorical(31), 63, 2.0, 1e-3),
        (categorical(65), 1, 2.0, 0.3),
        (categorical(7), 127, 15.0, 0.3),
        (gaussian(1), 65, 2.0, 0.1),
        (gaussian(2), 64, 1.0, 1.0),
        (gaussian(3), 63, 1.0, 1e-3),
        (gaussian(17), 67, 1.0, 0.3),
        (gaussian(33), 1, 1.0, 0.3),
        (masked(5), 65, 2.0, 0.3),
        (masked(40), 63, 2.0, 0.1),
        (multi(&[3, 1, 4]), 65, 2.0, 0.3),
        (multi(&[2, 33]), 63, 8.0, 0.1),
        (masked_multi(&[3, 40, 2]), 65, 2.0, 0.3),
        (Head::bernoulli(1), 63, 2.0, 0.1),
        (Head::bernoulli(5), 65, 4.0, 1.0),
        (Head::bernoulli(67), 1, 12.0, 1e-3),
        (bins(2, 11), 64, 2.0, 0.3),
        (beta(1), 63, 2.0, 0.1),
        (beta(3), 65, 2.0, 0.3),
        (beta(17), 1, 3.0, 1e-3),
        (beta(2), 127, 8.0, 1.0),
        (deviating(2, true, StdLimit::default()), 65, 2.0, 0.3),
        (deviating(3, true, CLAMP), 63, 1.0, 0.3),
        (deviating(1, false, FLOOR), 64, 1.0, 0.1),
        (deviating(5, false, StdLimit::Free), 1, 1.0, 0.3),
        (plain(2, false), 65, 1.0, 0.1),
        (plain(3, true), 63, 1.0, 0.3),
        (squashed(1, false, StdLimit::default()), 63, 1.0, 0.1),
        (squashed(3, true, FLOOR), 65, 2.0, 0.3),
        (squashed(2, false, CLAMP), 127, 4.0, 1.0),
    ] {
        cases.push(evaluate_case(head, rows, spread, change).quick(rows == 65 || rows == 64));
    }
    for (head, rows) in [
        (categorical(1), 2),
        (categorical(2), 1),
        (categorical(2), 65),
        (categorical(5), 1021),
        (categorical(65), 63),
        (gaussian(1), 64),
        (gaussian(2), 257),
        (gaussian(17), 33),
        (bounded(2), 65),
        (masked(5), 65),
        (masked(40), 257),
        (multi(&[3, 1, 4]), 257),
        (masked_multi(&[3, 40, 2]), 63),
        (Head::bernoulli(3), 257),
        (bins(2, 11), 257),
        (beta(1), 1021),
        (beta(2), 65),
        (beta(5), 63),
        (deviating(3, true, CLAMP), 65),
        (deviating(2, false, FLOOR), 63),
        (plain(2, true), 65),
        (squashed(2, false, StdLimit::default()), 65),
        (squashed(3, true, FLOOR), 33),
    ] {
        for mode in [false, true] {
            cases.push(sample_case(head.clone(), rows, mode).quick(rows == 65 || rows == 257));
        }
    }
    cases
}
