// What a row that counts weighs in the means of its minibatch, from the marks in its samples: (rows / rows that count), or 0 if
// none counts.
//
// Needs parts sample and loops. One workgroup per segment; the count is exact up to 2^24 rows.
//
// samples [..] of (logp_old, ..): every stride-th from element `first` on is looked at; from element `place` on, one per
//         segment, (weight, rows that count, 0, 0) is written
//
// Operations: 1 a row; bytes: 4.

struct Params {
    // Rows looked at.
    rows: u32,
    // Of them, rows per segment; the last may be shorter.
    segment: u32,
    stride: u32,
    place: u32,
    // The first row that is looked at.
    first: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> samples: array<vec4<f32>>;

const WG: u32 = 64u;

var<workgroup> counts: array<u32, 64>;

@compute @workgroup_size(64)
fn batch_count(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let first = group * params.segment;
    let last = min(first + params.segment, params.rows);
    var own = 0u;
    for (var row = first + lane; row < last; row += WG) {
        own += select(0u, 1u, sample_is_valid(samples[params.first + row * params.stride].x));
    }
    counts[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&samples)); half > 0u; half /= 2u) {
        if (lane < half) {
            counts[lane] += counts[lane + half];
        }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane == 0u && first < params.rows) {
        let valid = f32(counts[0]);
        var weight = select(0.0, f32(last - first) / max(valid, 1.0), counts[0] > 0u);
        // Exactly: n / n need not be 1 on a device.
        weight = select(weight, 1.0, counts[0] == last - first);
        samples[params.place + group] = vec4<f32>(weight, valid, 0.0, 0.0);
    }
}
