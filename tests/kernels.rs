//! One test per kernel: all its cases against the f64 reference, with wgpu's bounds checks and without them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use wgpo::check::{CheckRow, SLACK_LIMIT, cases};
use wgpo::gpu::Gpu;
use wgpo::low_level::kernels::batch_clean::INVALID_LOGP;
use wgpo::low_level::kernels::loss_ppo;
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::policy::Head;

fn run(kernel: &str) {
    for bounds_checks in [true, false] {
        let Some(gpu) = support::gpu::gpu(bounds_checks) else { return };
        let mut failed = Vec::new();
        let mut worst: Option<CheckRow> = None;
        let mut count = 0;
        let mut slack = Vec::new();
        for case in cases().iter().filter(|case| case.kernel == kernel) {
            let row = case.run(&gpu).unwrap_or_else(|error| panic!("{kernel}, {}: {error}", case.shape));
            count += 1;
            if !row.passed {
                failed.push(format!("{}: {}", row.shape, row.fault.as_deref().unwrap_or_default()));
            }
            if row.slack > SLACK_LIMIT && row.slack_reason.is_none() {
                failed.push(format!("{}: lets {:.1e} of a number pass, and does not say why", row.shape, row.slack));
            }
            slack.push(row.slack);
            // The one that comes nearest to its tolerance.
            let share = |row: &CheckRow| row.worst_error / row.tolerance;
            worst = worst.filter(|worst| share(worst) >= share(&row)).or(Some(row));
        }
        let worst = worst.unwrap_or_else(|| panic!("no case for {kernel}"));
        assert!(failed.is_empty(), "{kernel}, {} of {count} cases:\n{}", failed.len(), failed.join("\n"));
        println!(
            "{kernel}: {count} cases, worst {:.1e} of {:.1e} at {}",
            worst.worst_error, worst.tolerance, worst.shape
        );
        slack.sort_by(f64::total_cmp);
        let above = slack.iter().filter(|slack| **slack > SLACK_LIMIT).count();
        let (least, middle, most) = (slack[0], slack[count / 2], slack[count - 1]);
        println!("{kernel}: slack {least:.1e} to {most:.1e}, in the middle {middle:.1e}, above {SLACK_LIMIT}: {above}");
    }
}

macro_rules! tests {
    ($($kernel:ident),* $(,)?) => {
        $(#[test]
        fn $kernel() {
            run(stringify!($kernel));
        })*
    };
}

wgpo::for_every_kernel!(tests);

#[test]
fn ppo_update() {
    run("ppo_update");
}

#[test]
fn trpo_update() {
    run("trpo_update");
}

#[test]
fn reinforce_update() {
    run("reinforce_update");
}

/// Loss, its derivative by logp and its derivative by v, of one Gaussian row whose action is its mean, so that
/// logp = −log_std − ½ log 2π and the derivative by log_std is minus that by logp.
struct Row {
    loss: f32,
    by_logp: f32,
    by_value: f32,
}

/// `rows` copies of one row; the derivatives are those of the first.
fn loss_of(gpu: &Gpu, rows: u32, log_ratio: f64, advantage: f32, value_loss: u32, [v, ret, v_old]: [f32; 3]) -> Row {
    let logp = -(0.5 * std::f64::consts::TAU.ln()) as f32;
    let logp_old = (f64::from(logp) - log_ratio) as f32;
    let count = rows as usize;
    let (d_head_outputs, d_values) =
        (gpu.buffer("d_head_outputs", 2 * u64::from(rows)).unwrap(), gpu.buffer("d_values", rows.into()).unwrap());
    let loss_partials = gpu.buffer("loss_partials", u64::from(loss_ppo::groups(rows)) * 3).unwrap();
    let ring = PerUpdate::ring(gpu).unwrap();
    let slot = ring
        .push(gpu, &PerUpdate { clip_coef: 0.2, clip_coef_vf: 1.0, ent_coef: 0.0, ..PerUpdate::default() })
        .unwrap();
    let io = loss_ppo::Io {
        head_outputs: &gpu.upload("head_outputs", &vec![0.0; 2 * count]).unwrap(),
        values: &gpu.upload("values", &vec![v; count]).unwrap(),
        actions: &gpu.upload("actions", &vec![0; count]).unwrap(),
        samples: &gpu.upload("samples", &vec![[logp_old, advantage, ret, v_old]; count]).unwrap(),
        d_head_outputs: &d_head_outputs,
        head_outputs_old: &gpu.buffer("head_outputs_old", 1).unwrap(), // no KL is asked for
        d_values: &d_values,
        loss_partials: &loss_partials,
    };
    let params = loss_ppo::Params { rows, value_loss, vf_loss_scale: 0.5, vf_coef: 0.5, ..Default::default() };
    let calls = loss_ppo::bind(gpu, &Head::gaussian(1), &[params], &io, &ring).unwrap();
    gpu.run("loss", &calls, slot).unwrap();
    let by_dist = gpu.read(&d_head_outputs).unwrap();
    assert_eq!(by_dist[0], 0.0, "the action is the mean");
    Row {
        loss: gpu.read(&loss_partials).unwrap()[0][0] / rows as f32,
        by_logp: -by_dist[1],
        by_value: gpu.read(&d_values).unwrap()[0],
    }
}

