//! The end of an epoch: the learning rate by the mean KL of its minibatches.

use crate::check::case::Case;
use crate::check::loss_statistics::{KL_3, ROWS};
use crate::check::support::{EPS, Guarded, schedule};
use crate::config::{AdaptiveLr, Config, KlEstimator, Ppo, RateStep};
use crate::kernels::loss_kl::{self, Phase};
use crate::kernels::loss_statistics::TRACE_WIDTH;
use crate::kernels::per_update::PerUpdate;

pub(super) const RATE: f32 = 1e-3;
/// The end of an epoch: minibatches 2 to 4 of a trace, in the column of k3.
#[derive(Clone, Copy)]
struct EpochEnd {
    by_epoch: bool,
    reopens: bool,
    /// Control words of an early stop and of the minibatches visited.
    stopped: u32,
    visited: u32,
    /// How many of the three it leaves.
    seen: usize,
    kept: f32,
    /// In units of the target.
    kl: f32,
    /// The second minibatch has no row that counts.
    empty: bool,
}

fn epoch_case(c: EpochEnd) -> Case {
    let EpochEnd { by_epoch, reopens, stopped, visited, seen, kept, kl, empty } = c;
    let shape = format!(
        "end of an epoch, by epochs {by_epoch}, reopens {reopens}, stop {stopped}, visited {visited}, rate {kept}, KL {kl} × target{}",
        if empty { ", one without rows" } else { "" }
    );
    let tolerance = (8.0 * EPS, "two sums, the mean and two roundings of the rule");
    Case::new(loss_kl::DEF.name, shape, tolerance, async move |gpu, report| {
        let rate = AdaptiveLr { estimator: KlEstimator::K3, step: RateStep::Epoch, ..AdaptiveLr::skrl() };
        let ppo = Ppo { adaptive_lr: by_epoch.then_some(rate), ..Ppo::sb3() };
        let config = Config { anneal_lr: false, ..Config::sb3() }.with_algorithm(ppo);
        let width = TRACE_WIDTH as usize;
        let mut trace = vec![f32::NAN; 6 * width];
        let each = [0.7, 1.2, 1.1].map(|part| part * kl * rate.target_kl as f32);
        let rows = [5.0, if empty { 0.0 } else { 4.0 }, 1.0];
        for (minibatch, (kl, rows)) in (2..).zip(each.into_iter().zip(rows)) {
            trace[minibatch * width + ROWS] = rows;
            trace[minibatch * width + KL_3] = if rows > 0.0 { kl } else { 0.0 };
        }
        let control = [stopped, 0, 0, visited, 0, 0, 0, 0];
        let buffers = (
            Guarded::<[f32; 4]>::holding(gpu, "trust_partials", &[[f32::NAN; 4]])?,
            Guarded::updated(gpu, "control", &control)?,
            Guarded::holding(gpu, "trace", &trace)?,
            Guarded::holding(gpu, "samples", &[[0.0_f32; 4]])?,
            Guarded::updated(gpu, "kl_state", &[0.0, kept, 0.0, 0.0])?,
        );
        let io = loss_kl::Io {
            trust_partials: buffers.0.io(),
            control: buffers.1.io(),
            trace: buffers.2.io(),
            samples: buffers.3.io(),
            kl_state: buffers.4.io(),
        };
        let (ring, slot) = schedule(gpu, &PerUpdate { learning_rate: RATE, ..PerUpdate::default() })?;
        let of_epoch = loss_kl::Params {
            phase: Phase::EpochEnd.code(),
            first: 2,
            index: 4,
            reopens: reopens.into(),
            ..loss_kl::Params::new(&config)
        };
        report.run(gpu, &loss_kl::bind(gpu, &[(of_epoch, 1)], &io, &ring)?, slot)?;
        let got = buffers.4.read(gpu, report).await?;
        let last = if kept > 0.0 { kept } else { RATE };
        let met: Vec<f64> =
            each.iter().zip(rows).take(seen).filter(|(_, rows)| *rows > 0.0).map(|(kl, _)| f64::from(*kl)).collect();
        let mean = met.iter().sum::<f64>() / met.len() as f64;
        let moves = by_epoch && !met.is_empty();
        let want = if moves { rate.next(last.into(), mean) } else { kept.into() };
        report.floats("kl_state", &got, &[0.0, want, 0.0, 0.0], |_| 1e-30);
        let mut words = control;
        words[0] = if reopens { 0 } else { stopped };
        words[6] = if moves { got[1].to_bits() } else { 0 };
        report.exact("control", &buffers.1.read(gpu, report).await?, &words);
        // The next update's steps begin at what was kept.
        let start = loss_kl::Params { phase: Phase::RateAtStart.code(), ..of_epoch };
        report.run(gpu, &loss_kl::bind(gpu, &[(start, 1)], &io, &ring)?, slot)?;
        if got[1] > 0.0 {
            words[6] = got[1].to_bits();
        }
        report.exact("control at the start", &buffers.1.read(gpu, report).await?, &words);
        Ok(())
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let whole =
        EpochEnd { by_epoch: true, reopens: false, stopped: 0, visited: 5, seen: 3, kept: 0.0, kl: 4.0, empty: false };
    for c in [
        whole,
        EpochEnd { kl: 0.1, kept: 2e-3, ..whole },
        EpochEnd { kl: 0.0, kept: 2e-3, ..whole },
        EpochEnd { kl: 1.0, kept: 2e-3, ..whole },
        // 2.5 times the target, and 1.7 times if the empty one counted: below twice.
        EpochEnd { kl: 2.8, kept: 2e-3, empty: true, ..whole },
        // The update ended in this epoch, at its second minibatch; or in the one before.
        EpochEnd { stopped: 4, visited: 4, seen: 2, kept: 2e-3, ..whole },
        EpochEnd { stopped: 2, visited: 2, seen: 0, kept: 2e-3, ..whole },
        // Only this epoch ended, at its first minibatch, after an earlier one that was cut short, too.
        EpochEnd { reopens: true, stopped: 3, visited: 2, seen: 1, kept: 2e-3, ..whole },
        EpochEnd { reopens: true, visited: 4, kept: 2e-3, ..whole },
        EpochEnd { by_epoch: false, reopens: true, stopped: 4, ..whole },
    ] {
        cases.push(epoch_case(c));
    }
    cases
}
