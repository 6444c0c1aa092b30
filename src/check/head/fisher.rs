//! Fisher products.

use super::heads::{Walk, actions_of, array, masked, name, rows_of};
use super::wide_sizes::{REASON as WIDE_REASON, Sizes, TOLERANCE, is_hit, taken};
use crate::check::accuracy::roundings;
use crate::check::case::Case;
use crate::check::head_accuracy::{accuracy, fisher as fisher_bounds};
use crate::check::support::{EPS, Guarded, Random, Report};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, Slot};
use crate::kernels::{batch_clean, head_fisher, head_fisher_wide};
use crate::policy::Head;
use crate::reference::head::{fisher_vector, log_prob_grad};
use ndarray::{Array1, Array2, Axis};

const SCALE: f32 = 0.37;

#[derive(Clone)]
struct Product {
    walk: Walk,
    head: Head,
    rows: usize,
    spread: f32,
    /// One row in so many belongs to the product; `None`: the expectation, and no actions.
    row_stride: Option<usize>,
}

struct Inputs {
    dist: Vec<f32>,
    tangents: Vec<f32>,
    /// Of the product's rows.
    words: Vec<u32>,
    /// Of all rows: those that are not in the product have other actions.
    all: Vec<u32>,
    samples: Vec<[f32; 4]>,
}

impl Product {
    /// With a stride, some rows do not count, and the others weigh more.
    fn counts(&self, row: usize) -> bool {
        self.row_stride.is_none() || row % 4 != 1
    }

    fn inputs(&self) -> Inputs {
        let Self { walk, head, rows, spread, row_stride } = self;
        let seed = rows * if *walk == Walk::Workgroup { 10 } else { 100 } + head.width();
        let mut random = Random::new(seed as u64);
        let dist = rows_of(head, &mut random, *rows, *spread);
        let tangents = random.normals(dist.len(), 1.0);
        let words = actions_of(head, &mut random, &dist);
        let (own, stride) = (head.action_words(), row_stride.unwrap_or(1));
        let mut all = vec![0x7f80_0000; ((rows - 1) * stride + 1) * own];
        for (row, words) in words.chunks(own).enumerate() {
            all[row * stride * own..][..own].copy_from_slice(words);
        }
        let mut samples = vec![[f32::NAN; 4]; (rows - 1) * stride + 1];
        for row in 0..*rows {
            samples[row * stride][0] = if self.counts(row) { -1.0 } else { batch_clean::INVALID_LOGP };
        }
        samples.push([1.25, 0.0, 0.0, 0.0]);
        let is_read = row_stride.is_some() || head.is_masked();
        Inputs { dist, tangents, words, all: if is_read { all } else { vec![7] }, samples }
    }

    fn bind(
        &self,
        gpu: &Gpu,
        [head_outputs, head_tangents, d_head_outputs]: [&Buffer<f32>; 3],
        actions: &Buffer<u32>,
        samples: (&Buffer<[f32; 4]>, usize),
    ) -> Result<Vec<Call>> {
        let (rows, scale, empirical) = (self.rows as u32, SCALE, u32::from(self.row_stride.is_some()));
        let row_stride = self.row_stride.unwrap_or(1) as u32;
        let valid_sample = if self.row_stride.is_some() { samples.1 as u32 - 1 } else { 0 };
        let samples = samples.0;
        match self.walk {
            Walk::Invocation => {
                let mut p = head_fisher::Params::default();
                (p.rows, p.scale, p.empirical, p.row_stride) = (rows, scale, empirical, row_stride);
                p.valid_sample = valid_sample;
                let io = head_fisher::Io { head_outputs, head_tangents, actions, samples, d_head_outputs };
                head_fisher::bind(gpu, &self.head, &[p], &io)
            }
            Walk::Workgroup => {
                let mut p = head_fisher_wide::Params::default();
                (p.rows, p.scale, p.empirical, p.row_stride) = (rows, scale, empirical, row_stride);
                p.valid_sample = valid_sample;
                let io = head_fisher_wide::Io { head_outputs, head_tangents, actions, samples, d_head_outputs };
                head_fisher_wide::bind(gpu, &self.head, &[p], &io)
            }
        }
    }

    async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (head, inputs) = (&self.head, self.inputs());
        let buffers = (
            Guarded::holding(gpu, "head_outputs", &inputs.dist)?,
            Guarded::holding(gpu, "head_tangents", &inputs.tangents)?,
            Guarded::holding(gpu, "actions", &inputs.all)?,
            Guarded::holding(gpu, "samples", &inputs.samples)?,
            Guarded::output(gpu, "d_head_outputs", inputs.dist.len())?,
        );
        let floats = [buffers.0.io(), buffers.1.io(), buffers.4.io()];
        let calls = self.bind(gpu, floats, buffers.2.io(), (buffers.3.io(), inputs.samples.len()))?;
        report.run(gpu, &calls, Slot::default())?;

