// Words by which the kernels of one update tell each other what was decided; all 0 before the update begins.
const CONTROL_STOP: u32 = 0u;           // 0: no early stop; else 1 + the first minibatch that must not step
const CONTROL_STEP: u32 = 1u;           // 1 if the optimiser may take the current minibatch's step
const CONTROL_SCALE: u32 = 2u;          // f32 bits: factor of the gradient, except for the range of CONTROL_SCALE_VALUE
const CONTROL_VISITED: u32 = 3u;        // minibatches whose statistics count
const CONTROL_STEPS_TAKEN: u32 = 4u;
const CONTROL_STEPS_SKIPPED: u32 = 5u;  // because the gradient was not finite
const CONTROL_LEARNING_RATE: u32 = 6u;  // f32 bits; 0: the schedule's
const CONTROL_SCALE_VALUE: u32 = 7u;    // f32 bits: factor of the gradient of the value network's own layers

// Whether the update was stopped so early that minibatch `index` does not step.
fn control_stopped_before(stop: u32, index: u32) -> bool {
    return stop != 0u && index + 1u >= stop;
}

// The step size from the word CONTROL_LEARNING_RATE.
fn control_learning_rate(word: u32, scheduled: f32) -> f32 {
    return select(bitcast<f32>(word), scheduled, word == 0u);
}
