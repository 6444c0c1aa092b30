//! The program `wgpo`: trains, checks and updates policies on any GPU that wgpu reaches, or on the CPU reference.

use std::process::ExitCode;

fn main() -> ExitCode {
    wgpo_cli::start_quietly();
    ExitCode::from(wgpo_cli::run(std::env::args_os()))
}
