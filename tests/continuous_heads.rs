//! Heads with float actions, by what needs no other program: integrals over the action, and draws against the distribution
//! functions of statrs, on the CPU and on the device.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, Axis};
use statrs::distribution::{Beta, ContinuousCDF, Normal};
use wgpo::data::Actions;
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::policy_sample;
use wgpo::low_level::reference::{head, head_actions};
use wgpo::policy::{Bounds, Head, Std, StdLimit};

fn beta(dims: usize) -> Head {
    Head::Beta { dims, bounds: Bounds::uniform(dims, -2.0, 1.0) }
}

fn gaussian(limit: StdLimit) -> Head {
    Head::Gaussian { dims: 1, std: Std { from_state: true, ..Std::FREE.limited(limit) }, bounds: None }
}

fn tanh(limit: StdLimit) -> Head {
    Head::TanhGaussian {
        dims: 1,
        std: Std { from_state: true, ..Std::FREE.limited(limit) },
        bounds: Bounds::uniform(1, -1.0, 1.0),
    }
}

/// Points of one action dimension, exact in f32, with the lengths da that they stand for.
fn grid(head: &Head) -> (Vec<f32>, Vec<f64>) {
    match head {
        // Of [0, 1], in the middle of equal parts.
        Head::Beta { .. } => (0..1 << 14).map(|i| ((i as f32 + 0.5) / 16_384.0, 1.0 / 16_384.0)).unzip(),
        // a = tanh u, so da = du / cosh² u.
        Head::TanhGaussian { .. } => {
            (-4096..=4096).map(|i| i as f32 / 128.0).map(|u| (u, f64::from(u).cosh().powi(-2) / 128.0)).unzip()
        }
        _ => (-4096..=4096).map(|i| (i as f32 / 128.0, 1.0 / 128.0)).unzip(),
    }
}

/// One row repeated.
fn repeated(row: [f64; 2], rows: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, 2), |(_, i)| row[i])
}

struct Integrals {
    /// Of p, −p log p, p log(p/q).
    values: [f64; 3],
    /// Of p s s', s the gradient of log p.
    fisher: Array2<f64>,
}

fn integrals(head: &Head, p: [f64; 2], q: [f64; 2]) -> Integrals {
    let (points, lengths) = grid(head);
    let n = points.len();
    let actions = Actions::Continuous(Array1::from(points).insert_axis(Axis(1)));
    let logp = head::log_prob(head, repeated(p, n).view(), &actions).unwrap();
    let logq = head::log_prob(head, repeated(q, n).view(), &actions).unwrap();
    let score = head::log_prob_grad(head, repeated(p, n).view(), &actions, Array1::ones(n).view()).unwrap();
    let mut result = Integrals { values: [0.0; 3], fisher: Array2::zeros((2, 2)) };
    for i in 0..n {
        let weight = logp[i].exp() * lengths[i];
        let terms = [1.0, -logp[i], logp[i] - logq[i]];
        result.values.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
        for ((j, k), sum) in result.fisher.indexed_iter_mut() {
            *sum += weight * score[[i, j]] * score[[i, k]];
        }
    }
    result
}

#[test]
fn densities_entropies_divergences_and_fisher_matrices_are_their_integrals() {
    let (floor, clamp) = (StdLimit::SoftFloor { log_std: -0.5 }, StdLimit::Clamp { low: -1.0, high: 0.5 });
    let between = StdLimit::Tanh { low: -1.5, high: 1.0 };
    let mut cases = Vec::new();
    // The middle of parts is exact to second order, where a density is smooth at both ends: α and β above 3.
    for (p, q) in [([2.5, 3.0], [4.0, 2.5]), ([10.0, 6.0], [9.0, 7.0]), ([60.0, 2.5], [50.0, 3.0])] {
        cases.push((beta(1), p, q, 1e-6));
    }
    for (p, q) in [([0.5, -0.3], [0.0, 0.1]), ([-2.0, -1.2], [-1.5, -0.5]), ([1.0, 0.4], [0.9, 0.6])] {
        for limit in [StdLimit::Free, floor, clamp, between] {
            cases.push((gaussian(limit), p, q, 1e-10));
            cases.push((tanh(limit), p, q, 1e-10));
        }
    }
    for (head, p, q, tolerance) in cases {
        let name = format!("{head:?} at {p:?}");
        let Integrals { values: [one, entropy, kl], fisher } = integrals(&head, p, q);
        let (row, other) = (repeated(p, 1), repeated(q, 1));
        let near = |what: &str, got: f64, want: f64| {
            assert!(
                (got - want).abs() < tolerance * (1.0 + want.abs()),
                "{name}: {what} is {got}, its integral {want}"
            );
        };
        near("the whole", 1.0, one);
        near("entropy", head::entropy(&head, row.view()).unwrap()[0], entropy);
        near("KL", head::kl(&head, row.view(), other.view()).unwrap()[0], kl);
        for j in 0..2 {
            let unit = Array2::from_shape_fn((1, 2), |(_, i)| f64::from(u8::from(i == j)));
            let column = head::fisher_vector(&head, row.view(), unit.view()).unwrap();
            for i in 0..2 {
                near("Fisher", column[[0, i]], fisher[[i, j]]);
            }
        }
    }
}

