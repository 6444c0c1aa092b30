//! The whole program.

use crate::compute;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// The signals that end a training after its update; Windows has no SIGHUP.
const SIGNALS: [&str; 3] = ["SIGINT", "SIGTERM", "SIGHUP"];

/// Runs the program `wgpo` and returns the status of its exit.
///
/// `argv` is what follows the program's name, for example `["train", "cartpole"]`. Words go to the process' standard output and standard error.
/// On Python's main thread Ctrl-C, SIGTERM and SIGHUP are the program's own while it runs: a training ends after its update, and a second of
/// them, or one in another command, ends the process. Afterwards their handlers are what they were.
#[pyfunction]
pub fn main(py: Python<'_>, argv: Vec<String>) -> PyResult<u8> {
    let signal = py.import("signal")?;
    let raise = signal.getattr("default_int_handler")?;
    let mut before = Vec::new();
    for name in SIGNALS {
        let Some(number) = signal.getattr_opt(name)? else { continue };
        // One that is not Python's could not be put back. Off the main thread signals are nobody's to set.
        let own = signal.call_method1("getsignal", (&number,))?;
        if !own.is_none() && signal.call_method1("signal", (&number, &raise)).is_ok() {
            before.push((number, own));
        }
    }
    wgpo_cli::host_signals();
    let arguments: Vec<String> = std::iter::once("wgpo".to_owned()).chain(argv).collect();
    let status = compute::heard(
        py,
        || Ok(wgpo_cli::run(arguments)),
        |raised| {
            if wgpo_cli::interrupt() {
                return Ok(());
            }
            if raised.is_instance_of::<PyKeyboardInterrupt>(py) {
                // At once, which is safe: files are renamed into place.
                std::process::exit(wgpo_cli::INTERRUPTED.into());
            }
            Err(raised)
        },
    );
    for (number, own) in before {
        signal.call_method1("signal", (number, own))?;
    }
    status
}
