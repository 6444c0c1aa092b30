//! `wgpo bench`.

use crate::bench_args::BenchArgs;
use crate::bench_record::Record;
use crate::bench_table::Printer;
use crate::{backend, bench_compare, bench_report, files, say};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use wgpo::bench::{Case, Options, Place, Row, cases, roof, run};

/// Compares and times the rows that are asked for.
pub fn bench(args: &BenchArgs) -> Result<ExitCode> {
    let table = args.table();
    for (name, spec, _) in &table.nets {
        spec.validate().with_context(|| format!("the net `{name}`"))?;
    }
    table.validate()?;
    let cases = cases(&table);
    let (place, reason) = backend::bench_place(&args.backend, BenchArgs::binding_bytes(&table))?;
    let wanted: Vec<&Case> =
        cases.iter().filter(|case| case.runs_at(&place) && args.wants(&case.name, case.heavy)).collect();
    if wanted.is_empty() {
        let only = args.only.join("`, `");
        bail!("no row of `wgpo bench --list` has `{only}` in its name there");
    }
    if args.list {
        say!("{}", list(&cases, &place));
        return Ok(ExitCode::SUCCESS);
    }
    // A file that cannot be read is said before minutes of work, not after.
    let old = args.compare.as_deref().map(Record::read).transpose()?;
    for path in [&args.json, &args.report].into_iter().flatten() {
        writable(path)?;
        files::tidy(path);
    }
    let (few, many) = (0.02, 0.5);
    let options = Options {
        seconds: args.seconds.unwrap_or(if args.quick { few } else { many }),
        tolerance: args.tolerance,
        quick: args.quick,
        ..Options::default()
    };
    say!("{reason}");
    let bar = progress(wanted.len() as u64);
    bar.set_message("the device's limits");
    let roof = roof(&place, &options).context("the device's limits cannot be measured")?;
    let mut printer = Printer::new(roof.clone());
    let mut rows: Vec<Row> = Vec::new();
    bar.suspend(|| say!("{}", printer.head()));
    for case in wanted {
        if say::is_over() && args.json.is_none() && args.report.is_none() {
            break; // nobody would see the rest
        }
        bar.set_message(case.name.clone());
        rows.push(run(case, &place, &options));
        bar.suspend(|| say!("{}", printer.row(&rows)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    say!("{}", printer.foot(&rows));
    let record = Record::new(&place, args.quick, &options, &roof, &rows);
    if let Some(old) = &old {
        say!("\n{}", bench_compare::as_text(old, &record).trim_end());
    }
    if let Some(path) = &args.json {
        files::write(path, record.to_json()?.as_bytes())?;
        say!("\nwritten: {}", path.display());
    }
    if let Some(path) = &args.report {
        bench_report::write(path, &record)?;
        say!("\nwritten: {}", path.display());
    }
    let passed = rows.iter().all(|row| row.found.is_some());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An error if the folder of `path` is not there.
fn writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        bail!("{}: there is no such folder", path.display());
    }
    Ok(())
}

fn list(cases: &[Case], place: &Place) -> String {
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0) + 1;
    let line = |case: &Case| {
        format!("{:<width$}  {}\n", format!("{}{}", case.name, if case.heavy { "*" } else { "" }), case.shape)
    };
    let lines: String = cases.iter().filter(|case| case.runs_at(place)).map(line).collect();
    lines + "\n* compares with the reference for minutes: runs with --all, or where --only names it"
}

/// A bar on standard error, where that is a terminal.
fn progress(rows: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(rows);
    let template = "{bar:24.cyan/blue} {pos}/{len} rows │ {msg} │ {elapsed_precise}";
    // The template is a constant; should it be wrong, the plain bar is still a bar.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
