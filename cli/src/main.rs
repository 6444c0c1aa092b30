//! The program `wgpo`: trains, checks and updates policies on any GPU that wgpu reaches, or on the CPU reference.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where nobody listens; `say!` and `tell!` do not"
)]

#[macro_use]
mod say;

mod adapters;
mod args;
mod backend;
mod bench;
mod bench_args;
mod bench_compare;
mod bench_figure;
mod bench_record;
mod bench_report;
mod bench_roofline;
mod bench_table;
mod check;
mod check_progress;
mod curve;
mod eval;
mod failure_figure;
mod failure_modes;
mod files;
mod head;
mod info;
mod judge;
mod lock;
mod metrics;
mod play;
mod progress;
mod quiet;
mod run;
mod saved;
mod scene;
mod seeds;
mod seeds_figure;
mod seeds_folders;
mod settings;
mod svg;
mod train;
mod update;
mod width;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet::start();
    let command = args::Cli::parse().command;
    // Their work is in files; of the others nothing is left but what they print.
    let leaves_files = matches!(
        command,
        args::Command::Train(_) | args::Command::Play(_) | args::Command::Update(_) | args::Command::FailureModes(_)
    );
    let result = match command {
        args::Command::Train(args) => match args.seeds {
            Some(count) => seeds::train(&args, count),
            None => train::train(&args),
        },
        args::Command::Eval(args) => eval::eval(&args),
        args::Command::Play(args) => play::play(&args),
        args::Command::Check(args) => check::check(&args),
        args::Command::Update(args) => update::update(&args),
        args::Command::FailureModes(args) => failure_modes::failure_modes(&args),
        args::Command::Bench(args) => bench::bench(&args),
        args::Command::Info(args) => info::info(&args),
    };
    let code = result.unwrap_or_else(|error| {
        match error.downcast_ref::<settings::Mistakes>() {
            Some(mistakes) => tell!("error: {mistakes}"),
            None => tell!("error: {}", one_line(&error)),
        }
        ExitCode::FAILURE
    });
    match say::lost() {
        None => code,
        Some(error) if leaves_files => {
            tell!("warning: standard output: {error}; some lines are missing there");
            code
        }
        Some(error) => {
            tell!("error: standard output: {error}; some lines are missing there");
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes on one line; a cause that its effect already quotes is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_is_one_line_without_repetition() {
        let cause = std::io::Error::other("disk\n is full");
        let error = anyhow::Error::new(cause).context("a.csv: disk is full").context("cannot write metrics");
        assert_eq!(super::one_line(&error), "cannot write metrics: a.csv: disk is full");
    }
}
