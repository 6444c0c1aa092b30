//! The table of cases.

use super::backward::{self, ALPHA_AT, Backward};
use super::sample::{self, Sample};
use super::tanh::{self, Noisy};
use super::temperature;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::work::Work;
use crate::kernels::loss_q::Temperature;
use crate::kernels::policy_squash::Source;
use crate::kernels::{optim_temperature, policy_squash, policy_squash_backward, policy_tanh};

const TUNED: Temperature = Temperature::Tuned(ALPHA_AT);
/// Without a clip.
const FREE: f32 = f32::MAX;

/// So many operations and bytes a dimension of an action.
fn work(s: &Size, flops: f64, bytes: f64) -> Work {
    let numbers = (s.rows * s.head.action_dims()) as f64;
    Work::rows(s.rows, flops * numbers, bytes * numbers)
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &policy_squash::DEF,
            about: "SAC's actions: a squashed Gaussian's sample per row with its log-probability, noise drawn or given",
            oracle: oracle!(squashed_sample::SquashSettings),
            at_size: |s| {
                let (rows, dims) = (s.rows, s.head.action_dims());
                Some(sample::case(Sample {
                    rows,
                    dims,
                    source: Source::Update,
                    epsilon: 0.0,
                    spread: 1.0,
                    tanh: false,
                }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| work(s, 60.0, 20.0),
        },
        Entry {
            def: &policy_squash_backward::DEF,
            about: "the gradient by an actor's outputs, through SAC's sample or through tanh alone",
            oracle: oracle!(squashed_sample::SquashedSample),
            at_size: |s| {
                let (rows, dims) = (s.rows, s.head.action_dims());
                let (critics, deterministic, temperature) = (2, false, TUNED);
                let (epsilon, spread, tanh) = (0.0, 1.0, false);
                let c = Backward { rows, dims, critics, deterministic, temperature, epsilon, spread, tanh };
                Some(backward::case(c))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| work(s, 40.0, 28.0),
        },
        Entry {
            def: &policy_tanh::DEF,
            about: "actions of TD3 and DDPG: tanh of the outputs with clipped noise, or uniform ones",
            oracle: oracle!(td3_update::noisy_actions),
            at_size: |s| {
                let (rows, dims) = (s.rows, s.head.action_dims());
                Some(tanh::case(Noisy { rows, dims, source: Source::Update, sigma: 0.2, clip: 0.5 }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| work(s, 40.0, 16.0),
        },
        Entry {
            def: &optim_temperature::DEF,
            about: "a step of Adam on SAC's log α, from the log-probabilities of a batch",
            oracle: oracle!(sac_update::temperature_gradient),
            at_size: |s| Some(temperature::case(s.rows, 1, false)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, s.rows as f64, 4.0 * s.rows as f64),
        },
    ],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, dims, source, epsilon, spread, tanh) in [
        (1, 1, Source::Given, 0.0, 1.0, false),
        (63, 3, Source::Given, 1e-6, 1.0, false),
        (64, 2, Source::Update, 0.0, 1.0, false),
        (65, 6, Source::Update, 1e-6, 1.0, false),
        (257, 1, Source::Act, 0.0, 1.0, false),
        (7, 33, Source::None, 0.0, 0.5, false),
        // Far out, where tanh is 1 in f32.
        (67, 3, Source::Given, 0.0, 12.0, false),
        (1, 1, Source::Given, 0.0, 1.0, true),
        (65, 5, Source::Update, 1e-6, 1.0, true),
        (257, 3, Source::Act, 0.0, 1.0, true),
    ] {
        let c = Sample { rows, dims, source, epsilon, spread, tanh };
        cases.push(sample::case(c).quick(rows == 65));
    }
    for (rows, dims, source, sigma, clip) in [
        (1, 1, Source::Given, 0.2, 0.5),
        (63, 3, Source::Update, 0.2, 0.5),
        (65, 6, Source::Update, 0.5, 0.25),
        (64, 2, Source::Act, 0.1, FREE),
        (257, 1, Source::None, 0.0, 0.0),
        (33, 5, Source::Uniform, 0.0, 0.0),
    ] {
        cases.push(tanh::case(Noisy { rows, dims, source, sigma, clip }).quick(rows == 65));
    }
    for (rows, dims, critics, deterministic, temperature, epsilon, spread, tanh) in [
        (1, 1, 1, true, Temperature::None, 0.0, 1.0, false),
        (63, 3, 2, true, Temperature::None, 0.0, 1.0, false),
        (64, 2, 2, false, Temperature::Fixed(0.2), 0.0, 1.0, false),
        (65, 6, 2, false, TUNED, 1e-6, 1.0, false),
        (257, 1, 1, false, TUNED, 0.0, 1.0, false),
        (7, 33, 2, false, Temperature::None, 0.0, 0.5, false),
        (67, 3, 2, false, TUNED, 0.0, 6.0, false),
        (1, 1, 1, false, Temperature::Fixed(0.2), 0.0, 1.0, true),
        (65, 5, 2, false, TUNED, 1e-6, 1.0, true),
        (63, 3, 2, false, TUNED, 0.0, 6.0, true),
    ] {
        let c = Backward { rows, dims, critics, deterministic, temperature, epsilon, spread, tanh };
        cases.push(backward::case(c).quick(rows == 65));
    }
    for (rows, steps, broken) in [(1, 3, false), (63, 1, false), (64, 4, true), (65, 5, false), (4099, 2, false)] {
        cases.push(temperature::case(rows, steps, broken).quick(rows == 65));
    }
    cases
}
