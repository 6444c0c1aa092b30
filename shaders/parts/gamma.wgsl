// The logarithm of the gamma function and its derivatives at x >= 1, by what is left of them after Stirling's formula.
//
// Needs part math. With t = 1/x and one polynomial s (powers 0 to 8 of t, made for this file):
//   digamma' x = t + sigma,  sigma = t^2 (s_0 + s_1 t + ...)
//   digamma x = log x - rho, rho = t (s_0 + s_1 t / 2 + s_2 t^2 / 3 + ...)
//   log gamma x = (x - 1/2) log x - x + log(2 pi) / 2 + delta,
//     delta = t (s_1 / 2 + s_2 t / 6 + ... + s_k t^(k - 1) / (k (k + 1)) + ...)
// A sum such as log gamma a + log gamma b - log gamma (a + b) keeps its digits if Stirling's terms are put together by hand
// and only the deltas are added. Errors are maxima against f64 over 1 <= x <= 1e8: sigma 5e-7, rho 2e-7, delta 3e-7, relative.

// d - log(1 + d) without cancellation, at least 0; `r` is 1 + d, of which d alone may not know the digits. Relative error 1e-6.
fn gamma_excess(d: f32, r: f32) -> f32 {
    let near = abs(d) < 0.5;
    let n = select(0.0, d, near);
    let s = n / (2.0 + n);
    let q = s * s;
    let p = 0.3333332 + q * (0.20003811 + q * (0.14117521 + q * 0.13430508));
    return select(d - math_log_far(select(r, 1.0, near)), n * s - 2.0 * s * q * p, near);
}

fn gamma_delta(x: f32) -> f32 {
    let t = 1.0 / x;
    return t * (0.083333336 + t * (-1.5202063e-7 + t * (-0.0027702395 + t * (-7.6694865e-5 + t * (0.0011312792
        + t * (-7.6614221e-4 + t * (2.4006949e-4 - t * 2.9987070e-5)))))));
}

fn gamma_rho(x: f32) -> f32 {
    let t = 1.0 / x;
    return t * (0.5 + t * (0.083333336 + t * (-3.0404127e-7 + t * (-0.0083107185 + t * (-3.0677946e-4
        + t * (0.0056563956 + t * (-0.0045968532 + t * (0.0016804865 - t * 2.3989656e-4))))))));
}

fn gamma_sigma(x: f32) -> f32 {
    let t = 1.0 / x;
    return t * t * (0.5 + t * (0.16666667 + t * (-9.1212377e-7 + t * (-0.033242874 + t * (-0.0015338972
        + t * (0.033938374 + t * (-0.032177974 + t * (0.013443892 - t * 0.0021590691))))))));
}

// Relative error 8e-7, also near the zeros at 1 and 2.
fn gamma_lgamma(x: f32) -> f32 {
    let z = clamp(x, 1.0, 2.5) - 1.75;
    let p = 0.45013934 + z * (-0.11948160 + z * (0.044518236 + z * (-0.019052785 + z * (0.0088072745 + z * (-0.0042425953
        + z * (0.0019473353 + z * (-9.8194624e-4 + z * (8.2184171e-4 - z * 4.2998214e-4))))))));
    let far = (x - 0.5) * (math_log_far(x) - 1.0) + (0.41893853 + gamma_delta(x));
    return select(far, (x - 1.0) * (x - 2.0) * p, x < 2.5);
}

// Error 4e-7 of the result, or of 1 where that is larger (there is a zero at 1.46).
fn gamma_digamma(x: f32) -> f32 {
    return math_log(x) - gamma_rho(x);
}

// Relative error 3e-7.
fn gamma_trigamma(x: f32) -> f32 {
    return 1.0 / x + gamma_sigma(x);
}

// Of a polynomial P: its divided differences P[t, t, u], P[t, u], P(u), P[t, t] = P'(t) and P(t).
struct GammaHorner { ttu: f32, tu: f32, u: f32, tt: f32, t: f32 }

// Horner's rule for all of them: P becomes z P + coefficient.
fn gamma_horner(h: GammaHorner, t: f32, u: f32, coefficient: f32) -> GammaHorner {
    return GammaHorner(t * h.ttu + h.tu, t * h.tu + h.u, u * h.u + coefficient, t * h.tt + h.t, t * h.t + coefficient);
}

// delta(y) - delta(x) - delta'(x) (y - x), where y - x is known as `change`: of second order in it, and nothing cancels.
fn gamma_delta_bend(x: f32, y: f32, change: f32) -> f32 {
    let t = 1.0 / x;
    let u = 1.0 / y;
    var h = GammaHorner();
    h = gamma_horner(h, t, u, -2.9987070e-5);
    h = gamma_horner(h, t, u, 2.4006949e-4);
    h = gamma_horner(h, t, u, -7.6614221e-4);
    h = gamma_horner(h, t, u, 0.0011312792);
    h = gamma_horner(h, t, u, -7.6694865e-5);
    h = gamma_horner(h, t, u, -0.0027702395);
    h = gamma_horner(h, t, u, -1.5202063e-7);
    h = gamma_horner(h, t, u, 0.083333336);
    h = gamma_horner(h, t, u, 0.0);
    // As a function of t it is P, and P(u) - P(t) - P'(t) (u - t) is (u - t)^2 P[t, t, u]; the rest is that 1/x is curved.
    let step = change * t;
    return step * step * u * (u * h.ttu + h.tt);
}

// rho(y) - rho(x), where y - x is known as `change`.
fn gamma_rho_change(x: f32, y: f32, change: f32) -> f32 {
    let t = 1.0 / x;
    let u = 1.0 / y;
    var h = GammaHorner();
    h = gamma_horner(h, t, u, -2.3989656e-4);
    h = gamma_horner(h, t, u, 0.0016804865);
    h = gamma_horner(h, t, u, -0.0045968532);
    h = gamma_horner(h, t, u, 0.0056563956);
    h = gamma_horner(h, t, u, -3.0677946e-4);
    h = gamma_horner(h, t, u, -0.0083107185);
    h = gamma_horner(h, t, u, -3.0404127e-7);
    h = gamma_horner(h, t, u, 0.083333336);
    h = gamma_horner(h, t, u, 0.5);
    h = gamma_horner(h, t, u, 0.0);
    return -change * t * u * h.tu;
}
