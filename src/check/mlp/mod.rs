//! Dense layers and networks of them.

pub(super) mod fused;
pub(super) mod jvp;
mod layer;
pub(super) mod networks;
pub(super) mod plain;
pub(super) mod tiled;
mod tiled_weight;
mod tiles;
