// Moments of one segment after another merged into a running statistic, and what each segment's numbers are to be shifted and
// divided by once the statistic includes it.
//
// Needs parts math, twofloat and statistic. One workgroup: the merges follow each other, the lanes only load and store.
//
// moments      [segments] of (count, mean, deviation, rest of the mean), as reduce_moments leaves them; not read where
//              segments is 0
// statistic    [STATISTIC_WORDS] u32 words, see part statistic
// coefficients [max(segments, 1)] of (shift, scale, rest of the shift, 0)
//
// Operations: 400 a segment, most of them of pairs; bytes: 32.

struct Params {
    // 0: the statistic stays as it is, and gives the one pair of coefficients.
    segments: u32,
    // 1: the shift is the mean; 0: it is 0.
    center: u32,
    // 1: eps is added to the deviation; 0: to the variance.
    outside_root: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> moments: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> statistic: array<u32>;
@group(0) @binding(3) var<storage, read_write> coefficients: array<vec4<f32>>;

override WG: u32 = 64u;

var<workgroup> scratch: array<vec4<f32>, WG>;

// Of numbers that the statistic could not take in the scale is NaN, and so is what is scaled: an error must be one.
fn coefficients_of(s: Statistic) -> vec4<f32> {
    let shift = select(vec2<f32>(), s.mean, params.center == 1u);
    let scale = statistic_scale(s, params.eps, params.outside_root);
    let none = bitcast<f32>(0x7fc00000u ^ s.zero);
    return vec4<f32>(shift.x, select(scale, none, s.refused == 1u), shift.y, 0.0);
}

@compute @workgroup_size(WG)
fn reduce_running(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // The grid may be padded.
    if (workgroup.x + workgroup.y > 0u) {
        return;
    }
    var running = statistic_of(
        vec4<u32>(statistic[0], statistic[1], statistic[2], statistic[3]),
        vec4<u32>(statistic[4], statistic[5], statistic[6], statistic[7]),
    );
    if (params.segments == 0u && lane == 0u) {
        coefficients[0] = coefficients_of(running);
    }
    for (var start = 0u; start < params.segments; start += WG) {
        let count = min(WG, params.segments - start);
        if (lane < count) {
            scratch[lane] = moments[start + lane];
        }
        workgroupBarrier();
        if (lane == 0u) {
            for (var i = 0u; i < count; i += 1u) {
                let m = scratch[i];
                if (m.x > 0.0) {
                    running = statistic_merge(running, u32(m.x), m.yw, m.z);
                }
                scratch[i] = coefficients_of(running);
            }
        }
        workgroupBarrier();
        if (lane < count) {
            coefficients[start + lane] = scratch[lane];
        }
        // The next load waits for this store.
        workgroupBarrier();
    }
    if (params.segments > 0u && lane == 0u) {
        let words = statistic_words(running);
        statistic[0] = words.x;
        statistic[1] = words.y;
        statistic[2] = words.z;
        statistic[3] = words.w;
        statistic[4] = running.count.x;
        statistic[5] = running.count.y;
    }
}
