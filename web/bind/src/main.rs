//! `wgpo-web-bind IN.wasm FOLDER`: JavaScript and types around a module, into a folder.

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(folder)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: wgpo-web-bind IN.wasm FOLDER");
    };
    Bindgen::new()
        .input_path(&input)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(false)
        .keep_debug(false)
        .generate(&folder)
        .with_context(|| format!("{input}: no module that could be bound"))
}
