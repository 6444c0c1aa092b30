use super::*;

fn updated(config: Config) -> UpdateStats {
    let spec = PolicySpec::separate(4, &[8], Activation::Tanh, Head::gaussian(2));
    let mut learner = CpuLearner::<f64>::new(spec.clone(), config, 7).unwrap();
    let batch = batch(&mut learner, &spec, 60).unwrap();
    learner.update_batch(&batch, None).unwrap()
}

fn fault(got: &UpdateStats, want: &UpdateStats) -> Option<String> {
    let report = Report::new("update", "", DIRECTION.0, "");
    statistics(&report, got, want);
    report.row().fault
}

fn ppo() -> Config {
    Config { update_epochs: 2, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() }
}

#[test]
fn a_statistic_of_a_minibatch_that_is_off_fails() {
    let want = updated(ppo());
    assert_eq!(fault(&want, &want), None);
    type Field = fn(&mut MinibatchStats) -> &mut f64;
    let fields: [(&str, Field); 11] = [
        ("policy_loss", |s| &mut s.policy_loss),
        ("value_loss", |s| &mut s.value_loss),
        ("entropy", |s| &mut s.entropy),
        ("loss", |s| &mut s.loss),
        ("old_approx_kl", |s| &mut s.old_approx_kl),
        ("approx_kl_k2", |s| &mut s.approx_kl_k2),
        ("approx_kl", |s| &mut s.approx_kl),
        ("clipfrac", |s| &mut s.clipfrac),
        ("ratio_min", |s| &mut s.ratio_min),
        ("ratio_max", |s| &mut s.ratio_max),
        ("grad_norm", |s| &mut s.grad_norm),
    ];
    for (name, field) in fields {
        // Not the last one, which alone used to be looked at.
        let moving = |own: &MinibatchStats| *field(&mut { *own }) != 0.0;
        let k = want.minibatches.iter().position(moving).unwrap();
        let mut got = want.clone();
        *field(&mut got.minibatches[k]) *= 1.03;
        let fault = fault(&got, &want).unwrap_or_else(|| panic!("{name} passes"));
        assert!(fault.contains(&format!("\"{name} of minibatch {k}\"")), "{fault}");
    }
}

#[test]
fn a_statistic_of_a_step_that_is_off_fails() {
    let want = updated(trust_region_config());
    assert_eq!(fault(&want, &want), None);
    let step = want.trust_region.clone().unwrap();
    assert!(step.accepted && step.cg_iterations > 2, "{step:?}");
    type Field = fn(&mut TrustRegionStats) -> &mut f64;
    let fields: [(&str, Field); 10] = [
        ("kl_after", |s| &mut s.kl_after),
        ("surrogate_before", |s| &mut s.surrogate_before),
        ("surrogate_after", |s| &mut s.surrogate_after),
        ("expected_improvement", |s| &mut s.expected_improvement),
        ("gradient_norm", |s| &mut s.gradient_norm),
        ("quadratic_form", |s| &mut s.quadratic_form),
        ("step_scale", |s| &mut s.step_scale),
        ("entropy", |s| &mut s.entropy),
        ("residuals", |s| &mut s.residuals[0]),
        ("residuals", |s| &mut s.residuals[2]),
    ];
    for (name, field) in fields {
        let mut got = want.clone();
        *field(got.trust_region.as_mut().unwrap()) *= 1.03;
        let fault = fault(&got, &want).unwrap_or_else(|| panic!("{name} passes"));
        assert!(fault.contains(&format!("\"{name}\"")), "{fault}");
    }
    let others: [fn(&mut TrustRegionStats); 8] = [
        |s| s.kl_before = 1e-6,
        |s| s.tries += 1,
        |s| s.accepted = false,
        |s| s.accepted_try = None,
        |s| s.cg_iterations += 1,
        |s| s.negative_curvature = true,
        |s| s.head_hits += 1,
        |s| s.residuals.truncate(2),
    ];
    for (i, change) in others.iter().enumerate() {
        let mut got = want.clone();
        change(got.trust_region.as_mut().unwrap());
        assert!(fault(&got, &want).is_some(), "{i}");
    }
    assert!(fault(&UpdateStats { trust_region: None, ..want.clone() }, &want).is_some());
}

/// What is compared is not 0 = 0.
#[test]
fn what_is_compared_has_a_meaning() {
    for config in [ppo(), trust_region_config()] {
        let stats = updated(config);
        let policy = stats.trust_region.is_none();
        let some = |of: fn(&MinibatchStats) -> f64| stats.minibatches.iter().any(|own| of(own) != 0.0);
        assert!(some(|s| s.value_loss) && some(|s| s.grad_norm));
        let of_policy: [fn(&MinibatchStats) -> f64; 3] = [|s| s.policy_loss, |s| s.entropy, |s| s.approx_kl];
        assert!(of_policy.into_iter().all(|of| some(of) == policy), "{policy}");
    }
}
