// One phase of a backtracking line search along x, which accepts or refuses candidates on the device.
//
// Needs parts math, cg, divergence and loops.
//
// parameters      [count]                    the candidate, at the end the outcome
// parameters_old  [count]                    kept in phase KEEP
// solution        [count]                    x, from cg_step
// cg              [32 + cg_iterations]       scalars, parts/cg.wgsl
// trust_partials  [groups]                   from loss_trust_region: sums (surrogate, KL(old‖new), KL(new‖old), not finite)
// search          [8 + 2 line_search_steps]  SEARCH_ below
//
// Phases, in order: KEEP; BEFORE, the objective from partials of the untouched policy; each try CANDIDATE, (network and
// loss), DECIDE; RESTORE, unless accepted. In BEFORE and DECIDE a single workgroup adds the partials and its lane 0 decides.
// Once accepted, or where the step scale is 0, tries do nothing. Parameters are copied, so a refusal leaves the same bits.
//
// Operations: 2 a parameter and candidate; bytes: 8 to keep, 12 a candidate, 8 to restore.

struct Params {
    count: u32,
    groups: u32,
    phase: u32,              // PHASE_
    index: u32,              // number of the try, from 0
    line_search_steps: u32,
    factor: f32,             // of the full step in this try
    max_kl: f32,
    kl_margin: f32,          // accepted up to max_kl * kl_margin
    kl_direction: u32,       // DIVERGENCE_
    acceptance: u32,         // of the improvement, ACCEPTANCE_
    ratio: f32,
    inverse_rows: f32,
    line_search: u32,        // 0: accept whatever is finite
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> parameters_old: array<f32>;
@group(0) @binding(3) var<storage, read> solution: array<f32>;
@group(0) @binding(4) var<storage, read> cg: array<f32>;
@group(0) @binding(5) var<storage, read> trust_partials: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> search: array<f32>;

const SEARCH_OBJECTIVE_BEFORE: u32 = 0u;
const SEARCH_ACCEPTED: u32 = 1u;
const SEARCH_ACCEPTED_TRY: u32 = 2u;
const SEARCH_KL: u32 = 3u;         // of the accepted try
const SEARCH_OBJECTIVE: u32 = 4u;  // of the accepted try
const SEARCH_TRIES: u32 = 5u;
const SEARCH_EXPECTED: u32 = 6u;   // expected improvement of the last try
const SEARCH_KL_BEFORE: u32 = 7u;
const SEARCH_OF_TRIES: u32 = 8u;   // (KL, objective) of each try

const PHASE_KEEP: u32 = 0u;
const PHASE_BEFORE: u32 = 1u;
const PHASE_CANDIDATE: u32 = 2u;
const PHASE_DECIDE: u32 = 3u;
const PHASE_RESTORE: u32 = 4u;

const ACCEPTANCE_IMPROVES: u32 = 0u;   // above 0
const ACCEPTANCE_NOT_WORSE: u32 = 1u;  // at least 0
const ACCEPTANCE_RATIO: u32 = 2u;      // above 0 and above ratio * expected

const WG: u32 = 64u;

var<workgroup> sums: array<vec4<f32>, 64>;

// KEEP, CANDIDATE and RESTORE, element by element.
fn move_parameters(i: u32) {
    let accepted = search[SEARCH_ACCEPTED] != 0.0;
    if (params.phase == PHASE_KEEP) {
        parameters_old[i] = parameters[i];
    } else if (params.phase == PHASE_RESTORE) {
        if (!accepted) { parameters[i] = parameters_old[i]; }
    } else if (!accepted) {
        let change = params.factor * cg[CG_STEP_SCALE] * solution[i];
        // What x does not reach (the value function) keeps its bits.
        if (change != 0.0) { parameters[i] = parameters_old[i] + change; }
    }
}

fn decide(total: vec4<f32>) {
    let objective = total.x * params.inverse_rows;
    let kl = select(total.y, total.z, params.kl_direction == DIVERGENCE_NEW_OLD) * params.inverse_rows;
    if (params.phase == PHASE_BEFORE) {
        for (var i = 0u; i < SEARCH_OF_TRIES + 2u * params.line_search_steps; i++) { search[i] = 0.0; }
        search[SEARCH_OBJECTIVE_BEFORE] = objective;
        search[SEARCH_KL_BEFORE] = kl;
        return;
    }
    if (search[SEARCH_ACCEPTED] != 0.0 || cg[CG_STEP_SCALE] == 0.0) {
        return;
    }
    let improvement = objective - search[SEARCH_OBJECTIVE_BEFORE];
    let expected = params.factor * cg[CG_STEP_SCALE] * cg[CG_BX];
    search[SEARCH_TRIES] += 1.0;
    search[SEARCH_EXPECTED] = expected;
    search[SEARCH_OF_TRIES + 2u * params.index] = kl;
    search[SEARCH_OF_TRIES + 2u * params.index + 1u] = objective;

    var accepts = math_is_finite(improvement) && math_is_finite(kl) && total.w == 0.0;
    if (params.line_search != 0u) {
        var improves = improvement > 0.0;
        if (params.acceptance == ACCEPTANCE_NOT_WORSE) { improves = improvement >= 0.0; }
        if (params.acceptance == ACCEPTANCE_RATIO) { improves = improves && improvement > params.ratio * expected; }
        accepts = accepts && improves && kl <= params.max_kl * params.kl_margin;
    }
    if (accepts) {
        search[SEARCH_ACCEPTED] = 1.0;
        search[SEARCH_ACCEPTED_TRY] = f32(params.index);
        search[SEARCH_KL] = kl;
        search[SEARCH_OBJECTIVE] = objective;
    }
}

@compute @workgroup_size(64)
fn optim_line_search(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let decides = params.phase == PHASE_BEFORE || params.phase == PHASE_DECIDE;
    let i = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (!decides && i < params.count) { move_parameters(i); }

    var own = vec4<f32>();
    if (decides) {
        for (var j = lane; j < params.groups; j += WG) { own += trust_partials[j]; }
    }
    sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&trust_partials)); half > 0u; half /= 2u) {
        if (lane < half) { sums[lane] += sums[lane + half]; }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (decides && lane == 0u) { decide(sums[0]); }
}
