//! How well f32 knows a number: the accuracy that WGSL promises, what our own functions promise on top of it, and both carried
//! through a formula to first order.
//!
//! A [`Known`] is a number with a bound of its error. Its operations are those of a shader, each with what it adds of its own, so a
//! bound is had by writing the shader's formula down; the number itself is never compared with a kernel's, only the bound is used.
//! Bounds are of the worst case: errors add up by their sizes, in whatever order a compiler adds, with or without fused
//! multiply-add. One thing is not: what additions round away of a sum of more than some 80 terms is bounded statistically, by the root of
//! their number ([`roundings`]); a chain of additions that all round one way could be further off.

use super::support::EPS;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// WGSL, "Floating Point Accuracy": one unit in the last place is at most 2⁻²³ of the number. Sum, difference and product are
/// correctly rounded; to the nearest on every device that we know, which is half a unit, [`EPS`].
const ULP: f64 = 2.0 * EPS;

/// x / y: 2.5 units.
pub(super) const DIVISION: f64 = 2.5 * ULP;

/// sqrt x, as 1 / inverseSqrt x: 2 units and those of the division.
pub(super) const SQRT: f64 = 4.5 * ULP;

/// exp x: 3 + 2 |x| units.
pub(super) fn exp_accuracy(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * ULP
}

/// log x, absolute: 2⁻²¹ for x in [0.5, 2], else 3 units.
fn log_accuracy(x: f64) -> f64 {
    if (0.5..=2.0).contains(&x) { 8.0 * EPS } else { 3.0 * ULP * x.ln().abs() }
}

/// f32 has nothing between 0 and this that a device must keep: 2⁻¹²⁶, and `math_exp` ends at e⁻⁸⁷.
pub(super) const TINY: f64 = 2e-38;

// What parts math and gamma promise with a correctly rounded exp, log and division, as written there; relative.
const K3: f64 = 2e-6;
const EXPM1: f64 = 4e-7;
const LOG1P: f64 = 2e-7;
const SIGMOID: f64 = 2e-7;
const SOFTPLUS: f64 = 3e-7;
const GAMMA_LOG: f64 = 3e-7;
const GAMMA_EXCESS: f64 = 1e-6;
const GAMMA_DELTA: f64 = 3e-7;
const GAMMA_RHO: f64 = 2e-7;
const GAMMA_SIGMA: f64 = 5e-7;
/// Two quotients (one of them squared), and a dozen roundings of terms of which the first is by far the largest.
const GAMMA_BEND: f64 = 4.0 * DIVISION + 12.0 * EPS;

/// The normal quantile q, absolute: 1.3e-6 by part math, and a device's log and root (half the one, the whole other, t = √(−log u) of
/// which the quantile is about √2 t) and division.
pub(super) fn quantile_accuracy(q: f64) -> f64 {
    1.3e-6 + q.abs() * (1.5 * ULP + SQRT + DIVISION)
}

/// A share of two gamma draws, absolute: (x (1 − x))^(2/3), at most 0.4, times what the two cubes of 1 + c z take from a normal z, of
/// which |z| ≤ 4, and which is about √n of n; and a dozen roundings and quotients of numbers below 1.
pub(super) const SHARE: f64 = 2.0 * 0.4 * (1.3e-6 + 4.0 * (1.5 * ULP + SQRT + DIVISION)) + 12.0 * EPS + DIVISION;

/// An activation and its slope, relative to the argument and to 1: the largest bounds of the nonlinear ones over |z| ≤ 15, which a test
/// works out, are 15 (tanh) and 23 roundings (GELU by tanh).
pub(super) const FUNCTION: f64 = 24.0 * EPS;

/// E log(1 − tanh² u) and its derivatives, of 1 + |mean| + deviation: 1e-6 by part squash, and a device's exp in weights and terms, 8 and
/// at most 10 roundings of a mean of up to 2 |u|.
pub(super) const SQUASH: f64 = 1e-6 + 18.0 * EPS;

