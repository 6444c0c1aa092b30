// DQN's loss of one batch: targets, the gradient at the network's outputs row by row, and partial sums of statistics.
//
// Needs parts math and partial.
//
// q             Q of all actions, row by row: from q_offset on the online network's of the observations, from next_offset on
//               the target network's of the next ones, from chooser_offset on those whose greatest says which of them
//               counts; if dueling, advantages, and V of the rows from value_offset and next_value_offset on
// actions       [rows] indices
// samples       [rows] (reward, discount, 1 if terminated, ..) as replay_sample leaves them
// d_q           [rows, choices] gradient of the mean loss; if dueling, by the advantages, and from d_value_offset on [rows]
//               by V
// loss_partials [groups] per workgroup: sums of (loss, Q of the actions, target) and the number of rows that are not finite
//
// y = reward + (1 − terminated) · discount · Q_target(s', argmax chooser);   dueling: Q = V + A − mean A
//
// Operations: choices + 8 a row, and 3 choices more if dueling; bytes: 4 (3 choices + 5).

struct Params {
    rows: u32,
    choices: u32,
    q_offset: u32,
    next_offset: u32,
    chooser_offset: u32,
    huber: u32,  // 1: ½ d² where |d| < 1, else |d| − ½; 0: d²
    inverse_rows: f32,
    dueling: u32,
    value_offset: u32,
    next_value_offset: u32,
    d_value_offset: u32,
    pad_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> actions: array<u32>;
@group(0) @binding(3) var<storage, read> samples: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss_partials: array<vec4<f32>>;

const WG: u32 = 64u;

// What is added to each advantage of a row of the table at `table`, so that it is Q: V − mean A; 0 if the table has Q.
fn shift(table: u32, values: u32, row: u32) -> f32 {
    if (params.dueling == 0u) {
        return 0.0;
    }
    var sum = 0.0;
    for (var a = 0u; a < params.choices; a += 1u) {
        sum += q[table + row * params.choices + a];
    }
    return q[values + row] - sum / f32(params.choices);
}

@compute @workgroup_size(64)
fn loss_dqn(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = workgroup.y * groups.x + workgroup.x;
    let row = group * WG + lane;
    var own = vec4<f32>();
    if (row < params.rows) {
        let first = row * params.choices;
        var best = 0u;
        var most = q[params.chooser_offset + first];
        for (var a = 1u; a < params.choices; a += 1u) {
            let value = q[params.chooser_offset + first + a];
            if (value > most) {
                best = a;
                most = value;
            }
        }
        let s = samples[row];
        let next = q[params.next_offset + first + best] + shift(params.next_offset, params.next_value_offset, row);
        let ahead = s.x + s.y * next;
        let y = select(ahead, s.x, s.z != 0.0);
        let action = min(actions[row], params.choices - 1u);
        let value = q[params.q_offset + first + action] + shift(params.q_offset, params.value_offset, row);
        let d = value - y;
        let within = math_clamp(d, -1.0, 1.0);
        // Between −1 and 1 both are ½ d².
        let of_huber = within * (d - 0.5 * within);
        let huber = params.huber != 0u;
        let slope = select(2.0 * d, within, huber);
        let own_slope = slope * params.inverse_rows;
        var of_mean = 0.0;
        if (params.dueling != 0u) {
            d_q[params.d_value_offset + row] = own_slope;
            of_mean = own_slope / f32(params.choices);
        }
        for (var a = 0u; a < params.choices; a += 1u) {
            d_q[first + a] = select(0.0, own_slope, a == action) - of_mean;
        }
        own = vec4<f32>(select(d * d, of_huber, huber), value, y, select(1.0, 0.0, math_is_finite(d)));
    }
    let total = partial_sum(lane, own);
    if (lane == 0u && group * WG < params.rows) {
        loss_partials[group] = total;
    }
}
