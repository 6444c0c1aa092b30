// What tanh does to the density and the entropy of a normal u: with a = tanh u, log p(a) = log p(u) - log(1 - a^2). And
// a number that tanh holds between two others.
//
// Needs part math.

const SQUASH_LOG_2: f32 = 0.69314718;

// log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)), an even function of u.
fn squash_log_slope(u: f32) -> f32 {
    return 2.0 * (SQUASH_LOG_2 - abs(u) - math_log1p(math_exp(-2.0 * abs(u))));
}

// 1 - tanh(u)^2, which does not cancel where tanh is near 1.
fn squash_slope(u: f32) -> f32 {
    let e = math_exp(-2.0 * abs(u));
    return 4.0 * e / ((1.0 + e) * (1.0 + e));
}

// low + (high - low) (tanh(x) + 1) / 2, of which the fraction is sigmoid(2 x): below 0 it keeps its digits.
fn squash_between(x: f32, low: f32, high: f32) -> f32 { return low + (high - low) * math_sigmoid(2.0 * x); }

// Its derivative by x.
fn squash_between_slope(x: f32, low: f32, high: f32) -> f32 { return 0.5 * (high - low) * squash_slope(x); }

// Its rise from x = before to x = after, with the digits of the difference wherever they lie: sigmoid(q) - sigmoid(p) is
// sigmoid(q) sigmoid(-p) (1 - e^(p - q)), where p is the lower one, so that the power is at most 1.
fn squash_between_rise(before: f32, after: f32, low: f32, high: f32) -> f32 {
    let falls = after < before;
    let p = 2.0 * select(before, after, falls);
    let q = 2.0 * select(after, before, falls);
    let size = -(high - low) * math_sigmoid(q) * math_sigmoid(-p) * math_expm1(p - q);
    return select(size, -size, falls);
}

// E log(1 - tanh(u)^2) for u = mean + deviation z, z a standard normal: its value, and its derivatives by the mean and by the
// logarithm of the deviation. The trapezoidal rule, which converges exponentially for such integrands, over whichever of two
// variables makes the integrand smooth. Error below 1e-6 of 1 + |mean| + deviation, all three.
fn squash_entropy(mean: f32, deviation: f32) -> vec3<f32> {
    var sum = vec3<f32>();
    if (deviation < 1.5) {
        // Over z, in 29 steps of 0.4; weights e^(-z^2 / 2).
        for (var i = 0u; i < 29u; i += 1u) {
            let z = 0.4 * (f32(i) - 14.0);
            let u = mean + deviation * z;
            let slope = -2.0 * math_tanh(u);
            sum += math_exp(-0.5 * z * z) * vec3<f32>(squash_log_slope(u), slope, slope * deviation * z);
        }
        return sum / 6.2665707;
    }
    // 1 - tanh(y)^2 is twice the density of a variable y whose E|u - y| is (2 log 2 - log(1 - tanh(u)^2)) / 2. Over y, in 37
    // steps of 0.5; then mean - y + deviation z is a normal, and the mean of its size is known.
    for (var i = 0u; i < 37u; i += 1u) {
        let y = 0.5 * (f32(i) - 18.0);
        let e = math_exp(-2.0 * abs(y));
        let q = (mean - y) / deviation;
        let side = math_erf(0.70710678 * q);
        // sqrt(2 / pi).
        let spread = 0.79788456 * deviation * math_exp(-0.5 * q * q);
        sum += 4.0 * e / ((1.0 + e) * (1.0 + e)) * vec3<f32>((mean - y) * side + spread, side, spread);
    }
    return vec3<f32>(2.0 * SQUASH_LOG_2, 0.0, 0.0) - 2.0 * sum / 4.0000008;
}
