//! The benchmark, piece by piece.

use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wgpo::bench::{Benchmark, FEW_ROUNDS, NARROW, Options, Place, Table, cases};
use wgpo_web::{Device, Fault, Outcome};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    quick: bool,
    /// Of each row.
    #[serde(default)]
    seconds: Option<f64>,
    /// Rows with this in their names.
    #[serde(default)]
    only: Option<String>,
    /// Its name and version, for the record.
    #[serde(default)]
    browser: String,
}

/// A benchmark under way.
#[wasm_bindgen]
pub struct Bench {
    benchmark: Benchmark,
    browser: String,
    adapter: String,
}

#[wasm_bindgen]
impl Bench {
    /// Rows of `wgpo bench`, or of `wgpo bench --quick`. `options` is JSON: `quick`, and if wanted `seconds` (of a row), `only` (rows with this in
    /// their names) and `browser` (its name and version, for the record).
    ///
    /// # Errors
    /// Options that are none, or no row of such a name.
    pub fn create(device: &Device, options: &str) -> Outcome<Bench> {
        let Asked { quick, seconds, only, browser } = serde_json::from_str(options)?;
        let gpu = device.gpu().clone();
        // As the program does: a software adapter takes minutes for wide nets, and a quick run shows no speed.
        let narrow = quick && gpu.is_software();
        let table = if quick { Table::quick() } else { Table::default() };
        let table = if narrow { table.narrowed(NARROW) } else { table };
        let usual = if quick { Options::quick() } else { Options::default() };
        let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0).unwrap_or(usual.seconds);
        let options = Options { seconds, rounds: if narrow { FEW_ROUNDS } else { usual.rounds }, ..usual };
        let only = only.unwrap_or_default();
        let cases = cases(&table).into_iter().filter(|case| !case.heavy && case.name.contains(&only));
        let benchmark = Benchmark::new(cases, Place::Gpu(gpu), options);
        if benchmark.names().is_empty() {
            return Err(Fault::config(format!("no row has \"{only}\" in its name")));
        }
        Ok(Self { benchmark, browser, adapter: device.name() })
    }

    /// The names of the rows in their order, as JSON.
    ///
    /// # Errors
    /// None is known.
    #[wasm_bindgen(js_name = namesJson)]
    pub fn names_json(&self) -> Outcome<String> {
        Ok(serde_json::to_string(self.benchmark.names())?)
    }

    /// Does the next piece of work: the limits, a row's comparison, or a round of one. Where it is then, as JSON: `done` of `of` pieces, `what` comes
    /// next, whether it is `finished`.
    ///
    /// # Errors
    /// A lost device.
    pub async fn step(&mut self) -> Outcome<String> {
        let now = self.benchmark.step().await?;
        Ok(json!({ "done": now.done, "of": now.of, "what": now.what, "finished": now.finished }).to_string())
    }

    /// The record, in the format of docs/bench-format.md.
    ///
    /// # Errors
    /// Before it is finished.
    #[wasm_bindgen(js_name = recordJson)]
    pub fn record_json(&self) -> Outcome<String> {
        let mut record = self.benchmark.record()?;
        record.place.adapter = Some(self.adapter.clone());
        if !self.browser.is_empty() {
            record.place.system = self.browser.clone();
        }
        Ok(serde_json::to_string_pretty(&record)? + "\n")
    }
}
