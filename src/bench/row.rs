//! What a case came to.

use super::timing::Timing;
use super::{Roof, Work};
use crate::check::CheckRow;

/// What one case came to.
#[derive(Debug, Clone)]
pub struct Row {
    /// The case's.
    pub name: String,
    /// The case's.
    pub shape: String,
    /// The case's.
    pub net: Option<String>,
    /// The case's.
    pub work: Work,
    /// What the comparison found.
    pub check: CheckRow,
    /// The times; none where the comparison failed.
    pub found: Option<Timing>,
}

impl Row {
    /// Operations per second; `None` without times or where nothing is counted.
    pub fn flops(&self) -> Option<f64> {
        self.per_second(self.work.flops)
    }

    /// Bytes per second.
    pub fn bytes(&self) -> Option<f64> {
        self.per_second(self.work.bytes)
    }

    /// Rows or environment steps per second.
    pub fn units(&self) -> Option<f64> {
        self.per_second(self.work.units)
    }

    fn per_second(&self, amount: f64) -> Option<f64> {
        let seconds = self.found.as_ref()?.seconds.median;
        (amount > 0.0 && seconds > 0.0).then(|| amount / seconds)
    }

    /// The time that the roof allows over the time that it took: operations per second over
    /// min(bandwidth × intensity, peak), where operations are counted at all.
    pub fn share_of(&self, roof: &Roof) -> Option<f64> {
        let seconds = self.found.as_ref()?.seconds.median;
        let least = (self.work.flops / roof.peak).max(self.work.bytes / roof.bandwidth);
        (seconds > 0.0 && least > 0.0).then(|| least / seconds)
    }
}

/// The share of each row in the update that it is a part of: of a single kernel in `ppo_update` of its net, in `trpo_update`
/// where that has it and the other has not, or in `train`. Rows are found by name; `None` where the update was not measured.
pub fn shares(rows: &[Row]) -> Vec<Option<f64>> {
    let part = |whole: &str, kernel: &str| -> Option<f64> {
        let found = rows.iter().find(|row| row.name == whole)?.found.as_ref()?;
        found.parts.iter().find(|part| part.kernel == kernel).map(|part| part.share)
    };
    let share = |row: &Row| {
        let kernel = row.name.strip_prefix("kernel/")?.split('/').next()?;
        let net = row.net.as_deref()?;
        ["ppo_update", "trpo_update", "train"].iter().find_map(|whole| part(&format!("{whole}/{net}"), kernel))
    };
    rows.iter().map(share).collect()
}
