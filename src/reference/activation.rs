//! Activation functions and their derivatives, as their papers have them.

use super::Real;
use crate::policy::Activation;

/// f(z), see [`Activation`].
pub fn activate<F: Real>(f: Activation, z: F) -> F {
    let (one, half) = (F::one(), F::of(0.5));
    match f {
        Activation::Identity => z,
        Activation::Tanh => z.tanh(),
        // Not `max`, which would turn NaN into 0.
        Activation::Relu => {
            if z <= F::zero() {
                F::zero()
            } else {
                z
            }
        }
        Activation::Elu => {
            if z > F::zero() {
                z
            } else {
                z.exp_m1()
            }
        }
        Activation::Silu => z * sigmoid(z),
        Activation::GeluTanh => half * z * (one + gelu_inner(z).tanh()),
        Activation::GeluErf => half * z * (one + (z * F::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
    }
}

/// f'(z), where y = f(z) is known. Identity, tanh and relu read y alone.
pub fn derivative<F: Real>(f: Activation, z: F, y: F) -> F {
    let (zero, one, half) = (F::zero(), F::one(), F::of(0.5));
    match f {
        Activation::Identity => one,
        Activation::Tanh => one - y * y,
        Activation::Relu => {
            if y > zero {
                one
            } else {
                zero
            }
        }
        Activation::Elu => {
            if z > zero {
                one
            } else {
                z.exp()
            }
        }
        Activation::Silu => {
            let s = sigmoid(z);
            s * (one + z * (one - s))
        }
        Activation::GeluTanh => {
            let t = gelu_inner(z).tanh();
            let inner = F::of(GELU_SCALE) * (one + F::of(3.0 * GELU_CUBIC) * z * z);
            half * (one + t) + half * z * (one - t * t) * inner
        }
        Activation::GeluErf => {
            let density = F::of(1.0 / (2.0 * std::f64::consts::PI).sqrt()) * (-half * z * z).exp();
            half * (one + (z * F::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) + z * density
        }
    }
}

/// √(2/π).
pub(super) const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
pub(super) const GELU_CUBIC: f64 = 0.044_715;

fn gelu_inner<F: Real>(z: F) -> F {
    F::of(GELU_SCALE) * (z + F::of(GELU_CUBIC) * z * z * z)
}

fn sigmoid<F: Real>(z: F) -> F {
    F::one() / (F::one() + (-z).exp())
}
