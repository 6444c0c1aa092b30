//! A solve, phase by phase.

use super::state::{Buffers, DAMPING, MAX_KL, STEP_SIZE, State, TOLERANCE, bits, compare, dot, narrow};
use crate::check::support::{Guarded, Random, Report, wide};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::cg_step::{self, Params};

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// Eigenvalues from 0.5 to 4.
    Definite,
    /// A multiple of the identity: one step.
    Identity,
    /// No positive curvature anywhere.
    Negative,
    /// A gradient of zeros.
    Zero,
    /// A gradient with a NaN.
    Nan,
    /// The first residual is below the absolute limit.
    Absolute,
    /// As `Definite`, with a fixed length of the step.
    Fixed,
}

/// What a case works on.
pub(super) struct Solve {
    kind: Kind,
    warm: bool,
    iterations: usize,
    diagonal: Vec<f64>,
    gradient: Vec<f32>,
    guess: Vec<f32>,
    params: Params,
}

impl Solve {
    pub fn new(count: usize, kind: Kind, warm: bool, iterations: usize) -> Self {
        let mut random = Random::new(count as u64 + 3);
        let diagonal: Vec<f64> = (0..count)
            .map(|_| match kind {
                Kind::Identity => 1.5,
                Kind::Negative => -f64::from(random.range(0.5, 4.0)),
                _ => f64::from(random.range(0.5, 4.0)),
            })
            .collect();
        let mut gradient = random.normals(count, if kind == Kind::Zero { 0.0 } else { 0.3 });
        if kind == Kind::Nan {
            gradient[count / 2] = f32::NAN;
        }
        let guess = random.normals(count, 0.1);
        let mut params = Params::default();
        (params.count, params.cg_iterations, params.warm) = (count as u32, iterations as u32, warm.into());
        (params.damping, params.tolerance, params.max_kl) = (DAMPING, TOLERANCE, MAX_KL);
        params.step_size = if kind == Kind::Fixed { STEP_SIZE } else { 0.0 };
        params.absolute = if kind == Kind::Absolute { 1e6 } else { 0.0 };
        Self { kind, warm, iterations, diagonal, gradient, guess, params }
    }

    fn buffers(&self, gpu: &Gpu) -> Result<Buffers> {
        let count = self.gradient.len();
        Ok(Buffers {
            gradient: Guarded::holding(gpu, "gradient", &self.gradient)?,
            product: Guarded::output(gpu, "product", count)?,
            direction: Guarded::output(gpu, "direction", count)?,
            solution: if self.warm {
                Guarded::updated(gpu, "solution", &self.guess)?
            } else {
                Guarded::output(gpu, "solution", count)?
            },
            residual: Guarded::output(gpu, "residual", count)?,
            cg_partials: Guarded::output(gpu, "cg_partials", cg_step::groups(count as u32) as usize)?,
            cg: Guarded::output(gpu, "cg", cg_step::scalars(self.iterations as u32) as usize)?,
        })
    }

    /// b of A x = b.
    fn rhs(&self) -> Vec<f64> {
        self.gradient.iter().map(|g| -f64::from(*g)).collect()
    }

