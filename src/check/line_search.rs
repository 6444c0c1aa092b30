//! The line search, with losses that the case writes between the phases.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, Report, wide};
use super::work::Work;
use crate::config::{Acceptance, KlDirection};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::optim_line_search::{self, Io, Params};
use crate::kernels::{cg_step, optim_line_search as search};

const MAX_KL: f32 = 0.02;
const MARGIN: f32 = 1.5;
const SHRINK: f32 = 0.5;
const RATIO: f64 = 0.1;
/// Expected improvement of the full step, as step scale · b·x.
const STEP_SCALE: f32 = 0.5;
const BX: f32 = 0.4;
const BEFORE: f64 = 0.3;

/// What the loss says of one candidate: improvement, KL(old‖new), KL(new‖old), rows that are not finite.
type Found = (f64, f64, f64, f64);

#[derive(Clone)]
struct Search {
    why: &'static str,
    acceptance: Acceptance,
    kl_direction: KlDirection,
    line_search: bool,
    step_scale: f32,
    tries: Vec<Found>,
    accepted: Option<usize>,
}

/// Partial sums of a mean over `rows` rows, unequal, and their true mean.
fn partials(random: &mut Random, groups: usize, rows: f64, found: Found) -> (Vec<[f32; 4]>, [f64; 3]) {
    let means = [BEFORE + found.0, found.1, found.2];
    let mut partials: Vec<[f32; 4]> = (0..groups)
        .map(|_| {
            let part = means.map(|mean| (mean * rows / groups as f64) as f32 * random.range(0.5, 1.5));
            [part[0], part[1], part[2], 0.0]
        })
        .collect();
    // The last one makes the sums what they are meant to be.
    let sum = |partials: &[[f32; 4]], i: usize| partials.iter().map(|part| f64::from(part[i])).sum::<f64>();
    for (i, mean) in means.iter().enumerate() {
        let rest = sum(&partials[..groups - 1], i);
        partials[groups - 1][i] = (mean * rows - rest) as f32;
    }
    partials[groups / 2][3] = found.3 as f32;
    let means = [0, 1, 2].map(|i| sum(&partials, i) / rows);
    (partials, means)
}

async fn run(gpu: &Gpu, report: &Report, count: usize, groups: usize, c: &Search) -> Result<()> {
    let mut random = Random::new((count + groups) as u64);
    let mut theta = random.normals(count, 1.0);
    let mut x = random.normals(count, 1.0);
    // Entries that do not move, among them some whose bits arithmetic would change.
    for i in (0..count).step_by(3) {
        x[i] = 0.0;
        theta[i] = [-0.0, 1e-41, theta[i]][i / 3 % 3];
    }
    let rows = groups as f64 * 64.0 - 5.0;
    let steps = c.tries.len();
    let mut scalars = vec![0.0; cg_step::scalars(3) as usize];
    (scalars[cg_step::STEP_SCALE], scalars[cg_step::BX]) = (c.step_scale, BX);
    let parameters = Guarded::updated(gpu, "parameters", &theta)?;
    let parameters_old = Guarded::<f32>::output(gpu, "parameters_old", count)?;
    let solution = Guarded::holding(gpu, "solution", &x)?;
    let cg = Guarded::holding(gpu, "cg", &scalars)?;
    let trust_partials = Guarded::<[f32; 4]>::output(gpu, "trust_partials", groups)?;
    let state = Guarded::<f32>::output(gpu, "search", search::words(steps as u32) as usize)?;
    let io = Io {
        parameters: parameters.io(),
        parameters_old: parameters_old.io(),
        solution: solution.io(),
        cg: cg.io(),
        trust_partials: trust_partials.io(),
        search: state.io(),
    };
    let mut p = Params::default();
    (p.count, p.groups, p.line_search_steps) = (count as u32, groups as u32, steps as u32);
    (p.max_kl, p.kl_margin, p.kl_direction, p.acceptance) =
        (MAX_KL, MARGIN, c.kl_direction.code(), c.acceptance.code());
    (p.ratio, p.inverse_rows, p.line_search) = (RATIO as f32, (1.0 / rows) as f32, c.line_search.into());
    let go = |p: Params| report.run(gpu, &optim_line_search::bind(gpu, &[p], &io)?, Slot::default());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();

    go(search::keep(p))?;
    let (before, means) = partials(&mut random, groups, rows, (0.0, 0.0, 0.0, 0.0));
    gpu.write(trust_partials.io(), 0, &before)?;
    go(search::before(p))?;
    let mut want = vec![0.0; search::words(steps as u32) as usize];
    want[search::OBJECTIVE_BEFORE] = means[0];
    let mut moved = theta.clone();
    for (j, found) in c.tries.iter().enumerate() {
        let factor = SHRINK.powi(j as i32);
        go(search::candidate(p, j as u32, factor))?;
        let looked = c.step_scale != 0.0 && c.accepted.is_none_or(|accepted| j <= accepted);
        let got = parameters.read(gpu, report).await?;
        if looked {
            let along = f64::from(factor * c.step_scale);
            let wanted: Vec<f64> = wide(&theta).iter().zip(&x).map(|(t, x)| t + along * f64::from(*x)).collect();
            report.floats("parameters (candidate)", &got, &wanted, |i| f64::from(theta[i].abs()) + along);
            for i in (0..count).step_by(3) {
                report.exact("parameters (held)", &[got[i].to_bits()], &[theta[i].to_bits()]);
            }
            moved = got;
        } else {
            report.exact("parameters (no try)", &bits(&got), &bits(&moved));
        }
        let (own, means) = partials(&mut random, groups, rows, *found);
        gpu.write(trust_partials.io(), 0, &own)?;
        go(search::decide(p, j as u32, factor))?;
        if looked {
            let kl = means[if c.kl_direction == KlDirection::OldNew { 1 } else { 2 }];
            want[search::TRIES] += 1.0;
            want[search::EXPECTED] = f64::from(factor * c.step_scale * BX);
            (want[search::OF_TRIES + 2 * j], want[search::OF_TRIES + 2 * j + 1]) = (kl, means[0]);
            if c.accepted == Some(j) {
                (want[search::ACCEPTED], want[search::ACCEPTED_TRY]) = (1.0, j as f64);
                (want[search::KL], want[search::OBJECTIVE]) = (kl, means[0]);
            }
        }
    }
    go(search::restore(p))?;
    trust_partials.read(gpu, report).await?;
    report.floats("search", &state.read(gpu, report).await?, &want, |_| BEFORE + 1.0);
    report.exact("parameters_old", &bits(&parameters_old.read(gpu, report).await?), &bits(&theta));
    let outcome = if c.accepted.is_some() { &moved } else { &theta };
    report.exact("parameters", &bits(&parameters.read(gpu, report).await?), &bits(outcome));
    Ok(())
}

