//! How the workgroups of a tiled product lie over its result.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Variant};

/// One way to compute a product of `[rows, columns]` sums in tiles of 4,096, an invocation 8 × 8 of them.
///
/// Every sum has the same terms in the same order in all of them, so the bits do not depend on the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// The workgroup brings 8 terms at a time into workgroup memory and shares them. Else each invocation loads its own: for
    /// layers of few columns, and for drivers that compute on the CPU, where workgroup memory is no nearer than any other and
    /// a barrier costs more than a load.
    pub staged: bool,
    /// Invocations along the columns, a power of two up to 64 (8 where staged): a tile is 8 `column_lanes` columns wide.
    pub column_lanes: u32,
}

impl Tile {
    /// 64 × 64 through workgroup memory.
    pub const STAGED: Self = Self { staged: true, column_lanes: 8 };

    /// Every way there is, for the tests that walk them.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::STAGED).chain((0..7).map(|log| Self { staged: false, column_lanes: 1 << log }))
    }

    /// The way for results of these `[rows, columns]`, by shape and [`Gpu::products`]: the fewest groups of eight lanes that have
    /// something to do, then the fewest tiles, and among equals the one that is nearest to a square. Through workgroup memory,
    /// where that is asked for, unless a square takes more than a quarter more tiles.
    pub fn pick(gpu: &Gpu, shapes: &[[u32; 2]]) -> Self {
        let tiles = |column_lanes: u32| {
            let tile = Self { staged: false, column_lanes };
            shapes.iter().map(|[rows, columns]| tile.groups(*rows, *columns)).sum::<u64>()
        };
        // From a square to thin and flat ones.
        let lanes = [8, 4, 16, 2, 32, 1, 64];
        let fewest = lanes.into_iter().map(tiles).min().unwrap_or(0);
        if gpu.products().stages() && tiles(8) * 4 <= fewest * 5 {
            return Self::STAGED;
        }
        let busy = |column_lanes: u32| {
            let (high, wide) = (8 / column_lanes.min(8), column_lanes.min(8));
            let groups =
                |[rows, columns]: &[u32; 2]| u64::from(rows.div_ceil(8 * high)) * u64::from(columns.div_ceil(8 * wide));
            shapes.iter().map(groups).sum::<u64>()
        };
        let best = lanes.into_iter().min_by_key(|lanes| (busy(*lanes), tiles(*lanes))).unwrap_or(8);
        Self { staged: false, column_lanes: best }
    }

    /// Tiles that cover a result.
    pub(crate) fn groups(self, rows: u32, columns: u32) -> u64 {
        let (width, height) = (8 * self.column_lanes, 512 / self.column_lanes.clamp(1, 64));
        u64::from(rows.div_ceil(height)) * u64::from(columns.div_ceil(width.max(1)))
    }

    /// The shader's choices; `loads` are those of the rows' and of the columns' numbers.
    pub(crate) fn variant(self, loads: [Loads; 2], activations: &[(&'static str, u32)]) -> Result<Variant> {
        let lanes = self.column_lanes;
        if !lanes.is_power_of_two() || lanes > 64 || (self.staged && lanes != 8) {
            let message = format!("is {lanes}, not a power of two up to 64, and 8 where staged");
            return Err(Error::config("column_lanes", message));
        }
        let own = [
            ("COLUMN_LANES", lanes),
            ("STAGED", u32::from(self.staged)),
            ("TILE_VECTORS", if self.staged { 128 } else { 1 }),
            ("ROWS_WHOLE", loads[0] as u32),
            ("COLUMNS_WHOLE", loads[1] as u32),
        ];
        let constants = own.iter().chain(activations).map(|(name, value)| (*name, f64::from(*value))).collect();
        Ok(Variant { constants, ..Variant::default() })
    }
}

/// How four neighbours come out of a buffer of vectors, by what every row of every layer in a dispatch allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loads {
    /// They may begin anywhere: from two vectors. A row ends where it ends.
    Windows = 0,
    /// Rows begin at vectors and may end within one.
    Rows = 2,
    /// Rows are vectors.
    Whole = 1,
}

impl Loads {
    /// What rows of `width` allow where `starts`, their offset and stride, are as given.
    pub fn of(width: u32, starts: [u32; 2]) -> Self {
        match (fours(&starts), fours(&[width])) {
            (true, true) => Self::Whole,
            (true, false) => Self::Rows,
            (false, _) => Self::Windows,
        }
    }

    /// What both allow.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Windows, _) | (_, Self::Windows) => Self::Windows,
            (Self::Whole, Self::Whole) => Self::Whole,
            _ => Self::Rows,
        }
    }

    /// Whole or windows.
    pub fn whole(whole: bool) -> Self {
        if whole { Self::Whole } else { Self::Windows }
    }
}

/// Whether all of these are multiples of four.
pub(crate) fn fours(values: &[u32]) -> bool {
    values.iter().all(|value| value.is_multiple_of(4))
}

/// Vectors of four that hold so many numbers.
pub(crate) fn quads(elements: u64) -> u64 {
    elements.div_ceil(4)
}

/// Loop iterations of an invocation over `terms` terms: one per four of them and some per round of eight; where staged one per term.
pub(crate) fn iterations(terms: u32) -> u64 {
    u64::from(terms) + 4 * u64::from(terms.div_ceil(8)) + 4
}

/// A count of workgroups as the shader has it.
pub(crate) fn word(kernel: &'static str, groups: u64) -> Result<u32> {
    u32::try_from(groups).map_err(|_| Error::OwnLimit {
        what: kernel.to_owned(),
        limit: "workgroups",
        needs: groups,
        has: u64::from(u32::MAX),
    })
}
