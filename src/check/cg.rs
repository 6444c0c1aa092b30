//! Conjugate gradients round a diagonal operator that the case computes between the phases.
//!
//! Each phase is compared with its formula in f64 on the f32 state before it, so that errors do not add up over iterations; the solve as a
//! whole by its true residual.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, Report, wide};
use super::work::Work;
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::cg_step::{self, Io, Params};

const DAMPING: f32 = 0.1;
const MAX_KL: f32 = 0.01;
const TOLERANCE: f32 = 1e-8;
const STEP_SIZE: f32 = 0.3;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
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

struct Buffers {
    gradient: Guarded<f32>,
    product: Guarded<f32>,
    direction: Guarded<f32>,
    solution: Guarded<f32>,
    residual: Guarded<f32>,
    cg_partials: Guarded<[f32; 2]>,
    cg: Guarded<f32>,
}

/// x, r, p and the scalars.
struct State {
    x: Vec<f64>,
    r: Vec<f64>,
    p: Vec<f64>,
    cg: Vec<f32>,
}

impl Buffers {
    fn io(&self) -> Io<'_> {
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

    fn run(&self, gpu: &Gpu, report: &Report, params: &[Params]) -> Result<()> {
        report.run(gpu, &cg_step::bind(gpu, params, &self.io())?, Slot::default())
    }

    fn state(&self, gpu: &Gpu, report: &Report) -> Result<State> {
        self.product.read(gpu, report)?;
        self.cg_partials.read(gpu, report)?;
        Ok(State {
            x: wide(&self.solution.read(gpu, report)?),
            r: wide(&self.residual.read(gpu, report)?),
            p: wide(&self.direction.read(gpu, report)?),
            cg: self.cg.read(gpu, report)?,
        })
    }

