//! What a device can do, measured in the same process as the rows.

use super::data::random;
use super::measurement::{Sample, repeat};
use super::roof::Roof;
use super::timing::{Options, Spread};
use super::{bench_copy, bench_fma};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, ReadBack, Slot};
use web_time::Instant;

fn wrong(what: &str) -> Error {
    Error::Wgpu { what: "bench".to_owned(), message: format!("{what} is wrong") }
}

/// Seconds of `calls`, by timestamps where there are some; measured for so many seconds, by clocks that are coarse or not.
async fn time(gpu: &Gpu, calls: &[Call], (seconds, coarse): (f64, bool)) -> Result<f64> {
    let begun = Instant::now();
    gpu.run("roof", calls, Slot::default())?;
    gpu.wait_async().await?;
    let sample = Sample { first: begun.elapsed().as_secs_f64(), seconds, coarse };
    // What disturbs makes it longer, so a limit is better told by the faster times: the first quartile, where the clock's ticks
    // are fine enough for one.
    let times = repeat(gpu, calls, Slot::default(), sample, |_| (), || Ok(())).await?.seconds();
    Ok(if times.low > 0.0 { times.low } else { times.median })
}

pub(super) async fn measure(gpu: &Gpu, options: &Options) -> Result<Roof> {
    let software = gpu.is_software();
    let seconds = if options.quick { 0.05 } else { options.seconds };
    let how = (seconds, options.coarse_clocks);
    let largest = gpu.limits().max_storage_buffer_binding_size.min(gpu.limits().max_buffer_size);
    let wanted: u64 = match (options.quick, software) {
        (true, _) => 4 << 20,
        (false, true) => 32 << 20,
        (false, false) => 128 << 20,
    };
    let (bandwidth, bytes) = copy(gpu, wanted.min(largest), how).await?;
    let peak = multiply_adds(gpu, software || options.quick, how).await?;

    // A small copy that does next to nothing.
    let (source, copied) = (gpu.upload("small", &[[1.0_f32; 4]; 64])?, gpu.buffer("small", 64)?);
    let io = bench_copy::Io { source: &source, copied: &copied };
    let one = bench_copy::bind(gpu, &[bench_copy::Params { count: 64, ..Default::default() }], &io)?;
    let many: Vec<Call> = std::iter::repeat_n(one.iter().cloned(), 1024).flatten().collect();
    let dispatch = Some(time(gpu, &many, how).await? / many.len() as f64).filter(|seconds| *seconds > 0.0);
    let submission = median(seconds, async || {
        gpu.run("roof", &one, Slot::default())?;
        gpu.wait_async().await
    })
    .await?;
    let staging = ReadBack::new(gpu, "roof", 1)?;
    let readback = median(seconds, async || {
        let mut encoder = gpu.encoder("roof");
        staging.copy(&mut encoder, &source.cast::<u32>(), 0, 0, 1)?;
        gpu.submit(encoder)?;
        staging.fetch_async(gpu).await.map(|_| ())
    })
    .await?;
    let method =
        format!("copy of {} MiB of random numbers, vec4 by vec4; multiply-adds in 8 chains an invocation", bytes >> 20);
    Ok(Roof { bandwidth, peak, dispatch, submission: Some(submission), readback: Some(readback), method })
}

/// Median time of `run`.
async fn median(seconds: f64, mut run: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    run().await?;
    while times.len() < 10 || (times.len() < 1000 && begun.elapsed().as_secs_f64() < seconds) {
        let start = Instant::now();
        run().await?;
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
async fn copy(gpu: &Gpu, wanted: u64, how: (f64, bool)) -> Result<(f64, u64)> {
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
        if staging.fetch_async(gpu).await? != data[data.len() - last as usize..] {
            return Err(wrong("a copy"));
        }
    }
    let bytes = 16 * count * pairs.len() as u64;
    Ok((2.0 * bytes as f64 / time(gpu, &calls, how).await?, bytes))
}

/// Operations per second of ever more workgroups, until they take long enough to be measured.
async fn multiply_adds(gpu: &Gpu, small: bool, how: (f64, bool)) -> Result<f64> {
    // x converges to 1; nothing grows and nothing becomes subnormal.
    let params = bench_fma::Params { rounds: 64, scale: 0.999, shift: 0.001, limit: f32::NEG_INFINITY };
    let results = gpu.buffer("results", 64 * 64)?;
    let written = bench_fma::bind(gpu, &[params], 64, &bench_fma::Io { results: &results })?;
    gpu.run("roof", &written, Slot::default())?;
    for (index, got) in gpu.read_async(&results).await?.into_iter().enumerate() {
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
        let taken = time(gpu, &calls, (0.0, how.1)).await?;
        if taken > enough || groups >= 1 << 20 {
            let taken = time(gpu, &calls, how).await?;
            let flops = u64::from(groups) * 64 * u64::from(params.rounds) * bench_fma::FLOPS;
            return Ok(flops as f64 / taken);
        }
        groups *= 2;
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
