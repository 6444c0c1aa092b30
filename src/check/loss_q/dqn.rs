//! DQN's loss.

use super::support::{REASON, actions, compare, compare_sums, samples};
use crate::check::accuracy::{Known, exact, rounded, sum};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, Report, wide};
use crate::config::TdLoss;
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_dqn;
use crate::reference::dqn_update::{DqnLoss, dqn_loss, td_loss};
use crate::reference::q_network;
use crate::reference::transitions::Transitions;
use ndarray::{Array1, Array2, ArrayView2, Axis};

#[derive(Clone, Copy)]
pub(super) struct Dqn {
    pub rows: usize,
    pub choices: usize,
    pub loss: TdLoss,
    /// Whether the online network chooses.
    pub double: bool,
    /// Whether tables have advantages.
    pub dueling: bool,
    /// The row whose Q of the action is not a number.
    pub broken: Option<usize>,
}

pub(super) fn case(c: Dqn) -> Case {
    let Dqn { rows, choices, loss, double, dueling, broken } = c;
    let by = if double { "double" } else { "plain" };
    let by = if dueling { format!("{by}, dueling") } else { by.to_owned() };
    let bad = if broken.is_some() { ", a NaN" } else { "" };
    let shape = format!("{rows} rows of {choices}, {loss:?}, {by}{bad}");
    Case::new(loss_dqn::DEF.name, shape, REASON, async move |gpu, report| run(gpu, report, c).await)
}

async fn run(gpu: &Gpu, report: &Report, c: Dqn) -> Result<()> {
    let Dqn { rows, choices, loss, double, dueling, broken } = c;
    let mut random = Random::new((rows * 7 + choices) as u64);
    let count = rows * choices;
    // Three tables, and values of two, with a number before each.
    let mut q = random.normals(3 * (count + 1) + if dueling { 2 * (rows + 1) } else { 0 }, 1.5);
    let place = |table: usize| table * (count + 1) + 1;
    let values_at = |table: usize| 3 * (count + 1) + table * (rows + 1) + 1;
    // The first of equals chooses among numbers that differ.
    if choices > 2 {
        (q[place(2) + 1], q[place(2) + 2]) = (9.0, 9.0);
    }
    let (actions, given) = actions(&mut random, rows, choices);
    let mut batch = samples(&mut random, rows);
    batch[0][2] = 0.0;
    // What follows a terminal state need not be a number.
    if choices == 1 && rows > 1 {
        batch[1][2] = 1.0;
        q[place(1) + 1] = f32::NAN;
    }
    if let Some(row) = broken {
        q[place(0) + row * choices + actions[row] as usize] = f32::NAN;
    }
    let b = (
        Guarded::holding(gpu, "q", &q)?,
        Guarded::holding(gpu, "actions", &given)?,
        Guarded::holding(gpu, "samples", &batch)?,
        Guarded::<f32>::output(gpu, "d_q", count + if dueling { rows } else { 0 })?,
        Guarded::<[f32; 4]>::output(gpu, "loss_partials", loss_dqn::groups(rows as u32) as usize)?,
    );
    let chooser = if double { 2 } else { 1 };
    let p = loss_dqn::Params {
        rows: rows as u32,
        choices: choices as u32,
        q_offset: place(0) as u32,
        next_offset: place(1) as u32,
        chooser_offset: place(chooser) as u32,
        huber: u32::from(loss == TdLoss::Huber),
        dueling: dueling.into(),
        value_offset: values_at(0) as u32,
        next_value_offset: values_at(1) as u32,
        d_value_offset: count as u32,
        ..Default::default()
    };
    let io = loss_dqn::Io { q: b.0.io(), actions: b.1.io(), samples: b.2.io(), d_q: b.3.io(), loss_partials: b.4.io() };
    report.run(gpu, &loss_dqn::bind(gpu, &[p], &io)?, Slot::default())?;
    let (d_q, partials) = (b.3.read(gpu, report).await?, b.4.read(gpu, report).await?);
    if let Some(row) = broken {
        let of_row = &d_q[row * choices..][..choices];
        let numbers: Vec<bool> = of_row.iter().map(|x| x.is_nan()).collect();
        let want: Vec<bool> = (0..choices).map(|a| dueling || a == actions[row] as usize).collect();
        report.exact("d_q (no number)", &numbers, &want);
        report.exact("loss_partials (not finite)", &[partials[row / 64][3]], &[1.0]);
        return Ok(());
    }
    let table = |index: usize| {
        let own = wide(&q[place(index)..][..count]);
        check_shape("q", &[own.len()], &[count])?;
        Array2::from_shape_vec((rows, choices), own).map_err(|_| Error::shape("q", &[count], &[rows, choices]))
    };
    let (mut online, mut next, chooser) = (table(0)?, table(1)?, table(chooser)?);
    let mut shifts = vec![[Known::zero(); 2]; rows];
    if dueling {
        for (index, own) in [&mut online, &mut next].into_iter().enumerate() {
            let values = Array1::from(wide(&q[values_at(index)..][..rows]));
            for (r, row) in own.outer_iter().enumerate() {
                let all: Vec<Known> = row.iter().map(|a| exact(*a)).collect();
                shifts[r][index] = exact(values[r]) - sum(&all) / exact(choices as f64);
            }
            *own = q_network::dueling(own.view(), values.view());
        }
    }
    compare_all(report, &c, &batch, &actions, [&online, &next, &chooser], &shifts, (&d_q, &partials))
}

