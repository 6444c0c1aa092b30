//! `wgpo check`.

use super::progress::{Pipelines, Progress};
use crate::args::check::CheckArgs;
use crate::place::adapters;
use crate::program::{FAILURE, SUCCESS, Status};
use anyhow::{Result, bail};
use serde_json::json;
use wgpo::check::{CheckReport, CheckRow, check_on, compile_all};
use wgpo::gpu::{Gpu, GpuOptions};

/// Devices that compile side by side: more would take memory and no less time.
const MOST_DEVICES: usize = 4;

/// Compares every kernel and a whole update with the reference, on one adapter or on all.
pub fn check(args: &CheckArgs) -> Result<Status> {
    let mut reports = Vec::new();
    let mut passed = true;
    let places = places(args)?;
    for place in &places {
        let gpu = match (&place.name, adapters::device(place.choice.as_deref())) {
            (_, Ok(gpu)) => gpu,
            // One of several that cannot be opened does not hide the others.
            (Some(name), Err(error)) => {
                passed = false;
                let error = format!("{error:#}");
                tell!("{name}: cannot be checked: {error}");
                reports.push(json!({ "adapter": name, "passed": false, "error": error }));
                continue;
            }
            (None, Err(error)) => return Err(error),
        };
        let (rows, pipelines) = one(args, &gpu)?;
        let report = CheckReport::new(&gpu, rows);
        passed &= report.passed;
        if args.json {
            let mut report = serde_json::to_value(report)?;
            if let Some(pipelines) = &pipelines {
                report["pipelines"] = pipelines.json();
            }
            reports.push(report);
        }
    }
    if args.json {
        say!("{:#}", json!({ "passed": passed, "adapters": reports }));
    }
    Ok(if passed { SUCCESS } else { FAILURE })
}

/// One adapter: its rows, printed as they come unless JSON is wanted.
fn one(args: &CheckArgs, gpu: &Gpu) -> Result<(Vec<CheckRow>, Option<Pipelines>)> {
    let pipelines = args.pipelines.then(|| Pipelines::watch(gpu));
    // What a pipeline took is CPU time of the process, so nothing else may run beside it.
    let gpus = if args.pipelines { vec![gpu.clone()] } else { devices(gpu) };
    let names = wgpo::check::cases();
    let kernel = names.iter().map(|case| case.kernel.len()).max().unwrap_or(0).max(6);
    let mut progress = Progress::new();
    let print = |text: &str| {
        if !args.json && !text.is_empty() {
            say!("{}", text.trim_end());
        }
    };
    print(&head(gpu, kernel));
    let rows = check_on(&gpus, |new, done| {
        progress.clear();
        let text: String = new.iter().map(|row| line(row, kernel)).collect();
        print(&text);
        progress.show(done);
    });
    progress.clear();
    print(&foot(&rows));
    if let Some(pipelines) = &pipelines {
        compile_all(gpu)?;
        print(&pipelines.text());
    }
    Ok((rows, pipelines))
}

/// The device and others on its adapter, as many as there are processors; OpenGL has one context at a time.
fn devices(gpu: &Gpu) -> Vec<Gpu> {
    let mut gpus = vec![gpu.clone()];
    let most = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_DEVICES);
    while gpus.len() < most && gpu.adapter_info().backend != wgpo::wgpu::Backend::Gl {
        match adapters::reopen(gpu, &GpuOptions::default()) {
            Ok(other) => gpus.push(other),
            Err(_) => break, // it goes without
        }
    }
    gpus
}

/// An adapter to check.
struct Place {
    /// As `--adapter` would say it.
    choice: Option<String>,
    /// Its name, where it is one of several.
    name: Option<String>,
}

fn places(args: &CheckArgs) -> Result<Vec<Place>> {
    if !args.all {
        return Ok(vec![Place { choice: args.adapter.clone(), name: None }]);
    }
    let mut places = Vec::new();
    for adapter in adapters::adapters()? {
        match adapter.shortfall() {
            Some(shortfall) => tell!("{}: skipped: {shortfall}", adapter.info.name),
            None => places.push(Place { choice: Some(adapter.index.to_string()), name: Some(adapter.info.name) }),
        }
    }
    if places.is_empty() {
        bail!("no adapter that could be checked");
    }
    Ok(places)
}

/// The first lines. The shape is the last column: some take more than a line.
fn head(gpu: &Gpu, kernel: usize) -> String {
    format!(
        "{}\n{:<kernel$}  {:>11}  {:>9}  {:>9}  {:4}  {}\n",
        gpu.describe(),
        "kernel",
        "worst error",
        "tolerance",
        "slack",
        "",
        "shape"
    )
}

fn line(row: &CheckRow, kernel: usize) -> String {
    let verdict = if row.passed { "pass" } else { "FAIL" };
    let mut text = format!(
        "{:<kernel$}  {:>11.3e}  {:>9.3e}  {:>9.1e}  {verdict}  {}\n",
        row.kernel, row.worst_error, row.tolerance, row.slack, row.shape
    );
    if let Some(reason) = &row.slack_reason {
        text += &format!("    slack: {reason}\n");
    }
    if let Some(fault) = &row.fault {
        text += &format!("    {fault}\n");
    }
    text
}

fn foot(rows: &[CheckRow]) -> String {
    match rows.iter().filter(|row| !row.passed).count() {
        0 => format!("all {} comparisons passed\n", rows.len()),
        failed => format!("{failed} of {} comparisons FAILED\n", rows.len()),
    }
}
