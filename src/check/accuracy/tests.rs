use super::*;
use crate::policy::Activation;

const TANH: f64 = 2e-7;
const ERFC: (f64, f64) = (2e-7, 2e-6);

fn tanh(x: Known) -> Known {
    let (a, y) = (x.value.abs(), x.value.tanh());
    let mut own = TANH * y.abs();
    if a > 0.599 {
        // 1 − 2 / (e^2a + 1).
        own += (1.0 - y.abs()) * (exp_accuracy(2.0 * a.min(10.0)) + DIVISION);
    }
    x.through(y, 1.0 - y * y).give(own)
}

fn gelu_argument(x: f64) -> Known {
    let c = exact(x);
    rounded(1.5957691) * (c + rounded(0.044715) * c * c * c)
}

/// 1 − erf(x), by libm's series of part math's accuracy: only its bound counts here.
fn erfc(x: Known) -> Known {
    let z = x.value.abs();
    // Abramowitz and Stegun 7.1.26.
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let far = (-z * z).exp()
        * t
        * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let value = if x.value < 0.0 { 2.0 - far } else { far };
    let slope = 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp();
    let own = if z < 0.875 { 0.0 } else { far * (exp_accuracy(z * z) + 4.0 * EPS * z * z + 2.0 * DIVISION) };
    x.through(value, slope).give(own + ERFC.0.min(ERFC.1 * value) + EPS * value)
}

fn apply(f: Activation, z: f64) -> Known {
    let x = exact(z);
    match f {
        Activation::Tanh => tanh(x),
        Activation::Elu if z < 0.0 => x.expm1(),
        Activation::Silu => x * x.sigmoid(),
        Activation::GeluTanh => x * gelu_argument(z).sigmoid(),
        Activation::GeluErf => x.times(0.5) * erfc(rounded(-std::f64::consts::FRAC_1_SQRT_2) * x),
        _ => x,
    }
}

/// Of what a forward pass keeps.
fn slope(f: Activation, z: f64) -> Known {
    let x = exact(z);
    match f {
        Activation::Tanh => exact(1.0) - exact(z.tanh()) * exact(z.tanh()),
        Activation::Elu if z < 0.0 => exact(z.exp_m1()) + exact(1.0),
        Activation::Silu => x.sigmoid() * (exact(1.0) + x * (-x).sigmoid()),
        Activation::GeluTanh => {
            let (u, c) = (gelu_argument(z), exact(z));
            let s = u.sigmoid();
            let inner = exact(1.0) + rounded(0.134145) * c * c;
            s + c * s * (-u).sigmoid() * rounded(1.5957691) * inner
        }
        Activation::GeluErf => {
            let half = erfc(rounded(-std::f64::consts::FRAC_1_SQRT_2) * x).times(0.5);
            half + x * rounded(0.39894228) * (x * x).times(-0.5).exp()
        }
        _ => exact(1.0),
    }
}

#[test]
fn activations_are_known_as_well_as_is_said() {
    let (mut most, mut steepest) = (0.0_f64, 0.0_f64);
    for f in Activation::ALL {
        for z in (-15_000..=15_000).filter(|i| *i != 0).map(|i| f64::from(i) * 1e-3) {
            most = most.max(apply(f, z).error / z.abs());
            steepest = steepest.max(slope(f, z).error);
        }
    }
    assert!(most <= FUNCTION && steepest <= FUNCTION, "{} and {} roundings", most / EPS, steepest / EPS);
    assert!(steepest > 0.8 * FUNCTION, "{} roundings are allowed, {}", FUNCTION / EPS, steepest / EPS);
}

#[test]
fn bounds_add_up() {
    let (a, b) = (Known { value: 3.0, error: 0.1 }, Known { value: -2.0, error: 0.01 });
    let near = |got: Known, value: f64, error: f64| {
        assert!((got.value - value).abs() < 1e-12, "{got:?}");
        assert!(got.error >= error && got.error < error * 1.01 + 1e-3, "{got:?}, {error}");
    };
    near(a + b, 1.0, 0.11);
    near(a - b, 5.0, 0.11);
    near(a * b, -6.0, 0.23);
    near(a / b, -1.5, (0.1 + 1.5 * 0.01) / 2.0);
    near(a.exp(), 3.0_f64.exp(), 0.1 * 3.0_f64.exp());
    near(a.log(), 3.0_f64.ln(), 0.1 / 3.0);
    near(sum(&[a, b, a]), 4.0, 0.21);
    // Nothing is exact but what has no operation.
    assert!((exact(3.0) - exact(1.0)).error == 2.0 * EPS && exact(2.0).times(0.5).error == 0.0);
}
