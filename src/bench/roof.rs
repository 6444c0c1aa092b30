//! What the device can do, measured in the same process as the rows.

use super::measurement::repeat;
use super::timing::{Options, Spread};
use super::{Place, bench_copy, bench_fma};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, ReadBack, Slot};
use crate::policy::Activation;
use crate::reference::mlp::{Dense, Mlp};
use ndarray::{Array1, Array2};
use rayon::prelude::*;
use std::time::Instant;

/// The limits of a device. A piece cannot be faster than min(bandwidth × intensity, peak) operations per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Roof {
    /// Bytes per second of a copy, read and written together; random numbers in sets that no cache holds.
    pub bandwidth: f64,
    /// Operations per second: two a multiply-add, in eight chains an invocation on a device; on the CPU in the reference's
    /// own matrix product where all of it stays in a cache, which is what its library reaches and not what the processor
    /// could.
    pub peak: f64,
    /// Seconds of a dispatch in a pass of many, each of which waits for the one before; `None` where the device's clock cannot
    /// tell it from nothing, and on the CPU, like the next two.
    pub dispatch: Option<f64>,
    /// Seconds of a submission of one dispatch, the dispatch included, until the host knows that it is done.
    pub submission: Option<f64>,
    /// Seconds from submitting a copy of four bytes until the host has them.
    pub readback: Option<f64>,
    /// How bandwidth and peak were measured, in words.
    pub method: String,
}

impl Roof {
    /// The better of two measurements of one device, limit by limit: what disturbs makes a limit worse, and never better.
    pub fn better(&self, other: &Self) -> Self {
        let least = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self {
            bandwidth: self.bandwidth.max(other.bandwidth),
            peak: self.peak.max(other.peak),
            dispatch: least(self.dispatch, other.dispatch),
            submission: least(self.submission, other.submission),
            readback: least(self.readback, other.readback),
            method: self.method.clone(),
        }
    }

    /// By how much bandwidth or peak of two measurements differ: the larger over the smaller one, less 1, of whichever differs
    /// more. Beyond [`STEADY`](super::STEADY) one of them fell into a busy moment.
    pub fn apart(&self, other: &Self) -> f64 {
        let apart = |a: f64, b: f64| a.max(b) / a.min(b) - 1.0;
        apart(self.bandwidth, other.bandwidth).max(apart(self.peak, other.peak))
    }
}

/// Measures the limits at `place`. Before the rows and after them, and the better of both taken ([`Roof::better`]), they are what
/// the rows are held to.
///
/// # Errors
/// A device error, or a copy or a sum that is wrong.
pub fn roof(place: &Place, options: &Options) -> Result<Roof> {
    match place {
        Place::Gpu(gpu) => on_gpu(gpu, options),
        Place::Cpu => Ok(on_cpu(options)),
    }
}

fn wrong(what: &str) -> Error {
    Error::Wgpu { what: "bench".to_owned(), message: format!("{what} is wrong") }
}

/// Numbers in [1, 2) that do not compress.
fn random(count: usize) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from_bits(0x3f80_0000 | (state >> 41) as u32)
    };
    (0..count).map(|_| next()).collect()
}

/// Seconds of `calls`, by timestamps where there are some.
fn time(gpu: &Gpu, calls: &[Call], seconds: f64) -> Result<f64> {
    let begun = Instant::now();
    gpu.run("roof", calls, Slot::default())?;
    gpu.wait()?;
    let first = begun.elapsed().as_secs_f64();
    // What disturbs makes it longer, so a limit is better told by the faster times: the first quartile, where the clock's ticks
    // are fine enough for one.
    let times = repeat(gpu, calls, Slot::default(), first, seconds, |_| (), || Ok(()))?.seconds();
    Ok(if times.low > 0.0 { times.low } else { times.median })
}

fn on_gpu(gpu: &Gpu, options: &Options) -> Result<Roof> {
    let software = gpu.is_software();
    let seconds = if options.quick { 0.05 } else { options.seconds };
    let largest = gpu.limits().max_storage_buffer_binding_size.min(gpu.limits().max_buffer_size);
    let wanted: u64 = match (options.quick, software) {
        (true, _) => 4 << 20,
        (false, true) => 32 << 20,
        (false, false) => 128 << 20,
    };
    let (bandwidth, bytes) = copy(gpu, wanted.min(largest), seconds)?;
    let peak = multiply_adds(gpu, software || options.quick, seconds)?;

    // A small copy that does next to nothing.
    let (source, copied) = (gpu.upload("small", &[[1.0_f32; 4]; 64])?, gpu.buffer("small", 64)?);
    let io = bench_copy::Io { source: &source, copied: &copied };
    let one = bench_copy::bind(gpu, &[bench_copy::Params { count: 64, ..Default::default() }], &io)?;
    let many: Vec<Call> = std::iter::repeat_n(one.iter().cloned(), 1024).flatten().collect();
    let dispatch = Some(time(gpu, &many, seconds)? / many.len() as f64).filter(|seconds| *seconds > 0.0);
    let submission = median(seconds, || {
        gpu.run("roof", &one, Slot::default())?;
        gpu.wait()
    })?;
    let staging = ReadBack::new(gpu, "roof", 1)?;
    let readback = median(seconds, || {
        let mut encoder = gpu.encoder("roof");
        staging.copy(&mut encoder, &source.cast::<u32>(), 0, 0, 1)?;
        gpu.submit(encoder)?;
        staging.fetch(gpu).map(|_| ())
    })?;
    let method =
        format!("copy of {} MiB of random numbers, vec4 by vec4; multiply-adds in 8 chains an invocation", bytes >> 20);
    Ok(Roof { bandwidth, peak, dispatch, submission: Some(submission), readback: Some(readback), method })
}

