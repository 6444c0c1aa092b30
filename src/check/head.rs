//! Heads: evaluation with gradients, and sampling.

use super::Case;
use super::support::{Guarded, Random, Report, schedule};
use crate::data::Actions;
use crate::gpu::{Gpu, Schedule, Slot};
use crate::kernels::{head_evaluate, policy_sample};
use crate::policy::Head;
use crate::reference::head::{
    entropy, entropy_grad, greedy, kl, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad, sample,
};
use crate::rng::{Draw, block, uniform};
use crate::{Error, Result};
use ndarray::{Array1, Array2};

pub(super) fn name(head: &Head) -> String {
    format!("{} of {}", head.name(), head.raw_outputs())
}

/// Distribution rows: logits or means of the given spread, log deviations within ±1.
pub(super) fn rows_of(head: &Head, random: &mut Random, rows: usize, spread: f32) -> Vec<f32> {
    let (raw, free) = (head.raw_outputs(), head.free_parameters());
    (0..rows).flat_map(|_| [random.normals(raw, spread), random.ranges(free, -1.0, 1.0)].concat()).collect()
}

/// Words of random actions that are not rare.
pub(super) fn actions_of(head: &Head, random: &mut Random, dist: &[f32]) -> Vec<u32> {
    match head {
        Head::Categorical { actions } => (0..dist.len() / actions).map(|_| random.below(*actions as u32)).collect(),
        Head::Gaussian { dims } => dist
            .chunks(2 * dims)
            .flat_map(|row| {
                let z = random.normals(*dims, 1.0);
                (0..*dims).map(|d| (row[d] + row[dims + d].exp() * z[d]).to_bits()).collect::<Vec<_>>()
            })
            .collect(),
    }
}

pub(super) fn array(head: &Head, dist: &[f32]) -> Array2<f64> {
    let width = head.width();
    Array2::from_shape_fn((dist.len() / width, width), |(r, i)| f64::from(dist[r * width + i]))
}

/// Size of the largest number in each row, and 1.
fn largest(dist: &Array2<f64>) -> Vec<f64> {
    dist.rows().into_iter().map(|row| row.iter().fold(1.0, |most: f64, x| most.max(x.abs()))).collect()
}

/// Sum of the absolute terms behind each log-probability.
pub(super) fn logp_sizes(head: &Head, dist: &Array2<f64>, actions: &Actions) -> Result<Vec<f64>> {
    let logp = log_prob(head, dist.view(), actions)?;
    let most = largest(dist);
    let dims = head.action_dims() as f64;
    // A Gaussian's terms cancel: z²/2 against log σ, of each dimension.
    Ok(logp.iter().zip(most).map(|(logp, most)| logp.abs() + 2.0 * most * dims).collect())
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
    gpu.run("check", &head_evaluate::bind(gpu, head, &[p], &io)?, Slot::default())?;

    let (p, q) = (array(head, &new), array(head, &old));
    let actions = Actions::from_words(head, rows, &words)?;
    let want = [
        log_prob(head, p.view(), &actions)?,
        entropy(head, p.view())?,
        kl(head, q.view(), p.view())?,
        kl(head, p.view(), q.view())?,
    ];
    let sizes = logp_sizes(head, &p, &actions)?;
    let most = largest(&p);
    let dims = head.action_dims() as f64;
    // A divergence is of second order in the change d, whose own rounding is that of the numbers subtracted; the sum of p d
    // is at most the largest change, and its square where deviations differ.
    let d = f64::from(change);
    let kl_size = |row: usize| dims * (d + d * d) * (2.0 * d).exp() * (1.0 + most[row]);
    let got = row_values.read(gpu, report)?;
    let columns = ["logp", "entropy", "kl_old_new", "kl_new_old"];
    for (i, (name, want)) in columns.iter().zip(&want).enumerate() {
        let column: Vec<f32> = got.iter().map(|row| row[i]).collect();
        report.floats(name, &column, &want.to_vec(), |row| if i < 2 { sizes[row] } else { kl_size(row) });
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
            sizes[row * width + j] += w.abs() * (g.abs() + most[row]);
        }
    }
    report.floats("d_head_outputs", &d_head_outputs.read(gpu, report)?, &want, |i| sizes[i]);
    Ok(())
}

/// Whether the running sum up to some choice is so near to the drawn number that rounding may decide.
fn on_edge(row: &[f64], u: f64) -> bool {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|l| (l - most).exp()).sum();
    let mut running = 0.0;
    row.iter().any(|l| {
        running += (l - most).exp() / total;
        (running - u).abs() < 1e-6
    })
}

