// One step of RMSProp on the flat parameters, from the flat gradient and its mean squares.
//
// gradient, parameters, exp_avg_sq  [offset + count]
// control  [8]  parts/control.wgsl; without permission to step nothing is written
//
// PyTorch's, without momentum and not centred: p −= lr · g / (√v + ε). Elements value_begin .. value_end have a clip factor
// and a learning rate of their own.
//
// Operations: 9 a parameter; bytes: 20.

struct Params {
    count: u32,
    offset: u32,           // first element that is stepped
    weight_decay: f32,
    alpha: f32,
    one_minus_alpha: f32,  // from the host: 1 − α in f32 would lose digits
    eps: f32,
    value_begin: u32,
    value_end: u32,
    value_scale: u32,      // 1: those elements are clipped by the control word of their own
    value_rate: f32,       // their learning rate in units of the others'
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> schedule: Schedule;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(5) var<storage, read_write> exp_avg_sq: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn optim_rmsprop(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (item >= params.count || control[CONTROL_STEP] == 0u) {
        return;
    }
    let index = params.offset + item;
    let of_value = index >= params.value_begin && index < params.value_end;
    let scheduled = control_learning_rate(control[CONTROL_LEARNING_RATE], schedule.learning_rate);
    let lr = select(scheduled, scheduled * params.value_rate, of_value);
    let scale = bitcast<f32>(control[select(CONTROL_SCALE, CONTROL_SCALE_VALUE, of_value && params.value_scale != 0u)]);
    let p = parameters[index];
    let g = gradient[index] * scale + params.weight_decay * p;
    let v = params.alpha * exp_avg_sq[index] + params.one_minus_alpha * g * g;
    exp_avg_sq[index] = v;
    parameters[index] = p - lr * g / (sqrt(v) + params.eps);
}
