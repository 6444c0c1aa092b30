//! Numbers as NumPy 2 computes with scalars (its NEP 50), for environments whose Gymnasium code mixes precisions.
//!
//! NumPy 1 looked at values and made every one of these products a float64.

/// What a scalar is in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `float`: takes the precision of what it meets.
    Weak,
    /// `numpy.float32`.
    Single,
    /// `numpy.float64`.
    Double,
}

/// A number with its precision. Comparisons are methods, as they round, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar {
    value: f64,
    kind: Kind,
}

impl Scalar {
    /// A Python `float`.
    pub const fn weak(value: f64) -> Self {
        Self { value, kind: Kind::Weak }
    }

    /// A `numpy.float32`.
    pub fn single(value: f32) -> Self {
        Self { value: value.into(), kind: Kind::Single }
    }

    /// A `numpy.float64`.
    pub const fn double(value: f64) -> Self {
        Self { value, kind: Kind::Double }
    }

    /// Its number, widened.
    pub const fn value(self) -> f64 {
        self.value
    }

    /// Both in the precision in which the two meet. f64 has more than twice the digits of f32, so that a sum or a product
    /// taken in it and then rounded is that of f32.
    fn meet(self, other: Self) -> (f64, f64, Kind) {
        match (self.kind, other.kind) {
            (Kind::Double, _) | (_, Kind::Double) => (self.value, other.value, Kind::Double),
            (Kind::Weak, Kind::Weak) => (self.value, other.value, Kind::Weak),
            _ => (rounded(self.value), rounded(other.value), Kind::Single),
        }
    }

    fn of(value: f64, kind: Kind) -> Self {
        Self { value: if kind == Kind::Single { rounded(value) } else { value }, kind }
    }

    /// Whether it is above `other`.
    pub fn above(self, other: Self) -> bool {
        let (a, b, _) = self.meet(other);
        a > b
    }

    /// Whether it is `other` or above it.
    pub fn reaches(self, other: Self) -> bool {
        let (a, b, _) = self.meet(other);
        a >= b
    }

    /// Whether the two are equal.
    pub fn equals(self, other: Self) -> bool {
        let (a, b, _) = self.meet(other);
        a == b
    }

    /// `numpy.clip`, which keeps the precision.
    pub fn clip(self, low: f64, high: f64) -> Self {
        Self::of(self.value.clamp(low, high), self.kind)
    }

    /// Itself, or the `float` beyond which it lies: a clip by comparisons, after which a number may have another precision.
    pub fn within(self, low: f64, high: f64) -> Self {
        let (low, high) = (Self::weak(low), Self::weak(high));
        if self.above(high) {
            high
        } else if low.above(self) {
            low
        } else {
            self
        }
    }
}

fn rounded(value: f64) -> f64 {
    f64::from(value as f32)
}

macro_rules! operator {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl std::ops::$trait for Scalar {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                let (a, b, kind) = self.meet(other);
                Self::of(a $operator b, kind)
            }
        }
    };
}

operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);

#[cfg(test)]
mod tests {
    use super::*;

    /// What NumPy 2.4.6 printed, `type(x).__name__` and the number.
    #[test]
    fn precisions_meet_as_in_numpy_2() {
        let third = Scalar::single(0.3);
        for (got, kind, value) in [
            (third * Scalar::weak(0.0015), Kind::Single, f64::from(0.3_f32 * 0.0015_f32)),
            (Scalar::weak(-1.0) * Scalar::weak(0.0015), Kind::Weak, -0.0015),
            (third - Scalar::weak(1e-9), Kind::Single, f64::from(0.3_f32)),
            (Scalar::double(0.0) + third, Kind::Double, f64::from(0.3_f32)),
            (third + Scalar::double(1e-12), Kind::Double, f64::from(0.3_f32) + 1e-12),
            (third.within(-1.0, 1.0), Kind::Single, f64::from(0.3_f32)),
            (third.within(-1.0, 0.07), Kind::Weak, 0.07),
            (third.within(0.4, 1.0), Kind::Weak, 0.4),
            (Scalar::single(3.0).clip(-2.0, 2.0), Kind::Single, 2.0),
        ] {
            assert_eq!((got.kind, got.value), (kind, value));
        }
        // In f64 −1.2 lies above the nearest f32, and 0.45 above its own.
        let (wall, goal) = (Scalar::single(-1.2), Scalar::single(0.45));
        assert!(wall.equals(Scalar::weak(-1.2)) && !wall.equals(Scalar::double(-1.2)));
        assert!(goal.reaches(Scalar::weak(0.45)) && !goal.reaches(Scalar::double(0.45)));
        assert!(!Scalar::double(f64::NAN).reaches(goal) && !Scalar::double(f64::NAN).above(goal));
    }
}