fn case(count: usize, groups: usize, search: Search) -> Case {
    let reason =
        "3 partial sums a lane and 6 levels of the tree, with as many again for unequal parts; scale: objective and 1";
    let shape = format!("{count} parameters, {groups} partials, {}", search.why);
    // Beyond 3 partial sums a lane, each one more rounds once more.
    let tolerance = EPS * (24.0 + (groups as f64 / 64.0 - 3.0).max(0.0));
    let body = async move |gpu: &Gpu, report: &Report| run(gpu, report, count, groups, &search).await;
    Case::new(optim_line_search::DEF.name, shape, (tolerance, reason), body)
}

/// A search that takes its first candidate.
fn sized(count: usize, rows: usize) -> Case {
    let search = Search {
        why: "the first",
        acceptance: Acceptance::Improves,
        kl_direction: KlDirection::OldNew,
        line_search: true,
        step_scale: STEP_SCALE,
        tries: vec![(0.1, 0.02, 0.02, 0.0)],
        accepted: Some(0),
    };
    case(count, rows.div_ceil(64).max(2), search)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &optim_line_search::DEF,
        about: "candidates of a backtracking line search, accepted or refused",
        oracle: oracle!(trpo_update::policy_step),
        at_size: |s| Some(sized(s.parameters, s.rows)),
        sweep: Sweep::Nets,
        timed: Timed::All,
        // Keep, a candidate, and nothing to restore.
        work: |s| Work::parameters(s, 2.0, 20.0),
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let plain = Search {
        why: "",
        acceptance: Acceptance::Improves,
        kl_direction: KlDirection::OldNew,
        line_search: true,
        step_scale: STEP_SCALE,
        tries: vec![],
        accepted: None,
    };
    let good = (0.1, 0.02, 0.02, 0.0);
    let far = (0.1, 0.04, 0.04, 0.0);
    let worse = (-0.1, 0.01, 0.01, 0.0);
    let searches = [
        Search { why: "the first", tries: vec![good, good], accepted: Some(0), ..plain.clone() },
        Search {
            why: "too far, then worse, then good",
            tries: vec![far, worse, good, good],
            accepted: Some(2),
            ..plain.clone()
        },
        Search { why: "none", tries: vec![far, worse, worse], ..plain.clone() },
        Search { why: "no step", step_scale: 0.0, tries: vec![good, good], ..plain.clone() },
        Search {
            why: "the other divergence",
            kl_direction: KlDirection::NewOld,
            tries: vec![(0.1, 0.01, 0.04, 0.0), (0.1, 0.04, 0.01, 0.0)],
            accepted: Some(1),
            ..plain.clone()
        },
        Search {
            why: "rows not finite",
            tries: vec![(0.1, 0.01, 0.01, 1.0), good],
            accepted: Some(1),
            ..plain.clone()
        },
        // At 0.2 and 0.1 expected, a tenth of it.
        Search {
            why: "ratio",
            acceptance: Acceptance::Ratio(RATIO),
            tries: vec![(0.015, 0.01, 0.01, 0.0), (0.015, 0.01, 0.01, 0.0)],
            accepted: Some(1),
            ..plain.clone()
        },
        Search {
            why: "not worse",
            acceptance: Acceptance::NotWorse,
            tries: vec![worse, good],
            accepted: Some(1),
            ..plain.clone()
        },
        Search {
            why: "no search",
            line_search: false,
            tries: vec![(-0.1, 0.5, 0.5, 0.0)],
            accepted: Some(0),
            ..plain.clone()
        },
        Search { why: "no search, not finite", line_search: false, tries: vec![(0.1, 0.01, 0.01, 2.0)], ..plain },
    ];
    let mut cases = Vec::new();
    for (count, groups) in [(1, 1), (65, 2), (4097, 131)] {
        for search in &searches {
            cases.push(case(count, groups, search.clone()).quick(count == 65));
        }
    }
    cases
}
