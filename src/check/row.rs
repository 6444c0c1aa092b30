//! What a comparison found.

/// What one case found.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckRow {
    /// Stem of the kernel, or name of the update.
    pub kernel: String,
    /// Sizes and choices of the case.
    pub shape: String,
    /// Largest error of any element; infinite where a fault makes it meaningless.
    pub worst_error: f64,
    /// Largest error that passes.
    pub tolerance: f64,
    /// How far off a number may be, as a share of itself, and still pass: the median of tolerance · max(|want|, scale) / |want| over the
    /// elements of an output, of the output where it is largest. Elements that should be 0 are left out, as they have no share;
    /// 0 where everything is compared exactly.
    pub slack: f64,
    /// Why `slack` is above [`SLACK_LIMIT`], where it is.
    pub slack_reason: Option<String>,
    /// Whether there was no fault and the error stayed within the tolerance.
    pub passed: bool,
    /// Why the tolerance is what it is.
    pub reason: String,
    /// What is wrong, if it did not pass: the worst element, a guard word that changed, an element never written, an error of the
    /// device.
    pub fault: Option<String>,
}

/// A comparison that lets more than this pass ([`CheckRow::slack`]) says why.
pub const SLACK_LIMIT: f64 = 1e-2;
