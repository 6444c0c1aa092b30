//! wgpo in a browser. A page (or a worker of it) asks for a [`Device`], and then trains ([`Run`]), compares ([`Check`]) or measures
//! ([`Bench`]) on it. Nothing here blocks: what waits for the device is a promise.
//!
//! Settings and statistics are JSON, in the words of the program's files. What goes wrong is an `Error` of JavaScript whose message is the
//! library's sentence, and whose name tells what a page has to tell apart: `NoAdapter`, `NoDevice`, `DeviceLost`, `Config`, or `Error`.
//!
//! An object may do one thing at a time: whoever calls it while a promise of it is open gets an error of wasm-bindgen. The page's worker lets calls wait.

mod bench;
mod catalogue;
mod check;
mod device;
mod failure_modes;
mod fault;
mod player;
mod run;
mod settings;
mod statistics;

pub use bench::Bench;
pub use catalogue::{catalogue_json, preset_json};
pub use check::Check;
pub use device::Device;
pub use failure_modes::FailureModes;
pub use player::Player;
pub use run::Run;
use wasm_bindgen::prelude::*;

/// Once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// The version of wgpo.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
