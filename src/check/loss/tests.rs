//! Bounds let nothing pass that is a hundredth off.

use super::bounds::Bounds;
use super::inputs::{Loss, usual};
use super::minibatch::Minibatch;
use crate::check::head::{CLAMP, FLOOR, TANH, beta, deviating, masked_choices, squashed};
use crate::check::support::{EPS, Report};
use crate::config::KlDirection;
use crate::policy::Head;

/// The gradient of a minibatch as it should be, its bounds, and what `change` makes of it compared with them.
fn fault(head: &Head, change: impl Fn(usize, f64) -> f64) -> (Vec<f64>, Vec<f64>, Option<String>) {
    let c = Loss { kl: Some(KlDirection::OldNew), ..usual(head.clone(), 67) };
    let inputs = c.inputs().unwrap();
    let m = Minibatch::new(&c, &inputs).unwrap();
    let bounds = Bounds::new(&m, c.rows, None).unwrap();
    let want: Vec<f64> = m.oracle(&(0..c.rows).collect::<Vec<_>>()).unwrap().d_dist.into_iter().collect();
    let got: Vec<f32> = want.iter().enumerate().map(|(i, want)| change(i, *want) as f32).collect();
    let report = Report::new("loss_ppo", "", EPS, "");
    report.floats("d_head_outputs", &got, &want, |i| bounds.d_dist[i] / EPS);
    (want, bounds.d_dist, report.row().fault)
}

/// Scales that multiplied the bounds of a ratio and of a slope let a Gaussian of 17 dimensions be 10 % off.
#[test]
fn a_gradient_that_is_a_hundredth_off_fails() {
    for head in [
        Head::gaussian(17),
        Head::gaussian(1),
        squashed(3, true, FLOOR),
        deviating(2, true, CLAMP),
        squashed(2, true, TANH),
        beta(3),
        Head::categorical(33),
        masked_choices(&[3, 40, 2]),
        Head::bernoulli(5),
    ] {
        let (want, bounds, right) = fault(&head, |_, want| want);
        assert_eq!(right, None);
        assert!(fault(&head, |_, want| 1.01 * want).2.is_some(), "{head:?}");
        // And so it does in nearly any single element.
        let moving: Vec<usize> = (0..want.len()).filter(|i| want[*i] != 0.0).collect();
        let seen = |i: &&usize| bounds[**i] < 0.01 * want[**i].abs();
        let share = moving.iter().filter(seen).count() as f64 / moving.len() as f64;
        assert!(share > 0.95, "{head:?}: a hundredth off is seen in {share} of the elements");
        let one = moving.iter().find(seen).unwrap();
        let found = fault(&head, |i, want| if i == *one { 1.01 * want } else { want }).2;
        assert!(found.is_some_and(|fault| fault.contains(&format!("[{one}]"))), "{head:?}");
    }
}
