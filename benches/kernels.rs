//! Criterion benches over the table of `wgpo bench`, on the adapter that `WGPO_ADAPTER` names (the best one otherwise; a
//! software adapter will do). Each case is compared with the f64 reference before it is timed; what does not match ends
//! the run.
//!
//! Times are the host's, with submission and waiting: criterion's statistics over time on one machine, not the device's
//! share of it, which `wgpo bench` measures. `cargo bench --bench kernels -- ppo_step/ant` runs a part: names are those of
//! `wgpo bench
//! --list`, and only what has the text in its name is prepared. With `--test` (and in `cargo test --benches`) sizes are
//! small.

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use wgpo::bench::{Place, Table, cases};
use wgpo::gpu::{Gpu, GpuOptions};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn device() -> Outcome<Gpu> {
    let adapter = std::env::var("WGPO_ADAPTER").unwrap_or_default();
    let adapter = if adapter.is_empty() { Default::default() } else { adapter.parse()? };
    Ok(Gpu::new(&GpuOptions { adapter, allow_software: true, ..GpuOptions::default() })?)
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = device().and_then(|gpu| table(criterion, gpu)) {
        eprintln!("no benches: {error}");
    }
}

fn table(criterion: &mut Criterion, gpu: Gpu) -> Outcome<()> {
    println!("adapter: {}", gpu.describe());
    let place = Place::Gpu(gpu);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // `cargo bench` says so; without it criterion runs everything once.
    let test = given("--test") || !given("--bench");
    let filter = filter(&arguments);
    let table = if test { Table::quick() } else { Table::default() };
    let wanted = |name: &str, heavy: bool| if filter.is_empty() { !heavy } else { name.contains(&filter) };
    for case in cases(&table).iter().filter(|case| case.runs_at(&place) && wanted(&case.name, case.heavy)) {
        let mut prepared = case.prepare(&place)?;
        if !prepared.check.passed {
            return Err(format!("{}: {:?}", case.name, prepared.check.fault).into());
        }
        criterion.bench_function(&case.name, |bench| {
            bench.iter_custom(|times| {
                let run = |_| prepared.run(&place).unwrap_or(Duration::MAX);
                (0..times).map(run).fold(Duration::ZERO, Duration::saturating_add)
            });
        });
    }
    Ok(())
}

/// The text that names have to contain: the argument that belongs to no flag.
fn filter(arguments: &[String]) -> String {
    let alone =
        ["--bench", "--test", "--list", "--exact", "--verbose", "--quiet", "--noplot", "--nocapture", "--ignored"];
    let mut of_flag = false;
    for argument in arguments {
        if !argument.starts_with('-') && !of_flag {
            return argument.clone();
        }
        of_flag = argument.starts_with("--") && !argument.contains('=') && !alone.contains(&argument.as_str());
    }
    String::new()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = all
}
criterion_main!(benches);
