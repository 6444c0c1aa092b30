//! Heads: evaluation with gradients, draws, and Fisher products, of rows that an invocation or a workgroup walks.

mod draw;
mod evaluate;
mod fisher;
pub(super) mod heads;
mod rows;
mod wide_sizes;

pub(super) use draw::{on_edge, sample_case};
pub(super) use evaluate::evaluate_case;
pub(super) use fisher::{REASON, fisher_case};
pub(super) use heads::{
    CLAMP, FLOOR, TANH, Walk, actions_of, beta, binned, deviating, masked, masked_choice, masked_choices, name,
    rows_of, squashed,
};
pub(super) use rows::{FAMILY, evaluate_work, sample_work};
pub(super) use wide_sizes::{REASON as WIDE_REASON, Sizes, TOLERANCE as WIDE_TOLERANCE, is_hit, taken};
