// Register tiles of dense products: an invocation holds 8 × 8 sums, as four blocks of four rows by four columns.
//
// Needs part loops.
// The kernel declares the overrides COLUMN_LANES and STAGED (through workgroup memory; only with 8 column lanes), and takes
// the sums one by one: tile_store(row, column, sum), both in the tile.

const TILE_LANES: u32 = 64u;  // invocations of a workgroup
const TILE_QUADS: u32 = 16u;  // groups of four rows or columns of a staged tile
const TILE_TERMS: u32 = 8u;   // terms that it has in workgroup memory at a time: more would leave room for fewer workgroups

struct TileSums {
    block_00: mat4x4<f32>,
    block_01: mat4x4<f32>,
    block_10: mat4x4<f32>,
    block_11: mat4x4<f32>,
}

// Columns of a tile; it has 4096 / tile_width() rows.
fn tile_width() -> u32 {
    return 8u * COLUMN_LANES;
}

fn tile_height() -> u32 {
    return 8u * (TILE_LANES / COLUMN_LANES);
}

// A lane's first and second (half = 1) group of four rows in the tile. They are neighbours, so that a tile that reaches past
// the end leaves whole lanes idle; but half a tile apart where lanes read workgroup memory side by side.
fn tile_row_quad(lane: u32, half: u32) -> u32 {
    let row = lane / COLUMN_LANES;
    return select(2u * row + half, row + half * (TILE_LANES / COLUMN_LANES), STAGED != 0u);
}

fn tile_column_quad(lane: u32, half: u32) -> u32 {
    let column = lane % COLUMN_LANES;
    return select(2u * column + half, column + half * COLUMN_LANES, STAGED != 0u);
}

// `sums` and one term more: the products of four rows' `a` and four columns' `b`.
fn tile_add(sums: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(sums[0] + a.x * b, sums[1] + a.y * b, sums[2] + a.z * b, sums[3] + a.w * b);
}

fn tile_add_4(sums: mat4x4<f32>, a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return tile_add(tile_add(tile_add(tile_add(sums, a[0], b[0]), a[1], b[1]), a[2], b[2]), a[3], b[3]);
}

// Four neighbours from element `place` mod 4 of `a` on, where `b` follows `a`.
fn tile_window(a: vec4<f32>, b: vec4<f32>, place: u32) -> vec4<f32> {
    let two = (place & 2u) != 0u;
    let near = select(a, vec4<f32>(a.zw, b.xy), two);
    let fifth = select(b.x, b.z, two);
    return select(near, vec4<f32>(near.yzw, fifth), (place & 1u) != 0u);
}

// `v` where `first`, `first` + 1 … are below `end`, else 0: what lies past a row's end may be anything, NaN included.
fn tile_below(v: vec4<f32>, first: u32, end: u32) -> vec4<f32> {
    return select(vec4<f32>(), v, vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
}

fn tile_store_row(row: u32, column: u32, all: vec4<f32>) {
    var sums = all;
    for (var i = 0u; i < loops_end(4u, params.rows); i++) {
        tile_store(row, column + i, sums.x);
        sums = sums.yzwx;
    }
}

// One block at a time, so that what a sum becomes is compiled 16 times and not 64 times.
fn tile_store_all(lane: u32, all: TileSums) {
    var sums = all;
    for (var block = 0u; block < 4u; block++) {
        let row = tile_row_quad(lane, block / 2u) * 4u;
        let column = tile_column_quad(lane, block % 2u) * 4u;
        for (var i = 0u; i < loops_end(4u, params.rows); i++) {
            tile_store_row(row + i, column, sums.block_00[0]);
            sums.block_00 = tile_turn(sums.block_00, sums.block_00[0]);
        }
        sums.block_00 = sums.block_01;
        sums.block_01 = sums.block_10;
        sums.block_10 = sums.block_11;
    }
}

// The columns one place on, and `last` after them.
fn tile_turn(m: mat4x4<f32>, last: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(m[1], m[2], m[3], last);
}
