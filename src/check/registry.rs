//! One row per kernel: what everything that walks the kernels knows of each.
//!
//! The checks, the benchmark, the tests of coverage and the table in docs/kernels.md are made from these rows. A row stands in the
//! file of its cases, beside the other rows of its family.

use super::case::Case;
use super::entry::{Entry, Family};
use super::{
    advantage, advantage_normalize, advantage_return, batch, cg, env, epsilon, head, line_search, loss, loss_fused,
    loss_kl, loss_q, loss_statistics, mlp, normalize, optim, policy_squash, polyak, reduce, replay, rollout_fused,
    tail, trust_region, update, valid, vtrace, wide,
};

/// All of them, in the order in which they are checked. One more file of cases is one more line here.
const FAMILIES: &[Family] = &[
    env::FAMILY,
    head::FAMILY,
    wide::FAMILY,
    advantage::FAMILY,
    vtrace::FAMILY,
    advantage_return::FAMILY,
    advantage_normalize::FAMILY,
    normalize::FAMILY,
    batch::FAMILY,
    valid::FAMILY,
    mlp::plain::FAMILY,
    mlp::fused::FAMILY,
    mlp::networks::FAMILY,
    loss_fused::FAMILY,
    mlp::jvp::FAMILY,
    mlp::tiled::FAMILY,
    loss::FAMILY,
    loss_statistics::FAMILY,
    tail::FAMILY,
    loss_kl::FAMILY,
    loss_q::FAMILY,
    polyak::FAMILY,
    policy_squash::FAMILY,
    epsilon::FAMILY,
    optim::FAMILY,
    trust_region::FAMILY,
    cg::FAMILY,
    line_search::FAMILY,
    reduce::FAMILY,
    replay::FAMILY,
    rollout_fused::FAMILY,
    // Whole updates, of many kernels.
    Family { cases: update::cases, rows: &[] },
];

/// Every case, in order of stage.
pub fn cases() -> Vec<Case> {
    FAMILIES.iter().flat_map(|family| (family.cases)()).collect()
}

/// The row of every kernel, in the order of [`kernels::ALL`](crate::kernels::ALL).
pub fn registry() -> Vec<Entry> {
    let mut rows: Vec<Entry> = FAMILIES.iter().flat_map(|family| family.rows).copied().collect();
    rows.sort_by_key(|row| row.def.name);
    rows
}
