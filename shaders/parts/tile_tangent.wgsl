// The two products of a tangent in one register tile (part tile): rows by column tangents plus row tangents by columns.
//
// The kernel says where its numbers are, as part tile_product explains: tile_rows, tile_row_tangents, tile_columns and
// tile_column_tangents. It declares, in workgroup memory, row_tile, row_tangent_tile, column_tangent_tile and
// column_tile.

fn tile_tangent_add(
    sums: mat4x4<f32>, a: vec4<f32>, d_b: vec4<f32>, d_a: vec4<f32>, b: vec4<f32>,
) -> mat4x4<f32> {
    return mat4x4<f32>(
        sums[0] + (a.x * d_b + d_a.x * b), sums[1] + (a.y * d_b + d_a.y * b),
        sums[2] + (a.z * d_b + d_a.z * b), sums[3] + (a.w * d_b + d_a.w * b));
}

fn tile_tangent_add_4(
    sums: mat4x4<f32>, a: mat4x4<f32>, d_b: mat4x4<f32>, d_a: mat4x4<f32>, b: mat4x4<f32>,
) -> mat4x4<f32> {
    let one = tile_tangent_add(sums, a[0], d_b[0], d_a[0], b[0]);
    let two = tile_tangent_add(one, a[1], d_b[1], d_a[1], b[1]);
    let three = tile_tangent_add(two, a[2], d_b[2], d_a[2], b[2]);
    return tile_tangent_add(three, a[3], d_b[3], d_a[3], b[3]);
}

// The tile has so many rows and columns from its first ones to the end of the result.
fn tile_tangent_product(lane: u32, terms: u32, rows: u32, columns: u32) -> TileSums {
    let row_0 = tile_row_quad(lane, 0u);
    let row_1 = tile_row_quad(lane, 1u);
    let column_0 = tile_column_quad(lane, 0u);
    let column_1 = tile_column_quad(lane, 1u);
    // An idle lane waits at the barriers only.
    let busy = row_0 * 4u < rows && column_0 * 4u < columns;
    var sums = TileSums();
    if (STAGED == 0u) {
        let end = select(0u, terms, busy);
        for (var k = 0u; k < end; k += 4u) {
            let a_0 = tile_rows(row_0, k);
            let a_1 = tile_rows(row_1, k);
            let d_a_0 = tile_row_tangents(row_0, k);
            let d_a_1 = tile_row_tangents(row_1, k);
            let b_0 = tile_columns(column_0, k);
            let d_b_0 = tile_column_tangents(column_0, k);
            sums.block_00 = tile_tangent_add_4(sums.block_00, a_0, d_b_0, d_a_0, b_0);
            sums.block_10 = tile_tangent_add_4(sums.block_10, a_1, d_b_0, d_a_1, b_0);
            let b_1 = tile_columns(column_1, k);
            let d_b_1 = tile_column_tangents(column_1, k);
            sums.block_01 = tile_tangent_add_4(sums.block_01, a_0, d_b_1, d_a_0, b_1);
            sums.block_11 = tile_tangent_add_4(sums.block_11, a_1, d_b_1, d_a_1, b_1);
        }
        return sums;
    }
    for (var first = 0u; first < terms; first += TILE_TERMS) {
        let quad = lane % TILE_QUADS;
        let part = lane / TILE_QUADS % 2u * 4u;
        let place = part * TILE_QUADS + quad;
        workgroupBarrier();  // nobody reads the tiles any more
        // Half of the lanes bring the rows, the others the columns.
        if (lane < TILE_LANES / 2u) {
            let a = tile_rows(quad, first + part);
            let d_a = tile_row_tangents(quad, first + part);
            row_tile[place] = a[0];
            row_tile[place + TILE_QUADS] = a[1];
            row_tile[place + 2u * TILE_QUADS] = a[2];
            row_tile[place + 3u * TILE_QUADS] = a[3];
            row_tangent_tile[place] = d_a[0];
            row_tangent_tile[place + TILE_QUADS] = d_a[1];
            row_tangent_tile[place + 2u * TILE_QUADS] = d_a[2];
            row_tangent_tile[place + 3u * TILE_QUADS] = d_a[3];
        } else {
            let b = tile_columns(quad, first + part);
            let d_b = tile_column_tangents(quad, first + part);
            column_tile[place] = b[0];
            column_tile[place + TILE_QUADS] = b[1];
            column_tile[place + 2u * TILE_QUADS] = b[2];
            column_tile[place + 3u * TILE_QUADS] = b[3];
            column_tangent_tile[place] = d_b[0];
            column_tangent_tile[place + TILE_QUADS] = d_b[1];
            column_tangent_tile[place + 2u * TILE_QUADS] = d_b[2];
            column_tangent_tile[place + 3u * TILE_QUADS] = d_b[3];
        }
        workgroupBarrier();  // the tiles are complete
        let count = select(0u, min(TILE_TERMS, terms - first) * TILE_QUADS, busy);
        for (var i = 0u; i < count; i += TILE_QUADS) {
            let a_0 = row_tile[i + row_0];
            let a_1 = row_tile[i + row_1];
            let d_a_0 = row_tangent_tile[i + row_0];
            let d_a_1 = row_tangent_tile[i + row_1];
            let b_0 = column_tile[i + column_0];
            let b_1 = column_tile[i + column_1];
            let d_b_0 = column_tangent_tile[i + column_0];
            let d_b_1 = column_tangent_tile[i + column_1];
            sums.block_00 = tile_tangent_add(sums.block_00, a_0, d_b_0, d_a_0, b_0);
            sums.block_01 = tile_tangent_add(sums.block_01, a_0, d_b_1, d_a_0, b_1);
            sums.block_10 = tile_tangent_add(sums.block_10, a_1, d_b_0, d_a_1, b_0);
            sums.block_11 = tile_tangent_add(sums.block_11, a_1, d_b_1, d_a_1, b_1);
        }
    }
    return sums;
}
