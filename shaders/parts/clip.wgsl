// What follows from the gradient's norm: the factors that clip it, and whether the optimiser may step. Needs parts math,
// control and trace; a kernel provides control, optimizer_step and trace.

// The factor for a group whose squares sum to `squares`. formula 0: min(1, max / (norm + 1e-6)), 1: max / max(norm, max); a
// max_grad_norm of 0 does not clip.
fn clip_factor(squares: f32, max_grad_norm: f32, formula: u32) -> f32 {
    let norm = sqrt(max(squares, 0.0));
    if (max_grad_norm <= 0.0) {
        return 1.0;
    }
    if (formula == 1u) {
        return max_grad_norm / max(norm, max_grad_norm);
    }
    return min(1.0, max_grad_norm / (norm + 1e-6));
}

// By one invocation. A NaN or an infinity (also of the sum) forbids the step. So does an early stop at or before this
// minibatch.
fn clip_decide(total: vec4<f32>, index: u32, max_grad_norm: f32, formula: u32) {
    let stopped = control_stopped_before(control[CONTROL_STOP], index);
    let squares = total.x + total.y;
    let finite = total.z == 0.0 && math_is_finite(squares);
    let norm = sqrt(max(select(0.0, squares, finite), 0.0));
    let steps = !stopped && finite;
    control[CONTROL_STEP] = select(0u, 1u, steps);
    control[CONTROL_SCALE] = bitcast<u32>(clip_factor(select(0.0, total.x, finite), max_grad_norm, formula));
    control[CONTROL_SCALE_VALUE] = bitcast<u32>(clip_factor(select(0.0, total.y, finite), max_grad_norm, formula));
    if (steps) {
        control[CONTROL_STEPS_TAKEN] += 1u;
        optimizer_step[0] += 1u;
        trace[index * TRACE_WIDTH + TRACE_GRAD_NORM] = norm;
        trace[index * TRACE_WIDTH + TRACE_STEPPED] = 1.0;
    } else if (!stopped) {
        control[CONTROL_STEPS_SKIPPED] += 1u;
    }
}
