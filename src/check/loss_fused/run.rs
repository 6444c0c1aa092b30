//! The kernel on a minibatch, from observations to partial gradients.

use super::network::{Pass, backward, forward};
use crate::check::loss::{Bounds, CLIP, ENT_COEF, GROUP, Loss, Minibatch, Room, VF_COEF, compare_sums};
use crate::check::support::{EPS, Guarded, Random, Report, schedule, wide};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::loss_ppo::VALUE_UNIT;
use crate::kernels::loss_ppo_fused;
use crate::kernels::per_update::PerUpdate;
use crate::policy::{Branch, PolicySpec};
use ndarray::{Array2, Axis, s};

#[derive(Clone)]
pub(super) struct Fused {
    pub spec: PolicySpec,
    pub loss: Loss,
    pub slice_rows: usize,
}

impl Fused {
    /// Scaled so that each layer's outputs are near 1.
    fn parameters(&self, random: &mut Random) -> Vec<f32> {
        let (spec, layout) = (&self.spec, self.spec.layout());
        let mut parameters = random.normals(layout.len(), 1.0);
        for range in layout.branches().iter().flat_map(|branch| &branch.layers) {
            let scale = (range.inputs as f32).sqrt().recip();
            parameters[range.weight..range.weight + range.inputs * range.outputs].iter_mut().for_each(|w| *w *= scale);
        }
        if let Some(at) = layout.log_std() {
            parameters[at..at + spec.head.free_parameters()].iter_mut().for_each(|l| *l *= 0.3);
        }
        parameters
    }

    fn minibatch(&self) -> Result<Batch> {
        let Self { spec, loss, .. } = self;
        let (rows, offset) = (loss.rows, loss.row_offset);
        let mut random = Random::new((rows * 10 + spec.obs_dim()) as u64);
        let parameters = self.parameters(&mut random);
        let mut obs = random.normals((offset + rows) * spec.obs_dim(), 1.0);
        let flat = wide(&parameters);
        let own = |(r, i): (usize, usize)| f64::from(obs[(offset + r) * spec.obs_dim() + i]);
        let x = Array2::from_shape_fn((rows, spec.obs_dim()), own);
        let (policy, value) = (forward(spec, &flat, &x, Branch::POLICY), forward(spec, &flat, &x, Branch::VALUE));
        let (raw, width, layout) = (spec.head.raw_outputs(), spec.head.width(), spec.layout());
        let free = |i: usize| parameters[layout.log_std().unwrap_or(0) + i - raw];
        let dist = (0..rows * width).map(|i| (i / width, i % width));
        let dist = dist.map(|(r, i)| if i < raw { policy.result[0][[r, i]] as f32 } else { free(i) }).collect();
        let values = value.result[0].iter().map(|v| *v as f32).collect();
        let inputs = loss.inputs_at(random, dist, values)?;
        let m = Minibatch::new(loss, &inputs)?;

        let mut samples = inputs.samples.clone();
        let counted = loss.counted(0..rows);
        samples.push([loss.weight(), f32::NAN, f32::NAN, f32::NAN]);
        for row in (0..rows).filter(|row| !counted.contains(row)) {
            samples[offset + row][0] = INVALID_LOGP;
        }
        let mut broken = [Vec::new(), Vec::new()];
        for row in (0..rows).step_by(5).filter(|_| loss.broken) {
            match row % 4 {
                0 => obs[(offset + row) * spec.obs_dim()] = f32::NAN,
                1 => samples[offset + row][1] = f32::NAN,
                2 => samples[offset + row][0] = f32::NEG_INFINITY,
                _ => samples[offset + row][2] = f32::INFINITY,
            }
            if row % 4 != 3 {
                broken[0].push(row)
            }
            if row % 4 == 0 || row % 4 == 3 {
                broken[1].push(row)
            }
        }
        Ok(Batch { parameters, flat, obs, words: inputs.words, samples, broken, policy, value, m })
    }

    pub async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let Self { spec, loss, slice_rows } = self;
        let (rows, layout, batch) = (loss.rows, spec.layout(), self.minibatch()?);
        let buffers = (
            Guarded::holding(gpu, "parameters", &batch.parameters)?,
            Guarded::holding(gpu, "obs", &batch.obs)?,
            Guarded::holding(gpu, "actions", &batch.words)?,
            Guarded::holding(gpu, "samples", &batch.samples)?,
        );
        let (count, slices, groups) = (layout.len(), rows.div_ceil(*slice_rows), rows.div_ceil(GROUP));
        let partials = Guarded::output(gpu, "partials", slices * count)?;
        let loss_partials = Guarded::output(gpu, "loss_partials", groups * 20)?;
        let clip_coef_vf = batch.m.config.value_limit_at(0.0).unwrap_or(f64::INFINITY) as f32;
        let settings = PerUpdate { clip_coef: CLIP, clip_coef_vf, ent_coef: ENT_COEF, ..PerUpdate::default() };
        let (ring, slot) = schedule(gpu, &settings)?;
        let p = loss_ppo_fused::Params {
            rows: rows as u32,
            row_offset: loss.row_offset as u32,
            slice_rows: *slice_rows as u32,
            value_loss: loss.value_loss.code(),
            dual_clip: loss.dual_clip.unwrap_or(0.0),
            vf_loss_scale: 0.5,
            vf_coef: VF_COEF,
            surrogate: loss.surrogate.code(),
            valid_sample: if loss.padded { batch.samples.len() as u32 - 1 } else { 0 },
            ..Default::default()
        };
        let io = loss_ppo_fused::Io {
            parameters: buffers.0.io(),
            obs: buffers.1.io(),
            actions: buffers.2.io(),
            samples: buffers.3.io(),
            partials: partials.io(),
            loss_partials: loss_partials.io(),
        };
        report.run(gpu, &loss_ppo_fused::bind(gpu, spec, &layout, &[p], &io, &ring)?, slot)?;
        let (got, terms) = (partials.read(gpu, report).await?, loss_partials.read(gpu, report).await?);