/// A number and a bound of how far f32 is off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    pub value: f64,
    pub error: f64,
}

/// An input, or a number that f32 has exactly.
pub(super) fn exact(value: f64) -> Known {
    Known { value, error: 0.0 }
}

/// A constant that f32 rounds.
pub(super) fn rounded(value: f64) -> Known {
    Known { value, error: EPS * value.abs() }
}

/// What `n` additions round away of each term, in whatever order. A long sum is no chain: lanes and trees add up parts of it, and
/// roundings do not all have one sign.
pub(super) fn roundings(n: usize) -> f64 {
    let n = n as f64;
    EPS * n.min(8.0 * n.sqrt() + 8.0)
}

/// The sum of `terms`.
pub(super) fn sum(terms: &[Known]) -> Known {
    let size: f64 = terms.iter().map(|term| term.value.abs()).sum();
    Known {
        value: terms.iter().map(|term| term.value).sum(),
        error: terms.iter().map(|term| term.error).sum::<f64>() + roundings(terms.len()) * size,
    }
}

impl Known {
    pub(super) fn zero() -> Self {
        exact(0.0)
    }

    /// With so much more error.
    pub(super) fn give(self, error: f64) -> Self {
        Self { error: self.error + error, ..self }
    }

    /// Times a power of two.
    pub(super) fn times(self, power: f64) -> Self {
        Self { value: self.value * power, error: self.error * power.abs() }
    }

    /// A function that is `value` here and has the slope `slope`.
    fn through(self, value: f64, slope: f64) -> Self {
        Self { value, error: self.error * slope.abs() }
    }

    /// Of a function in two forms, one for |x| below a half: whether the other may be taken.
    fn far(self) -> bool {
        self.value.abs() + self.error >= 0.499
    }

    pub(super) fn exp(self) -> Self {
        let e = self.value.min(88.0).exp();
        self.through(e, e).give(exp_accuracy(self.value.clamp(-88.0, 88.0)) * e + TINY)
    }

    pub(super) fn log(self) -> Self {
        self.through(self.value.ln(), 1.0 / self.value).give(log_accuracy(self.value))
    }

    /// e^x − 1 − x.
    pub(super) fn k3(self) -> Self {
        let value = self.value.exp_m1() - self.value;
        let far = if self.far() { exp_accuracy(self.value) * self.value.exp() } else { 0.0 };
        self.through(value, self.value.exp_m1()).give(K3 * value + far)
    }

    pub(super) fn expm1(self) -> Self {
        let value = self.value.exp_m1();
        let far = if self.far() { exp_accuracy(self.value) * self.value.exp() } else { 0.0 };
        self.through(value, self.value.exp()).give(EXPM1 * value.abs() + far)
    }

    pub(super) fn log1p(self) -> Self {
        let value = self.value.ln_1p();
        // A quotient near 0, a log elsewhere, which is beyond [0.5, 2].
        self.through(value, 1.0 / (1.0 + self.value)).give((LOG1P + DIVISION.max(3.0 * ULP)) * value.abs())
    }

    /// 1 / (1 + e^−x).
    pub(super) fn sigmoid(self) -> Self {
        let e = (-self.value.abs()).exp();
        let value = if self.value < 0.0 { e } else { 1.0 } / (1.0 + e);
        let share = if self.value < 0.0 { 1.0 } else { e } / (1.0 + e);
        let own = SIGMOID + DIVISION + share * exp_accuracy(self.value);
        self.through(value, value * (1.0 - value)).give(own * value + TINY)
    }

    /// log(1 + e^x).
    pub(super) fn softplus(self) -> Self {
        let e = (-self.value.abs()).exp();
        let value = self.value.max(0.0) + e.ln_1p();
        let own = SOFTPLUS * value + DIVISION * e.ln_1p() + e / (1.0 + e) * exp_accuracy(self.value);
        self.through(value, if self.value < 0.0 { e } else { 1.0 } / (1.0 + e)).give(own + TINY)
    }

