//! What the CPU can do.

use super::data::random;
use super::roof::Roof;
use super::timing::{Options, Spread};
use crate::parallel::prelude::*;
use crate::policy::Activation;
use crate::reference::mlp::{Dense, Mlp};
use ndarray::{Array1, Array2};
use web_time::Instant;

/// Side of the matrices: three of them fit a second-level cache.
const SIDE: usize = 256;

pub(super) fn measure(options: &Options) -> Roof {
    let threads = crate::parallel::current_num_threads();
    let count = if options.quick { 1 << 20 } else { 1 << 25 };
    let (source, mut copied) = (random(count), vec![0.0_f32; count]);
    let part = count.div_ceil(threads);
    let best = |run: &mut dyn FnMut()| {
        let (begun, mut times) = (Instant::now(), Vec::new());
        run();
        while times.len() < 5 || (times.len() < 400 && begun.elapsed().as_secs_f64() < options.seconds) {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64());
        }
        Spread::of(times).low
    };
    let swept = best(&mut || {
        copied.par_chunks_mut(part).zip(source.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        std::hint::black_box(&mut copied);
    });
    let products = 8 * threads;
    let matrix = |phase: f32| Array2::from_shape_fn((SIDE, SIDE), |(r, c)| ((r * 7 + c) as f32 * phase).sin());
    // By the reference's own layer, so by whatever multiplies its matrices.
    let (rows, weight, bias) = (matrix(0.1), matrix(0.2), Array1::zeros(SIDE));
    let layers = vec![Dense { weight: weight.view(), bias: bias.view() }];
    let layer = Mlp { layers, activation: Activation::Identity, activate_output: false };
    let multiplied = best(&mut || {
        (0..products).into_par_iter().for_each(|_| _ = std::hint::black_box(layer.forward(rows.view()).is_ok()));
    });
    Roof {
        bandwidth: 2.0 * 4.0 * count as f64 / swept,
        peak: products as f64 * 2.0 * (SIDE as f64).powi(3) / multiplied,
        dispatch: None,
        submission: None,
        readback: None,
        method: format!(
            "{threads} threads: copy of {} MiB of random numbers; the reference's layers of {SIDE} × {SIDE}, one to a thread",
            (4 * count) >> 20
        ),
    }
}
