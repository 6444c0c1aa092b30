use super::*;

/// Two steps by hand, with clipping and decay; then a step of a part.
#[test]
fn rmsprop_is_pytorchs_formula() {
    let config = Config { weight_decay: 0.1, max_grad_norm: Some(0.5), rmsprop_alpha: 0.9, ..Config::a2c() };
    let settings = AdamSettings::new(&config, 0..0);
    let (mut state, mut p) = (Adam::new(2), vec![1.0, -2.0]);
    let (mut v, mut want) = ([0.0; 2], [1.0, -2.0]);
    for g in [[3.0, 4.0], [0.1, -0.2_f64]] {
        state.step(&settings, 0.01, &mut p, &g).unwrap();
        let scale = (0.5 / (g[0].hypot(g[1]) + 1e-6)).min(1.0);
        for i in 0..2 {
            let g = g[i] * scale + 0.1 * want[i];
            v[i] = 0.9 * v[i] + (1.0 - 0.9) * g * g;
            want[i] -= 0.01 * g / (v[i].sqrt() + 1e-5);
        }
        for i in 0..2 {
            assert!((p[i] - want[i]).abs() < 1e-15 && (state.exp_avg_sq[i] - v[i]).abs() < 1e-15);
        }
    }
    let before = (p[0], state.exp_avg_sq[0]);
    let step = state.step_within(1..2, &settings, 0.01, &mut p, &[f64::NAN, 1.0]).unwrap();
    assert!(step.stepped && step.grad_norm == 1.0 && p[1] != want[1]);
    assert_eq!((p[0], state.exp_avg_sq[0]), before);
    assert!(state.step_within(1..3, &settings, 0.01, &mut p, &[0.0, 1.0]).is_err());
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let settings = AdamSettings::new(&Config::cleanrl(), 0..0);
    let mut adam = Adam::new(2);
    let mut parameters = vec![1.0_f32, 2.0];
    adam.step(&settings, 0.1, &mut parameters, &[0.5, -0.5]).unwrap();
    let before = (adam.clone(), parameters.clone());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(!adam.step(&settings, 0.1, &mut parameters, &[0.5, bad]).unwrap().stepped);
        assert_eq!((adam.clone(), parameters.clone()), before);
    }
    assert!(adam.step(&settings, 0.1, &mut parameters, &[0.5]).is_err());
}

/// Squares end at 1.8e19 in f32; norms are known up to 3.4e38.
#[test]
fn a_large_gradient_is_clipped_as_in_f64() {
    let gradient = [3e30_f32, -4e30, 1e3, 0.0];
    for grad_clip in [GradClip::Joint, GradClip::Separate] {
        let settings = AdamSettings { grad_clip, ..AdamSettings::new(&Config::cleanrl(), 1..3) };
        let (mut adam, mut p) = (Adam::new(4), vec![0.0_f32; 4]);
        let step = adam.step(&settings, 0.1, &mut p, &gradient).unwrap();
        assert!(step.stepped && (step.grad_norm / 5e30 - 1.0).abs() < 1e-6, "{step:?}");
        let (mut wide, mut want) = (Adam::new(4), vec![0.0_f64; 4]);
        wide.step(&settings, 0.1, &mut want, &gradient.map(f64::from)).unwrap();
        for i in 0..4 {
            assert!((f64::from(p[i]) - want[i]).abs() < 1e-6 && adam.exp_avg_sq[i].is_finite(), "{p:?} {want:?}");
        }
        // Without clipping its squares would not be within f32.
        let free = AdamSettings { max_grad_norm: None, ..settings };
        let before = (adam.clone(), p.clone());
        let step = adam.step(&free, 0.1, &mut p, &gradient).unwrap();
        assert!(!step.stepped && (step.grad_norm / 5e30 - 1.0).abs() < 1e-6);
        assert_eq!((adam, p), before);
    }
}

#[test]
fn the_first_step_is_the_learning_rate() {
    let settings = AdamSettings { eps: 0.0, max_grad_norm: None, ..AdamSettings::new(&Config::cleanrl(), 0..0) };
    let mut parameters = vec![1.0_f64, 1.0];
    Adam::new(2).step(&settings, 0.1, &mut parameters, &[1e-3, -1e3]).unwrap();
    assert!((parameters[0] - 0.9).abs() < 1e-12 && (parameters[1] - 1.1).abs() < 1e-12);
}

