//! The limits of a device.

/// The limits of a device. A piece cannot be faster than min(bandwidth × intensity, peak) operations per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Roof {
    /// Bytes per second of a copy, read and written together; random numbers in sets that no cache holds.
    pub bandwidth: f64,
    /// Operations per second: two a multiply-add, in eight chains an invocation on a device; on the CPU in the reference's
    /// own matrix product where all of it stays in a cache, which is what its library reaches and not what the processor
    /// could.
    pub peak: f64,
    /// Seconds of a dispatch in a pass of many, each of which waits for the one before; `None` where the device's clock cannot
    /// tell it from nothing, and on the CPU, like the next two.
    pub dispatch: Option<f64>,
    /// Seconds of a submission of one dispatch, the dispatch included, until the host knows that it is done.
    pub submission: Option<f64>,
    /// Seconds from submitting a copy of four bytes until the host has them.
    pub readback: Option<f64>,
    /// How bandwidth and peak were measured, in words.
    pub method: String,
}

impl Roof {
    /// The better of two measurements of one device, limit by limit: what disturbs makes a limit worse, and never better.
    pub fn better(&self, other: &Self) -> Self {
        let least = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self {
            bandwidth: self.bandwidth.max(other.bandwidth),
            peak: self.peak.max(other.peak),
            dispatch: least(self.dispatch, other.dispatch),
            submission: least(self.submission, other.submission),
            readback: least(self.readback, other.readback),
            method: self.method.clone(),
        }
    }

    /// By how much bandwidth or peak of two measurements differ: the larger over the smaller one, less 1, of whichever differs
    /// more. Beyond [`STEADY`](super::STEADY) one of them fell into a busy moment.
    pub fn apart(&self, other: &Self) -> f64 {
        let apart = |a: f64, b: f64| a.max(b) / a.min(b) - 1.0;
        apart(self.bandwidth, other.bandwidth).max(apart(self.peak, other.peak))
    }
}
