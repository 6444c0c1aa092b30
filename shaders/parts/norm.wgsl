// The gradient's norm over fixed spans of its elements, by workgroups of 64. Needs parts math and loops; a kernel provides
// norm_partials.
//
// Sums are (x, y, z, w): squares of one group of elements and of the value's, z and w those of elements above 2^50 in units of
// 2^160. So a finite gradient's norm is known wherever it is within f32 itself, although squares end at 1.8e19; and where all
// elements are ordinary, x and y are plain sums of squares. An element that is not finite adds NORM_BROKEN to z, which finite
// ones do not reach: at most 2^96 each.

const NORM_SPAN: u32 = 256u;  // elements of one partial
const NORM_LARGE: f32 = 1125899906842624.0;         // 2^50
const NORM_UNIT: f32 = 1.2089258196146292e24;       // 2^80
const NORM_INVERSE: f32 = 8.271806125530277e-25;    // 2^-80
const NORM_BROKEN: f32 = 8.507059173023462e37;      // 2^126
const NORM_WHOLE: f32 = 4.253529586511731e37;       // 2^125

var<workgroup> norm_sums: array<vec4<f32>, 64>;

// Takes in one element.
fn norm_add(own: vec4<f32>, g: f32, of_value: bool) -> vec4<f32> {
    if (!math_is_finite(g)) {
        return own + vec4<f32>(0.0, 0.0, NORM_BROKEN, 0.0);
    }
    let large = abs(g) > NORM_LARGE;
    let scaled = g * select(1.0, NORM_INVERSE, large);
    let square = scaled * scaled;
    let pair = select(vec2<f32>(square, 0.0), vec2<f32>(0.0, square), of_value);
    return own + select(vec4<f32>(pair, 0.0, 0.0), vec4<f32>(0.0, 0.0, pair), large);
}

// Whether all elements were finite. On the bits, as a sum of several broken ones is not finite itself.
fn norm_is_whole(sums: vec4<f32>) -> bool {
    return bitcast<u32>(sums.z) < bitcast<u32>(NORM_WHOLE) && math_is_finite(sums.x) && math_is_finite(sums.y);
}

// The root of such a pair: squares, and large ones in units of 2^160.
fn norm_root(squares: f32, large: f32) -> f32 {
    let ordinary = sqrt(max(squares, 0.0));
    if (!(large > 0.0)) {
        return ordinary;
    }
    // Never 2^-160, which is 0 in f32: neither here nor where a compiler multiplies constants first.
    let most = max(sqrt(large) * NORM_UNIT, ordinary);
    let least = min(sqrt(large) * NORM_UNIT, ordinary);
    return most * sqrt(1.0 + (least / most) * (least / most));
}

// The sum over all lanes.
fn norm_total(lane: u32, own: vec4<f32>) -> vec4<f32> {
    norm_sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(32u, arrayLength(&norm_partials)); half > 0u; half /= 2u) {
        if (lane < half) {
            norm_sums[lane] += norm_sums[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    return norm_sums[0];
}
