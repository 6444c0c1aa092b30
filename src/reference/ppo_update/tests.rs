use super::*;
use crate::config::AlgorithmKind;
use crate::policy::{Activation, Head, initial_parameters_with};
use crate::reference::trpo_update::{trpo_update, trpo_update_between};
use crate::rng::{Draw, block, normal};
use ndarray::Array2;

const ROWS: usize = 16;

fn spec() -> PolicySpec {
    PolicySpec::separate(3, &[5], Activation::Tanh, Head::categorical(3))
}

fn rows() -> Rows<f64> {
    let n = |row: usize, column: u32| f64::from(normal(block(11, Draw::Initialisation, row as u32, column, 9)[0]));
    Rows {
        obs: Array2::from_shape_fn((ROWS, 3), |(row, column)| n(row, column as u32)),
        actions: crate::data::Actions::Discrete(Array2::from_shape_fn((ROWS, 1), |(row, _)| row as u32 % 3)),
        logp_old: Array1::from_shape_fn(ROWS, |row| -1.1 + 0.1 * n(row, 3)),
        advantages: Array1::from_shape_fn(ROWS, |row| n(row, 4)),
        returns: Array1::from_shape_fn(ROWS, |row| n(row, 5)),
        values_old: Array1::from_shape_fn(ROWS, |row| n(row, 6)),
        old_dist: None,
        valid: None,
    }
}

fn start(config: &Config) -> (Vec<f64>, Adam<f64>) {
    let parameters: Vec<f64> = initial_parameters_with(&spec(), &config.init, 3).into_iter().map(f64::from).collect();
    let adam = Adam::new(parameters.len());
    (parameters, adam)
}

const KEYED: Order<'static> = Order::Keyed { seed: 1, update: 0 };

#[test]
fn nothing_in_between_changes_nothing() {
    let short = |config: Config| {
        let update_epochs = if config.algorithm.kind() == AlgorithmKind::A2c { 1 } else { 2 };
        Config { num_minibatches: 4 / update_epochs, update_epochs, ..config }
    };
    for config in [Config::cleanrl(), Config::ppo_penalty(), Config::a2c()].map(short) {
        let ((mut a, mut adam_a), (mut b, mut adam_b)) = (start(&config), start(&config));
        let want = ppo_update(&spec(), &config, 1e-3, &mut a, &mut adam_a, &rows(), KEYED).unwrap();
        let mut calls = 0;
        let between = &mut |gradient: &mut [f64], stats: &mut MinibatchStats| {
            calls += 1;
            assert!(gradient.iter().any(|g| *g != 0.0) && stats.rows as usize == ROWS / config.num_minibatches);
            Ok(())
        };
        let got = ppo_update_between(&spec(), &config, 1e-3, &mut b, &mut adam_b, &rows(), KEYED, between).unwrap();
        assert_eq!((got.minibatches.len(), calls), (want.minibatches.len(), want.minibatches.len()));
        assert_eq!((a, adam_a), (b, adam_b));
    }
    let config = short(Config { ent_coef: 0.0, ..Config::cleanrl() }.with_algorithm(AlgorithmKind::Trpo));
    let ((mut a, mut adam_a), (mut b, mut adam_b)) = (start(&config), start(&config));
    trpo_update(&spec(), &config, 1e-3, &mut a, &mut adam_a, &mut Vec::new(), &rows(), KEYED).unwrap();
    let mut calls = 0;
    let between = &mut |_: &mut [f64], _: &mut MinibatchStats| {
        calls += 1;
        Ok(())
    };
    let direction = &mut Vec::new();
    trpo_update_between(&spec(), &config, 1e-3, &mut b, &mut adam_b, direction, &rows(), KEYED, between).unwrap();
    assert_eq!((a, adam_a, calls), (b, adam_b, 4));
}

/// Two processes with half of the rows each that average their gradients step as one with all rows does.
#[test]
fn the_mean_of_two_halves_is_the_whole() {
    let config = Config { num_minibatches: 1, update_epochs: 1, norm_adv: AdvantageNorm::None, ..Config::cleanrl() };
    let (layout, lr) = (spec().layout(), 1e-3);
    let all: Vec<u32> = (0..ROWS as u32).collect();
    let [first, second] = [0, 1].map(|half| rows().gather(&all[half * ROWS / 2..(half + 1) * ROWS / 2]));
    let (mut want, mut adam) = start(&config);
    ppo_update(&spec(), &config, lr, &mut want, &mut adam, &rows(), KEYED).unwrap();

    let (begin, _) = start(&config);
    let of = |rows: &Rows<f64>| minibatch_gradient(&spec(), &layout, &config, &begin, rows).unwrap().1;
    let other = of(&second);
    let stepped = |average: bool| {
        let (mut parameters, mut adam) = start(&config);
        let between = &mut |gradient: &mut [f64], _: &mut MinibatchStats| {
            if average {
                gradient.iter_mut().zip(&other).for_each(|(own, other)| *own = (*own + other) / 2.0);
            }
            Ok(())
        };
        ppo_update_between(&spec(), &config, lr, &mut parameters, &mut adam, &first, KEYED, between).unwrap();
        parameters
    };
    // Both are sums over 16 rows in another order, and halves and sixteenths are exact: each sum is off by at most 16 roundings of the
    // sum of its terms' sizes.
    let sizes =
        all.iter().map(|row| of(&rows().gather(&[*row]))).fold(vec![0.0; layout.len()], |sum: Vec<f64>, row| {
            sum.iter().zip(row).map(|(sum, g)| sum + g.abs() / ROWS as f64).collect()
        });
    let off = 2.0 * 16.0 * 0.5_f64.powi(53) * sizes.iter().map(|size| size * size).sum::<f64>().sqrt();
    // Clipping moves each by at most as much again. The first step of Adam is lr · g / (|g| + ε), whose slope is at most lr / ε, and the
    // parameter and it are rounded a few times.
    let tolerance = |p: f64| lr / config.adam_eps * 2.0 * off + 8.0 * 0.5_f64.powi(53) * (p.abs() + lr);
    let far =
        |got: &[f64]| got.iter().zip(&want).filter(|(got, want)| (*got - *want).abs() > tolerance(**want)).count();
    assert_eq!(far(&stepped(true)), 0);
    assert!(far(&stepped(false)) > layout.len() / 2, "half of the rows alone step otherwise");
    assert!(tolerance(1.0) < 1e-4 * lr, "{}", tolerance(1.0));
}
