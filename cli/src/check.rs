//! `wgpo check`.

use crate::adapters;
use crate::args::CheckArgs;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::process::ExitCode;
use wgpo::check::CheckRow;
use wgpo::gpu::Gpu;

/// Compares every kernel and a whole update with the reference, on one adapter or on all.
pub fn check(args: &CheckArgs) -> Result<ExitCode> {
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
        let rows = wgpo::check::check(&gpu);
        let all = !rows.is_empty() && rows.iter().all(|row| row.passed);
        passed &= all;
        if args.json {
            reports.push(as_json(&gpu, &rows, all));
        } else {
            say!("{}", as_text(&gpu, &rows).trim_end());
        }
    }
    if args.json {
        say!("{:#}", json!({ "passed": passed, "adapters": reports }));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
            Some(shortfall) => tell!("{}: left out: {shortfall}", adapter.info.name),
            None => places.push(Place { choice: Some(adapter.index.to_string()), name: Some(adapter.info.name) }),
        }
    }
    if places.is_empty() {
        bail!("no adapter that could be checked");
    }
    Ok(places)
}

fn as_text(gpu: &Gpu, rows: &[CheckRow]) -> String {
    let width = |of: fn(&CheckRow) -> &str, least: usize| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(least)
    };
    // The shape is last: some take more than a line.
    let kernel = width(|row| &row.kernel, 6);
    let mut text = format!("{}\n", gpu.describe());
    text += &format!(
        "{:<kernel$}  {:>11}  {:>9}  {:>9}  {:4}  {}\n",
        "kernel", "worst error", "tolerance", "slack", "", "shape"
    );
    for row in rows {
        let verdict = if row.passed { "pass" } else { "FAIL" };
        text += &format!(
            "{:<kernel$}  {:>11.3e}  {:>9.3e}  {:>9.1e}  {verdict}  {}\n",
            row.kernel, row.worst_error, row.tolerance, row.slack, row.shape
        );
        if let Some(reason) = &row.slack_reason {
            text += &format!("    slack: {reason}\n");
        }
        if let Some(fault) = &row.fault {
            text += &format!("    {fault}\n");
        }
    }
    let failed = rows.iter().filter(|row| !row.passed).count();
    text += &match failed {
        0 => format!("all {} comparisons passed\n", rows.len()),
        _ => format!("{failed} of {} comparisons FAILED\n", rows.len()),
    };
    text
}

fn as_json(gpu: &Gpu, rows: &[CheckRow], passed: bool) -> Value {
    let info = gpu.adapter_info();
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "kernel": row.kernel,
                "shape": row.shape,
                "worst_error": row.worst_error,
                "tolerance": row.tolerance,
                "slack": row.slack,
                "slack_reason": row.slack_reason,
                "reason": row.reason,
                "fault": row.fault,
                "passed": row.passed,
            })
        })
        .collect();
    json!({
        "adapter": info.name,
        "backend": format!("{:?}", info.backend),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "passed": passed,
        "rows": rows,
    })
}
