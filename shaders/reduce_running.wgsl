// Moments of one segment after another merged into a running statistic, and what each segment's numbers are to be shifted and
// divided by once the statistic includes it.
//
// Needs parts math and statistic. One workgroup: the merges follow each other, the lanes only load and store.
//
// moments      [segments] of (count, mean, M2, 0), as reduce_moments leaves them; not read where segments is 0
// statistic    [STATISTIC_WORDS] u32 words, see part statistic
// coefficients [max(segments, 1)] of (shift, scale)
//
// Operations: 12 a segment; bytes: 24.

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
@group(0) @binding(3) var<storage, read_write> coefficients: array<vec2<f32>>;

override WG: u32 = 64u;

var<workgroup> scratch: array<vec4<f32>, WG>;

fn pair(s: Statistic) -> vec2<f32> {
    return vec2<f32>(select(0.0, s.mean, params.center == 1u), statistic_scale(s, params.eps, params.outside_root));
}

@compute @workgroup_size(WG)
fn reduce_running(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    // The grid may be padded.
    if (workgroup.x + workgroup.y > 0u) {
        return;
    }
    var running = statistic_of(statistic[0], statistic[1], statistic[2], statistic[3], statistic[4]);
    if (params.segments == 0u && lane == 0u) {
        coefficients[0] = pair(running);
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
                    let before = running;
                    running = statistic_merge(before, u32(m.x), m.y - before.mean, m.z / m.x);
                    // One number that is not finite would spoil it for good.
                    if (!(math_is_finite(running.mean) && math_is_finite(running.variance))) {
                        running.mean = before.mean;
                        running.variance = before.variance;
                    }
                }
                let c = pair(running);
                scratch[i] = vec4<f32>(c.x, c.y, 0.0, 0.0);
            }
        }
        workgroupBarrier();
        if (lane < count) {
            coefficients[start + lane] = scratch[lane].xy;
        }
        // The next load waits for this store.
        workgroupBarrier();
    }
    if (params.segments > 0u && lane == 0u) {
        statistic[0] = bitcast<u32>(running.mean);
        statistic[1] = bitcast<u32>(running.variance);
        statistic[2] = running.count.x;
        statistic[3] = running.count.y;
    }
}
