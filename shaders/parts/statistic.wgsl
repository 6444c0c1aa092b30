// A running mean and variance, merged with the moments of one batch after another. Needs parts math and twofloat.
//
// In a buffer it is STATISTIC_WORDS u32 words: mean and variance as pairs of f32 (bits), as what one row moves a long history
// by is below the last digit of an f32; count of rows (low word, high word); what the count began with (f32 bits), which
// need not be whole; and a 0, which no compiler knows and the pairs stand on. The count stays exact where an f32 would not
// move any more.

const STATISTIC_WORDS: u32 = 8u;

struct Statistic {
    mean: vec2<f32>,
    variance: vec2<f32>,
    // Low word, high word.
    count: vec2<u32>,
    initial: f32,
    zero: u32,
    // 1: the last merge changed nothing, as the result would not have been within f32.
    refused: u32,
}

// From its first four words and its last four.
fn statistic_of(first: vec4<u32>, last: vec4<u32>) -> Statistic {
    return Statistic(
        bitcast<vec2<f32>>(first.xy), bitcast<vec2<f32>>(first.zw), last.xy, bitcast<f32>(last.z), last.w, 0u);
}

// The first four words.
fn statistic_words(s: Statistic) -> vec4<u32> {
    return vec4<u32>(bitcast<vec2<u32>>(s.mean), bitcast<vec2<u32>>(s.variance));
}

fn statistic_is_finite(a: vec2<f32>) -> bool {
    return math_is_finite(a.x) && math_is_finite(a.y);
}

// Chan, Golub & LeVeque's merge with `rows` more numbers (at least 1) of this mean and deviation (by rows, not rows - 1). Where
// the new moments are beyond f32 the old ones stay; the count is of all.
//
// Products take the share before the second factor, so that no square has to be within f32 by itself.
fn statistic_merge(s: Statistic, rows: u32, mean: vec2<f32>, deviation: f32) -> Statistic {
    let low = s.count.x + rows;
    // A count that is full stays so.
    let carry = low < rows;
    let full = carry && s.count.y == 0xffffffffu;
    let count = select(vec2<u32>(low, s.count.y + select(0u, 1u, carry)), vec2<u32>(0xffffffffu), full);
    let n = vec2<f32>(f32(rows), 0.0);
    // Words of 32 bits, in halves that an f32 holds.
    let words = twofloat_sum(
        f32(s.count.y) * 4294967296.0, twofloat_opaque(f32(s.count.x >> 16u) * 65536.0, s.zero), s.zero);
    let before = twofloat_add(words, twofloat_sum(f32(s.count.x & 0xffffu), s.initial, s.zero), s.zero);
    var to = mean;
    var variance = twofloat_product(deviation, deviation, s.zero);
    // n / n need not be 1 on a device.
    if (before.x > 0.0) {
        let total = twofloat_add(before, n, s.zero);
        let share = twofloat_divide(n, total, s.zero);
        let keep = twofloat_divide(before, total, s.zero);
        let d = twofloat_add(mean, -s.mean, s.zero);
        let moved = twofloat_multiply(d, share, s.zero);
        let own = vec2<f32>(deviation, 0.0);
        to = twofloat_add(s.mean, moved, s.zero);
        variance = twofloat_add(
            twofloat_multiply(s.variance, keep, s.zero),
            twofloat_add(
                twofloat_multiply(twofloat_multiply(own, share, s.zero), own, s.zero),
                twofloat_multiply(moved, twofloat_multiply(d, keep, s.zero), s.zero), s.zero),
            s.zero);
    }
    if (!(statistic_is_finite(to) && statistic_is_finite(variance))) {
        return Statistic(s.mean, s.variance, count, s.initial, s.zero, 1u);
    }
    return Statistic(twofloat_fit(to), twofloat_fit(variance), count, s.initial, s.zero, 0u);
}

// What deviations from the mean are divided by: sqrt(variance + eps), or sqrt(variance) + eps.
fn statistic_scale(s: Statistic, eps: f32, outside_root: u32) -> f32 {
    if (outside_root == 1u) {
        return sqrt(s.variance.x) + eps;
    }
    return sqrt(s.variance.x + eps);
}

// (x - shift) / scale within +-clip; 0 where there is no scale, no limit where clip is 0; NaN where the scale is not finite.
fn statistic_normalize(x: f32, shift: vec2<f32>, scale: f32, clip: f32, zero: u32) -> f32 {
    if (scale == 0.0) {
        return 0.0;
    }
    // No clip may hide it.
    if (!math_is_finite(scale)) {
        return bitcast<f32>(0x7fc00000u ^ zero);
    }
    let y = twofloat_less(x, shift, zero) / scale;
    if (clip > 0.0) {
        return math_clamp(y, -clip, clip);
    }
    return y;
}
