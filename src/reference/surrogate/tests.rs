use super::*;
use crate::reference::ratio_stats::ratio_stats;
use ndarray::array;

/// Six cases: ratio, advantage, which branch is the minimum, whether a gradient flows (ε = 0.2).
#[test]
fn six_clipping_cases() {
    let eps = 0.2;
    for (r, a, want, flows) in [
        (1.1, 2.0, 1.1 * 2.0, true),
        (0.9, -2.0, 0.9 * -2.0, true),
        (0.5, 2.0, 0.5 * 2.0, true),
        (0.5, -2.0, 0.8 * -2.0, false),
        (1.5, 2.0, 1.2 * 2.0, false),
        (1.5, -2.0, 1.5 * -2.0, true),
    ] {
        let logp = array![f64::ln(r)];
        let (loss, gradient) = clip(logp.view(), array![0.0].view(), array![a].view(), eps, eps, None).unwrap();
        assert!((loss + want).abs() < 1e-12, "r {r}, A {a}: {loss}");
        let d = if flows { -r * a } else { 0.0 };
        assert!((gradient[0] - d).abs() < 1e-12, "r {r}, A {a}: {gradient}");
    }
}

#[test]
fn ties_are_autograds() {
    let one = |logp: f64, a: f64, eps: f64, dual: Option<f64>| {
        clip(array![logp].view(), array![0.0].view(), array![a].view(), eps, eps, dual).unwrap().1[0]
    };
    assert_eq!(one(0.0, 3.0, 0.2, None), -3.0, "ratio 1: half of each branch is the whole");
    assert!((one(0.5_f64.ln(), -2.0, 0.5, None) - 1.0).abs() < 1e-12, "on the edge clamp lets its half pass");
    assert_eq!(one(2.0_f64.ln(), -1.0, 0.2, Some(2.0)), 0.5 * 2.0_f64.ln().exp(), "half at the dual clip's edge");
    assert_eq!(one(25.0, -1.0, 0.2, None), 0.0, "beyond the clamp of the log-ratio");
    let (_, g) = value_clip_max(array![1.0].view(), array![1.0].view(), array![0.0].view(), 0.5).unwrap();
    assert_eq!(g[0], 1.0, "inside the range both branches are equal");
    // v = 1, v_c = −1, R = 0: equal squares, and only the unclipped one has a gradient.
    let (_, g) = value_clip_max(array![1.0].view(), array![-2.0].view(), array![0.0].view(), 1.0).unwrap();
    assert_eq!(g[0], 0.5);
}

#[test]
fn k3_is_never_negative_and_keeps_its_digits() {
    for d in [-19.0_f32, -1.0, -1e-4, 0.0, 1e-4, 1.0, 19.0] {
        let stats = ratio_stats(array![d].view(), array![0.0].view(), 0.2, 0.2).unwrap();
        let wide = f64::from(d).exp_m1() - f64::from(d);
        assert!(stats.k3 >= 0.0 && (f64::from(stats.k3) - wide).abs() <= 1e-6 * wide, "{d}: {}", stats.k3);
    }
}