        let actions = Actions::from_words(head, self.rows, &inputs.words)?;
        let (p, t) = (masked(head, &inputs.dist, &actions)?, array(head, &inputs.tangents));
        let score = match self.row_stride {
            Some(_) => Some(log_prob_grad(head, p.view(), &actions, Array1::ones(self.rows).view())?),
            None => None,
        };
        let mut want = match &score {
            Some(score) => {
                let along = (score * &t).sum_axis(Axis(1)).insert_axis(Axis(1));
                score * &along
            }
            None => fisher_vector(head, p.view(), t.view())?,
        };
        let mut sizes = match self.walk {
            // And three more products.
            Walk::Invocation => {
                self.bounds(&p, &t, &actions, score.as_ref()) / EPS + want.mapv(|want| 3.0 * want.abs())
            }
            Walk::Workgroup => self.wide_sizes(&p, &t, &inputs.words, score.as_ref()),
        };
        for row in (0..self.rows).filter(|row| !self.counts(*row)) {
            want.row_mut(row).fill(0.0);
            sizes.row_mut(row).fill(0.0);
        }
        let weight = if self.row_stride.is_some() { 1.25 } else { 1.0 };
        let scaled = |a: Array2<f64>| (a * (f64::from(SCALE) * weight)).into_iter().collect::<Vec<f64>>();
        let (want, sizes) = (scaled(want), scaled(sizes));
        report.floats("d_head_outputs", &buffers.4.read(gpu, report).await?, &want, |i| sizes[i]);
        Ok(())
    }

    /// By the accuracy of the head's formulas.
    fn bounds(&self, p: &Array2<f64>, t: &Array2<f64>, actions: &Actions, score: Option<&Array2<f64>>) -> Array2<f64> {
        let Some(score) = score else { return fisher_bounds(&self.head, p, t) };
        let known = &accuracy(&self.head, p, None, actions).gradients[0];
        let mut bounds = Array2::<f64>::zeros(p.dim());
        for row in 0..self.rows {
            let (s, t, error) = (score.row(row), t.row(row), known.row(row));
            let size = t.mapv(f64::abs);
            let along = error.dot(&size) + roundings(s.len() + 1) * s.mapv(f64::abs).dot(&size);
            bounds.row_mut(row).assign(&(s.mapv(f64::abs) * along + &error * (s.dot(&t).abs() + along)));
        }
        bounds
    }

    /// By each choice's own probability.
    fn wide_sizes(&self, p: &Array2<f64>, t: &Array2<f64>, words: &[u32], score: Option<&Array2<f64>>) -> Array2<f64> {
        let (head, width) = (&self.head, self.head.width());
        let (sizes, taken) = (Sizes::new(head, p), taken(head, words));
        let mut scales = Array2::zeros(p.dim());
        for row in 0..self.rows {
            let t = t.row(row);
            let Some(s) = score.map(|score| score.row(row)) else {
                let largest = t.iter().fold(0.0, |most: f64, t| most.max(t.abs()));
                for i in 0..width {
                    scales[[row, i]] = 2.0 * largest * (sizes.p_size[[row, i]] + sizes.p[[row, i]] * sizes.mean[row]);
                }
                continue;
            };
            let along = s.dot(&t);
            let of_score = |i: usize| sizes.slope(row, i, is_hit(head, &taken[row], i), [1.0, 0.0, 0.0, 0.0], 0.0);
            let size: f64 = (0..width).map(|i| of_score(i) * t[i].abs()).sum();
            for i in 0..width {
                scales[[row, i]] = of_score(i) * along.abs() + s[i].abs() * size;
            }
        }
        scales
    }
}

pub(in crate::check) const REASON: &str = "one rounding of the result; scale: the head's own accuracy as in head_evaluate, a ratio's exp, the tree of a sum, in \
                      units of 2⁻²⁴";

pub(in crate::check) fn fisher_case(
    walk: Walk,
    head: Head,
    rows: usize,
    spread: f32,
    row_stride: Option<usize>,
) -> Case {
    let form = row_stride.map_or("exact".to_owned(), |k| format!("empirical, one row in {k}"));
    let name = name(&head);
    let case = Product { walk, head, rows, spread, row_stride };
    let body = async move |gpu: &Gpu, report: &Report| case.run(gpu, report).await;
    if walk == Walk::Workgroup {
        let shape = format!("{rows} rows, wide {name}, {form}");
        return Case::new(head_fisher_wide::DEF.name, shape, (TOLERANCE, WIDE_REASON), body);
    }
    let shape = format!("{rows} rows, {name}, spread {spread}, {form}");
    Case::new(head_fisher::DEF.name, shape, (EPS, REASON), body)
}
