// A running mean and variance, merged with the moments of one batch after another.
//
// In a buffer it is STATISTIC_WORDS u32 words: mean and variance (f32 bits), count of rows (low word, high word), and what the
// count began with (f32 bits), which need not be whole. The count stays exact where an f32 would not move any more.

const STATISTIC_WORDS: u32 = 5u;

struct Statistic {
    mean: f32,
    variance: f32,
    // Low word, high word.
    count: vec2<u32>,
    initial: f32,
}

fn statistic_of(mean: u32, variance: u32, low: u32, high: u32, initial: u32) -> Statistic {
    return Statistic(bitcast<f32>(mean), bitcast<f32>(variance), vec2<u32>(low, high), bitcast<f32>(initial));
}

// Chan, Golub & LeVeque's merge with `rows` more numbers (at least 1), whose mean is `d` above the old one and whose variance
// (by rows, not rows - 1) is given. `d` is what the caller can take before it rounds a large mean.
//
// Both forms of the variance are the same number. Weighted sums keep the digits of a small variance that replaces a large one;
// the change by a small share keeps a long history from creeping, as weights rounded to f32 do not add up to 1.
fn statistic_merge(s: Statistic, rows: u32, d: f32, variance: f32) -> Statistic {
    let low = s.count.x + rows;
    let high = s.count.y + select(0u, 1u, low < rows);
    let count = vec2<u32>(low, high);
    let before = f32(s.count.y) * 4294967296.0 + f32(s.count.x) + s.initial;
    // n / n need not be 1 on a device.
    if (before == 0.0) {
        return Statistic(s.mean + d, variance, count, s.initial);
    }
    let n = f32(rows);
    let share = n / (before + n);
    let keep = before / (before + n);
    let between = d * d * share * keep;
    let weighted = s.variance * keep + variance * share + between;
    let moved = s.variance + (variance - s.variance) * share + between;
    return Statistic(s.mean + d * share, select(moved, weighted, share > 0.5), count, s.initial);
}

// What deviations from the mean are divided by: sqrt(variance + eps), or sqrt(variance) + eps.
fn statistic_scale(s: Statistic, eps: f32, outside_root: u32) -> f32 {
    if (outside_root == 1u) {
        return sqrt(s.variance) + eps;
    }
    return sqrt(s.variance + eps);
}

// (x - shift) / scale within +-clip; 0 where there is no scale, no limit where clip is 0.
fn statistic_normalize(x: f32, shift: f32, scale: f32, clip: f32) -> f32 {
    if (scale == 0.0) {
        return 0.0;
    }
    let y = (x - shift) / scale;
    if (clip > 0.0) {
        return clamp(y, -clip, clip);
    }
    return y;
}
