// (count, mean, M2, 0) of numbers: M2 is the sum of squared deviations from the mean.

// Empty sides are left out, as n / n need not be 1 on a device: equal numbers have to keep their mean.
fn moments_merge(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if (a.x == 0.0) {
        return b;
    }
    if (b.x == 0.0) {
        return a;
    }
    let count = a.x + b.x;
    let share = b.x / count;
    let d = b.y - a.y;
    return vec4<f32>(count, a.y + d * share, a.z + b.z + d * d * a.x * share, 0.0);
}
