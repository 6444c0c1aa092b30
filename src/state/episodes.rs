//! Sums over episodes.

/// Episodes that ended during some steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EpisodeStats {
    /// Episodes that ended.
    pub count: u64,
    /// Sum of their undiscounted returns.
    pub return_sum: f64,
    /// Sum of their lengths in steps.
    pub length_sum: f64,
    /// Smallest return; +∞ if none ended.
    pub return_min: f64,
    /// Largest return; −∞ if none ended.
    pub return_max: f64,
}

impl EpisodeStats {
    /// No episode.
    pub const NONE: Self =
        Self { count: 0, return_sum: 0.0, length_sum: 0.0, return_min: f64::INFINITY, return_max: f64::NEG_INFINITY };

    /// One episode of that undiscounted return and length in steps.
    pub fn of(total: f64, length: u64) -> Self {
        Self { count: 1, return_sum: total, length_sum: length as f64, return_min: total, return_max: total }
    }

    /// Mean return, if any episode ended.
    pub fn mean_return(&self) -> Option<f64> {
        (self.count > 0).then(|| self.return_sum / self.count as f64)
    }

    /// Mean length in steps, if any episode ended.
    pub fn mean_length(&self) -> Option<f64> {
        (self.count > 0).then(|| self.length_sum / self.count as f64)
    }

    /// Both together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            return_sum: self.return_sum + other.return_sum,
            length_sum: self.length_sum + other.length_sum,
            return_min: self.return_min.min(other.return_min),
            return_max: self.return_max.max(other.return_max),
        }
    }
}
