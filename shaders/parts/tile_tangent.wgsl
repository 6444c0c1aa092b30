// The second product of a tangent, added to the sums of the first: row tangents by columns, where part tile_product has rows
// by column tangents. Its twin, because WGSL cannot be told where the numbers are but by the names of functions: here
// tile_row_tangents(quad, k) and tile_tangent_columns(quad, k), to be read as part tile_product says of its own.

fn tile_tangent_four_rows(quad: u32, k: u32) -> mat4x4<f32> {
    if (LOOPS != 0u) {
        var four = mat4x4<f32>();
        for (var i = 0u; i < loops_end(4u, params.rows); i++) { four = tile_turn(four, tile_row_tangent(quad, k, i)); }
        return four;
    }
    return mat4x4<f32>(
        tile_row_tangent(quad, k, 0u), tile_row_tangent(quad, k, 1u),
        tile_row_tangent(quad, k, 2u), tile_row_tangent(quad, k, 3u));
}

fn tile_tangent_four_columns(quad: u32, k: u32) -> mat4x4<f32> {
    if (LOOPS != 0u) {
        var four = mat4x4<f32>();
        for (var i = 0u; i < loops_end(4u, params.rows); i++) { four = tile_turn(four, tile_tangent_column(quad, k, i)); }
        return four;
    }
    return mat4x4<f32>(
        tile_tangent_column(quad, k, 0u), tile_tangent_column(quad, k, 1u),
        tile_tangent_column(quad, k, 2u), tile_tangent_column(quad, k, 3u));
}

fn tile_tangent_product(before: TileSums, lane: u32, terms: u32, rows: u32, columns: u32) -> TileSums {
    let row_0 = tile_row_quad(lane, 0u);
    let row_1 = tile_row_quad(lane, 1u);
    let column_0 = tile_column_quad(lane, 0u);
    let column_1 = tile_column_quad(lane, 1u);
    // An idle lane waits at the barriers only.
    let busy = row_0 * 4u < rows && column_0 * 4u < columns;
    var sums = before;
    if (STAGED == 0u) {
        let end = select(0u, terms, busy);
        for (var k = 0u; k < end; k += 4u) {
            if (LOOPS != 0u) {
                var a_0 = mat4x4<f32>();
                var a_1 = mat4x4<f32>();
                var b_0 = mat4x4<f32>();
                var b_1 = mat4x4<f32>();
                for (var half = 0u; half < loops_end(2u, params.rows); half++) {
                    a_0 = a_1;
                    a_1 = tile_row_tangents(tile_row_quad(lane, half), k);
                    b_0 = b_1;
                    b_1 = tile_tangent_columns(tile_column_quad(lane, half), k);
                }
                sums.block_00 = tile_add_4(sums.block_00, a_0, b_0);
                sums.block_10 = tile_add_4(sums.block_10, a_1, b_0);
                sums.block_01 = tile_add_4(sums.block_01, a_0, b_1);
                sums.block_11 = tile_add_4(sums.block_11, a_1, b_1);
                continue;
            }
            let a_0 = tile_row_tangents(row_0, k);
            let a_1 = tile_row_tangents(row_1, k);
            let b_0 = tile_tangent_columns(column_0, k);
            sums.block_00 = tile_add_4(sums.block_00, a_0, b_0);
            sums.block_10 = tile_add_4(sums.block_10, a_1, b_0);
            let b_1 = tile_tangent_columns(column_1, k);
            sums.block_01 = tile_add_4(sums.block_01, a_0, b_1);
            sums.block_11 = tile_add_4(sums.block_11, a_1, b_1);
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
            let a = tile_row_tangents(quad, first + part);
            row_tile[place] = a[0];
            row_tile[place + TILE_QUADS] = a[1];
            row_tile[place + 2u * TILE_QUADS] = a[2];
            row_tile[place + 3u * TILE_QUADS] = a[3];
        } else {
            let b = tile_tangent_columns(quad, first + part);
            column_tile[place] = b[0];
            column_tile[place + TILE_QUADS] = b[1];
            column_tile[place + 2u * TILE_QUADS] = b[2];
            column_tile[place + 3u * TILE_QUADS] = b[3];
        }
        workgroupBarrier();  // the tiles are complete
        let count = select(0u, min(TILE_TERMS, terms - first) * TILE_QUADS, busy);
        for (var i = 0u; i < count; i += TILE_QUADS) {
            let a_0 = row_tile[i + row_0];
            let a_1 = row_tile[i + row_1];
            let b_0 = column_tile[i + column_0];
            let b_1 = column_tile[i + column_1];
            sums.block_00 = tile_add(sums.block_00, a_0, b_0);
            sums.block_01 = tile_add(sums.block_01, a_0, b_1);
            sums.block_10 = tile_add(sums.block_10, a_1, b_0);
            sums.block_11 = tile_add(sums.block_11, a_1, b_1);
        }
    }
    return sums;
}
