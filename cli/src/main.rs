//! The program `wgpo`: trains, checks and updates policies on any GPU that wgpu reaches, or on the CPU reference.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where nobody listens; `say!` and `tell!` do not"
)]

#[macro_use]
mod say;

mod args;
mod bench;
mod check;
mod eval;
mod failure_modes;
mod files;
mod folder;
mod info;
mod interval;
mod lecture;
mod place;
mod program;
mod quiet;
mod settings;
mod svg;
mod train;
mod update;
mod width;

use args::command::{Cli, Command};
use clap::Parser;
use settings::mistake::Mistakes;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet::start();
    let command = Cli::parse().command;
    let leaves_files = command.leaves_files();
    let result = match command {
        Command::Train(args) => match args.seeds {
            Some(count) => train::seeds::run::train(&args, count),
            None => train::run::train(&args),
        },
        Command::Eval(args) => eval::run::eval(&args),
        Command::Play(args) => eval::play::play(&args),
        Command::Check(args) => check::run::check(&args),
        Command::Update(args) => update::run::update(&args),
        Command::FailureModes(args) => failure_modes::run::failure_modes(&args),
        Command::Lecture(args) => lecture::run::lecture(&args),
        Command::Bench(args) => bench::run::bench(&args),
        Command::Info(args) => info::info(&args),
    };
    let code = result.unwrap_or_else(|error| {
        match error.downcast_ref::<Mistakes>() {
            Some(mistakes) => tell!("error: {mistakes}"),
            None => tell!("error: {}", program::one_line(&error)),
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
