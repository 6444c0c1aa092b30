// How much more probable the present policy makes each recorded action: the difference of two log-probabilities, row by row.
//
// row_values [rows] of (logp now, ..), as head_evaluate leaves them
// logp_old   [rows] log-probability when the action was drawn
// valid      [rows] 0 or 1; not read unless masked is 1. A row that does not count has log_rho 0.
// log_rhos   [rows]
//
// Operations: 1 a row; bytes: 24.

struct Params {
    rows: u32,
    masked: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_values: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> logp_old: array<f32>;
@group(0) @binding(3) var<storage, read> valid: array<u32>;
@group(0) @binding(4) var<storage, read_write> log_rhos: array<f32>;

override WG: u32 = 64u;

@compute @workgroup_size(WG)
fn advantage_log_rho(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * groups.x + workgroup.x) * WG + lane;
    if (row >= params.rows) {
        return;
    }
    var log_rho = row_values[row].x - logp_old[row];
    if (params.masked == 1u && valid[row] == 0u) {
        log_rho = 0.0;
    }
    log_rhos[row] = log_rho;
}