/// The six cases of the minimum: which side of the clip cuts the gradient, by the sign of the advantage.
#[test]
fn the_six_cases_of_the_clip() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    // Ratio, advantage, surrogate, its derivative by logp.
    for (r, advantage, surrogate, gradient) in [
        (1.0, 1.0, 1.0, 1.0),
        (1.0, -1.0, -1.0, -1.0),
        (0.5, 1.0, 0.5, 0.5),
        (0.5, -1.0, -0.8, 0.0),
        (1.5, 1.0, 1.2, 0.0),
        (1.5, -1.0, -1.5, -1.5),
    ] {
        let row = loss_of(&gpu, 1, f64::ln(r), advantage, 0, [0.0; 3]);
        // logp and logp_old are rounded, and a device's exp may be 4 units off.
        assert!((row.loss + surrogate).abs() < 1e-6, "r {r}, A {advantage}: loss {}", row.loss);
        assert!((row.by_logp + gradient).abs() < 1e-6, "r {r}, A {advantage}: gradient {}", row.by_logp);
        assert!(gradient != 0.0 || row.by_logp == 0.0, "r {r}, A {advantage}: cut off, not small");
    }
}

/// At r = 1 both sides of the minimum are equal and the gradient is whole; where the two value errors are equal each gives half.
#[test]
fn ties_are_those_of_automatic_differentiation() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    for (rows, advantage) in [(1, 1.5), (4, 1.5), (5, -0.75)] {
        let row = loss_of(&gpu, rows, 0.0, advantage, 0, [0.0; 3]);
        assert!((row.by_logp + advantage / rows as f32).abs() < 1e-6, "{rows} rows: {}", row.by_logp);
        assert!((row.loss + advantage).abs() < 1e-6, "{rows} rows: {}", row.loss);
    }
    // v 3, return 2, v_old 0, range 1: errors 1 and (1 − 2)² = 1; the clipped one does not follow v.
    for (value_loss, derivative) in [(0, 2.0), (1, 0.5 * 2.0), (2, 0.0)] {
        let row = loss_of(&gpu, 4, 0.0, 1.0, value_loss, [3.0, 2.0, 0.0]);
        let want = derivative * 0.5 * 0.5 / 4.0;
        assert_eq!(row.by_value, want, "value loss {value_loss}");
    }
}

/// A log-probability that is not finite is an error of a row that counts, not the mark of one that does not.
#[test]
fn a_mark_is_its_bits() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let (rows, nan) = (3, f32::NAN);
    let usual = [0.0, 1.0, 0.0, 0.0];
    let row = |logp_old: f32| [logp_old, 1.0, 0.0, 0.0];
    let weight = [1.5, 0.0, 0.0, 0.0]; // of a row, should one of three not count
    for (samples, want) in [
        ([row(nan), row(f32::INFINITY), row(INVALID_LOGP)], 2.0),
        ([row(INVALID_LOGP), row(f32::NEG_INFINITY), usual], 1.0),
        ([usual, row(INVALID_LOGP), usual], 0.0),
    ] {
        let loss_partials = gpu.buffer("loss_partials", 3).unwrap();
        let ring = PerUpdate::ring(&gpu).unwrap();
        let slot = ring.push(&gpu, &PerUpdate { clip_coef: 0.2, ..PerUpdate::default() }).unwrap();
        let all: Vec<_> = samples.into_iter().chain([weight]).collect();
        let io = loss_ppo::Io {
            head_outputs: &gpu.upload("head_outputs", &[0.0; 6]).unwrap(),
            values: &gpu.upload("values", &[0.0; 3]).unwrap(),
            actions: &gpu.upload("actions", &[0; 3]).unwrap(),
            samples: &gpu.upload("samples", &all).unwrap(),
            d_head_outputs: &gpu.buffer("d_head_outputs", 6).unwrap(),
            head_outputs_old: &gpu.buffer("head_outputs_old", 1).unwrap(),
            d_values: &gpu.buffer("d_values", 3).unwrap(),
            loss_partials: &loss_partials,
        };
        let params = loss_ppo::Params { rows, valid_sample: rows, vf_loss_scale: 0.5, ..Default::default() };
        gpu.run("loss", &loss_ppo::bind(&gpu, &Head::gaussian(1), &[params], &io, &ring).unwrap(), slot).unwrap();
        assert_eq!(gpu.read(&loss_partials).unwrap()[1][3], want, "{samples:?}");
    }
}
