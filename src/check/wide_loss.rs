//! PPO's loss of rows that a workgroup walks: walked, the loss of what is known of them, and their gradient.

use super::case::Case;
use super::head::{
    Sizes, WIDE_REASON, WIDE_TOLERANCE, actions_of, is_hit, masked, masked_choices, name, rows_of, taken,
};
use super::support::{Guarded, Random, Report, schedule, wide};
use crate::algo::rows;
use crate::config::{Algorithm, Config, KlDirection, KlPenalty, Ppo, ValueLoss};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{batch_clean, loss_ppo};
use crate::policy::Head;
use crate::reference::head::log_prob;
use crate::reference::loss_ppo::{PpoLoss, Targets, loss_ppo as oracle};
use ndarray::{Array1, Array2, Axis};

const CLIP: f32 = 0.2;
const ENT_COEF: f32 = 0.01;
const KL_COEF: f32 = 2.0;
/// Of each logit, that a divergence is not 0.
const CHANGE: f32 = 0.3;
/// Rows before those of the minibatch.
const OFFSET: usize = 2;

#[derive(Clone)]
struct Loss {
    head: Head,
    rows: usize,
    /// Every third row does not count.
    padded: bool,
    /// The divergence that is in it, from rows that differ by up to [`CHANGE`].
    kl: Option<KlDirection>,
}

struct Inputs {
    dist: Vec<f32>,
    old: Vec<f32>,
    words: Vec<u32>,
    actions: Actions,
    logp: Array1<f64>,
    values: Vec<f32>,
    /// With the rows before.
    samples: Vec<[f32; 4]>,
}

impl Loss {
    fn counted(&self) -> Vec<usize> {
        (0..self.rows).filter(|row| !self.padded || row % 3 != 1).collect()
    }

    /// What a row that counts weighs.
    fn weight(&self) -> f32 {
        self.rows as f32 / self.counted().len() as f32
    }

    /// The weight of either divergence.
    fn by_kl(&self) -> [f32; 2] {
        [KlDirection::OldNew, KlDirection::NewOld]
            .map(|direction| if self.kl == Some(direction) { KL_COEF } else { 0.0 })
    }

    fn inputs(&self) -> Result<Inputs> {
        let Self { head, rows, .. } = self;
        let mut random = Random::new((rows * 7 + head.width()) as u64);
        let dist = rows_of(head, &mut random, *rows, 1.5);
        let words = actions_of(head, &mut random, &dist);
        let actions = Actions::from_words(head, *rows, &words)?;
        let logp = log_prob(head, masked(head, &dist, &actions)?.view(), &actions)?;
        let values = random.normals(*rows, 1.0);
        let mut samples = vec![[f32::NAN; 4]; OFFSET];
        for (row, logp) in logp.iter().enumerate() {
            // On both sides of the clip, and none near it.
            let moved = if row % 2 == 0 { random.range(0.01, 0.15) } else { random.range(0.25, 0.6) };
            let logp_old = (logp + f64::from(if random.below(2) == 0 { moved } else { -moved })) as f32;
            samples.push([logp_old, random.range(0.5, 2.0), random.range(-1.0, 1.0), 0.0]);
        }
        let old: Vec<f32> = dist.iter().map(|x| x + random.range(-CHANGE, CHANGE)).collect();
        Ok(Inputs { dist, old, words, actions, logp, values, samples })
    }

