//! Bytes counted by hand. P are the parameters of policy and value, S the bytes of a minibatch's statistics.

use super::*;
use crate::config::{AlgorithmKind, Ppo};
use crate::policy::{Activation, Head};

/// 3 observations, 2 units, 2 choices: P = (3·2 + 2 + 2·2 + 2) + (3·2 + 2 + 2 + 1) = 25.
fn spec() -> PolicySpec {
    PolicySpec::separate(3, &[2], Activation::Tanh, Head::categorical(2))
}

/// Two minibatches, two passes.
fn config() -> Config {
    Config { num_minibatches: 2, update_epochs: 2, num_steps: 4, num_envs: 2, ..Config::cleanrl() }
}

const S: u128 = size_of::<MinibatchStats>() as u128;

#[test]
fn an_update_is_what_is_held_at_its_fullest_moment() {
    // A row: 3 + 4 numbers and an action, 32 bytes; with the two numbers of its distribution 40.
    // Ten rows three times 960; a pass's statistics 2 S; an order 40. In a minibatch of 5: its rows 160, losses of 3 numbers twice 120,
    // a gradient 100.
    assert_eq!(spec().parameter_count(), 25);
    assert_eq!(update(&spec(), &config(), 4, 10, 10), 960 + 2 * S + 40 + 160 + 120 + 100);
    // In f64, whose arrays nobody keeps: rows of 60; the losses once, 120, and a part of the sum beside its total, 2 × 200.
    assert_eq!(update(&spec(), &config(), 8, 10, 10), 1800 + 2 * S + 40 + 300 + 120 + 400);
    // Four rows of ten count, which may be none of a minibatch of 5: then its rows as they were gathered are the most.
    assert_eq!(update(&spec(), &config(), 4, 10, 4), 2 * 320 + 128 + 2 * S + 40 + 160);
    // A limit on the KL may end it after the first minibatch: of no pass there are statistics for sure.
    let limited = config().with_algorithm(Ppo { target_kl: Some(0.1), ..Ppo::cleanrl() });
    assert_eq!(update(&spec(), &limited, 4, 10, 10), 960 + 40 + 160 + 120 + 100);
}

#[test]
fn distributions_are_held_with_one_of_three_copies_of_the_rows() {
    let penalty = config().with_algorithm(AlgorithmKind::PpoPenalty);
    let needs = update(&spec(), &penalty, 4, 10, 10);
    assert_eq!(needs, 320 + 400 + 320 + 2 * S + 40 + 200 + 120 + 100);
    // What was refused where a byte less was free: a distribution with every copy, all sums and all losses at once.
    let row = 4 * (3 + 5 + 2) + 4;
    let before = row * 2 * 10 + row * 5 + 25 * 4 * 2 + 5 * 4 * (3 + 7 + 6) + 4 * S + 5 * 4 * 3 * 2;
    assert!(needs < before, "{needs}, before {before}");
}

#[test]
fn a_trust_region_has_its_fullest_moment_in_the_policys_step() {
    let trpo = Config { ent_coef: 0.0, ..config() }.with_algorithm(AlgorithmKind::Trpo);
    // Three times the rows 960; those that count 320 and their distributions 80; the Fisher matrix's likewise 400; four vectors 400.
    assert_eq!(update(&spec(), &trpo, 4, 10, 10), 960 + 400 + 400 + 400);
    // After 100 passes of the critic with two minibatches: parameters and gradient 200, an order 40, a minibatch as gathered and counted.
    let long = Config { update_epochs: 101, ..trpo };
    assert_eq!(update(&spec(), &long, 4, 10, 10), 960 + 2 * 100 + 200 * S + 40 + 320);
    // A shared input is held once. In f64, where nothing is kept: 1,000 rows of 3 + 2 + 2 numbers, not of 3 more.
    let of = Update { spec: &spec(), config: &long, size: 8, rows: 1000, counted: 1000, lost: 0 };
    assert_eq!((of.tape(1000, Branch::POLICY), of.tape(1000, Branch::VALUE)), (1000 * 7 * 8, 1000 * 6 * 8));
}

#[test]
fn sums_that_threads_keep_are_not_asked_for_again() {
    // 4,096² weights in each network: a part has more numbers than are kept.
    let (small, large) = (spec(), PolicySpec::separate(3, &[4096, 4096], Activation::Tanh, Head::categorical(2)));
    let sums =
        |spec: &PolicySpec, size| Update { spec, config: &config(), size, rows: 600, counted: 600, lost: 0 }.sums(600);
    let p = large.parameter_count();
    // Blocks of 256 rows: three parts.
    assert_eq!((sums(&small, 4), sums(&small, 8)), (25 * 4, 4 * 25 * 8));
    assert_eq!((sums(&large, 4), sums(&large, 8)), (4 * p * 4, 4 * p * 8));
}

#[test]
fn the_largest_layer_may_be_drawn_alone() {
    let spec = PolicySpec::separate(1, &[1000; 9], Activation::Tanh, Head::categorical(2));
    let p = spec.parameter_count();
    // 12 bytes a parameter afterwards are more than 4 and a layer's 20 MB; sixteen layers on eight threads, 160 MB, were more.
    assert_eq!(learner(&spec, &config(), 4, true), 12 * p);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
    assert_eq!(pool.install(|| learner(&spec, &config(), 4, true)), 12 * p, "threads do not matter");
    let wide = PolicySpec::separate(1, &[1000, 1000], Activation::Tanh, Head::categorical(2));
    assert_eq!(learner(&wide, &config(), 4, true), 4 * wide.parameter_count() + 20_000_000);
    assert_eq!(learner(&wide, &config(), 4, false), 12 * wide.parameter_count());
}

#[test]
fn rollouts_and_actions() {
    // Eight rows of 3 observations, an action and five numbers; two values behind them.
    assert_eq!(rollout(&spec(), &config()), 8 * 4 * 9 + 2 * 4);
    // Ten rows: 4 observations twice, 3 means, and 6 numbers of a distribution.
    let gaussian = PolicySpec::separate(4, &[2], Activation::Tanh, Head::gaussian(3));
    assert_eq!(act(&gaussian, 4, 10), 10 * 4 * (4 + 4 + 3 + 6));
    assert_eq!(act(&gaussian, 8, 10), 10 * (4 * 4 + 8 * (4 + 3 + 6)));
}
