//! The table of cases.

use super::choices::{Choices, of_actor, of_critics};
use super::critics::Critic;
use super::dqn::Dqn;
use super::support::ALPHA_AT;
use super::{actor, critics, dqn};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::work::Work;
use crate::config::TdLoss;
use crate::kernels::loss_q::Temperature;
use crate::kernels::{loss_actor, loss_actor_choices, loss_dqn, loss_q, loss_q_choices};

const TUNED: Temperature = Temperature::Tuned(ALPHA_AT);

fn choices(s: &Size) -> usize {
    s.head.raw_outputs().max(2)
}

fn of_choices(s: &Size) -> Choices {
    Choices { rows: s.rows, choices: choices(s), critics: 2, temperature: TUNED, broken: None }
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &loss_dqn::DEF,
            about: "DQN's targets and loss, Huber or squared, double or not, dueling or not: gradients at the network's outputs",
            oracle: oracle!(dqn_update::dqn_loss),
            at_size: |s| {
                let (rows, choices) = (s.rows, choices(s));
                Some(dqn::case(Dqn { rows, choices, loss: TdLoss::Huber, double: true, dueling: false, broken: None }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| {
                let (rows, choices) = (s.rows as f64, choices(s) as f64);
                Work::rows(s.rows, rows * (choices + 8.0), 4.0 * rows * (2.0 * choices + 7.0))
            },
        },
        Entry {
            def: &loss_q::DEF,
            about: "targets and loss of one critic or two, with or without an entropy: gradients at their outputs",
            oracle: oracle!(critics::critic_loss),
            at_size: |s| {
                let rows = s.rows;
                Some(critics::case(Critic { rows, critics: 2, temperature: TUNED, scale: 0.5, broken: None }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, 20.0 * s.rows as f64, 44.0 * s.rows as f64),
        },
        Entry {
            def: &loss_actor::DEF,
            about: "an actor's loss by one critic or two: which of them counts in each row",
            oracle: oracle!(critics::least_of),
            at_size: |s| Some(actor::case(s.rows, 2, TUNED, false)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, 6.0 * s.rows as f64, 20.0 * s.rows as f64),
        },
        Entry {
            def: &loss_q_choices::DEF,
            about: "targets and loss of one critic of choices or two, by expectations over the actor's distribution",
            oracle: oracle!(sac_choices::soft_values),
            at_size: |s| Some(of_critics(of_choices(s))),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| {
                let (rows, choices) = (s.rows as f64, choices(s) as f64);
                Work::rows(s.rows, rows * (20.0 * choices + 20.0), 4.0 * rows * (5.0 * choices + 9.0))
            },
        },
        Entry {
            def: &loss_actor_choices::DEF,
            about: "the loss of an actor of choices by one critic or two: its gradient at the logits, and its entropy",
            oracle: oracle!(sac_choices::actor_loss),
            at_size: |s| Some(of_actor(of_choices(s))),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| {
                let (rows, choices) = (s.rows as f64, choices(s) as f64);
                Work::rows(s.rows, rows * 30.0 * choices, 4.0 * rows * (4.0 * choices + 2.0))
            },
        },
    ],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, choices, loss, double) in [
        (1, 1, TdLoss::Huber, false),
        (63, 2, TdLoss::Squared, false),
        (64, 3, TdLoss::Huber, true),
        (65, 18, TdLoss::Squared, true),
        (257, 5, TdLoss::Huber, false),
        (130, 1, TdLoss::Squared, true),
        (3, 1009, TdLoss::Huber, true),
    ] {
        let c = Dqn { rows, choices, loss, double, dueling: false, broken: None };
        cases.push(dqn::case(c).quick(rows == 65));
        cases.push(dqn::case(Dqn { broken: Some(rows / 2), ..c }));
        cases.push(dqn::case(Dqn { dueling: true, ..c }).quick(rows == 65));
        cases.push(dqn::case(Dqn { dueling: true, broken: Some(rows / 2), ..c }));
    }
    for (rows, critics, temperature, scale) in [
        (1, 1, Temperature::None, 1.0),
        (63, 2, Temperature::None, 1.0),
        (64, 2, Temperature::Fixed(0.2), 0.5),
        (65, 2, TUNED, 0.5),
        (257, 1, TUNED, 0.5),
    ] {
        let c = Critic { rows, critics, temperature, scale, broken: None };
        cases.push(critics::case(c).quick(rows == 65));
        cases.push(actor::case(rows, critics, temperature, false).quick(rows == 65));
        if critics == 2 {
            cases.push(critics::case(Critic { broken: Some(rows - 1), ..c }));
            cases.push(actor::case(rows, critics, temperature, true));
        }
    }
    for (rows, choices, critics, temperature) in [
        (1, 1, 1, Temperature::Fixed(0.2)),
        (63, 2, 2, TUNED),
        (64, 3, 2, Temperature::Fixed(0.5)),
        (65, 18, 2, TUNED),
        (257, 5, 1, TUNED),
        (3, 1009, 2, TUNED),
    ] {
        let c = Choices { rows, choices, critics, temperature, broken: None };
        let broken = Choices { broken: Some(rows - 1), ..c };
        cases.extend([of_critics(c).quick(rows == 65), of_critics(broken)]);
        cases.extend([of_actor(c).quick(rows == 65), of_actor(broken)]);
    }
    cases
}
