//! What every case needs: seeded inputs, guarded buffers, and the comparison.

mod guarded;
mod numbers;
mod report;

pub(super) use guarded::{Guarded, schedule};
pub(crate) use numbers::EPS;
pub(super) use numbers::{Random, wide};
pub(crate) use report::{Report, Submitted};
