// What follows from the gradient's norm: the factors that clip it, and whether the optimiser may step. Needs parts math,
// control, trace and norm; a kernel provides control, optimizer_step and trace.

// The largest norm after clipping that the optimiser's squares can take: 2^63.
const CLIP_MOST: f32 = 9223372036854775808.0;
// The least factor that a device may not flush to 0: 2^-126.
const CLIP_LEAST: f32 = 1.1754943508222875e-38;

const CLIP_TORCH: u32 = 0u;       // min(1, max / (norm + 1e-6))
const CLIP_TENSORFLOW: u32 = 1u;  // max / max(norm, max)

// The factor for a group of this norm, by one of these formulas; a max_grad_norm of 0 does not clip.
fn clip_factor(norm: f32, max_grad_norm: f32, formula: u32) -> f32 {
    if (max_grad_norm <= 0.0) {
        return 1.0;
    }
    if (formula == CLIP_TENSORFLOW) {
        return max_grad_norm / max(norm, max_grad_norm);
    }
    return min(1.0, max_grad_norm / (norm + 1e-6));
}

// By one invocation. A NaN or an infinity forbids the step, and so does a norm beyond f32, one that clipping leaves beyond
// the optimiser's squares, or one so large that its factor is below f32's normal numbers. So does an early stop at or before
// this minibatch.
fn clip_decide(total: vec4<f32>, index: u32, max_grad_norm: f32, formula: u32) {
    let stopped = control_stopped_before(control[CONTROL_STOP], index);
    let whole = norm_is_whole(total);
    let sums = select(vec4<f32>(), total, whole);
    let norm = norm_root(sums.x + sums.y, sums.z + sums.w);
    let other = norm_root(sums.x, sums.z);
    let of_value = norm_root(sums.y, sums.w);
    let finite = whole && math_is_finite(norm);
    let scale = clip_factor(select(0.0, other, finite), max_grad_norm, formula);
    let scale_value = clip_factor(select(0.0, of_value, finite), max_grad_norm, formula);
    let fits = finite && min(scale, scale_value) >= CLIP_LEAST
        && other * scale < CLIP_MOST && of_value * scale_value < CLIP_MOST;
    let steps = !stopped && fits;
    control[CONTROL_STEP] = select(0u, 1u, steps);
    control[CONTROL_SCALE] = bitcast<u32>(scale);
    control[CONTROL_SCALE_VALUE] = bitcast<u32>(scale_value);
    if (steps) {
        control[CONTROL_STEPS_TAKEN] += 1u;
        optimizer_step[0] += 1u;
        trace[index * TRACE_WIDTH + TRACE_GRAD_NORM] = norm;
        trace[index * TRACE_WIDTH + TRACE_STEPPED] = 1.0;
    } else if (!stopped) {
        control[CONTROL_STEPS_SKIPPED] += 1u;
    }
}
