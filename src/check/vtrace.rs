//! Advantages corrected by ratios, and the ratios.

use super::advantage::Rollout;
use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random};
use super::work::Work;
use crate::gpu::Slot;
use crate::kernels::advantage_vtrace::{PUFF, VTRACE};
use crate::kernels::{advantage_log_rho, advantage_vtrace};
use crate::reference::advantage_gae::Window;
use crate::reference::advantage_vtrace::{VtraceBars, puff, vtrace};
use ndarray::{Array2, ArrayView2};

/// rho_bar, c_bar, pg_rho_bar.
type Bars = (f32, f32, f32);

/// Sums of the absolute terms behind each advantage and each return.
fn sizes(
    window: &Window<'_, f64>,
    log_rhos: ArrayView2<'_, f64>,
    (gamma, lambda): (f64, f64),
    bars: VtraceBars<f64>,
    form: u32,
) -> [Vec<f64>; 2] {
    let (steps, envs) = window.dim();
    let mut all = [vec![0.0; steps * envs], vec![0.0; steps * envs]];
    for n in 0..envs {
        let mut carry = 0.0;
        for t in (0..steps).rev() {
            let ratio = log_rhos[[t, n]].exp();
            let after = if window.end(t, n) { 0.0 } else { carry };
            let own = window.rewards[[t, n]].abs() + gamma * window.next(t, n).abs() + window.values[[t, n]].abs();
            carry = ratio.min(bars.rho_bar) * own + gamma * lambda * ratio.min(bars.c_bar) * after;
            all[1][t * envs + n] = carry + window.values[[t, n]].abs();
            let by_policy = ratio.min(bars.pg_rho_bar) * (own + gamma * after);
            all[0][t * envs + n] = if form == VTRACE { by_policy } else { carry };
        }
    }
    all
}

fn vtrace_case(form: u32, steps: usize, envs: usize, factors: (f32, f32), bars: Bars, spread: f32) -> Case {
    vtrace_case_with(form, steps, envs, factors, bars, spread, false)
}

/// With `broken` one log-ratio is NaN, which no bar may hide: neither its own advantage nor those before it in the episode are
/// numbers.
fn vtrace_case_with(
    form: u32,
    steps: usize,
    envs: usize,
    (gamma, lambda): (f32, f32),
    bars: Bars,
    spread: f32,
    broken: bool,
) -> Case {
    // What grows is bounded by the window alone.
    let decay = f64::from(gamma) * f64::from(lambda) * f64::from(bars.1).max(1.0);
    let memory = if decay < 1.0 { (1.0 / (1.0 - decay)).min(steps as f64) } else { steps as f64 };
    // A device's exp may be 3 + 2 |x| units off; |x| stays below 4 spreads, and a unit is two roundings.
    let exp = 2.0 * (3.0 + 8.0 * f64::from(spread));
    let tolerance = EPS * (6.0 + exp + (4.0 + exp) * memory);
    let name = if form == VTRACE { "V-trace" } else { "puff" };
    let shape = format!(
        "{name}, {steps} × {envs}, γ {gamma} λ {lambda}, bars {bars:?}, ratios e^{spread}{}",
        if broken { ", one is no number" } else { "" }
    );
    let reason = "an exp and a few roundings per step over the recurrence's memory; scale: the discounted |terms|";
    Case::new(advantage_vtrace::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let rollout = Rollout::new(steps, envs, 9);
        let mut logs = Random::new(steps as u64).ranges(steps * envs, -4.0 * spread, 4.0 * spread);
        if broken {
            logs[steps / 2 * envs] = f32::NAN;
        }
        let b = rollout.buffers(gpu)?;
        let log_rhos = Guarded::holding(gpu, "log_rhos", &logs)?;
        let (rho_bar, c_bar, pg_rho_bar) = bars;
        let p = advantage_vtrace::Params {
            steps: steps as u32,
            envs: envs as u32,
            gamma,
            gae_lambda: lambda,
            form,
            rho_bar,
            c_bar,
            pg_rho_bar,
        };
        let io = advantage_vtrace::Io {
            rewards: b.rewards.io(),
            values: b.values.io(),
            final_values: b.final_values.io(),
            terminated: b.terminated.io(),
            truncated: b.truncated.io(),
            log_rhos: log_rhos.io(),
            advantages: b.advantages.io(),
            returns: b.returns.io(),
        };
        report.run(gpu, &advantage_vtrace::bind(gpu, &[p], &io)?, Slot::default())?;
        let logs = Array2::from_shape_fn((steps, envs), |(t, n)| f64::from(logs[t * envs + n]));
        let wide = |bar: f32| f64::from(bar);
        let bars = VtraceBars { rho_bar: wide(rho_bar), c_bar: wide(c_bar), pg_rho_bar: wide(pg_rho_bar) };
        let (gamma, lambda) = (wide(gamma), wide(lambda));
        let (want, [of_advantages, of_returns]) = rollout.oracle(|window| {
            let want = if form == VTRACE {
                vtrace(window, logs.view(), gamma, lambda, bars)
            } else {
                puff(window, logs.view(), gamma, lambda, bars.rho_bar, bars.c_bar)
            };
            (want, sizes(window, logs.view(), (gamma, lambda), bars, form))
        });
        let (advantages, returns) = want?;
        let flat = |array: Array2<f64>| array.into_iter().collect::<Vec<_>>();
        let known = |size: f64| if size.is_nan() { 0.0 } else { size };
        let (got, want) = report.numbers("advantages", &b.advantages.read(gpu, report).await?, &flat(advantages));
        report.floats("advantages", &got, &want, |i| known(of_advantages[i]));
        let (got, want) = report.numbers("returns", &b.returns.read(gpu, report).await?, &flat(returns));
        report.floats("returns", &got, &want, |i| known(of_returns[i]));
        Ok(())
    })
}

