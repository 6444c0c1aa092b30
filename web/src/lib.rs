//! wgpo in a browser: what its two modules share. A page (or a worker of it) asks each for a [`Device`]: the module of `train/` trains on it, that of
//! `measure/` compares and measures. They are two so that a page that trains loads neither the checks nor the benchmark. Nothing here blocks: what waits for the device is a promise.
//!
//! Settings and statistics are JSON, in the words of the program's files. What goes wrong is an `Error` of JavaScript whose message is the
//! library's sentence, and whose name tells what a page has to tell apart: `NoAdapter`, `NoDevice`, `DeviceLost`, `Config`, or `Error`.
//!
//! An object may do one thing at a time: whoever calls it while a promise of it is open gets an error of wasm-bindgen. The page's worker lets calls wait.

mod device;
mod fault;

pub use device::Device;
pub use fault::{Fault, Outcome};
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