    /// log x by part gamma: near 1 it has its digits.
    pub(super) fn gamma_log(self) -> Self {
        let value = self.value.ln();
        self.through(value, 1.0 / self.value).give((GAMMA_LOG + DIVISION.max(3.0 * ULP)) * value.abs())
    }

    /// d − log(1 + d), where `r` is 1 + d.
    pub(super) fn excess(self, r: Self) -> Self {
        let value = self.value - self.value.ln_1p();
        if self.far() {
            let log = r.log();
            return Self { value, error: self.error + log.error + EPS * value };
        }
        // The quotient s = d / (2 + d) has, squared, twice its error.
        self.through(value, self.value / (1.0 + self.value)).give((GAMMA_EXCESS + 2.0 * DIVISION) * value)
    }

    /// What Stirling's formula leaves of log gamma x, and of its first and second derivative; all fall about like 1/x, 1/x and
    /// 1/x². The values are those of the asymptotic series, within 3 % from x = 1 on.
    pub(super) fn delta(self) -> Self {
        let value = stirling_delta(self.value);
        self.through(value, value / self.value).give((GAMMA_DELTA + DIVISION) * value)
    }

    pub(super) fn rho(self) -> Self {
        let value = stirling_rho(self.value);
        self.through(value, 1.2 * value / self.value).give((GAMMA_RHO + DIVISION) * value)
    }

    pub(super) fn sigma(self) -> Self {
        let t = 1.0 / self.value;
        let value = t * t * (0.5 + t / 6.0 - t.powi(3) / 30.0 + t.powi(5) / 42.0);
        self.through(value, 2.3 * value / self.value).give((GAMMA_SIGMA + 2.0 * DIVISION) * value)
    }
}

fn stirling_delta(x: f64) -> f64 {
    let t = 1.0 / x;
    t * (1.0 / 12.0 - t * t / 360.0 + t.powi(4) / 1260.0)
}

fn stirling_rho(x: f64) -> f64 {
    let t = 1.0 / x;
    t * (0.5 + t / 12.0 - t.powi(3) / 120.0 + t.powi(5) / 252.0)
}

/// delta(y) − delta(x) − delta'(x) (y − x), of second order in the change.
pub(super) fn delta_bend(x: Known, y: Known, change: Known) -> Known {
    let t = 1.0 / x.value;
    let slope = -t * t * (1.0 / 12.0 - t * t / 120.0 + t.powi(4) / 252.0);
    let value = (stirling_delta(y.value) - stirling_delta(x.value) - slope * change.value).abs();
    let relative = 2.0 * change.error / change.value.abs().max(TINY) + 3.0 * (x.error / x.value + y.error / y.value);
    Known { value, error: value * (relative + GAMMA_BEND) }
}

/// rho(y) − rho(x).
pub(super) fn rho_change(x: Known, y: Known, change: Known) -> Known {
    let value = stirling_rho(y.value) - stirling_rho(x.value);
    let relative = change.error / change.value.abs().max(TINY) + 3.0 * (x.error / x.value + y.error / y.value);
    Known { value, error: value.abs() * (relative + GAMMA_BEND) }
}

impl Add for Known {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let value = self.value + other.value;
        Self { value, error: self.error + other.error + EPS * value.abs() }
    }
}

impl Neg for Known {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

impl Sub for Known {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let value = self.value - other.value;
        Self { value, error: self.error + other.error + EPS * value.abs() }
    }
}

impl Mul for Known {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let value = self.value * other.value;
        let carried = self.value.abs() * other.error + other.value.abs() * self.error + self.error * other.error;
        Self { value, error: carried + EPS * value.abs() }
    }
}

impl Div for Known {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self { value, error: (self.error + value.abs() * other.error) / other.value.abs() + DIVISION * value.abs() }
    }
}

mod squash;
#[cfg(test)]
mod tests;
