// (count, mean, M2 / unit^2, unit) of numbers: M2 is the sum of squared deviations from the mean, unit a power of two near the
// largest deviation, so that no square is beyond f32 where the deviation itself is not. Powers of two change no digit.
// Needs part twofloat.

// 2^-100 to 2^100, at most `size` inside that range; 2^100 for what is not finite.
fn moments_unit(size: f32) -> f32 {
    return bitcast<f32>(clamp(bitcast<u32>(size) & 0x7f800000u, 27u << 23u, 227u << 23u));
}

// 1 / unit exactly, which a division need not be.
fn moments_inverse(unit: f32) -> f32 {
    return bitcast<f32>((254u << 23u) - bitcast<u32>(unit));
}

// Empty sides are left out, as n / n need not be 1 on a device: equal numbers have to keep their mean.
fn moments_merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if (a.x == 0.0) {
        return b;
    }
    if (b.x == 0.0) {
        return a;
    }
    let count = a.x + b.x;
    let share = b.x / count;
    let d = b.y - a.y;
    let unit = max(max(a.w, b.w), moments_unit(abs(d)));
    let inverse = moments_inverse(unit);
    let own = a.w * inverse;
    let other = b.w * inverse;
    let between = d * inverse;
    return vec4<f32>(
        count, a.y + d * share, a.z * (own * own) + b.z * (other * other) + between * between * a.x * share, unit);
}

// (count, mean, deviation, rest of the mean) of numbers that were shifted by `origin`; all 0 without a number.
fn moments_result(m: vec4<f32>, origin: f32, zero: u32) -> vec4<f32> {
    if (m.x == 0.0) {
        return vec4<f32>();
    }
    let mean = twofloat_sum(origin, m.y, zero);
    let variance = twofloat_divide(vec2<f32>(m.z, 0.0), vec2<f32>(m.x, 0.0), zero);
    return vec4<f32>(m.x, mean.x, twofloat_sqrt(variance, zero).x * m.w, mean.y);
}
