//! Each fast function against the plain one of the same name, in f32, at sizes around those of vectors, blocks and tasks.

use crate::policy::Activation;
use crate::reference::plain;
use crate::reference::real::{AdamStep, FlatWindow, Real, SquashInputs, SquashOutputs};
use crate::rng::{Draw, block, normal, uniform};
use ndarray::Array2;

fn numbers(stream: u32, len: usize) -> Vec<f32> {
    (0..len as u64).map(|i| normal(block(3, Draw::Action, stream, 0, i)[0])).collect()
}

fn flags(stream: u32, len: usize) -> Vec<u32> {
    (0..len as u64).map(|i| u32::from(uniform(block(3, Draw::Reset, stream, 0, i)[0]) < 0.2)).collect()
}

#[test]
fn sums_and_slopes_have_the_bits_of_the_plain_form() {
    for columns in [1, 2, 7, 16, 17, 64] {
        for rows in [0, 1, 3, 4, 5, 9] {
            let (terms, start, y) = (numbers(0, rows * columns), numbers(1, columns), numbers(2, rows * columns));
            let (mut fast, mut slow) = (start.clone(), start.clone());
            <f32 as Real>::add_rows(&terms, &mut fast);
            plain::add_rows(&terms, &mut slow);
            assert_eq!(fast, slow, "{rows} × {columns}");
            for bias in [&start[..], &[]] {
                let (mut fast, mut slow) = (terms.clone(), terms.clone());
                <f32 as Real>::times_tanh_slope(&mut fast, &y, bias);
                plain::times_tanh_slope(&mut slow, &y, bias);
                assert_eq!(fast, slow, "{rows} × {columns}");
            }
        }
    }
}

#[test]
fn advantages_have_the_bits_of_the_plain_form() {
    for (steps, envs) in [(1, 1), (5, 3), (4, 16), (3, 17), (2, 2050)] {
        let len = steps * envs;
        let (rewards, values, mut last) = (numbers(0, len), numbers(1, len + envs), numbers(2, len));
        let (terminated, truncated) = (flags(0, len), flags(1, len));
        // Read where truncated alone.
        let unread = |i: &usize| truncated[*i] == 0 || terminated[*i] != 0;
        (0..len).filter(unread).for_each(|i| last[i] = f32::NAN);
        let window = FlatWindow {
            rewards: &rewards,
            values: &values,
            final_values: &last,
            terminated: &terminated,
            truncated: &truncated,
        };
        let [mut a, mut b, mut c, mut d] = [(); 4].map(|()| Array2::<f32>::zeros((steps, envs)));
        <f32 as Real>::gae(&window, 0.99, 0.95 * 0.99, a.view_mut(), b.view_mut());
        plain::gae(&window, 0.99, 0.95 * 0.99, c.view_mut(), d.view_mut());
        assert!(a == c && b == d && a.iter().all(|x| x.is_finite()), "{steps} × {envs}");
    }
}

#[test]
fn products_and_activations_are_near_the_plain_form() {
    for (m, k, n) in [(1, 1, 1), (5, 3, 7), (64, 17, 64), (3, 256, 6)] {
        let array =
            |stream, rows, columns| Array2::from_shape_vec((rows, columns), numbers(stream, rows * columns)).unwrap();
        let (a, b, start) = (array(0, m, k), array(1, k, n), array(2, m, n));
        for add in [false, true] {
            let (mut fast, mut slow) = (start.clone(), start.clone());
            <f32 as Real>::product(add, a.view(), b.view(), fast.view_mut());
            plain::product(add, a.view(), b.view(), slow.view_mut());
            // Each side is off by at most k + 1 roundings of the sum of the terms' sizes.
            let sizes = a.mapv(f32::abs).dot(&b.mapv(f32::abs)) + start.mapv(f32::abs);
            let bound = sizes * ((k + 1) as f32 * f32::EPSILON);
            assert!(fast.iter().zip(&slow).zip(&bound).all(|((x, y), bound)| (x - y).abs() <= *bound), "{m} {k} {n}");
        }
    }
    let z = numbers(0, 999);
    let none = vec![0.0; z.len()];
    let (mut fast, mut slow) = (z.clone(), z.clone());
    <f32 as Real>::tanh_of_sums(&mut fast, &none);
    plain::tanh_of_sums(&mut slow, &none);
    // Three units of the last place, and the C library's one.
    assert!(fast.iter().zip(&slow).all(|(x, y)| (x - y).abs() <= 4.0 * f32::EPSILON * y.abs()));
    for f in [Activation::Relu, Activation::Elu, Activation::Silu, Activation::GeluTanh, Activation::GeluErf] {
        let (mut fast, mut slow, mut d, mut e) = (z.clone(), z.clone(), none.clone(), none.clone());
        d.fill(1.0);
        e.fill(1.0);
        <f32 as Real>::activate_all(f, &mut fast);
        plain::activate_all(f, &mut slow);
        <f32 as Real>::times_slope(f, &mut d, &z, &slow);
        plain::times_slope(f, &mut e, &z, &slow);
        // Four and six units of the terms on the fast side (its own tests, against f64), as much on the other.
        let near = |x: &f32, y: &f32, z: &f32| (x - y).abs() <= 12.0 * f32::EPSILON * (1.0 + z.abs());
        assert!(fast.iter().zip(&slow).zip(&z).all(|((x, y), z)| near(x, y, z)), "{f:?}");
        assert!(d.iter().zip(&e).zip(&z).all(|((x, y), z)| near(x, y, z)), "slope of {f:?}");
    }
}

