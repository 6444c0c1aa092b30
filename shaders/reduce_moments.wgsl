// Mean and standard deviation of each segment of a column of numbers, or of the differences of two columns.
//
// PARTIALS: one workgroup per (segment, chunk); TOTAL: one workgroup per segment, which merges the chunks by Chan's
// formula (Chan, Golub, LeVeque 1979). The trees are fixed by the shape. Counts are exact up to 2^24 rows a segment.
// Operations: 4 a row; bytes: 4, 4 more of the subtrahend, 4 of marks, and 32 a chunk.
// Needs parts phases, sample, moments, twofloat and loops. Only rows that count enter; without one all numbers are 0.
//
// minuend    [..]; row i's element is at i * stride + offset
// subtrahend [rows]; not read unless subtract is 1
// marks      [..]; row i counts unless the number at i * mark_stride + mark_offset is part sample's mark; stride 0: all do
// partials   [segments, chunks_per_segment] of (count, mean less the segment's origin, M2 / unit^2, unit), part moments
// moments    [place + segments] of (count, mean, deviation, what is left of the mean); deviation = sqrt(M2 / count)
// with segments = ceil(rows / segment), chunks_per_segment = ceil(segment / chunk)

struct Params {
    rows: u32,
    segment: u32,  // rows of a segment; the last may be shorter
    chunk: u32,    // rows of a partial
    chunks_per_segment: u32,
    stride: u32,
    offset: u32,
    subtract: u32,  // 1: the numbers are minuend - subtrahend
    phase: u32,
    mark_stride: u32,  // elements from one row's mark to the next; 0: every row counts
    zero: u32,         // 0, see part twofloat
    mark_offset: u32,
    place: u32,        // where the first segment's moments go
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> minuend: array<f32>;
@group(0) @binding(2) var<storage, read> subtrahend: array<f32>;
@group(0) @binding(3) var<storage, read> marks: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> moments: array<vec4<f32>>;

override WG: u32 = 64u;  // a power of two

var<workgroup> scratch: array<vec4<f32>, WG>;

fn number(i: u32) -> f32 {
    if (params.subtract == 1u) {
        return minuend[i * params.stride + params.offset] - subtrahend[i];
    }
    return minuend[i * params.stride + params.offset];
}

fn counts(i: u32) -> bool {
    return params.mark_stride == 0u || sample_is_valid(marks[i * params.mark_stride + params.mark_offset]);
}

// What the numbers of a segment that begins at `first` are shifted by: the first that counts of those looked at, all of the
// first 64 and then ever fewer.
fn origin_of(first: u32) -> f32 {
    for (var i = first; i < min(first + params.segment, params.rows); i += 1u + (i - first) / 64u) {
        if (counts(i)) {
            return number(i);
        }
    }
    return 0.0;
}

// The sums of every lane's first three numbers and the greatest last one, to every lane.
fn sum_lanes(lane: u32, own: vec4<f32>) -> vec4<f32> {
    // The last reader of the sum before has to be done with it.
    workgroupBarrier();
    scratch[lane] = own;
    workgroupBarrier();
    for (var span = loops_end(WG / 2u, arrayLength(&partials)); span > 0u; span /= 2u) {
        if (lane < span) {
            let b = scratch[lane + span];
            scratch[lane] = vec4<f32>(scratch[lane].xyz + b.xyz, max(scratch[lane].w, b.w));
        }
        workgroupBarrier();
    }
    return scratch[0];
}

// Two passes over the rows begin..end, shifted by `origin`: equal numbers have a variance of exactly 0, and a large
// mean costs no digits, neither here nor where chunks are merged: the mean stays shifted.
fn moments_of_chunk(lane: u32, begin: u32, end: u32, origin: f32) -> vec4<f32> {
    var own = vec4<f32>();
    for (var i = begin + lane; i < end; i += WG) {
        if (counts(i)) {
            let shifted = twofloat_opaque(number(i) - origin, params.zero);
            own = vec4<f32>(own.x + shifted, own.y + 1.0, 0.0, max(own.w, abs(shifted)));
        }
    }
    let total = sum_lanes(lane, own);
    let mean = total.x / max(total.y, 1.0);
    let unit = moments_unit(total.w);
    var squares = 0.0;
    for (var i = begin + lane; i < end; i += WG) {
        if (counts(i)) {
            // Opaque in both passes, as a compiler may add the origins up, or take the mean from the origin first.
            let d = twofloat_opaque(number(i) - origin, params.zero) - mean;
            let scaled = twofloat_opaque(d * moments_inverse(unit), params.zero);
            squares += scaled * scaled;
        }
    }
    return vec4<f32>(total.y, mean, sum_lanes(lane, vec4<f32>(squares, 0.0, 0.0, 0.0)).x, unit);
}

fn moments_of_segment(lane: u32, segment: u32) -> vec4<f32> {
    var own = vec4<f32>();
    for (var c = lane; c < params.chunks_per_segment; c += WG) {
        own = moments_merge(own, partials[segment * params.chunks_per_segment + c]);
    }
    scratch[lane] = own;
    workgroupBarrier();
    for (var span = loops_end(WG / 2u, arrayLength(&partials)); span > 0u; span /= 2u) {
        if (lane < span) {
            scratch[lane] = moments_merge(scratch[lane], scratch[lane + span]);
        }
        workgroupBarrier();
    }
    return scratch[0];
}

@compute @workgroup_size(WG)
fn reduce_moments(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Everything that decides a barrier is the same for the whole workgroup.
    let group = workgroup.y * groups.x + workgroup.x;
    let segments = (params.rows + params.segment - 1u) / params.segment;
    if (params.phase == PHASES_PARTIALS) {
        if (group >= segments * params.chunks_per_segment) {
            return;
        }
        let first = (group / params.chunks_per_segment) * params.segment;
        let last = min(first + params.segment, params.rows);
        let begin = min(first + (group % params.chunks_per_segment) * params.chunk, last);
        let end = min(begin + params.chunk, last);
        let result = moments_of_chunk(lane, begin, end, origin_of(first));
        if (lane == 0u) {
            partials[group] = result;
        }
    } else {
        if (group >= segments) {
            return;
        }
        let result = moments_of_segment(lane, group);
        if (lane == 0u) {
            moments[params.place + group] = moments_result(result, origin_of(group * params.segment), params.zero);
        }
    }
}
