//! Evaluation with gradients.

use super::heads::{Walk, actions_of, masked, name, rows_of};
use super::wide_sizes::{REASON, Sizes, TOLERANCE, is_hit, taken};
use crate::check::case::Case;
use crate::check::head_accuracy::accuracy;
use crate::check::support::{EPS, Guarded, Random, Report};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::{head_evaluate, head_evaluate_wide};
use crate::policy::Head;
use crate::reference::head::{
    entropy, entropy_grad, hits, kl, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad,
};
use ndarray::{Array1, Array2};

/// Rows near old ones, with actions, and the weights of what the gradient is of.
#[derive(Clone)]
struct Evaluation {
    head: Head,
    rows: usize,
    spread: f32,
    change: f32,
}

struct Inputs {
    new: Vec<f32>,
    old: Vec<f32>,
    words: Vec<u32>,
    weights: Vec<[f32; 4]>,
}

/// Columns of what is found of each row.
const COLUMNS: [&str; 4] = ["logp", "entropy", "kl_old_new", "kl_new_old"];

/// What the reference says of each row, and the derivatives.
struct Expected {
    new: Array2<f64>,
    old: Array2<f64>,
    actions: Actions,
    values: [Array1<f64>; 4],
    gradients: [Array2<f64>; 4],
}

impl Evaluation {
    fn inputs(&self) -> Inputs {
        let Self { head, rows, spread, change } = self;
        let mut random = Random::new((rows * 100 + head.width()) as u64);
        let new = rows_of(head, &mut random, *rows, *spread);
        let old: Vec<f32> = new.iter().map(|x| x + random.range(-change, *change)).collect();
        let words = actions_of(head, &mut random, &new);
        let weight = |row: usize| {
            let w = random.normals(4, 1.0);
            // Some rows ask for no divergence, which the kernel then leaves out.
            if row % 3 == 2 { [w[0], w[1], 0.0, 0.0] } else { [w[0], w[1], w[2], w[3]] }
        };
        let weights = (0..*rows).map(weight).collect();
        Inputs { new, old, words, weights }
    }

    fn expected(&self, inputs: &Inputs) -> Result<Expected> {
        let head = &self.head;
        let actions = Actions::from_words(head, self.rows, &inputs.words)?;
        let (new, old) = (masked(head, &inputs.new, &actions)?, masked(head, &inputs.old, &actions)?);
        let (p, q, ones) = (new.view(), old.view(), Array1::ones(self.rows));
        let values = [log_prob(head, p, &actions)?, entropy(head, p)?, kl(head, q, p)?, kl(head, p, q)?];
        let gradients = [
            log_prob_grad(head, p, &actions, ones.view())?,
            entropy_grad(head, p, ones.view())?,
            kl_old_new_grad(head, q, p, ones.view())?,
            kl_new_old_grad(head, q, p, ones.view())?,
        ];
        Ok(Expected { values, gradients, actions, new, old })
    }

    /// One invocation for each row.
    async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (head, inputs) = (&self.head, self.inputs());
        let buffers = (
            Guarded::holding(gpu, "head_outputs", &inputs.new)?,
            Guarded::holding(gpu, "head_outputs_old", &inputs.old)?,
            Guarded::holding(gpu, "actions", &inputs.words)?,
            Guarded::holding(gpu, "weights", &inputs.weights)?,
        );
        let row_values = Guarded::<[f32; 4]>::output(gpu, "row_values", self.rows)?;
        let d_head_outputs = Guarded::output(gpu, "d_head_outputs", inputs.new.len())?;
        let p = head_evaluate::Params { rows: self.rows as u32, ..Default::default() };
        let io = head_evaluate::Io {
            head_outputs: buffers.0.io(),
            head_outputs_old: buffers.1.io(),
            actions: buffers.2.io(),
            weights: buffers.3.io(),
            row_values: row_values.io(),
            d_head_outputs: d_head_outputs.io(),
        };
        report.run(gpu, &head_evaluate::bind(gpu, head, &[p], &io)?, Slot::default())?;

