// Number, return and length of the episodes that ended within a window, from the marks that environments leave per step.
//
// Needs parts phases and loops. PARTIALS: one workgroup per chunk of entries; TOTAL: one workgroup for all partials.
// The trees are fixed by the shape.
//
// episodes [count] of (return, length); length 0 where no episode ended
// partials [chunks, 5], chunks = ceil(count / chunk)
// summary  [5] = (episodes, sum of returns, sum of lengths, least return, greatest return); all 0 if there were none
//
// Operations: 5 an entry; bytes: 8.

struct Params {
    count: u32,
    // Entries per partial.
    chunk: u32,
    chunks: u32,
    phase: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> episodes: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<storage, read_write> summary: array<f32>;

// A power of two.
override WG: u32 = 64u;

struct Summary {
    episodes: f32,
    return_sum: f32,
    length_sum: f32,
    return_min: f32,
    return_max: f32,
}

var<workgroup> scratch: array<Summary, WG>;

fn merge(a: Summary, b: Summary) -> Summary {
    return Summary(
        a.episodes + b.episodes,
        a.return_sum + b.return_sum,
        a.length_sum + b.length_sum,
        // Not min and max: a return that is no number is neither, on every driver.
        select(a.return_min, b.return_min, b.return_min < a.return_min),
        select(a.return_max, b.return_max, b.return_max > a.return_max),
    );
}

@compute @workgroup_size(WG)
fn reduce_episodes(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    if (group >= select(1u, params.chunks, params.phase == PHASES_PARTIALS)) {
        return;
    }
    var own = Summary(0.0, 0.0, 0.0, 3.4e38, -3.4e38);
    if (params.phase == PHASES_PARTIALS) {
        let end = min((group + 1u) * params.chunk, params.count);
        for (var i = group * params.chunk + lane; i < end; i += WG) {
            let episode = episodes[i];
            if (episode.y > 0.0) {
                own = merge(own, Summary(1.0, episode.x, episode.y, episode.x, episode.x));
            }
        }
    } else {
        for (var c = lane; c < params.chunks; c += WG) {
            let i = c * 5u;
            own = merge(own, Summary(partials[i], partials[i + 1u], partials[i + 2u], partials[i + 3u], partials[i + 4u]));
        }
    }
    scratch[lane] = own;
    workgroupBarrier();
    for (var span = loops_end(WG / 2u, arrayLength(&partials)); span > 0u; span /= 2u) {
        if (lane < span) {
            scratch[lane] = merge(scratch[lane], scratch[lane + span]);
        }
        workgroupBarrier();
    }
    if (lane != 0u) {
        return;
    }
    let all = scratch[0];
    if (params.phase == PHASES_PARTIALS) {
        let i = group * 5u;
        partials[i] = all.episodes;
        partials[i + 1u] = all.return_sum;
        partials[i + 2u] = all.length_sum;
        partials[i + 3u] = all.return_min;
        partials[i + 4u] = all.return_max;
        return;
    }
    summary[0] = all.episodes;
    summary[1] = all.return_sum;
    summary[2] = all.length_sum;
    summary[3] = select(0.0, all.return_min, all.episodes > 0.0);
    summary[4] = select(0.0, all.return_max, all.episodes > 0.0);
}