#[test]
fn a_beta_of_one_and_one_is_uniform() {
    // softplus(−40) is 4e-18.
    let dist = repeated([-40.0, -40.0], 3);
    let actions = Actions::Continuous(ndarray::arr2(&[[1e-6], [0.3], [0.999]]));
    assert!(head::log_prob(&beta(1), dist.view(), &actions).unwrap().iter().all(|logp| logp.abs() < 1e-15));
    assert!(head::entropy(&beta(1), dist.view()).unwrap().iter().all(|entropy| entropy.abs() < 1e-15));
}

#[test]
fn limits_hold_count_and_pass_gradients_as_they_say() {
    let ones = Array1::ones(4);
    let dist = Array2::from_shape_fn((4, 2), |(r, i)| if i == 0 { 0.2 } else { [-9.0, -1.0, 0.5, 3.0_f64][r] });
    let actions = Actions::Continuous(Array2::from_elem((4, 1), 0.7));
    let clamp = gaussian(StdLimit::Clamp { low: -1.0, high: 0.5 });
    let free = gaussian(StdLimit::Free);
    let limited = dist.mapv(|x| x.clamp(-1.0, 0.5));
    let by_l = |head: &Head, dist: &Array2<f64>| {
        head::log_prob_grad(head, dist.view(), &actions, ones.view()).unwrap().column(1).to_vec()
    };
    let logp = |head: &Head, dist: &Array2<f64>| head::log_prob(head, dist.view(), &actions).unwrap();
    assert_eq!(logp(&clamp, &dist), logp(&free, &limited));
    assert_eq!(head::hits(&clamp, dist.view()).unwrap().to_vec(), [1, 0, 0, 1]);
    let (inside, got) = (by_l(&free, &limited), by_l(&clamp, &dist));
    assert_eq!(got, [0.0, inside[1], inside[2], 0.0], "the ends pass their gradient");
    let floor = gaussian(StdLimit::SoftFloor { log_std: -1.0 });
    assert_eq!(head::hits(&floor, dist.view()).unwrap().to_vec(), [1, 0, 0, 0]);
    let got = by_l(&floor, &dist);
    assert!(got.iter().all(|g| *g != 0.0), "far below a soft floor there is a way back: {got:?}");
    // log(e^−1 + e^l).
    let softened = dist.mapv(|x| if x == 0.2 { x } else { ((-1.0_f64).exp() + x.exp()).ln() });
    let error = (logp(&floor, &dist) - logp(&free, &softened)).mapv(f64::abs);
    assert!(error.iter().all(|error| *error < 1e-12), "{error}");
    let between = gaussian(StdLimit::Tanh { low: -1.0, high: 0.5 });
    assert_eq!(head::hits(&between, dist.view()).unwrap().to_vec(), [0; 4]);
    // CleanRL's formula.
    let squashed = dist.mapv(|x| if x == 0.2 { x } else { -1.0 + 0.5 * (0.5 - -1.0) * (x.tanh() + 1.0) });
    let error = (logp(&between, &dist) - logp(&free, &squashed)).mapv(f64::abs);
    assert!(error.iter().all(|error| *error < 1e-12), "{error}");
    let got = by_l(&between, &dist);
    assert!(got.iter().all(|g| *g != 0.0), "far beyond the limits there is a way back: {got:?}");
}

/// Draws of equal rows by the device.
fn device_draws(gpu: &wgpo::gpu::Gpu, head: &Head, dist: &Array2<f32>, seed: u64, step: u64) -> Array2<f32> {
    let (rows, dims) = (dist.nrows(), head.action_dims());
    let ring = PerUpdate::ring(gpu).unwrap();
    let values = PerUpdate {
        seed_low: seed as u32,
        seed_high: (seed >> 32) as u32,
        policy_step_low: step as u32,
        policy_step_high: (step >> 32) as u32,
        ..PerUpdate::default()
    };
    let slot = ring.push(gpu, &values).unwrap();
    let io = policy_sample::Io {
        head_outputs: &gpu.upload("head_outputs", dist.as_slice().unwrap()).unwrap(),
        actions: &gpu.buffer("actions", (rows * dims) as u64).unwrap(),
        logp: &gpu.buffer("logp", rows as u64).unwrap(),
        env_actions: &gpu.buffer("env_actions", (rows * dims) as u64).unwrap(),
    };
    let p = policy_sample::Params { rows: rows as u32, ..Default::default() };
    gpu.run("draws", &policy_sample::bind(gpu, head, &[p], &io, &ring).unwrap(), slot).unwrap();
    let words = gpu.read(io.actions).unwrap();
    Array2::from_shape_vec((rows, dims), words.into_iter().map(f32::from_bits).collect()).unwrap()
}