#[test]
fn rectified_sums_have_the_bits_of_the_plain_form() {
    for columns in [1, 7, 16, 33] {
        let (mut terms, bias) = (numbers(0, 5 * columns), numbers(1, columns));
        terms[0] = f32::NAN;
        let (mut fast, mut slow) = (terms.clone(), terms);
        <f32 as Real>::relu_of_sums(&mut fast, &bias);
        plain::relu_of_sums(&mut slow, &bias);
        assert!(fast[0].is_nan() && slow[0].is_nan() && fast[1..] == slow[1..], "{columns}");
    }
}

#[test]
fn squares_and_adam_have_the_bits_of_the_plain_form() {
    // Around a block, a group of blocks, and what several threads share.
    for len in [0, 1, 255, 256, 257, 2048, 2049, 5000, 70_001] {
        let g = numbers(0, len);
        assert_eq!(<f32 as Real>::squares(&g).to_bits(), plain::squares(&g).to_bits(), "{len}");
        for decoupled in [false, true] {
            let (first, second) = ([0.9, 0.1], [0.999, 0.001]);
            let (scale, decay, keep, rate, root, eps) = (0.7, 0.01, 0.99, 3e-4, 0.3, 1e-8);
            let step = AdamStep { scale, decoupled, decay, keep, first, second, rate, root, eps };
            let squared = |stream| numbers(stream, len).into_iter().map(|x| x * x).collect::<Vec<f32>>();
            let start = [numbers(1, len), numbers(2, len), squared(3)];
            let [mut p, mut m, mut v] = start.clone();
            <f32 as Real>::adam(&step, &mut p, &g, [&mut m, &mut v]);
            let [mut q, mut n, mut w] = start;
            plain::adam(&step, &mut q, &g, [&mut n, &mut w]);
            assert!(p == q && m == n && v == w, "{len}");
        }
    }
}

/// Both are in f64, good to some 10⁻¹⁵ of the greatest term, and round once.
#[test]
fn squashed_actions_are_within_a_unit_of_the_plain_form() {
    let wide = [0.0, -0.0, 1e-20, -1e-6, 0.5, -3.0, 12.0, -40.0, 400.0, -1e30, f32::INFINITY, f32::NAN];
    let mean: Vec<f32> = numbers(0, 200).into_iter().chain(wide).collect();
    let noise = numbers(1, mean.len());
    let log_sigma: Vec<f64> =
        numbers(2, mean.len()).into_iter().map(|x| f64::from(4.0 * x).clamp(-20.0, 2.0)).collect();
    for epsilon in [0.0, 1e-6, 1e-3] {
        let run = |by: fn(f64, &SquashInputs<'_, f32>, SquashOutputs<'_, f32>)| {
            let mut all = [(); 5].map(|()| vec![0.0_f32; mean.len()]);
            let mut log_prob = vec![0.0; mean.len()];
            let [pre_squash, action, by_pre, slope, moved] = &mut all;
            let log_prob_out = &mut log_prob;
            let out = SquashOutputs { pre_squash, action, by_pre, slope, moved, log_prob: log_prob_out };
            by(epsilon, &SquashInputs { mean: &mean, log_sigma: &log_sigma, noise: &noise }, out);
            (all, log_prob)
        };
        let (fast, fast_logp) = run(<f32 as Real>::squash);
        let (slow, slow_logp) = run(plain::squash);
        for (which, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
            for (i, (x, y)) in fast.iter().zip(slow).enumerate() {
                let near = (x - y).abs() <= f32::EPSILON * y.abs() + f32::MIN_POSITIVE;
                assert!(near || x == y || (x.is_nan() && y.is_nan()), "{which} of mean {}: {x}, {y}", mean[i]);
            }
        }
        for (i, (x, y)) in fast_logp.iter().zip(&slow_logp).enumerate() {
            let near = (x - y).abs() <= 1e-14 * (1.0 + y.abs() + f64::from(mean[i].abs()));
            assert!(near || x == y || (x.is_nan() && y.is_nan()), "log π of mean {}: {x}, {y}", mean[i]);
        }
    }
}
