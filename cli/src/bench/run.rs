//! `wgpo bench`.

use super::table::Printer;
use super::{compare, read, report};
use crate::args::bench::BenchArgs;
use crate::place::choose::bench_place;
use crate::place::tune::binding_bytes;
use crate::program::{FAILURE, SUCCESS, Status};
use crate::{files, say, width};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use wgpo::bench::{Case, FEW_ROUNDS, Moment, NARROW, Options, Record, Row, cases, roof, rows};
use wgpo::gpu::Gpu;
use wgpo::place::Place;

/// Compares and times the rows that are asked for.
pub fn bench(args: &BenchArgs) -> Result<Status> {
    let whole = args.table();
    for (name, spec, _) in &whole.nets {
        spec.validate().with_context(|| format!("the net `{name}`"))?;
    }
    whole.validate()?;
    // A layer's outputs, or observations, of all rows.
    let largest = whole.nets.iter().map(|(_, spec, rows)| binding_bytes(spec, *rows)).max().unwrap_or(0);
    let (place, reason) = bench_place(&args.place, largest)?;
    // A software adapter takes minutes for wide nets, and --quick shows no speed.
    let narrow = args.quick && place.gpu().is_some_and(Gpu::is_software);
    let table = if narrow { whole.narrowed(NARROW) } else { whole };
    let cases = cases(&table);
    let wanted: Vec<&Case> =
        cases.iter().filter(|case| case.runs_at(&place) && args.wants(&case.name, case.heavy)).collect();
    if wanted.is_empty() {
        let only = args.only.join("`, `");
        bail!("no row of `wgpo bench --list` has `{only}` in its name there");
    }
    if args.list {
        say!("{}", width::wrap(&list(&cases, &place), width::columns(), "    "));
        return Ok(SUCCESS);
    }
    // A file that cannot be read is said before minutes of work, not after.
    let old = args.compare.as_deref().map(read::record).transpose()?;
    for path in [&args.json, &args.report].into_iter().flatten() {
        writable(path)?;
        files::tidy(path);
    }
    let options = options(args, narrow);
    let columns = width::columns();
    say!("{}", width::wrap(&reason, columns, "  "));
    if narrow {
        let words = format!(
            "--quick on a software adapter: hidden layers are at most {NARROW} wide, and a row has {FEW_ROUNDS} rounds"
        );
        say!("{}", width::wrap(&words, columns, "  "));
    }
    let bar = progress(wanted.len() as u64);
    bar.set_message("the device's limits");
    let begun = Moment::now();
    let limits = || roof(&place, &options).context("the device's limits cannot be measured");
    let before = limits()?;
    let mut printer = Printer::new(before.clone(), columns);
    let mut found: Vec<Row> = Vec::new();
    bar.suspend(|| say!("{}", printer.head()));
    let starting = |case: &Case| bar.set_message(case.name.clone());
    for row in rows(wanted, &place, &options).starting(starting) {
        found.push(row);
        bar.suspend(|| say!("{}", printer.row(&found)));
        if say::is_over() && args.json.is_none() && args.report.is_none() {
            break; // nobody would see the rest
        }
        bar.inc(1);
    }
    bar.set_message("the device's limits once more");
    let after = limits()?;
    bar.finish_and_clear();
    let load = begun.and_then(|begun| Moment::now()?.since(&begun));
    say!("{}", printer.foot(&found, &after, load));
    let record = Record::new(&place, &options, [&before, &after], load, &found);
    if let Some(old) = &old {
        say!("\n{}", compare::as_text(old, &record, columns).trim_end());
    }
    if let Some(path) = &args.json {
        files::write(path, record.to_json()?.as_bytes())?;
        say!("\nwritten: {}", path.display());
    }
    if let Some(path) = &args.report {
        report::write(path, &record)?;
        say!("\nwritten: {}", path.display());
    }
    let passed = found.iter().all(|row| row.found.is_some());
    Ok(if passed { SUCCESS } else { FAILURE })
}

/// How long to measure, and how often.
fn options(args: &BenchArgs, narrow: bool) -> Options {
    let usual = if args.quick { Options::quick() } else { Options::default() };
    Options {
        seconds: args.seconds.unwrap_or(usual.seconds),
        rounds: if narrow { FEW_ROUNDS } else { usual.rounds },
        tolerance: args.tolerance,
        ..usual
    }
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
    // The message takes what the terminal has left, and is cut there.
    let template = "{bar:16.cyan/blue} {pos}/{len} rows │ {elapsed_precise} │ {wide_msg}";
    // The template is a constant; should it be wrong, the plain bar is still a bar.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
