//! SAC's step with choices by hand, and its gradients.

use super::*;
use crate::config::Config;
use crate::policy::Activation;
use crate::reference::critics::Critics;
use crate::reference::optim::Adam;
use crate::reference::optim::AdamSettings;
use crate::reference::squashed_sample::SquashSettings;
use ndarray::array;

#[test]
fn the_actors_gradient_is_that_of_its_loss() {
    let mut logits: Array2<f64> = array![[0.3, -1.2, 0.9], [2.0, 2.5, -0.4]];
    let least = array![[1.0, 0.4, -0.6], [0.2, -0.9, 1.7]];
    let seen = actor_loss(logits.view(), least.view(), 0.3);
    for at in [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]] {
        let (kept, h) = (logits[at], 1e-5);
        logits[at] = kept + h;
        let above = actor_loss(logits.view(), least.view(), 0.3).loss;
        logits[at] = kept - h;
        let slope = (above - actor_loss(logits.view(), least.view(), 0.3).loss) / (2.0 * h);
        logits[at] = kept;
        assert!((slope - seen.by_logits[at]).abs() < 1e-9, "{at:?}: {slope}");
    }
    // The loss is less what is ahead, and a row of equal logits has the entropy log 3.
    let ahead = soft_values(logits.view(), least.view(), 0.3).sum() / 2.0;
    assert!((seen.loss + ahead).abs() < 1e-15);
    let even = actor_loss(array![[7.0, 7.0, 7.0]].view(), array![[0.0, 0.0, 0.0]].view(), 1.0);
    assert!((even.log_prob[0] + 3.0_f64.ln()).abs() < 1e-15);
}

#[test]
fn what_is_no_number_is_the_least() {
    let least = least_table(&[array![[1.0, f64::NAN, 3.0]], array![[2.0, 0.0, f64::NAN]]]).unwrap();
    assert!(least[[0, 0]] == 1.0 && least[[0, 1]].is_nan() && least[[0, 2]].is_nan());
    assert!(least_table::<f64>(&[]).is_err() && least_table(&[array![[1.0]], array![[1.0, 2.0]]]).is_err());
    assert!(log_softmax(array![[0.0, f64::NAN]].view())[[0, 0]].is_nan());
}

/// One observation, two choices, networks of biases alone: all by hand.
#[test]
fn a_step_is_what_a_hand_finds() {
    let net = FlatMlp::new(vec![1, 2], Activation::Identity).unwrap();
    // Weights of 0, then the biases.
    let with = |biases: [f64; 2]| vec![0.0, 0.0, biases[0], biases[1]];
    let critics = Critics {
        online: vec![with([1.0, 2.0]), with([3.0, 0.5])],
        targets: vec![with([4.0, 1.0]), with([2.0, 3.0])],
        adam: vec![Adam::new(4), Adam::new(4)],
    };
    // π = (3/4, 1/4), α = 1/2.
    let mut state = SacState {
        critics,
        policy: with([3.0_f64.ln(), 0.0]),
        policy_adam: Adam::new(4),
        log_alpha: vec![0.5_f64.ln()],
        alpha_adam: Adam::new(1),
    };
    let settings = SacSettings {
        squash: SquashSettings { log_std_min: 0.0, log_std_max: 0.0, log_std_tanh: false, epsilon: 0.0 },
        target_entropy: Some(0.1),
        adam: AdamSettings::new(&Config::sac_sb3(), 0..0),
        q_lr: 0.0,
        policy_lr: 1e-3,
        alpha_lr: 1e-2,
        moves_policy: true,
    };
    let obs = array![[1.0]];
    let (rewards, terminated, discounts) = (array![1.0], array![0], array![0.5]);
    let batch = Transitions {
        obs: obs.view(),
        next_obs: obs.view(),
        rewards: rewards.view(),
        terminated: terminated.view(),
        discounts: discounts.view(),
    };
    let seen = sac_choices_update([&net, &net], &settings, &mut state, &batch, array![1].view()).unwrap();
    let (p, q) = (0.75_f64, 0.25_f64);
    let minus_entropy = p * p.ln() + q * q.ln();
    // The least of the targets are 2 and 1, of the critics 1 and 0.5.
    let y = 1.0 + 0.5 * (p * 2.0 + q * 1.0 - 0.5 * minus_entropy);
    assert!((seen.critics.targets[0] - y).abs() < 1e-14);
    assert_eq!(seen.critics.q_values, array![[2.0], [0.5]]);
    let of_critics = 0.5 * ((2.0 - y).powi(2) + (0.5 - y).powi(2));
    assert!((seen.critics.loss - of_critics).abs() < 1e-14);
    for (gradient, value) in seen.critics.gradients.iter().zip([2.0, 0.5]) {
        let want = [0.0, value - y, 0.0, value - y];
        assert!(gradient.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-14), "{gradient:?}");
    }
    let actor = seen.actor.unwrap();
    let loss = 0.5 * minus_entropy - (p * 1.0 + q * 0.5);
    assert!((actor.loss - loss).abs() < 1e-14 && (actor.log_prob[0] - minus_entropy).abs() < 1e-14);
    let by_first = p * (0.5 * p.ln() - 1.0 - loss);
    let want = [by_first, -by_first, by_first, -by_first];
    assert!(actor.gradient.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-14));
    let (alpha_loss, by_alpha) = actor.alpha_loss.unwrap();
    assert!((by_alpha + minus_entropy + 0.1).abs() < 1e-14);
    assert!((alpha_loss - 0.5_f64.ln() * by_alpha).abs() < 1e-14);
    // More entropy than is asked for: α falls, by the rate.
    assert!((state.log_alpha[0] - 0.5_f64.ln() + 1e-2).abs() < 1e-6 && state.policy_adam.step == 1);
    let before = state.clone();
    assert!(sac_choices_update([&net, &net], &settings, &mut state, &batch, array![2].view()).is_err());
    assert_eq!(state, before);
}
