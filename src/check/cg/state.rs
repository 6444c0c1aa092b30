//! Buffers and numbers of a solve, and one iteration's formulas.

use crate::check::support::{Guarded, Report, wide};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::cg_step::{self, Io, Params};

pub(super) const DAMPING: f32 = 0.1;
pub(super) const MAX_KL: f32 = 0.01;
pub(super) const TOLERANCE: f32 = 1e-8;
pub(super) const STEP_SIZE: f32 = 0.3;

pub(super) struct Buffers {
    pub gradient: Guarded<f32>,
    pub product: Guarded<f32>,
    pub direction: Guarded<f32>,
    pub solution: Guarded<f32>,
    pub residual: Guarded<f32>,
    pub cg_partials: Guarded<[f32; 2]>,
    pub cg: Guarded<f32>,
}

/// x, r, p and the scalars.
pub(super) struct State {
    pub x: Vec<f64>,
    pub r: Vec<f64>,
    pub p: Vec<f64>,
    pub cg: Vec<f32>,
}

impl Buffers {
    pub fn io(&self) -> Io<'_> {
        Io {
            gradient: self.gradient.io(),
            product: self.product.io(),
            direction: self.direction.io(),
            solution: self.solution.io(),
            residual: self.residual.io(),
            cg_partials: self.cg_partials.io(),
            cg: self.cg.io(),
        }
    }

    pub fn run(&self, gpu: &Gpu, report: &Report, params: &[Params]) -> Result<()> {
        report.run(gpu, &cg_step::bind(gpu, params, &self.io())?, Slot::default())
    }

    pub async fn state(&self, gpu: &Gpu, report: &Report) -> Result<State> {
        self.product.read(gpu, report).await?;
        self.cg_partials.read(gpu, report).await?;
        Ok(State {
            x: wide(&self.solution.read(gpu, report).await?),
            r: wide(&self.residual.read(gpu, report).await?),
            p: wide(&self.direction.read(gpu, report).await?),
            cg: self.cg.read(gpu, report).await?,
        })
    }

    /// product ← F v, and what was written.
    pub fn apply(&self, gpu: &Gpu, diagonal: &[f64], v: &[f64]) -> Result<Vec<f64>> {
        let product: Vec<f32> = diagonal.iter().zip(v).map(|(d, v)| (d * v) as f32).collect();
        gpu.write(self.product.io(), 0, &product)?;
        Ok(wide(&product).iter().zip(v).map(|(f, v)| f + f64::from(DAMPING) * v).collect())
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// One iteration's formulas from `before`, with A p.
pub(super) fn compare(report: &Report, before: &State, ap: &[f64], after: &State) {
    let n = before.x.len();
    let (rr, pap) = (f64::from(before.cg[cg_step::RR]), dot(&before.p, ap));
    let alpha = rr / pap;
    let at = |i: usize| (alpha * before.p[i], alpha * ap[i]);
    let x: Vec<f64> = (0..n).map(|i| before.x[i] + at(i).0).collect();
    let r: Vec<f64> = (0..n).map(|i| before.r[i] - at(i).1).collect();
    let r_size = |i: usize| before.r[i].abs() + at(i).1.abs();
    let rr_size = (0..n).map(|i| r_size(i) * r_size(i)).sum::<f64>();
    let rr_after = dot(&r, &r);
    let beta = rr_after / rr;
    let p: Vec<f64> = (0..n).map(|i| r[i] + beta * before.p[i]).collect();
    let scalar = |name: &str, place: usize, want: f64, size: f64| {
        report.floats(name, &[after.cg[place]], &[want], |_| size);
    };
    scalar("cg (pap)", cg_step::PAP, pap, pap);
    scalar("cg (alpha)", cg_step::ALPHA, alpha, alpha);
    scalar("cg (rr)", cg_step::RR, rr_after, rr_size);
    scalar("cg (beta)", cg_step::BETA, beta, rr_size / rr);
    report.floats("solution", &narrow(&after.x), &x, |i| before.x[i].abs() + at(i).0.abs());
    report.floats("residual", &narrow(&after.r), &r, r_size);
    if after.cg[cg_step::DONE] == 0.0 {
        report.floats("direction", &narrow(&after.p), &p, |i| r_size(i) + rr_size / rr * before.p[i].abs());
    } else {
        report.exact("direction (done)", &bits(&after.p), &bits(&before.p));
    }
}

pub(super) fn bits(values: &[f64]) -> Vec<u32> {
    values.iter().map(|v| (*v as f32).to_bits()).collect()
}
