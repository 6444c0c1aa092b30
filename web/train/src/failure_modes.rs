//! The bandits on which the usual PPO fails.

use crate::run::Run;
use crate::settings::Settings;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wgpo::env::FailureMode;
use wgpo_web::{Device, Fault, Outcome};

/// Makes runs of them.
#[wasm_bindgen]
pub struct FailureModes;

/// All of them, with who tries.
pub fn table() -> Value {
    let of = |mode: FailureMode| {
        let variants = mode.variants.iter().map(|own| json!({ "key": own.key, "label": own.label }));
        json!({
            "number": mode.number,
            "env": mode.env.name(),
            "title": mode.title,
            "solved": mode.env.solved_at(),
            "variants": variants.collect::<Vec<_>>(),
        })
    };
    FailureMode::all().into_iter().map(of).collect()
}

#[wasm_bindgen]
impl FailureModes {
    /// A run of variant `variant` (its key) of mode `mode` (1, 2 or 3). The mean return of an iteration is the mean reward of its rows.
    ///
    /// # Errors
    /// A mode or variant that there is not; a device error.
    pub async fn create(device: &Device, mode: usize, variant: String, seed: u32) -> Outcome<Run> {
        let found = FailureMode::all().into_iter().find(|own| own.number == mode);
        let mode = found.ok_or_else(|| Fault::config(format!("there is no failure mode {mode}")))?;
        let chosen = mode.variants.iter().find(|own| own.key == variant);
        let variant = chosen.ok_or_else(|| Fault::config(format!("{} has no variant {variant}", mode.title)))?;
        let (spec, config) = (mode.spec(variant), mode.config(variant));
        Run::of(device, Settings { env: mode.env, spec, config, seed: seed.into() }).await
    }
}
