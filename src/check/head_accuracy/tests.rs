use super::*;
use crate::check::head::heads::{
    CLAMP, FLOOR, TANH, actions_of, array, beta, deviating, masked, masked_choices, plain as plain_head, rows_of,
    squashed,
};
use crate::check::support::Random;
use crate::reference::head::{
    entropy, entropy_grad, fisher_vector, kl, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad,
};
use ndarray::Array1;

/// Formulas that are not the head's would give bounds of something else.
#[test]
fn numbers_with_bounds_are_the_references() {
    for (head, within) in [
        (Head::categorical(1), 1e-9),
        (Head::categorical(7), 1e-9),
        (masked_choices(&[3, 40, 2]), 1e-9),
        (Head::bernoulli(5), 1e-9),
        (Head::gaussian(3), 1e-9),
        (deviating(2, true, CLAMP), 1e-9),
        (deviating(2, true, FLOOR), 1e-9),
        (deviating(2, true, TANH), 1e-9),
        (plain_head(2, true), 1e-6),
        (squashed(2, true, FLOOR), 1e-9),
        // What Stirling's formula leaves is cut short here.
        (beta(2), 0.05),
    ] {
        for change in [0.01, 0.3, 2.0] {
            let mut random = Random::new(5);
            let rows = 40;
            let new = rows_of(&head, &mut random, rows, 1.5);
            let old: Vec<f32> = new.iter().map(|x| x + random.range(-change, change)).collect();
            let actions = Actions::from_words(&head, rows, &actions_of(&head, &mut random, &new)).unwrap();
            let (p, q) = (masked(&head, &new, &actions).unwrap(), masked(&head, &old, &actions).unwrap());
            let ones = Array1::ones(rows);
            let values = [
                log_prob(&head, p.view(), &actions).unwrap(),
                entropy(&head, p.view()).unwrap(),
                kl(&head, q.view(), p.view()).unwrap(),
                kl(&head, p.view(), q.view()).unwrap(),
            ];
            let gradients = [
                log_prob_grad(&head, p.view(), &actions, ones.view()).unwrap(),
                entropy_grad(&head, p.view(), ones.view()).unwrap(),
                kl_old_new_grad(&head, q.view(), p.view(), ones.view()).unwrap(),
                kl_new_old_grad(&head, q.view(), p.view(), ones.view()).unwrap(),
            ];
            let tangents = array(&head, &random.normals(new.len(), 1.0));
            let products = fisher_vector(&head, p.view(), tangents.view()).unwrap();
            let second_order = f64::from(change).min(1.0).powi(2);
            let near = |what: &str, got: Known, want: f64, size: f64| {
                let room = within * (want.abs() + size);
                assert!((got.value - want).abs() <= room, "{head:?}, {change}, {what}: {got:?}, {want}");
                // A bound that bounds nothing is none.
                assert!(got.error.is_finite() && got.error < 1e-3 * (1.0 + want.abs()), "{head:?}, {what}: {got:?}");
            };
            for r in 0..rows {
                let (new, old) = (p.row(r).to_vec(), q.row(r).to_vec());
                let own = row(&head, &new, Some(&old), &taken(&actions, r));
                let product = fisher_row(&head, &new, &tangents.row(r).to_vec());
                for i in 0..4 {
                    let size = if i < 2 { 1.0 } else { second_order };
                    near(&format!("value {i}"), own.values[i], values[i][r], size);
                    for j in 0..new.len() {
                        let size = if i < 2 { 1.0 } else { second_order.sqrt() };
                        near(&format!("gradient {i}"), own.gradients[i][j], gradients[i][[r, j]], size);
                    }
                }
                for (j, product) in product.into_iter().enumerate() {
                    near("Fisher product", product, products[[r, j]], 1.0);
                }
            }
        }
    }
}
