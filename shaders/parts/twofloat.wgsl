// Numbers of 48 bits as the sum of two f32: x is the sum rounded, y what rounding left.
//
// What it stands on: WGSL lets a compiler reassociate sums and fuse products, after which (a + b) - a is b and every error
// term is 0 (seen on lavapipe). So each result passes through twofloat_opaque: its bits XOR `zero`, a 0 that the kernel loads
// from a uniform or a buffer and no compiler knows. Nothing is reassociated or fused across integer operations. What is left
// is that f32 +, - and * are correctly rounded, which WGSL promises; halves of a product are cut on the bits, as WGSL's fma
// need not be fused. Subnormals may be flushed: products below 1e-31 have no error term.
//
// Knuth 1969 (sum), Dekker 1971 (product), Joldes, Muller & Popescu 2017 (add, multiply). In units of 2^-48 of the result:
// add 4 (of |a| + |b|, where signs differ), multiply 8, divide and sqrt 16. A number that is not finite, or beyond f32, gives
// one that is not finite.

fn twofloat_opaque(x: f32, zero: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ zero);
}

// a + b exactly.
fn twofloat_sum(a: f32, b: f32, zero: u32) -> vec2<f32> {
    let p = twofloat_opaque(a, zero);
    let q = twofloat_opaque(b, zero);
    let sum = twofloat_opaque(p + q, zero);
    let of_b = twofloat_opaque(sum - p, zero);
    let of_a = twofloat_opaque(sum - of_b, zero);
    return vec2<f32>(sum, twofloat_opaque(twofloat_opaque(p - of_a, zero) + twofloat_opaque(q - of_b, zero), zero));
}

// The same where |a| is at least |b|, or a is 0.
fn twofloat_quick_sum(a: f32, b: f32, zero: u32) -> vec2<f32> {
    let p = twofloat_opaque(a, zero);
    let q = twofloat_opaque(b, zero);
    let sum = twofloat_opaque(p + q, zero);
    return vec2<f32>(sum, twofloat_opaque(q - twofloat_opaque(sum - p, zero), zero));
}

// x rounded to 12 bits; with what is left (11 bits and a sign) all products of halves are exact.
fn twofloat_upper(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) + 0x800u) & 0xfffff000u);
}

// a * b exactly.
fn twofloat_product(a: f32, b: f32, zero: u32) -> vec2<f32> {
    let p = twofloat_opaque(a, zero);
    let q = twofloat_opaque(b, zero);
    let product = twofloat_opaque(p * q, zero);
    let upper_p = twofloat_upper(p);
    let upper_q = twofloat_upper(q);
    let lower_p = twofloat_opaque(p - upper_p, zero);
    let lower_q = twofloat_opaque(q - upper_q, zero);
    var error = twofloat_opaque(twofloat_opaque(upper_p * upper_q, zero) - product, zero);
    error = twofloat_opaque(error + twofloat_opaque(upper_p * lower_q, zero), zero);
    error = twofloat_opaque(error + twofloat_opaque(lower_p * upper_q, zero), zero);
    return vec2<f32>(product, twofloat_opaque(error + twofloat_opaque(lower_p * lower_q, zero), zero));
}

fn twofloat_add(a: vec2<f32>, b: vec2<f32>, zero: u32) -> vec2<f32> {
    let upper = twofloat_sum(a.x, b.x, zero);
    let lower = twofloat_sum(a.y, b.y, zero);
    let sum = twofloat_quick_sum(upper.x, upper.y + lower.x, zero);
    return twofloat_quick_sum(sum.x, sum.y + lower.y, zero);
}

fn twofloat_multiply(a: vec2<f32>, b: vec2<f32>, zero: u32) -> vec2<f32> {
    let product = twofloat_product(a.x, b.x, zero);
    return twofloat_quick_sum(product.x, product.y + (a.x * b.y + a.y * b.x), zero);
}

// a / b, for |b.x| and the quotient between 1e-30 and 1e30.
fn twofloat_divide(a: vec2<f32>, b: vec2<f32>, zero: u32) -> vec2<f32> {
    let first = twofloat_opaque(a.x / b.x, zero);
    let left = twofloat_add(a, -twofloat_multiply(b, vec2<f32>(first, 0.0), zero), zero);
    return twofloat_quick_sum(first, left.x / b.x, zero);
}

// The root of a, between 1e-30 and 1e30, and 0 where a is not above 0: a step of Newton from WGSL's root.
fn twofloat_sqrt(a: vec2<f32>, zero: u32) -> vec2<f32> {
    if (!(a.x > 0.0)) {
        return vec2<f32>();
    }
    let first = twofloat_opaque(sqrt(a.x), zero);
    let left = twofloat_add(a, -twofloat_product(first, first, zero), zero);
    return twofloat_quick_sum(first, 0.5 * left.x / first, zero);
}

// x minus the pair, rounded once.
fn twofloat_less(x: f32, a: vec2<f32>, zero: u32) -> f32 {
    let d = twofloat_sum(x, -a.x, zero);
    return d.x + twofloat_opaque(d.y - twofloat_opaque(a.y, zero), zero);
}

// The pair cut to the 53 bits that an f64 holds, so that a saved state is the same state.
fn twofloat_fit(a: vec2<f32>) -> vec2<f32> {
    let upper = i32((bitcast<u32>(a.x) >> 23u) & 255u);
    let lower = i32((bitcast<u32>(a.y) >> 23u) & 255u);
    // The last bit of an f64 is 2^-52 of its first, the last bit of y 2^-23 of y's first.
    let cut = (upper - 52) - (lower - 23);
    if (cut >= 24 || lower == 0) {
        return vec2<f32>(a.x, 0.0);
    }
    return vec2<f32>(a.x, bitcast<f32>(bitcast<u32>(a.y) & (0xffffffffu << u32(max(cut, 0)))));
}