/// All outputs against the oracle, from tables of Q (the last may have advantages) and what makes an advantage Q.
fn compare_all(
    report: &Report,
    c: &Dqn,
    batch: &[[f32; 4]],
    actions: &[u32],
    [online, next, chooser]: [&Array2<f64>; 3],
    shifts: &[[Known; 2]],
    (d_q, partials): (&[f32], &[[f32; 4]]),
) -> Result<()> {
    let Dqn { rows, choices, loss, dueling, .. } = *c;
    let count = rows * choices;
    let of = oracle(loss, batch, actions, [online.view(), next.view(), chooser.view()])?;
    let (slopes, bounds, terms) = known(loss, batch, &of, (next.view(), chooser.view()), shifts);
    let mut d_bounds = vec![0.0; count];
    let mut v_bounds = vec![0.0; rows];
    for (r, action) in actions.iter().enumerate() {
        let own = slopes[r].give(bounds[r]) * rounded(1.0 / rows as f64);
        v_bounds[r] = own.error;
        let of_mean = if dueling { own / exact(choices as f64) } else { Known::zero() };
        for a in 0..choices {
            let own = if a == *action as usize { own } else { Known::zero() };
            d_bounds[r * choices + a] = if dueling { (own - of_mean).error } else { own.error };
        }
    }
    let (d_q, d_values) = d_q.split_at(count);
    let flat = |table: &Array2<f64>| table.iter().copied().collect::<Vec<_>>();
    if dueling {
        let (by_advantages, by_values) = q_network::dueling_gradient(of.cotangent.view());
        compare(report, "d_q", d_q, &flat(&by_advantages), &d_bounds);
        compare(report, "d_q (values)", d_values, &by_values.to_vec(), &v_bounds);
    } else {
        compare(report, "d_q", d_q, &flat(&of.cotangent), &d_bounds);
    }
    let names = ["loss_partials (loss)", "loss_partials (Q)", "loss_partials (target)"];
    compare_sums(report, partials, names, [&terms[0], &terms[1], &terms[2]]);
    Ok(())
}

fn oracle(loss: TdLoss, batch: &[[f32; 4]], actions: &[u32], tables: [ArrayView2<'_, f64>; 3]) -> Result<DqnLoss<f64>> {
    let column = |i: usize| batch.iter().map(|row| f64::from(row[i])).collect::<Array1<f64>>();
    let (rewards, discounts) = (column(0), column(1));
    let terminated: Array1<u32> = batch.iter().map(|row| u32::from(row[2] != 0.0)).collect();
    let none = Array2::zeros((batch.len(), 1));
    let batch = Transitions {
        obs: none.view(),
        next_obs: none.view(),
        rewards: rewards.view(),
        terminated: terminated.view(),
        discounts: discounts.view(),
    };
    dqn_loss(loss, &batch, Array1::from(actions.to_vec()).view(), tables)
}

/// The slope of each row, how far it may be off beyond its own roundings, and the terms of the three sums.
fn known(
    loss: TdLoss,
    batch: &[[f32; 4]],
    of: &DqnLoss<f64>,
    (next, chooser): (ArrayView2<'_, f64>, ArrayView2<'_, f64>),
    shifts: &[[Known; 2]],
) -> (Vec<Known>, Vec<f64>, [Vec<Known>; 3]) {
    let (mut slopes, mut bounds, mut terms) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for (r, [reward, discount, terminated, _]) in batch.iter().enumerate() {
        let row = chooser.index_axis(Axis(0), r);
        let best = (1..row.len()).fold(0, |best, a| if row[a] > row[best] { a } else { best });
        // An advantage and what makes it Q; without a dueling network the latter is exactly 0.
        let of_table = |value: f64, shift: Known| {
            let adds = if shift.value == 0.0 && shift.error == 0.0 { 0.0 } else { EPS * value.abs() };
            exact(value).give(shift.error + adds)
        };
        let ahead = exact((*discount).into()) * of_table(next[[r, best]], shifts[r][1]);
        let y = if *terminated != 0.0 { exact((*reward).into()) } else { exact((*reward).into()) + ahead };
        let own_value = of_table(of.q_values[r], shifts[r][0]);
        let d = own_value - y;
        let (value, slope) = td_loss(loss, d.value);
        // The slope goes with d at most as fast as this, on either side of Huber's bend.
        let steep = if loss == TdLoss::Squared { 2.0 } else { 1.0 };
        bounds.push(steep * d.error);
        slopes.push(exact(slope));
        // A product or two and a difference of numbers up to the loss and ½.
        let own = Known { value, error: slope.abs() * d.error + 4.0 * EPS * (value + 0.5) };
        terms[0].push(own);
        terms[1].push(own_value);
        terms[2].push(y);
    }
    (slopes, bounds, terms)
}
