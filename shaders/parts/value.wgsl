// The value's error in each of its forms, and the derivative. Needs part math.

const VALUE_PLAIN: u32 = 0u;        // the square
const VALUE_CLIP_MAX: u32 = 1u;     // maximum of the plain and the clipped one
const VALUE_CLIP_ONLY: u32 = 2u;    // the clipped one
const VALUE_HUBER: u32 = 3u;        // square up to the limit, a line beyond
const VALUE_CLAMP_ERROR: u32 = 4u;  // square, at most the limit

// 2^-12: errors are in units of 2^24, so that sums of up to 2^24 of them end where their mean does. Powers of two change no
// digit; part loss_totals puts it right.
const VALUE_UNIT: f32 = 0.000244140625;

fn value_square(x: f32) -> f32 { return (x * VALUE_UNIT) * (x * VALUE_UNIT); }

// (error / 2^24, the error's derivative by v), both before vf_loss_scale; `limit` is the clip range, Huber's delta, or the
// largest square.
fn value_error(form: u32, limit: f32, v: f32, target_value: f32, v_old: f32) -> vec2<f32> {
    let plain = v - target_value;
    let from_plain = vec2<f32>(value_square(plain), 2.0 * plain);
    if (form == VALUE_HUBER) {
        let slope = select(plain, select(limit, -limit, plain < 0.0), abs(plain) > limit);
        return vec2<f32>((slope * VALUE_UNIT) * ((2.0 * plain - slope) * VALUE_UNIT), 2.0 * slope);
    }
    if (form == VALUE_CLAMP_ERROR) {
        // An infinite error times 0 is NaN, which marks the row.
        let most = limit * VALUE_UNIT * VALUE_UNIT;
        return vec2<f32>(math_at_most(from_plain.x, most), from_plain.y * select(0.0, 1.0, from_plain.x <= most));
    }
    let moved = v - v_old;
    let clipped = v_old + math_clamp(moved, -limit, limit) - target_value;
    let passes = select(0.0, 1.0, abs(moved) <= limit);
    let from_clipped = vec2<f32>(value_square(clipped), 2.0 * clipped * passes);
    let tied = from_plain.x == from_clipped.x;
    let larger = select(from_plain, from_clipped, form == VALUE_CLIP_ONLY || from_clipped.x > from_plain.x);
    let chosen = select(larger, 0.5 * (from_plain + from_clipped), form == VALUE_CLIP_MAX && tied);
    return select(from_plain, chosen, form == VALUE_CLIP_MAX || form == VALUE_CLIP_ONLY);
}