    async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (head, inputs, counted) = (&self.head, self.inputs()?, self.counted());
        let mut marked = inputs.samples.clone();
        for row in (0..self.rows).filter(|row| !counted.contains(row)) {
            marked[OFFSET + row][0] = batch_clean::INVALID_LOGP;
        }
        let valid_sample = if self.padded { marked.len() as u32 } else { 0 };
        marked.push([self.weight(), f32::NAN, f32::NAN, f32::NAN]);
        let kl_sample = if self.kl.is_some() { marked.len() as u32 } else { 0 };
        let by_kl = self.by_kl();
        marked.push([by_kl[0], by_kl[1], f32::NAN, f32::NAN]);
        let old = [vec![f32::NAN; OFFSET * head.width()], inputs.old.clone()].concat();
        let words = [vec![0; OFFSET * head.action_words()], inputs.words.clone()].concat();
        let buffers = (
            Guarded::holding(gpu, "head_outputs", &inputs.dist)?,
            Guarded::holding(gpu, "values", &inputs.values)?,
            Guarded::holding(gpu, "actions", &words)?,
            Guarded::holding(gpu, "samples", &marked)?,
            Guarded::holding(gpu, "head_outputs_old", &old)?,
        );
        let d_head_outputs = Guarded::output(gpu, "d_head_outputs", inputs.dist.len())?;
        let d_values = Guarded::output(gpu, "d_values", self.rows)?;
        let groups = loss_ppo::groups(self.rows as u32) as usize;
        let loss_partials = Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups * 3)?;
        let settings = PerUpdate { clip_coef: CLIP, ent_coef: ENT_COEF, ..PerUpdate::default() };
        let (ring, slot) = schedule(gpu, &settings)?;
        let p = loss_ppo::Params {
            rows: self.rows as u32,
            row_offset: OFFSET as u32,
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
        let gradients = (d_head_outputs.read(gpu, report).await?, d_values.read(gpu, report).await?);
        let partials = loss_partials.read(gpu, report).await?;
        let result = self.expected(&inputs)?;
        let terms = self.compare(report, &inputs, &result, (&gradients.0, &gradients.1))?;
        self.compare_sums(report, &partials, &result, terms);
        Ok(())
    }

    /// The loss of the rows that count.
    fn expected(&self, inputs: &Inputs) -> Result<PpoLoss<f64>> {
        let (head, counted) = (&self.head, self.counted());
        let config = Config {
            algorithm: Algorithm::Ppo(Ppo {
                clip_coef: CLIP.into(),
                kl_penalty: self.kl.map(|kl| KlPenalty::fixed(KL_COEF.into(), kl)),
                ..Ppo::cleanrl()
            }),
            ent_coef: ENT_COEF.into(),
            vf_coef: 0.5,
            vf_loss_scale: 0.5,
            value_loss: ValueLoss::Plain,
            ..Config::cleanrl()
        };
        let rows = |dist: &[f32]| Ok(masked(head, dist, &inputs.actions)?.select(Axis(0), &counted));
        let (p, q): (Array2<f64>, Array2<f64>) = (rows(&inputs.dist)?, rows(&inputs.old)?);
        let column = |i: usize| counted.iter().map(|row| f64::from(inputs.samples[OFFSET + row][i])).collect();
        let [logp_old, advantages, returns, values_old]: [Array1<f64>; 4] = [0, 1, 2, 3].map(column);
        let targets = Targets {
            actions: &inputs.actions.select(&counted),
            logp_old: logp_old.view(),
            advantages: advantages.view(),
            returns: returns.view(),
            values_old: values_old.view(),
            old_dist: self.kl.map(|_| q.view()),
        };
        let values = Array1::from(wide(&inputs.values)).select(Axis(0), &counted);
        oracle(head, &config, p.view(), values.view(), &targets)
    }

    /// The gradients; the terms of the policy's loss, of the entropy and of k1, with what is known of each.
    fn compare(
        &self,
        report: &Report,
        inputs: &Inputs,
        result: &PpoLoss<f64>,
        got: (&[f32], &[f32]),
    ) -> Result<[f64; 3]> {
        let (head, rows, width, counted) = (&self.head, self.rows, self.head.width(), self.counted());
        let p = masked(head, &inputs.dist, &inputs.actions)?;
        let (sizes, taken) = (Sizes::new(head, &p), taken(head, &inputs.words));
        let (mut want, mut scales) = (Array2::zeros(p.dim()), Array2::zeros(p.dim()));
        let (mut want_values, mut terms) = (vec![0.0; rows], [0.0; 3]);
        let by_kl = self.by_kl().map(f64::from);
        for (place, &row) in counted.iter().enumerate() {
            want.row_mut(row).assign(&result.d_dist.row(place));
            want_values[row] = result.d_values[place];
            let [old, advantage] = [0, 1].map(|i| f64::from(inputs.samples[OFFSET + row][i]));
            let (ratio, n) = ((inputs.logp[row] - old).exp(), counted.len() as f64);
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
        report.floats("d_head_outputs", got.0, &want, |i| scales[i]);
        report.floats("d_values", got.1, &want_values, |_| 1.0 / rows as f64);
        Ok(terms)
    }

    fn compare_sums(&self, report: &Report, partials: &[[f32; 4]], result: &PpoLoss<f64>, terms: [f64; 3]) {
        let weight = if self.padded { self.weight() } else { 1.0 };
        let n = self.counted().len() as f64 * f64::from(weight);
        let sum = |vector: usize, i: usize| -> f32 { partials.iter().skip(vector).step_by(3).map(|own| own[i]).sum() };
        let stats = &result.stats;
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
    }
}

fn case(loss: Loss) -> Case {
    let padded = if loss.padded { ", every third row masked" } else { "" };
    let kl = loss.kl.map_or(String::new(), |kl| format!(", KL {kl:?}"));
    let shape = format!("{} rows, wide {}{padded}{kl}", loss.rows, name(&loss.head));
    let cancels =
        "k1 sums up log-ratios of both signs, which nearly cancel, each as well known as two logarithms of about 9";
    let body = async move |gpu: &Gpu, report: &Report| loss.run(gpu, report).await;
    Case::new(loss_ppo::DEF.name, shape, (WIDE_TOLERANCE, WIDE_REASON), body).loose(cancels)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (head, rows, padded) in [
        (Head::categorical(7_501), 67, false),
        (Head::categorical(8_193), 5, true),
        (masked_choices(&[3, 7_500, 40]), 6, false),
    ] {
        let loss = Loss { head, rows, padded, kl: None };
        cases.push(case(loss.clone()));
        for kl in [KlDirection::OldNew, KlDirection::NewOld].into_iter().filter(|_| rows < 10) {
            cases.push(case(Loss { kl: Some(kl), ..loss.clone() }));
        }
    }
    cases
}