    pub async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let b = self.buffers(gpu)?;
        let mut state = self.start(gpu, report, &b).await?;
        for index in 0..self.iterations {
            state = self.iterate(gpu, report, &b, index, state).await?;
        }
        self.ended(report, &state);
        self.finish(gpu, report, &b, &state).await
    }

    async fn start(&self, gpu: &Gpu, report: &Report, b: &Buffers) -> Result<State> {
        let rhs = self.rhs();
        let mut r = rhs.clone();
        let mut sizes: Vec<f64> = r.iter().map(|r| r.abs()).collect();
        if self.warm {
            for (i, ax) in b.apply(gpu, &self.diagonal, &wide(&self.guess))?.iter().enumerate() {
                r[i] -= ax;
                sizes[i] += ax.abs();
            }
        }
        b.run(gpu, report, &cg_step::start(self.params))?;
        let state = b.state(gpu, report).await?;
        let start = if self.warm { wide(&self.guess) } else { vec![0.0; self.guess.len()] };
        report.exact("solution (start)", &state.x, &start);
        let early = match self.kind {
            Kind::Zero | Kind::Absolute => 1.0,
            Kind::Nan => 3.0,
            _ => 0.0,
        };
        report.exact("done (start)", &[state.cg[cg_step::DONE]], &[early]);
        if self.kind != Kind::Nan {
            report.floats("residual (start)", &narrow(&state.r), &r, |i| sizes[i]);
            report.floats("direction (start)", &narrow(&state.p), &r, |i| sizes[i]);
            let got = [state.cg[cg_step::RR], state.cg[cg_step::BB], state.cg[cg_step::TRACE]];
            report.floats("rr, bb, trace", &got, &[dot(&r, &r), dot(&rhs, &rhs), dot(&r, &r)], |i| {
                if i == 1 { 1e-30 } else { dot(&sizes, &sizes).max(1e-30) }
            });
        }
        Ok(state)
    }

    async fn iterate(&self, gpu: &Gpu, report: &Report, b: &Buffers, index: usize, before: State) -> Result<State> {
        let ap = b.apply(gpu, &self.diagonal, &before.p)?;
        b.run(gpu, report, &cg_step::iteration(self.params, index as u32))?;
        let state = b.state(gpu, report).await?;
        let ended = before.cg[cg_step::DONE] != 0.0 || self.kind == Kind::Negative;
        let taken = before.cg[cg_step::ITERATIONS] + if ended { 0.0 } else { 1.0 };
        report.exact("iterations", &[state.cg[cg_step::ITERATIONS]], &[taken]);
        let trace = state.cg[cg_step::TRACE + 1 + index];
        if ended {
            report.exact("solution (done)", &bits(&state.x), &bits(&before.x));
            report.exact("residual (done)", &bits(&state.r), &bits(&before.r));
            report.exact("direction (done)", &bits(&state.p), &bits(&before.p));
            report.exact("alpha and trace (done)", &[state.cg[cg_step::ALPHA], trace], &[0.0, 0.0]);
        } else {
            compare(report, &before, &ap, &state);
            report.exact("trace", &[trace], &[state.cg[cg_step::RR]]);
            let small = state.cg[cg_step::RR] <= TOLERANCE * state.cg[cg_step::BB];
            report.exact("done", &[state.cg[cg_step::DONE]], &[if small { 1.0 } else { 0.0 }]);
        }
        Ok(state)
    }

    /// After all iterations.
    fn ended(&self, report: &Report, state: &State) {
        let curvature = u8::from(self.kind == Kind::Negative);
        report.exact("negative curvature", &[state.cg[cg_step::NEGATIVE_CURVATURE]], &[f32::from(curvature)]);
        let want = match self.kind {
            Kind::Negative => 2.0,
            Kind::Nan => 3.0,
            _ => 1.0,
        };
        report.exact("done at the end", &[state.cg[cg_step::DONE]], &[want]);
        if self.kind == Kind::Identity {
            report.exact("iterations on the identity", &[state.cg[cg_step::ITERATIONS]], &[1.0]);
        }
    }

    /// The step's length, and the solve as a whole.
    async fn finish(&self, gpu: &Gpu, report: &Report, b: &Buffers, state: &State) -> Result<()> {
        let (kind, rhs) = (self.kind, self.rhs());
        let ax = b.apply(gpu, &self.diagonal, &state.x)?;
        b.run(gpu, report, &cg_step::finish(self.params))?;
        let state = b.state(gpu, report).await?;
        if !matches!(kind, Kind::Definite | Kind::Identity | Kind::Fixed) {
            let scale = state.cg[cg_step::STEP_SCALE];
            report.exact("step scale", &[scale], &[0.0]);
            return Ok(());
        }
        let (xhx, bx) = (dot(&state.x, &ax), dot(&rhs, &state.x));
        let got = [state.cg[cg_step::XHX], state.cg[cg_step::BX], state.cg[cg_step::STEP_SCALE]];
        let terms: f64 = rhs.iter().zip(&state.x).map(|(b, x)| (b * x).abs()).sum();
        let length = if kind == Kind::Fixed { f64::from(STEP_SIZE) } else { (2.0 * f64::from(MAX_KL) / xhx).sqrt() };
        let want = [xhx, bx, length];
        report.floats("xhx, bx, step_scale", &got, &want, |i| if i == 1 { terms } else { 0.0 });
        // The recurrence's residual drifts from the true one by a rounding of b per iteration.
        let left: f64 = rhs.iter().zip(&ax).map(|(b, ax)| (b - ax) * (b - ax)).sum();
        let allowed = (f64::from(TOLERANCE).sqrt() + 1e-6 * self.iterations as f64).powi(2);
        if left > allowed * dot(&rhs, &rhs) {
            report.fault(format!("‖b − A x‖² is {left:e} of ‖b‖² {:e}", dot(&rhs, &rhs)));
        }
        Ok(())
    }
}