    /// product ← F v, and what was written.
    fn apply(&self, gpu: &Gpu, diagonal: &[f64], v: &[f64]) -> Result<Vec<f64>> {
        let product: Vec<f32> = diagonal.iter().zip(v).map(|(d, v)| (d * v) as f32).collect();
        gpu.write(self.product.io(), 0, &product)?;
        Ok(wide(&product).iter().zip(v).map(|(f, v)| f + f64::from(DAMPING) * v).collect())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// One iteration's formulas from `before`, with A p.
fn compare(report: &Report, before: &State, ap: &[f64], after: &State) {
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

fn solve(gpu: &Gpu, report: &Report, count: usize, kind: Kind, warm: bool, iterations: usize) -> Result<()> {
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
    let scalars = cg_step::scalars(iterations as u32) as usize;
    let b = Buffers {
        gradient: Guarded::holding(gpu, "gradient", &gradient)?,
        product: Guarded::output(gpu, "product", count)?,
        direction: Guarded::output(gpu, "direction", count)?,
        solution: if warm {
            Guarded::updated(gpu, "solution", &guess)?
        } else {
            Guarded::output(gpu, "solution", count)?
        },
        residual: Guarded::output(gpu, "residual", count)?,
        cg_partials: Guarded::output(gpu, "cg_partials", cg_step::groups(count as u32) as usize)?,
        cg: Guarded::output(gpu, "cg", scalars)?,
    };
    let mut params = Params::default();
    (params.count, params.cg_iterations, params.warm) = (count as u32, iterations as u32, warm.into());
    (params.damping, params.tolerance, params.max_kl) = (DAMPING, TOLERANCE, MAX_KL);
    params.step_size = if kind == Kind::Fixed { STEP_SIZE } else { 0.0 };
    params.absolute = if kind == Kind::Absolute { 1e6 } else { 0.0 };

    let rhs: Vec<f64> = gradient.iter().map(|g| -f64::from(*g)).collect();
    let mut r = rhs.clone();
    let mut sizes: Vec<f64> = r.iter().map(|r| r.abs()).collect();
    if warm {
        for (i, ax) in b.apply(gpu, &diagonal, &wide(&guess))?.iter().enumerate() {
            r[i] -= ax;
            sizes[i] += ax.abs();
        }
    }
    b.run(gpu, report, &cg_step::start(params))?;
    let mut state = b.state(gpu, report)?;
    let start = if warm { wide(&guess) } else { vec![0.0; count] };
    report.exact("solution (start)", &state.x, &start);
    let early = match kind {
        Kind::Zero | Kind::Absolute => 1.0,
        Kind::Nan => 3.0,
        _ => 0.0,
    };
    report.exact("done (start)", &[state.cg[cg_step::DONE]], &[early]);
    if kind != Kind::Nan {
        report.floats("residual (start)", &narrow(&state.r), &r, |i| sizes[i]);
        report.floats("direction (start)", &narrow(&state.p), &r, |i| sizes[i]);
        let got = [state.cg[cg_step::RR], state.cg[cg_step::BB], state.cg[cg_step::TRACE]];
        report.floats("rr, bb, trace", &got, &[dot(&r, &r), dot(&rhs, &rhs), dot(&r, &r)], |i| {
            if i == 1 { 1e-30 } else { dot(&sizes, &sizes).max(1e-30) }
        });
    }

    for index in 0..iterations {
        let before = state;
        let ap = b.apply(gpu, &diagonal, &before.p)?;
        b.run(gpu, report, &cg_step::iteration(params, index as u32))?;
        state = b.state(gpu, report)?;
        let ended = before.cg[cg_step::DONE] != 0.0 || kind == Kind::Negative;
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
    }
    let curvature = u8::from(kind == Kind::Negative);
    report.exact("negative curvature", &[state.cg[cg_step::NEGATIVE_CURVATURE]], &[f32::from(curvature)]);
    let want = match kind {
        Kind::Negative => 2.0,
        Kind::Nan => 3.0,
        _ => 1.0,
    };
    report.exact("done at the end", &[state.cg[cg_step::DONE]], &[want]);
    if kind == Kind::Identity {
        report.exact("iterations on the identity", &[state.cg[cg_step::ITERATIONS]], &[1.0]);
    }

    let ax = b.apply(gpu, &diagonal, &state.x)?;
    b.run(gpu, report, &cg_step::finish(params))?;
    let state = b.state(gpu, report)?;
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
    let allowed = (f64::from(TOLERANCE).sqrt() + 1e-6 * iterations as f64).powi(2);
    if left > allowed * dot(&rhs, &rhs) {
        report.fault(format!("‖b − A x‖² is {left:e} of ‖b‖² {:e}", dot(&rhs, &rhs)));
    }
    Ok(())
}

fn bits(values: &[f64]) -> Vec<u32> {
    values.iter().map(|v| (*v as f32).to_bits()).collect()
}

fn case(count: usize, kind: Kind, warm: bool, iterations: usize) -> Case {
    let reason =
        "64 products a lane, 6 levels of the tree, the partial sums, each with its rounding; scale: the sum of |terms|";
    let shape = format!("{count} unknowns, {kind:?}{}", if warm { ", warm" } else { "" });
    let tolerance = EPS * (2.0 * (64.0 + 6.0 + 2.0 + 6.0) + 8.0);
    let body = move |gpu: &Gpu, report: &Report| solve(gpu, report, count, kind, warm, iterations);
    let case = Case::new(cg_step::DEF.name, shape, (tolerance, reason), body);
    if kind != Kind::Identity && count > 1 {
        return case;
    }
    case.loose("one step solves it: of the residual nothing is left but the rounding of the terms that cancel, which it is compared with")
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &cg_step::DEF,
        about: "conjugate gradients around any operator: one phase of an iteration, and the trust region's step length",
        oracle: oracle!(cg::conjugate_gradient),
        at_size: |s| Some(case(s.parameters, Kind::Identity, false, 2)),
        sweep: Sweep::Nets,
        // A start, which makes everything new, and one iteration.
        timed: Timed::First(2),
        // Start: r and p from the gradient. Iteration: p·A p, then x and r, then p.
        work: |s| Work::parameters(s, 16.0, 60.0),
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (count, kind, warm, iterations) in [
        (1, Kind::Definite, false, 2),
        (63, Kind::Definite, false, 14),
        (64, Kind::Definite, true, 14),
        (4097, Kind::Definite, false, 14),
        (10007, Kind::Definite, true, 14),
        // More partial sums than lanes.
        (270_001, Kind::Definite, false, 12),
        (4096, Kind::Identity, false, 2),
        (65, Kind::Negative, false, 2),
        (65, Kind::Zero, false, 2),
        (4099, Kind::Nan, false, 2),
        (67, Kind::Absolute, false, 1),
        (67, Kind::Fixed, false, 14),
    ] {
        cases.push(case(count, kind, warm, iterations).quick(count < 5000));
    }
    cases
}
