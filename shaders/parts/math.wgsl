// Functions of one f32 that WGSL lacks, or leaves too inexact to learn with.
//
// Errors below are maxima against f64 over dense grids, in f32 with a correctly rounded exp and log; a device's own exp and
// log (3 + 2|x| ULP) come on top. Polynomials are least-maximum fits made for this file.
// NaN in gives NaN out wherever the device keeps NaN; nothing here makes one, or an infinity, from finite input, except for
// logarithms at 0 and below. What WGSL's own exp, log, min, max and clamp do there differs by driver.

const MATH_HALF_PI_HIGH: f32 = 1.5703125;
const MATH_HALF_PI_MIDDLE: f32 = 4.837512969970703125e-4;
const MATH_HALF_PI_LOW: f32 = 7.549789948768648e-8;

// On the integer bits, because a compiler may assume that floats are finite.
fn math_is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
fn math_is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

// x within low..high. A clamp may swallow a NaN.
fn math_clamp(x: f32, low: f32, high: f32) -> f32 {
    return select(clamp(x, low, high), x, math_is_nan(x));
}

// x, but at most `limit`; NaN stays NaN, also where a compiler takes a comparison for a min.
fn math_at_most(x: f32, limit: f32) -> f32 { return select(min(x, limit), x, math_is_nan(x)); }

// e^x within f32's normal range.
fn math_exp(x: f32) -> f32 {
    return select(exp(clamp(x, -87.0, 88.0)), x, math_is_nan(x));
}

// e^logp, below e^-87 exactly 0: an exp may end above 0, and what is not allowed would have a probability.
fn math_probability(logp: f32) -> f32 { return select(math_exp(logp), 0.0, logp < -87.0); }

// log x with few digits near 1; -infinity at 0, not finite below, as infinite as an infinite x.
fn math_log_far(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let ordinary = bits - 1u < 0x7f7fffffu;  // above 0 and finite
    return select(bitcast<f32>(bits | select(0u, 0xff800000u, x <= 0.0)), log(x), ordinary);
}

// e^d - 1 - d without cancellation, at least 0; relative error 2e-6.
fn math_k3(d: f32) -> f32 {
    let near = abs(d) < 0.5;
    let s = select(0.0, d, near);
    let p = 0.5 + s * (0.16666666 + s * (0.041665796 + s * (0.008333452 + s * (0.0013981997 + s * 1.9875620e-4))));
    return select(math_exp(d) - 1.0 - d, s * s * p, near);
}

// e^x - 1; relative error 4e-7.
fn math_expm1(x: f32) -> f32 {
    return select(math_exp(x) - 1.0, x + math_k3(x), abs(x) < 0.5);
}

// log(1 + x), -infinity at -1; relative error 2e-7. Near 0 it is 2 artanh(s) with s = x / (2 + x): the customary correction by
// (1 + x) - 1 is what compilers optimise away.
fn math_log1p(x: f32) -> f32 {
    let near = x >= -0.5 && x <= 1.0;
    let s = select(0.0, x, near) / (2.0 + select(0.0, x, near));
    let q = s * s;
    let p = 0.3333332 + q * (0.20003811 + q * (0.14117521 + q * 0.13430508));
    return select(math_log_far(1.0 + select(x, 1.0, near)), 2.0 * (s + s * q * p), near);
}

// log x as math_log_far; near 1, where it is 0, too, relative error 3e-7.
fn math_log(x: f32) -> f32 {
    let near = x > 0.5 && x < 2.0;
    return select(math_log_far(x), math_log1p(select(0.0, x - 1.0, near)), near);
}

// Relative error 2e-7. WGSL's loses all digits near 0 and may be NaN beyond |x| = 44.
fn math_tanh(x: f32) -> f32 {
    let a = abs(x);
    let q = min(a, 1.0) * min(a, 1.0);
    let p = -0.33333331 + q * (0.13332902 + q * (-0.053872623 + q * (0.021106109 - q * 0.0062631825)));
    let far = 1.0 - 2.0 / (exp(2.0 * clamp(a, 0.0, 10.0)) + 1.0);
    let y = select(select(far, -far, x < 0.0), x + x * q * p, a < 0.6);
    return select(y, x, math_is_nan(x));
}