fn draw(gpu: &Gpu, report: &Report, head: &Head, rows: usize, mode: bool) -> Result<()> {
    let seed = 0x1111_2222_3333_4444_u64 + rows as u64;
    // The low word overflows when the offset is added.
    let (first, offset) = ((7_u64 << 32) + u64::from(u32::MAX) - 1, 3_u32);
    let (actions_offset, logp_offset) = (5, 2);
    let mut random = Random::new(rows as u64);
    let dist = rows_of(head, &mut random, rows, 1.5);
    let dims = head.action_dims();
    let head_outputs = Guarded::holding(gpu, "head_outputs", &dist)?;
    let actions = Guarded::<u32>::output(gpu, "actions", actions_offset + rows * dims)?;
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
    let io = policy_sample::Io { head_outputs: head_outputs.io(), actions: actions.io(), logp: logp.io() };
    gpu.run("check", &policy_sample::bind(gpu, head, &[p], &io, &ring)?, slot)?;

    let p = array(head, &dist);
    let step = first + u64::from(offset);
    let want = if mode { greedy(head, p.view())? } else { sample(head, p.view(), seed, step)? };
    let got = actions.read(gpu, report)?;
    let before: Vec<f32> = got[..actions_offset].iter().map(|word| f32::from_bits(*word)).collect();
    report.untouched("actions (before)", before.iter().enumerate());
    let words = &got[actions_offset..];
    match (&want, head.is_discrete()) {
        (Actions::Discrete(want), _) => {
            let choices = p.ncols() as u32;
            for (row, (got, want)) in words.iter().zip(want).enumerate() {
                let u = f64::from(uniform(block(seed, Draw::Action, row as u32, 0, step)[0]));
                if *got >= choices || (got != want && (mode || !on_edge(&p.row(row).to_vec(), u))) {
                    report.fault(format!("\"actions\"[{row}] is {got}, expected {want}"));
                    return Ok(());
                }
            }
        }
        (Actions::Continuous(want), _) => {
            let floats: Vec<f32> = words.iter().map(|word| f32::from_bits(*word)).collect();
            let size = |i: usize| {
                let (row, d) = (i / dims, i % dims);
                p[[row, d]].abs() + 5.0 * p[[row, dims + d]].exp()
            };
            let want: Vec<f64> = want.iter().map(|x| f64::from(*x)).collect();
            report.floats("actions", &floats, &want, size);
        }
    }
    // The log-probability belongs to the action that was stored.
    let taken = Actions::from_words(head, rows, words).map_err(|_| Error::shape("actions", &[words.len()], &[rows]))?;
    let sizes = logp_sizes(head, &p, &taken)?;
    let got = logp.read(gpu, report)?;
    report.untouched("logp (before)", got[..logp_offset].iter().enumerate());
    let want = log_prob(head, p.view(), &taken)?;
    report.floats("logp", &got[logp_offset..], &want.to_vec(), |row| sizes[row]);
    Ok(())
}

pub(super) fn cases() -> Vec<Case> {
    let categorical = |actions| Head::Categorical { actions };
    let gaussian = |dims| Head::Gaussian { dims };
    let reason = "a device's exp (3 + 2|x| ulp) and log, part math's expm1 and log1p (4e-7), a dozen roundings; scale: the \
                  terms, with the largest output of the row";
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
    ] {
        let shape = format!("{rows} rows, {}, spread {spread}, change {change}", name(&head));
        let quick = rows == 65 || rows == 64;
        let body = move |gpu: &Gpu, report: &Report| evaluate(gpu, report, &head, rows, spread, change);
        cases.push(Case::new("head_evaluate", shape, (3e-6, reason), body).quick(quick));
    }
    let reason = "categorical: the same choice, unless the draw lies within 1e-6 of an edge; Gaussian: the quantile (1.3e-6) and a \
                  device's exp; log-probability as in head_evaluate";
    for (head, rows) in [
        (categorical(1), 2),
        (categorical(2), 1),
        (categorical(2), 65),
        (categorical(5), 1021),
        (categorical(65), 63),
        (gaussian(1), 64),
        (gaussian(2), 257),
        (gaussian(17), 33),
    ] {
        for mode in [false, true] {
            let shape = format!("{rows} rows, {}, {}", name(&head), if mode { "greedy" } else { "drawn" });
            let head = head.clone();
            let body = move |gpu: &Gpu, report: &Report| draw(gpu, report, &head, rows, mode);
            cases.push(Case::new("policy_sample", shape, (3e-6, reason), body).quick(rows == 65 || rows == 257));
        }
    }
    cases
}
