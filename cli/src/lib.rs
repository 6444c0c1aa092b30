//! What the program `wgpo` is made of, for the program itself and for the Python package, which has all of it as `wgpo.main`.
//!
//! [`run`] is the whole program. [`settings::given`] reads settings by the keys that its files have.

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
mod ranks;
pub mod settings;
mod svg;
mod train;
mod update;
mod width;

pub use program::INTERRUPTED;
pub use quiet::start as start_quietly;
pub use train::interrupts::{host_signals, interrupt};

use args::command::{Cli, Command};
use clap::Parser;
use program::{FAILURE, Status};
use settings::mistake::Mistakes;
use std::ffi::OsString;

/// Runs the program as a shell would: `arguments` are its name and what follows. Returns the status of its exit, 0 where all went well. Words
/// go to standard output and standard error.
///
/// The first Ctrl-C of a training is taken note of, and the training ends after its update. So the first training replaces the process' own
/// handlers of SIGINT, SIGTERM and SIGHUP, unless the process said [`host_signals`] before: then it hears them, and calls [`interrupt`].
pub fn run<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> u8 {
    let command = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command,
        Err(words) => {
            // Help goes to standard output, a mistake to standard error. Where nobody listens there is nobody to tell.
            let _ = words.print();
            return u8::try_from(words.exit_code()).unwrap_or(1);
        }
    };
    let leaves_files = command.leaves_files();
    let code = done(command).unwrap_or_else(|error| {
        match error.downcast_ref::<Mistakes>() {
            Some(mistakes) => tell!("error: {mistakes}"),
            None => tell!("error: {}", program::one_line(&error)),
        }
        FAILURE
    });
    match say::lost() {
        None => code,
        Some(error) if leaves_files => {
            tell!("warning: standard output: {error}; some lines are missing there");
            code
        }
        Some(error) => {
            tell!("error: standard output: {error}; some lines are missing there");
            FAILURE
        }
    }
}

fn done(command: Command) -> anyhow::Result<Status> {
    match command {
        Command::Train(args) => match (ranks::start()?, args.seeds) {
            (Some(ranks), _) => ranks::train(&args, ranks),
            (None, Some(count)) => train::seeds::run::train(&args, count),
            (None, None) => train::run::train(&args, None),
        },
        Command::Eval(args) => eval::run::eval(&args),
        Command::Play(args) => eval::play::play(&args),
        Command::Check(args) => check::run::check(&args),
        Command::Update(args) => update::run::update(&args),
        Command::FailureModes(args) => failure_modes::run::failure_modes(&args),
        Command::Lecture(args) => lecture::run::lecture(&args),
        Command::Bench(args) if args.only == [ranks::bench::NAME] => ranks::bench(&args),
        Command::Bench(args) => bench::run::bench(&args),
        Command::Info(args) => info::info(&args),
    }
}