// 1 / (1 + e^-x); relative error 2e-7.
fn math_sigmoid(x: f32) -> f32 {
    let e = math_probability(-abs(x));
    return select(select(1.0, e, x < 0.0) / (1.0 + e), x, math_is_nan(x));
}

// log(1 + e^x); relative error 3e-7.
fn math_softplus(x: f32) -> f32 {
    return select(max(x, 0.0) + math_log1p(math_exp(-abs(x))), x, math_is_nan(x));
}

// |x| < 0.9 only.
fn math_erf_near(x: f32) -> f32 {
    let q = x * x;
    return x * (1.1283791 + q * (-0.37612525 + q * (0.11282141 + q * (-0.026778908 + q * (0.0050119618
        - q * 6.0903555e-4)))));
}

// 1 - erf(x); absolute error 2e-7, and relative 2e-6 where it is small (x up to 5).
fn math_erfc(x: f32) -> f32 {
    let z = clamp(abs(x), 0.85, 15.0);
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = 0.28210896 + t * (0.28182405 + t * (0.2487859875 + t * (0.17051271 + t * (0.082772925 + t * (0.049140535
        + t * (-0.19876139 + t * 0.08402927))))));
    let far = math_probability(-z * z) * t * p;
    let y = select(select(far, 2.0 - far, x < 0.0), 1.0 - math_erf_near(clamp(x, -0.9, 0.9)), abs(x) < 0.875);
    return select(y, x, math_is_nan(x));
}

// Absolute error 1e-7; near 0 relative error 2e-7.
fn math_erf(x: f32) -> f32 {
    return select(1.0 - math_erfc(x), math_erf_near(clamp(x, -0.9, 0.9)), abs(x) < 0.875);
}

// (sin x, cos x); absolute error 1e-7 for |x| up to 1,000, where WGSL promises 2^-11 and |x| up to pi only. The first two
// constants have few enough bits for their products with the quadrant to be exact.
fn math_sin_cos(x: f32) -> vec2<f32> {
    let quadrant = round(x * 0.63661977);
    let r = ((x - quadrant * MATH_HALF_PI_HIGH) - quadrant * MATH_HALF_PI_MIDDLE) - quadrant * MATH_HALF_PI_LOW;
    let q = r * r;
    let s = r + r * q * (-0.16666664 + q * (0.0083326893 - q * 1.957823e-4));
    let c = 1.0 - 0.5 * q + q * q * (0.04166666 + q * (-0.001388794 + q * 2.4501693e-5));
    let k = u32(i32(quadrant)) & 3u;
    let sine = select(s, c, (k & 1u) == 1u);
    let cosine = select(c, s, (k & 1u) == 1u);
    return vec2<f32>(select(sine, -sine, k >= 2u), select(cosine, -cosine, k == 1u || k == 2u));
}

fn math_sin(x: f32) -> f32 { return math_sin_cos(x).x; }
fn math_cos(x: f32) -> f32 { return math_sin_cos(x).y; }

// x moved by whole turns into [-pi, pi); absolute error 2e-7 + |x| 6e-8.
fn math_wrap_angle(x: f32) -> f32 {
    let quarters = 4.0 * floor((x + 3.1415927) * 0.15915494);
    return ((x - quarters * MATH_HALF_PI_HIGH) - quarters * MATH_HALF_PI_MIDDLE) - quarters * MATH_HALF_PI_LOW;
}

// The x below which a standard normal falls with probability u, for u in [2^-24, 1 - 2^-24]; absolute error 1.3e-6,
// relative 4e-7 away from 0. Wichura 1988, algorithm AS 241, PPND7, without its far tail.
fn math_normal_quantile(u: f32) -> f32 {
    let q = u - 0.5;
    let r = 0.180625 - q * q;
    let middle = q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)
        / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0);
    let t = sqrt(-log(clamp(min(u, 1.0 - u), 1e-12, 0.5))) - 1.6;
    let tail = (((0.17023821103 * t + 1.3067284816) * t + 2.7568153900) * t + 1.4234372777)
        / ((0.12021132975 * t + 0.73700164250) * t + 1.0);
    return select(select(tail, -tail, q < 0.0), middle, abs(q) <= 0.425);
}
