//! The losses of critics and of an actor of choices.

use super::support::{ALPHA_AT, LOG_ALPHA, REASON, actions, alpha, compare, compare_sums, name, samples};
use crate::check::accuracy::{Known, TINY, exact, rounded, sum};
use crate::check::case::Case;
use crate::check::support::{Guarded, Random, Report, wide};
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_dqn::groups;
use crate::kernels::loss_q::Temperature;
use crate::kernels::{loss_actor_choices, loss_q_choices};
use crate::reference::sac_choices::{actor_loss, least_table, soft_values};
use crate::reference::td_target::td_target;
use ndarray::{Array1, Array2};

#[derive(Clone, Copy)]
pub(super) struct Choices {
    pub rows: usize,
    pub choices: usize,
    pub critics: usize,
    pub temperature: Temperature,
    /// The row of whose logits or values one is not a number.
    pub broken: Option<usize>,
}

impl Choices {
    fn shape(&self) -> String {
        let bad = if self.broken.is_some() { ", a NaN" } else { "" };
        let Self { rows, choices, critics, temperature, .. } = *self;
        format!("{rows} rows of {choices}, {critics} critics, {}{bad}", name(temperature))
    }

    fn table(&self, values: &[f32]) -> Result<Array2<f64>> {
        let shape = (self.rows, self.choices);
        check_shape("table", &[values.len()], &[shape.0 * shape.1])?;
        Array2::from_shape_vec(shape, wide(values)).map_err(|_| Error::shape("table", &[values.len()], &[shape.0]))
    }

    fn alpha_at(&self) -> u32 {
        if let Temperature::Tuned(_) = self.temperature { ALPHA_AT } else { 0 }
    }
}

/// Numbers before the values and before the logits.
const BEFORE: usize = 3;

pub(super) fn of_critics(c: Choices) -> Case {
    Case::new(loss_q_choices::DEF.name, c.shape(), REASON, async move |gpu, report| run_critics(gpu, report, &c).await)
}

pub(super) fn of_actor(c: Choices) -> Case {
    Case::new(loss_actor_choices::DEF.name, c.shape(), REASON, async move |gpu, report| {
        run_actor(gpu, report, &c).await
    })
}

/// log π of a row, as the shader has it.
fn log_probabilities(logits: &[f64]) -> Vec<Known> {
    let most = exact(logits.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let shifted: Vec<Known> = logits.iter().map(|l| exact(*l) - most).collect();
    let terms: Vec<Known> = shifted.iter().map(|l| l.exp()).collect();
    let log_sum = sum(&terms).log();
    shifted.into_iter().map(|l| l - log_sum).collect()
}

/// π from log π; below e⁻⁸⁷ it is 0.
fn probability(logp: Known) -> Known {
    logp.exp().give(TINY)
}

async fn run_critics(gpu: &Gpu, report: &Report, c: &Choices) -> Result<()> {
    let Choices { rows, choices, critics, temperature, broken } = *c;
    let mut random = Random::new((rows * 11 + choices * 3 + critics) as u64);
    let table = rows * choices;
    let mut q = random.normals(2 * (BEFORE + critics * table), 2.0);
    let place = |of_next: usize, critic: usize| (1 + of_next) * BEFORE + (of_next * critics + critic) * table;
    let mut logits = random.normals(BEFORE + table, 1.5);
    let mut batch = samples(&mut random, rows);
    let (actions, given) = actions(&mut random, rows, choices);
    // What follows a terminal state need not be a number.
    if rows > 1 {
        batch[1][2] = 1.0;
        (q[place(1, 0) + choices], logits[BEFORE + choices]) = (f32::NAN, f32::NAN);
    }
    if let Some(row) = broken {
        batch[row][2] = 0.0;
        let at = row * choices + choices / 2;
        if critics == 2 { q[place(1, 1) + at] = f32::NAN } else { logits[BEFORE + at] = f32::NAN }
    }
    let b = (
        Guarded::holding(gpu, "q", &q)?,
        Guarded::holding(gpu, "logits", &logits)?,
        Guarded::holding(gpu, "actions", &given)?,
        Guarded::holding(gpu, "samples", &batch)?,
        Guarded::holding(gpu, "parameters", &[f32::NAN, f32::NAN, LOG_ALPHA])?,
        Guarded::<f32>::output(gpu, "d_q", critics * table)?,
        Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups(rows as u32) as usize)?,
    );
    let p = loss_q_choices::Params {
        rows: rows as u32,
        choices: choices as u32,
        critics: critics as u32,
        q_offset: place(0, 0) as u32,
        next_offset: place(1, 0) as u32,
        logits_offset: BEFORE as u32,
        temperature: temperature.code(),
        alpha_at: c.alpha_at(),
        alpha: temperature.fixed(),
        scale: 0.5,
        ..Default::default()
    };
    let io = loss_q_choices::Io {
        q: b.0.io(),
        logits: b.1.io(),
        actions: b.2.io(),
        samples: b.3.io(),
        parameters: b.4.io(),
        d_q: b.5.io(),
        loss_partials: b.6.io(),
    };
    report.run(gpu, &loss_q_choices::bind(gpu, &[p], &io)?, Slot::default())?;
    let (d_q, partials) = (b.5.read(gpu, report).await?, b.6.read(gpu, report).await?);
    if let Some(row) = broken {
        let at = row * choices + actions[row] as usize;
        report.exact("d_q (no number)", &[d_q[at].is_nan()], &[true]);
        report.exact("loss_partials (not finite)", &[partials[row / 64][3]], &[1.0]);
        return Ok(());
    }
    let tables = |of_next| -> Result<Vec<Array2<f64>>> {
        (0..critics).map(|critic| c.table(&q[place(of_next, critic)..][..table])).collect()
    };
    compare_critics(
        report,
        c,
        [tables(0)?, tables(1)?],
        &c.table(&logits[BEFORE..])?,
        (&batch, &actions),
        (&d_q, &partials),
    )
}