/// Median time of `run`.
fn median(seconds: f64, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    run()?;
    while times.len() < 10 || (times.len() < 1000 && begun.elapsed().as_secs_f64() < seconds) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(Spread::of(times).median)
}

/// Fewest vectors of a copy that is measured.
const LEAST: u64 = 1 << 16;

/// What `make` makes of `count`, or of half as many, and so on while there is no memory for it, down to [`LEAST`]; and of how many.
fn halved<T>(count: u64, mut make: impl FnMut(u64) -> Result<T>) -> Result<(T, u64)> {
    let mut count = count;
    loop {
        match make(count) {
            Err(error) if error.is_out_of_memory() && count > LEAST => count /= 2,
            made => return Ok((made?, count)),
        }
    }
}

/// Bytes per second of one sweep over two pairs of buffers of up to `wanted` bytes each, and the bytes of all sources.
/// Less where there is no memory for it.
fn copy(gpu: &Gpu, wanted: u64, seconds: f64) -> Result<(f64, u64)> {
    let (pairs, count) = halved(wanted / 16, |count| -> Result<Vec<_>> {
        (0..2)
            .map(|_| Ok((gpu.buffer::<[f32; 4]>("source", count)?, gpu.buffer::<[f32; 4]>("copied", count)?)))
            .collect()
    })?;
    let data = random(4 * count as usize);
    let params = bench_copy::Params { count: count as u32, ..Default::default() };
    let mut calls = Vec::new();
    for (source, copied) in &pairs {
        gpu.write(&source.cast(), 0, &data)?;
        calls.extend(bench_copy::bind(gpu, &[params], &bench_copy::Io { source, copied })?);
    }
    gpu.run("roof", &calls, Slot::default())?;
    // The last part of each copy: a whole one would take longer to read than to make.
    let last = (4 * count).min(1 << 16);
    let staging = ReadBack::<f32>::new(gpu, "roof", last)?;
    for (_, copied) in &pairs {
        let mut encoder = gpu.encoder("roof");
        staging.copy(&mut encoder, &copied.cast(), 4 * count - last, 0, last)?;
        gpu.submit(encoder)?;
        if staging.fetch(gpu)? != data[data.len() - last as usize..] {
            return Err(wrong("a copy"));
        }
    }
    let bytes = 16 * count * pairs.len() as u64;
    Ok((2.0 * bytes as f64 / time(gpu, &calls, seconds)?, bytes))
}

/// Operations per second of ever more workgroups, until they take long enough to be measured.
fn multiply_adds(gpu: &Gpu, small: bool, seconds: f64) -> Result<f64> {
    // x converges to 1; nothing grows and nothing becomes subnormal.
    let params = bench_fma::Params { rounds: 64, scale: 0.999, shift: 0.001, limit: f32::NEG_INFINITY };
    let results = gpu.buffer("results", 64 * 64)?;
    let written = bench_fma::bind(gpu, &[params], 64, &bench_fma::Io { results: &results })?;
    gpu.run("roof", &written, Slot::default())?;
    for (index, got) in gpu.read(&results)?.into_iter().enumerate() {
        let want = bench_fma::oracle(index as u32 % 64, &params);
        // 512 steps of two roundings; earlier ones shrink.
        if (f64::from(got) - want).abs() > 1e-3 * want.abs() {
            return Err(wrong("a sum of multiply-adds"));
        }
    }
    let (mut groups, enough) = (256_u32, if small { 5e-3 } else { 2e-2 });
    loop {
        let results = gpu.buffer("results", 64 * u64::from(groups))?;
        let params = bench_fma::Params { limit: f32::MAX, ..params };
        let calls = bench_fma::bind(gpu, &[params], groups, &bench_fma::Io { results: &results })?;
        let taken = time(gpu, &calls, 0.0)?;
        if taken > enough || groups >= 1 << 20 {
            let taken = time(gpu, &calls, seconds)?;
            let flops = u64::from(groups) * 64 * u64::from(params.rounds) * bench_fma::FLOPS;
            return Ok(flops as f64 / taken);
        }
        groups *= 2;
    }
}

/// Side of the matrices: three of them fit a second-level cache.
const SIDE: usize = 256;

fn on_cpu(options: &Options) -> Roof {
    let threads = rayon::current_num_threads();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn no_memory() -> Error {
        Error::OutOfMemory { what: "source".to_owned(), message: "none left".to_owned() }
    }

    #[test]
    fn without_memory_half_of_it_is_tried() {
        let mut asked = Vec::new();
        let made = halved(8 * LEAST, |count| {
            asked.push(count);
            if count > 3 * LEAST { Err(no_memory()) } else { Ok(count) }
        });
        assert_eq!((made.unwrap(), asked), ((2 * LEAST, 2 * LEAST), vec![8 * LEAST, 4 * LEAST, 2 * LEAST]));
    }

    #[test]
    fn what_halves_do_not_help_is_an_error() {
        let mut asked = 0;
        let made: Result<((), u64)> = halved(4 * LEAST, |_| {
            asked += 1;
            Err(no_memory())
        });
        assert!(made.is_err_and(|error| error.is_out_of_memory()) && asked == 3, "{asked}");
        let mut asked = 0;
        let made: Result<((), u64)> = halved(4 * LEAST, |_| {
            asked += 1;
            Err(wrong("a copy"))
        });
        assert!(made.is_err() && asked == 1, "only memory is asked for again");
    }
}
