//! Tiles of the cases, and what their second layer is.

use super::layer::Layer;
use crate::gpu::Gpu;
use crate::kernels::tile::Tile;

/// `None` is the tile that is picked for the shape, as plans do.
pub(super) fn label(tile: Option<Tile>) -> String {
    let Some(tile) = tile else { return String::new() };
    let how = if tile.staged { "staged" } else { "direct" };
    format!(", {how} {}", 8 * tile.column_lanes)
}

pub(super) fn picked(gpu: &Gpu, tile: Option<Tile>, first: [usize; 2], second: [usize; 2]) -> Tile {
    tile.unwrap_or_else(|| Tile::pick(gpu, &[first, second].map(|shape| shape.map(|len| len as u32))))
}

pub(super) fn skip(c: Layer) -> usize {
    c.outputs / 2
}