fn compare_critics(
    report: &Report,
    c: &Choices,
    [own, next]: [Vec<Array2<f64>>; 2],
    logits: &Array2<f64>,
    (batch, actions): (&[[f32; 4]], &[u32]),
    (d_q, partials): (&[f32], &[[f32; 4]]),
) -> Result<()> {
    let Choices { rows, choices, .. } = *c;
    let alpha = alpha(c.temperature);
    let least = least_table(&next)?;
    let ahead = soft_values(logits.view(), least.view(), alpha.value);
    let column = |i: usize| batch.iter().map(|row| f64::from(row[i])).collect::<Array1<f64>>();
    let terminated: Array1<u32> = batch.iter().map(|row| u32::from(row[2] != 0.0)).collect();
    let targets = td_target(column(0).view(), terminated.view(), column(1).view(), ahead.view())?;
    let y: Vec<Known> = (0..rows)
        .map(|r| {
            let [reward, discount, terminated, _] = batch[r].map(|x| exact(x.into()));
            if terminated.value != 0.0 {
                return reward;
            }
            let logp = log_probabilities(&logits.row(r).to_vec());
            let term = |(logp, q): (&Known, &f64)| probability(*logp) * (exact(*q) - alpha * *logp);
            let terms: Vec<Known> = logp.iter().zip(least.row(r)).map(term).collect();
            reward + discount * sum(&terms)
        })
        .collect();
    let inverse = rounded(1.0 / rows as f64);
    let (mut terms, mut of_q) = (vec![Vec::new(); rows], vec![Vec::new(); rows]);
    for (critic, own) in own.iter().enumerate() {
        let (mut want, mut bounds) = (vec![0.0; rows * choices], vec![0.0; rows * choices]);
        for (r, action) in actions.iter().enumerate() {
            let value = own[[r, *action as usize]];
            let d = exact(value) - y[r];
            let at = r * choices + *action as usize;
            (want[at], bounds[at]) = ((value - targets[r]) / rows as f64, (d * inverse).error);
            terms[r].push((d * d).times(0.5));
            of_q[r].push(exact(value));
        }
        let name = format!("d_q {critic}");
        compare(report, &name, &d_q[critic * rows * choices..][..rows * choices], &want, &bounds);
    }
    let rows_of = |terms: &[Vec<Known>]| terms.iter().map(|terms| sum(terms)).collect::<Vec<_>>();
    let names = ["loss_partials (loss)", "loss_partials (Q)", "loss_partials (target)"];
    compare_sums(report, partials, names, [&rows_of(&terms), &rows_of(&of_q), &y]);
    Ok(())
}