fn log_rho_case(rows: usize, masked: bool) -> Case {
    let shape = format!("{rows} rows{}", if masked { ", some rows masked" } else { "" });
    let tolerance = (EPS, "one subtraction; scale: the larger of the two");
    Case::new(advantage_log_rho::DEF.name, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new(rows as u64);
        let old = random.normals(rows, 3.0);
        let mut now: Vec<[f32; 4]> = (0..rows).map(|_| [random.range(-9.0, 3.0), 7.0, 7.0, 7.0]).collect();
        let valid: Vec<u32> = random.flags(rows, 3).iter().map(|flag| 1 - flag).collect();
        for (now, _) in now.iter_mut().zip(&valid).filter(|(_, valid)| masked && **valid == 0) {
            now[0] = f32::NAN;
        }
        let b = (
            Guarded::holding(gpu, "row_values", &now)?,
            Guarded::holding(gpu, "logp_old", &old)?,
            Guarded::holding(gpu, "valid", &valid)?,
            Guarded::output(gpu, "log_rhos", rows)?,
        );
        let p = advantage_log_rho::Params { rows: rows as u32, masked: masked.into(), ..Default::default() };
        let io =
            advantage_log_rho::Io { row_values: b.0.io(), logp_old: b.1.io(), valid: b.2.io(), log_rhos: b.3.io() };
        report.run(gpu, &advantage_log_rho::bind(gpu, &[p], &io)?, Slot::default())?;
        let of = |row: usize| {
            if masked && valid[row] == 0 { 0.0 } else { f64::from(now[row][0]) - f64::from(old[row]) }
        };
        let want: Vec<f64> = (0..rows).map(of).collect();
        report.floats("log_rhos", &b.3.read(gpu, report).await?, &want, |row| f64::from(old[row]).abs());
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &advantage_log_rho::DEF,
            about: "how much more probable the present policy makes each recorded action",
            oracle: oracle!(head::log_prob),
            at_size: |s| Some(log_rho_case(s.steps * s.envs, false)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 1.0, 24.0),
        },
        Entry {
            def: &advantage_vtrace::DEF,
            about: "V-trace, or GAE with clipped ratios, for rollouts that an older policy recorded",
            oracle: oracle!(advantage_vtrace::vtrace),
            at_size: |s| Some(vtrace_case(VTRACE, s.steps, s.envs, (0.99, 0.95), (1.0, 1.0, 1.0), 0.5)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 14.0, 28.0),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (steps, envs) in [(1, 1), (1, 65), (2, 3), (63, 64), (65, 1), (127, 65), (128, 7)] {
        for form in [VTRACE, PUFF] {
            cases.push(vtrace_case(form, steps, envs, (0.99, 0.95), (1.0, 1.0, 1.0), 0.5).quick(steps == 128));
        }
    }
    for form in [VTRACE, PUFF] {
        cases.push(vtrace_case(form, 67, 5, (0.9, 0.8), (2.0, 1.2, 0.7), 0.5));
        cases.push(vtrace_case(form, 67, 5, (1.0, 1.0), (0.5, 0.6, 3.0), 2.0));
        cases.push(vtrace_case(form, 33, 3, (0.99, 0.0), (1e3, 1e3, 1e3), 0.5));
        cases.push(vtrace_case_with(form, 9, 3, (0.99, 0.95), (1.0, 1.0, 1.0), 0.5, true));
    }
    for (rows, masked) in [(1, false), (63, true), (64, false), (65, true), (1000, true)] {
        cases.push(log_rho_case(rows, masked).quick(rows == 1000));
    }
    cases
}
