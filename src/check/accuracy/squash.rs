//! tanh, as the actors of off-policy algorithms use it.

use super::{DIVISION, Known, exact, exp_accuracy, rounded};

/// What part math promises of tanh, relative.
const TANH: f64 = 2e-7;

impl Known {
    /// tanh x: near 0 a polynomial, else 1 − 2 / (e^2|x| + 1).
    pub(in crate::check) fn tanh(self) -> Self {
        let (a, y) = (self.value.abs(), self.value.tanh());
        let far = if a > 0.599 { (1.0 - y.abs()) * (exp_accuracy(2.0 * a.min(10.0)) + DIVISION) } else { 0.0 };
        self.through(y, 1.0 - y * y).give(TANH * y.abs() + far)
    }

    fn size(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }

    /// 1 − tanh² x, as 4 e / (1 + e)², e = exp(−2|x|).
    pub(in crate::check) fn tanh_slope(self) -> Self {
        let e = self.size().times(-2.0).exp();
        let below = exact(1.0) + e;
        e.times(4.0) / (below * below)
    }

    /// log(1 − tanh² x + ε); exact with ε = 0.
    pub(in crate::check) fn log_tanh_slope(self, epsilon: f64) -> Self {
        if epsilon != 0.0 {
            return (self.tanh_slope() + exact(epsilon)).gamma_log();
        }
        let size = self.size();
        (rounded(std::f64::consts::LN_2) - size - size.times(-2.0).exp().log1p()).times(2.0)
    }

    /// Within limits.
    pub(in crate::check) fn clamp(self, low: f64, high: f64) -> Self {
        Self { value: self.value.clamp(low, high), ..self }
    }
}
