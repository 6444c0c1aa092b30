// One phase of conjugate gradients for A x = b, A = F + damping I, where another kernel computes products with F.
//
// Needs parts math, cg and loops. Operations: 16 a parameter, of the start and an iteration; bytes: 60.
//
// gradient     [count]               of the loss: b = −gradient
// product      [count]               in: F p (DAMP) or F x (DAMP_X; with `warm` also RESIDUAL); out: the damped product
// direction    [count]               p
// solution     [count]               x; with `warm` it holds the first guess
// residual     [count]               r
// cg_partials  [groups]              two sums of 4,096 elements each
// cg           [32 + cg_iterations]  scalars, parts/cg.wgsl
//
// Phases, in order: CG_PHASE_ of part cg. In START, ALPHA, BETA and LENGTH a single workgroup adds partials and its lane 0
// decides; the others only read the scalars. Once done, iterations change neither x, r nor p.

struct Params {
    count: u32,
    groups: u32,
    phase: u32,      // CG_PHASE_
    cg_iterations: u32,
    iteration: u32,
    damping: f32,
    tolerance: f32,  // done when r . r <= tolerance * b . b
    absolute: f32,   // done when r . r < absolute
    max_kl: f32,
    warm: u32,
    step_size: f32,  // factor of x, whatever its KL; 0: the one that reaches max_kl
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;
@group(0) @binding(3) var<storage, read_write> direction: array<f32>;
@group(0) @binding(4) var<storage, read_write> solution: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> cg_partials: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> cg: array<f32>;

const WG: u32 = 64u;
const SPAN: u32 = 4096u;  // elements of one partial
var<workgroup> sums: array<vec2<f32>, 64>;

// What one element does in a phase, and its terms of the phase's sums.
fn element(i: u32) -> vec2<f32> {
    let done = cg[CG_DONE] != 0.0;
    switch params.phase {
        case CG_PHASE_RESIDUAL: {
            let b = -gradient[i];
            var r = b;
            if (params.warm == 0u) { solution[i] = 0.0; } else { r -= product[i] + params.damping * solution[i]; }
            residual[i] = r;
            direction[i] = r;
            return vec2<f32>(r * r, b * b);
        }
        case CG_PHASE_CLEAR: {  // nothing to begin at next time
            if (cg[CG_BB] == 0.0 || !math_is_finite(cg[CG_XHX])) { solution[i] = 0.0; }
            return vec2<f32>();
        }
        case CG_PHASE_DAMP: {
            if (done) { return vec2<f32>(); }
            let p = direction[i];
            product[i] += params.damping * p;
            return vec2<f32>(p * product[i], 0.0);
        }
        case CG_PHASE_ADVANCE: {
            if (done) { return vec2<f32>(); }
            solution[i] += cg[CG_ALPHA] * direction[i];
            residual[i] -= cg[CG_ALPHA] * product[i];
            return vec2<f32>(residual[i] * residual[i], 0.0);
        }
        case CG_PHASE_DIRECTION: {
            if (!done) { direction[i] = residual[i] + cg[CG_BETA] * direction[i]; }
            return vec2<f32>();
        }
        default: {
            product[i] += params.damping * solution[i];
            return vec2<f32>(solution[i] * product[i], -gradient[i] * solution[i]);
        }
    }
}

// Why the solve ends at a residual r . r; 0 if it goes on.
fn ends(rr: f32, bb: f32) -> f32 {
    if (!math_is_finite(rr) || !math_is_finite(bb)) { return CG_NOT_FINITE; }
    return select(0.0, CG_RESIDUAL, bb == 0.0 || rr == 0.0 || rr <= params.tolerance * bb || rr < params.absolute);
}

fn decide(total: vec2<f32>) {
    if (params.phase == CG_PHASE_START) {
        for (var i = 0u; i < 32u + params.cg_iterations; i++) { cg[i] = 0.0; }
        cg[CG_RR] = total.x;
        cg[CG_BB] = total.y;
        cg[CG_TRACE] = total.x;
        cg[CG_DONE] = ends(total.x, total.y);
    } else if (params.phase == CG_PHASE_LENGTH) {
        cg[CG_XHX] = total.x;
        cg[CG_BX] = total.y;
        // Also 0 where x does not lead uphill: a zero gradient, or a first guess of another update.
        let steps = total.x > 0.0 && total.y > 0.0 && math_is_finite(total.x) && math_is_finite(total.y);
        let reach = sqrt(2.0 * params.max_kl / select(1.0, total.x, steps));
        let scale = select(reach, params.step_size, params.step_size > 0.0);
        cg[CG_STEP_SCALE] = select(0.0, scale, steps && math_is_finite(scale));
    } else if (cg[CG_DONE] != 0.0) {
        cg[CG_ALPHA] = 0.0;
    } else if (params.phase == CG_PHASE_ALPHA) {
        cg[CG_PAP] = total.x;
        let curved = total.x > 0.0 && math_is_finite(total.x);
        let alpha = cg[CG_RR] / select(1.0, total.x, curved);
        if (curved && math_is_finite(alpha)) {
            cg[CG_ALPHA] = alpha;
            cg[CG_ITERATIONS] += 1.0;
        } else {
            cg[CG_ALPHA] = 0.0;
            cg[CG_DONE] = select(CG_NOT_FINITE, CG_CURVATURE, math_is_finite(total.x));
            cg[CG_NEGATIVE_CURVATURE] += 1.0;
        }
    } else {
        cg[CG_BETA] = total.x / cg[CG_RR];
        cg[CG_RR] = total.x;
        cg[CG_TRACE + 1u + params.iteration] = total.x;
        cg[CG_DONE] = ends(total.x, cg[CG_BB]);
    }
}

@compute @workgroup_size(64)
fn cg_step(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let decides = params.phase == CG_PHASE_START || params.phase == CG_PHASE_ALPHA
        || params.phase == CG_PHASE_BETA || params.phase == CG_PHASE_LENGTH;
    var own = vec2<f32>();
    if (decides) {
        for (var i = lane; i < params.groups; i += WG) { own += cg_partials[i]; }
    } else {
        let end = min((group + 1u) * SPAN, params.count);
        for (var i = group * SPAN + lane; i < end; i += WG) { own += element(i); }
    }
    sums[lane] = own;
    workgroupBarrier();  // all lanes have stored
    for (var half = loops_end(WG / 2u, arrayLength(&cg_partials)); half > 0u; half /= 2u) {
        if (lane < half) { sums[lane] += sums[lane + half]; }
        workgroupBarrier();  // this level of the tree is complete
    }
    if (lane == 0u && decides) { decide(sums[0]); }
    if (lane == 0u && !decides && group < params.groups) { cg_partials[group] = sums[0]; }
}