        let want = self.expected(&inputs)?;
        let bounds = accuracy(head, &want.new, Some(&want.old), &want.actions);
        let got = row_values.read(gpu, report).await?;
        for (i, name) in COLUMNS.iter().enumerate() {
            let column: Vec<f32> = got.iter().map(|row| row[i]).collect();
            report.floats(name, &column, &want.values[i].to_vec(), |row| bounds.values[i][row] / EPS);
        }
        let width = head.width();
        let size = |at: usize| -> f64 {
            let place = [at / width, at % width];
            // Four products and their sum.
            let of = |i: usize| bounds.gradients[i][place] / EPS + 4.0 * want.gradients[i][place].abs();
            (0..4).map(|i| f64::from(inputs.weights[place[0]][i]).abs() * of(i)).sum()
        };
        let d = d_head_outputs.read(gpu, report).await?;
        report.floats("d_head_outputs", &d, &want.gradient(&inputs.weights), size);
        Ok(())
    }

    /// A workgroup for each row: those before the offset must not be read, and rows that do not count have no gradient.
    async fn run_wide(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (head, rows, mut inputs) = (&self.head, self.rows, self.inputs());
        let (width, offset) = (head.width(), 1);
        let old_all = [vec![f32::NAN; offset * width], inputs.old.clone()].concat();
        let words_all = [vec![u32::MAX; offset * head.action_words()], inputs.words.clone()].concat();
        let counts = |row: usize| row % 3 != 1;
        let marks = |row: usize| [f32::from(u8::from(counts(row))), f32::NAN, f32::NAN, f32::NAN];
        let weights: Vec<_> = (0..rows).flat_map(|row| [inputs.weights[row], marks(row)]).collect();
        let buffers = (
            Guarded::holding(gpu, "head_outputs", &inputs.new)?,
            Guarded::holding(gpu, "head_outputs_old", &old_all)?,
            Guarded::holding(gpu, "actions", &words_all)?,
            Guarded::holding(gpu, "weights", &weights)?,
        );
        let row_values = Guarded::<[f32; 4]>::output(gpu, "row_values", 2 * rows)?;
        let d_head_outputs = Guarded::output(gpu, "d_head_outputs", inputs.new.len())?;
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
        for row in (0..rows).filter(|row| !counts(*row)) {
            inputs.weights[row] = [0.0; 4];
        }
        let got = (row_values.read(gpu, report).await?, d_head_outputs.read(gpu, report).await?);
        self.compare_wide(report, &inputs, (&got.0, &got.1))
    }

    fn compare_wide(&self, report: &Report, inputs: &Inputs, got: (&[[f32; 4]], &[f32])) -> Result<()> {
        let (head, width, want) = (&self.head, self.head.width(), self.expected(inputs)?);
        let (sizes, taken) = (Sizes::new(head, &want.new), taken(head, &inputs.words));
        // Of second order in the change d of a logit, whose rounding is that of two log-probabilities.
        let d = f64::from(self.change);
        let of_kl = |row: usize| head.action_dims() as f64 * (d + d * d) * (2.0 * d).exp() * sizes.mean[row];
        for (i, name) in COLUMNS.iter().enumerate() {
            let column: Vec<f32> = got.0.iter().step_by(2).map(|values| values[i]).collect();
            report.floats(name, &column, &want.values[i].to_vec(), |row| match i {
                0 => sizes.logp(head, row, &taken[row]),
                1 => sizes.entropy[row],
                _ => of_kl(row),
            });
        }
        let found: Vec<f32> = got.0.iter().skip(1).step_by(2).map(|values| values[0]).collect();
        let met: Vec<f32> = hits(head, want.new.view())?.iter().map(|hits| *hits as f32).collect();
        report.exact("row_values (limits met)", &found, &met);
        let size = |at: usize| {
            let (row, i) = (at / width, at % width);
            sizes.slope(row, i, is_hit(head, &taken[row], i), inputs.weights[row].map(f64::from), d)
        };
        report.floats("d_head_outputs", got.1, &want.gradient(&inputs.weights), size);
        Ok(())
    }
}

impl Expected {
    /// Of the four, each times its row's weight.
    fn gradient(&self, weights: &[[f32; 4]]) -> Vec<f64> {
        let of = |(row, j): (usize, usize)| {
            // What weighs nothing is left out, as an infinite derivative would be none.
            let weights = weights[row].map(f64::from).into_iter().zip(&self.gradients);
            weights.filter(|(w, _)| *w != 0.0).map(|(w, gradient)| w * gradient[[row, j]]).sum()
        };
        Array2::from_shape_fn(self.new.dim(), of).into_iter().collect()
    }
}

pub(in crate::check) fn evaluate_case(walk: Walk, head: Head, rows: usize, spread: f32, change: f32) -> Case {
    let (case, name) = (Evaluation { head: head.clone(), rows, spread, change }, name(&head));
    if walk == Walk::Workgroup {
        let shape = format!("{rows} rows, wide {name}, spread {spread}, change {change}");
        let body = async move |gpu: &Gpu, report: &Report| case.run_wide(gpu, report).await;
        return Case::new(head_evaluate_wide::DEF.name, shape, (TOLERANCE, REASON), body);
    }
    let reason = "one rounding of the result; scale: WGSL's accuracy of exp, log and division and that of part math, carried through \
                  the head's formulas to first order, in units of 2⁻²⁴";
    let shape = format!("{rows} rows, {name}, spread {spread}, change {change}");
    Case::new(head_evaluate::DEF.name, shape, (EPS, reason), async move |gpu, report| case.run(gpu, report).await)
}
