//! The whole program.

use pyo3::prelude::*;

/// Runs the program `wgpo` and returns the status of its exit.
///
/// `argv` is what follows the program's name, for example `["train", "cartpole"]`. Words go to the process' standard output and standard error.
/// Ctrl-C is the program's own while it runs: a training ends after its update, and a second Ctrl-C, or one in another command, ends the
/// process.
#[pyfunction]
pub fn main(py: Python<'_>, argv: Vec<String>) -> PyResult<u8> {
    let signal = py.import("signal")?;
    let (interrupt, default) = (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?);
    // Python's own handler would wait for its interpreter. Off the main thread signals are nobody's to set.
    let before = signal.call_method1("signal", (&interrupt, default)).ok();
    let arguments: Vec<String> = std::iter::once("wgpo".to_owned()).chain(argv).collect();
    let status = py.detach(|| std::panic::catch_unwind(|| wgpo_cli::run(arguments)));
    if let Some(before) = before.filter(|before| !before.is_none()) {
        signal.call_method1("signal", (interrupt, before))?;
    }
    status.map_err(|_| {
        crate::errors::internal(py, "this is a fault of wgpo itself, please report it with the words on standard error")
    })
}
