//! Every kernel against the f64 reference, row by row.

use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wgpo::check::{Case, CheckReport, CheckRow, cases};
use wgpo_web::{Device, Fault, Outcome};

/// The table of comparisons.
#[wasm_bindgen]
pub struct Check;

/// Those of a quick check, or all.
fn table(quick: bool) -> Vec<Case> {
    cases().into_iter().filter(|case| case.quick || !quick).collect()
}

#[wasm_bindgen]
impl Check {
    /// The rows in their order, as JSON: `kernel` and `shape` of each. `quick` leaves those that `wgpo check` runs.
    #[wasm_bindgen(js_name = namesJson)]
    pub fn names_json(quick: bool) -> String {
        let rows = table(quick).into_iter().map(|case| json!({ "kernel": case.kernel, "shape": case.shape }));
        rows.collect::<Value>().to_string()
    }

    /// Runs row `index` of [`names_json`](Self::names_json); the row as JSON, in the words of `wgpo check --json`. A wrong number, or a case that could
    /// not be run, is a row that did not pass.
    ///
    /// # Errors
    /// A row that there is not; a lost device.
    pub async fn run(device: &Device, index: usize, quick: bool) -> Outcome<String> {
        let (gpu, cases) = (device.gpu().clone(), table(quick));
        let count = cases.len();
        let case = cases.get(index).ok_or_else(|| Fault::config(format!("row {index} of {count} is not there")))?;
        let row = case.row_async(&gpu).await;
        gpu.healthy()?;
        Ok(serde_json::to_string(&row)?)
    }

    /// What `wgpo check --json` prints of these rows (a list of what [`run`](Self::run) gave).
    ///
    /// # Errors
    /// Rows that are none.
    #[wasm_bindgen(js_name = reportJson)]
    pub fn report_json(device: &Device, rows: &str) -> Outcome<String> {
        let rows: Vec<CheckRow> = serde_json::from_str(rows)?;
        let report = CheckReport { adapter: device.name(), ..CheckReport::new(device.gpu(), rows) };
        Ok(format!("{:#}", json!({ "passed": report.passed, "adapters": [report] })))
    }
}