async fn run_actor(gpu: &Gpu, report: &Report, c: &Choices) -> Result<()> {
    let Choices { rows, choices, critics, temperature, broken } = *c;
    let mut random = Random::new((rows * 13 + choices * 5 + critics) as u64);
    let table = rows * choices;
    let mut q = random.normals(BEFORE + critics * table, 2.0);
    let mut logits = random.normals(BEFORE + table, 1.5);
    if let Some(row) = broken {
        let at = row * choices + choices - 1;
        if critics == 2 { q[BEFORE + table + at] = f32::NAN } else { logits[BEFORE + at] = f32::NAN }
    }
    let b = (
        Guarded::holding(gpu, "q", &q)?,
        Guarded::holding(gpu, "logits", &logits)?,
        Guarded::holding(gpu, "parameters", &[f32::NAN, f32::NAN, LOG_ALPHA])?,
        Guarded::<f32>::output(gpu, "d_logits", table)?,
        Guarded::<f32>::output(gpu, "logp", rows)?,
        Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups(rows as u32) as usize)?,
    );
    let p = loss_actor_choices::Params {
        rows: rows as u32,
        choices: choices as u32,
        critics: critics as u32,
        q_offset: BEFORE as u32,
        logits_offset: BEFORE as u32,
        temperature: temperature.code(),
        alpha_at: c.alpha_at(),
        alpha: temperature.fixed(),
        ..Default::default()
    };
    let io = loss_actor_choices::Io {
        q: b.0.io(),
        logits: b.1.io(),
        parameters: b.2.io(),
        d_logits: b.3.io(),
        logp: b.4.io(),
        loss_partials: b.5.io(),
    };
    report.run(gpu, &loss_actor_choices::bind(gpu, &[p], &io)?, Slot::default())?;
    let (d_logits, logp, partials) =
        (b.3.read(gpu, report).await?, b.4.read(gpu, report).await?, b.5.read(gpu, report).await?);
    if let Some(row) = broken {
        let numbers: Vec<bool> = d_logits[row * choices..][..choices].iter().map(|x| x.is_nan()).collect();
        report.exact("d_logits (no number)", &numbers, &vec![true; choices]);
        report.exact("loss_partials (not finite)", &[partials[row / 64][3]], &[1.0]);
        return Ok(());
    }
    let tables: Result<Vec<_>> = (0..critics).map(|one| c.table(&q[BEFORE + one * table..][..table])).collect();
    let (least, logits) = (least_table(&tables?)?, c.table(&logits[BEFORE..])?);
    let alpha = alpha(temperature);
    let of = actor_loss(logits.view(), least.view(), alpha.value);
    let inverse = rounded(1.0 / rows as f64);
    let (mut bounds, mut columns) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for r in 0..rows {
        let all = log_probabilities(&logits.row(r).to_vec());
        let terms = |of: &dyn Fn(usize) -> Known| sum(&(0..choices).map(of).collect::<Vec<_>>());
        let entropy = terms(&|a| probability(all[a]) * all[a]);
        let worth = terms(&|a| probability(all[a]) * exact(least[[r, a]]));
        let loss = alpha * entropy - worth;
        let slope = |a: usize| probability(all[a]) * (alpha * all[a] - exact(least[[r, a]]) - loss) * inverse;
        bounds.extend((0..choices).map(|a| slope(a).error));
        [loss, entropy, worth].into_iter().zip(&mut columns).for_each(|(one, column)| column.push(one));
    }
    compare(report, "d_logits", &d_logits, &of.by_logits.iter().copied().collect::<Vec<_>>(), &bounds);
    let errors: Vec<f64> = columns[1].iter().map(|own| own.error).collect();
    compare(report, "logp", &logp, &of.log_prob.to_vec(), &errors);
    let names = ["loss_partials (loss)", "loss_partials (logp)", "loss_partials (least Q)"];
    compare_sums(report, &partials, names, [&columns[0], &columns[1], &columns[2]]);
    Ok(())
}