/// √n times the largest distance between the draws' distribution function and `cdf` (Kolmogorov and Smirnov).
fn distance(draws: &[f32], cdf: impl Fn(f64) -> f64) -> f64 {
    let mut sorted: Vec<f64> = draws.iter().map(|x| f64::from(*x)).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let off = |(i, x): (usize, &f64)| (cdf(*x) - i as f64 / n).abs().max((cdf(*x) - (i as f64 + 1.0) / n).abs());
    n.sqrt() * sorted.iter().enumerate().map(off).fold(0.0, f64::max)
}

/// A distance that chance exceeds once in 1,000; seeds are fixed, so the result is, too.
const ONCE_IN_A_THOUSAND: f64 = 1.95;

#[test]
fn draws_follow_their_distributions_on_both_sides_and_are_the_same() {
    let gpu = support::gpu(false);
    let (rows, seed, step) = (20_000, 7, 12);
    // Raw numbers of both shapes: from 1 to 1e4, lopsided ones too.
    let raw = [[-30.0, -30.0], [-1.0, 2.0], [3.0, 0.0], [40.0, 55.0], [1e4, 2e3], [-20.0, 300.0]];
    let head = beta(raw.len());
    let row: Vec<f32> = (0..2).flat_map(|i| raw.map(|pair: [f32; 2]| pair[i])).collect();
    let dist = Array2::from_shape_fn((rows, row.len()), |(_, i)| row[i]);
    let wide = dist.mapv(f64::from);
    let Actions::Continuous(cpu) = head_actions::sample(&head, wide.view(), seed, step).unwrap() else { panic!() };
    let margins = head_actions::draw_margins(&head, wide.view(), seed, step).unwrap();
    let edge = margins.iter().filter(|margin| **margin < 2e-5).count();
    println!("{edge} of {rows} rows lie on the edge of a rejection");
    assert!(edge < rows / 500);
    let mut sides = vec![("CPU", cpu.clone())];
    if let Some(gpu) = &gpu {
        let device = device_draws(gpu, &head, &dist, seed, step);
        for ((got, want), margin) in device.rows().into_iter().zip(cpu.rows()).zip(&margins) {
            let same = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 2e-6);
            assert!(same || *margin < 2e-5, "the device draws {got}, the CPU {want}, margin {margin:e}");
        }
        sides.push(("device", device));
    }
    for (side, draws) in &sides {
        assert!(draws.iter().all(|x| (2.0_f32.powi(-20)..=1.0 - 2.0_f32.powi(-20)).contains(x)));
        for (d, pair) in raw.iter().enumerate() {
            let [a, b] = pair.map(|x| 1.0 + f64::from(x).max(0.0) + (-f64::from(x).abs()).exp().ln_1p());
            let column = draws.column(d).to_vec();
            let law = Beta::new(a, b).unwrap();
            let off = distance(&column, |x| law.cdf(x));
            let mean = column.iter().map(|x| f64::from(*x)).sum::<f64>() / rows as f64;
            let (want, deviation) = (a / (a + b), (a * b / (a + b + 1.0)).sqrt() / (a + b));
            println!("{side}: Beta({a:.3}, {b:.3}): √n D {off:.2}, mean off by {:.1e}", mean - want);
            assert!(off < ONCE_IN_A_THOUSAND, "{side}: Beta({a}, {b}): √n D {off}");
            assert!((mean - want).abs() < 5.0 * deviation / (rows as f64).sqrt(), "{side}: Beta({a}, {b})");
            let square = column.iter().map(|x| (f64::from(*x) - want).powi(2)).sum::<f64>() / rows as f64;
            // The variance of a square is below three times that of a normal's.
            assert!((square.sqrt() / deviation - 1.0).abs() < 0.05, "{side}: Beta({a}, {b}): {square}");
        }
    }
    // A squashed normal is stored before its squashing, with a deviation above its floor.
    let head = tanh(StdLimit::SoftFloor { log_std: -0.5 });
    let dist = Array2::from_shape_fn((rows, 2), |(_, i)| [0.7_f32, -1.5][i]);
    let deviation = (-0.5_f64).exp() + (-1.5_f64).exp();
    let law = Normal::new(f64::from(0.7_f32), deviation).unwrap();
    let Actions::Continuous(cpu) = head_actions::sample(&head, dist.mapv(f64::from).view(), seed, step).unwrap() else {
        panic!()
    };
    let mut sides = vec![("CPU", cpu.clone())];
    if let Some(gpu) = &gpu {
        let device = device_draws(gpu, &head, &dist, seed, step);
        assert!(device.iter().zip(&cpu).all(|(g, w)| (g - w).abs() < 1e-5));
        sides.push(("device", device));
    }
    for (side, draws) in sides {
        let off = distance(draws.column(0).to_vec().as_slice(), |x| law.cdf(x));
        println!("{side}: squashed normal: √n D {off:.2}");
        assert!(off < ONCE_IN_A_THOUSAND, "{side}: {off}");
    }
}