        let mut bits = vec![0.0; groups * 8];
        for (rows, place) in batch.broken.iter().zip([0, 4]) {
            for row in rows {
                bits[row / GROUP * 8 + place + row % GROUP / 16] += f32::from(1_u16 << (row % 16));
            }
        }
        report.exact("loss_partials (rows that are not finite)", &terms[groups * 12..], &bits);
        if loss.broken {
            return Ok(());
        }
        let bounds = self.bounds(&batch)?;
        for (slice, own) in got.chunks(count).enumerate() {
            self.compare_slice(report, &batch, &bounds, slice, own)?;
        }
        self.compare_terms(report, &batch, &bounds, &terms)
    }

    /// Of the loss, from what is known of its inputs.
    fn bounds(&self, batch: &Batch) -> Result<Bounds> {
        let (rows, raw, width) = (self.loss.rows, self.spec.head.raw_outputs(), self.spec.head.width());
        // How well the loss's input is known, and a rounding of what the oracle got; copies of parameters are exact.
        let known = |pass: &Pass, r: usize, i: usize| pass.result[1][[r, i]] + EPS * pass.result[0][[r, i]].abs();
        let of_dist = |(r, i): (usize, usize)| if i < raw { known(&batch.policy, r, i) } else { 0.0 };
        let room = Room {
            dist: Array2::from_shape_fn((rows, width), of_dist),
            values: (0..rows).map(|r| known(&batch.value, r, 0)).collect(),
        };
        Bounds::new(&batch.m, rows, Some(&room))
    }

    /// The gradient that a slice of rows gives.
    fn compare_slice(&self, report: &Report, batch: &Batch, bounds: &Bounds, slice: usize, got: &[f32]) -> Result<()> {
        let Self { spec, loss, slice_rows } = self;
        let (layout, raw, width) = (spec.layout(), spec.head.raw_outputs(), spec.head.width());
        let counted = loss.counted(0..loss.rows);
        let (whole, weight) = (batch.m.oracle(&counted)?, f64::from(loss.weight()));
        let mut want = vec![[0.0; 2]; layout.len()];
        let range = slice * slice_rows..loss.rows.min((slice + 1) * slice_rows);
        let own: Vec<usize> = (0..counted.len()).filter(|place| range.contains(&counted[*place])).collect();
        let rows: Vec<usize> = own.iter().map(|place| counted[*place]).collect();
        let d_dist = whole.d_dist.select(Axis(0), &own);
        let d_room = Array2::from_shape_fn(d_dist.dim(), |(r, i)| weight * bounds.d_dist[rows[r] * width + i]);
        if let Some(at) = layout.log_std() {
            for i in raw..width {
                let terms = d_dist.column(i).mapv(f64::abs).sum() * EPS * (own.len() as f64 + 2.0).sqrt();
                let room = d_room.column(i).mapv(|d| d * d).sum().sqrt();
                want[at + i - raw] = [d_dist.column(i).sum(), room + terms];
            }
        }
        let heads = [d_dist.slice(s![.., ..raw]).to_owned(), d_room.slice(s![.., ..raw]).to_owned()];
        backward(spec, &batch.flat, &batch.policy, heads, &rows, &mut want);
        let d_values = Array2::from_shape_fn((own.len(), 1), |(r, _)| whole.d_values[own[r]]);
        let d_room = Array2::from_shape_fn((own.len(), 1), |(r, _)| weight * bounds.d_values[rows[r]]);
        backward(spec, &batch.flat, &batch.value, [d_values, d_room], &rows, &mut want);
        let [sums, room] = [0, 1].map(|k| want.iter().map(|pair| pair[k]).collect::<Vec<f64>>());
        report.floats(&format!("partials of slice {slice}"), got, &sums, |i| room[i] / EPS);
        Ok(())
    }

    /// The sums of each workgroup.
    fn compare_terms(&self, report: &Report, batch: &Batch, bounds: &Bounds, terms: &[f32]) -> Result<()> {
        let loss = &self.loss;
        for group in 0..loss.rows.div_ceil(GROUP) {
            let range = loss.counted(group * GROUP..loss.rows.min((group + 1) * GROUP));
            let stats = batch.m.oracle(&range)?.stats;
            let mut got = terms[group * 12..][..12].to_vec();
            got[1] *= VALUE_UNIT;
            // The last sum counts the rows.
            compare_sums(report, &got, &stats, loss.weight().into(), (bounds, &range), range.len() as f64);
            report.exact("loss_partials (hits, nothing)", &got[10..], &[stats.head_hits as f32, 0.0]);
        }
        Ok(())
    }
}

/// What a case runs on, and its networks' passes.
struct Batch {
    parameters: Vec<f32>,
    flat: Vec<f64>,
    obs: Vec<f32>,
    words: Vec<u32>,
    samples: Vec<[f32; 4]>,
    /// Rows of which the policy's part is not finite, and the critic's.
    broken: [Vec<usize>; 2],
    policy: Pass,
    value: Pass,
    m: Minibatch,
}