/// Expected numbers by hand: groups of 2 and 3 elements with their own norms and rates.
#[test]
fn actor_and_critic_may_be_clipped_and_paced_apart() {
    let config = Config {
        grad_clip: GradClip::Separate,
        value_learning_rate: Some(1e-3),
        learning_rate: 2.5e-4,
        ..Config::cleanrl()
    };
    let gradient = [0.3, 0.4, 3.0, 0.0, 4.0_f64];
    for (formula, factors) in
        [(ClipFormula::Torch, [0.5 / (0.5 + 1e-6), 0.5 / (5.0 + 1e-6)]), (ClipFormula::Tensorflow, [1.0, 0.1])]
    {
        let settings = AdamSettings { clip_formula: formula, ..AdamSettings::new(&config, 2..5) };
        let (mut adam, mut p) = (Adam::new(5), vec![0.0; 5]);
        let step = adam.step(&settings, 2.5e-4, &mut p, &gradient).unwrap();
        assert!((step.grad_norm - 25.25_f64.sqrt()).abs() < 1e-15, "the joint norm is reported");
        for i in 0..5 {
            let (factor, lr) = if i < 2 { (factors[0], 2.5e-4) } else { (factors[1], 1e-3) };
            let g = gradient[i] * factor;
            assert!((adam.exp_avg[i] - (1.0 - 0.9) * g).abs() < 1e-16, "{formula:?} {i}");
            // At t = 1 both corrections cancel the decays: lr · g / (|g| + ε).
            let want = -lr * g / (g.abs() + 1e-5);
            assert!((p[i] - want).abs() < 1e-12, "{formula:?} {i}: {} not {want}", p[i]);
        }
        // The critic alone: its own norm either way.
        let mut p = vec![0.0; 5];
        let step = Adam::new(5).step_within(2..5, &settings, 1.0, &mut p, &gradient).unwrap();
        assert!((step.grad_norm - 5.0).abs() < 1e-15 && p[..2] == [0.0; 2] && p[2] < 0.0);
    }
    let joint = AdamSettings::new(&Config::cleanrl(), 2..5);
    let mut adam = Adam::new(5);
    adam.step(&joint, 2.5e-4, &mut [0.0; 5], &gradient).unwrap();
    let factor = 0.5 / (25.25_f64.sqrt() + 1e-6);
    assert!((adam.exp_avg[0] - (1.0 - 0.9) * 0.3 * factor).abs() < 1e-16);
}

/// TensorFlow's placement is PyTorch's with ε / √(1 − β₂ᵗ): at t = 1 31.6 times as much.
#[test]
fn baselines_epsilon_is_larger_at_first() {
    let (beta1, beta2, eps, lr) = (0.9_f64, 0.999_f64, 1e-5, 0.01);
    let outside = AdamSettings { max_grad_norm: None, ..AdamSettings::new(&Config::cleanrl(), 0..0) };
    let hat = AdamSettings { eps_placement: AdamEps::Baselines, ..outside.clone() };
    let gradients = [2e-5, -3e-6, 1e-4_f64];
    let (mut adam, mut p) = (Adam::new(1), vec![0.0]);
    let (mut m, mut v, mut want) = (0.0, 0.0, 0.0);
    for (t, g) in (1..).zip(gradients) {
        adam.step(&hat, lr, &mut p, &[g]).unwrap();
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g * g;
        want -= lr * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t)) * m / (v.sqrt() + eps);
        assert!((p[0] - want).abs() <= 1e-13 * lr, "{t}: {} not {want}", p[0]);
        // Its effective ε, seen from the other formula.
        let effective = eps / (1.0 - beta2.powi(t)).sqrt();
        if t == 1 {
            assert!((effective / eps - 0.001_f64.powf(-0.5)).abs() < 1e-9 && effective / eps > 31.6);
            let mut other = vec![0.0];
            let same = AdamSettings { eps: effective, ..outside.clone() };
            Adam::new(1).step(&same, lr, &mut other, &[g]).unwrap();
            assert!((other[0] - p[0]).abs() <= 1e-13 * lr);
            let mut usual = vec![0.0];
            Adam::new(1).step(&outside, lr, &mut usual, &[g]).unwrap();
            assert!(usual[0] / p[0] > 10.0, "{} against {}", usual[0], p[0]);
        }
    }
}
