// One step of Adam or AdamW on the flat parameters, from the flat gradient and its moments.
//
// gradient, parameters, exp_avg, exp_avg_sq  [offset + count]
// bias_correction  [table]  entry t − 1: (1 / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ)), made on the host in f64; later steps use the last
// control          [8]      parts/control.wgsl; without permission to step nothing is written
// optimizer_step   [1]      t, already counted on for this step
//
// p −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε), PyTorch's placement of epsilon; with hat_eps TensorFlow's, where
// the correction divides epsilon, too. Elements value_begin .. value_end have a clip factor and a learning rate of their own.
//
// Operations: 15 a parameter; bytes: 28.

struct Params {
    count: u32,
    table: u32,
    decoupled: u32,        // 1: AdamW
    weight_decay: f32,
    beta1: f32,
    one_minus_beta1: f32,  // from the host: 1 − β in f32 would lose digits
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
    offset: u32,           // first element that is stepped
    hat_eps: u32,          // 1: ε is corrected like √v
    value_begin: u32,
    value_end: u32,
    value_scale: u32,      // 1: those elements are clipped by the control word of their own
    value_rate: f32,       // their learning rate in units of the others'
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> bias_correction: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> control: array<u32>;
@group(0) @binding(5) var<storage, read> optimizer_step: array<u32>;
@group(0) @binding(6) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(7) var<storage, read_write> exp_avg: array<f32>;
@group(0) @binding(8) var<storage, read_write> exp_avg_sq: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn optim_adam(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (item >= params.count || control[CONTROL_STEP] == 0u) {
        return;
    }
    let index = params.offset + item;
    let t = clamp(optimizer_step[0], 1u, params.table);
    let correction = bias_correction[t - 1u];
    let of_value = index >= params.value_begin && index < params.value_end;
    let scheduled = control_learning_rate(control[CONTROL_LEARNING_RATE], schedule.learning_rate);
    let lr = select(scheduled, scheduled * params.value_rate, of_value);
    let scale = bitcast<f32>(control[select(CONTROL_SCALE, CONTROL_SCALE_VALUE, of_value && params.value_scale != 0u)]);
    var p = parameters[index];
    var g = gradient[index] * scale;
    if (params.decoupled != 0u) {
        p *= 1.0 - lr * params.weight_decay;
    } else {
        g += params.weight_decay * p;
    }
    let m = params.beta1 * exp_avg[index] + params.one_minus_beta1 * g;
    let v = params.beta2 * exp_avg_sq[index] + params.one_minus_beta2 * g * g;
    exp_avg[index] = m;
    exp_avg_sq[index] = v;
    let eps = params.eps * select(1.0, correction.y, params.hat_eps != 0u);
    parameters[index] = p - lr * correction.x * m / (sqrt(v) * correction.y + eps);
}
