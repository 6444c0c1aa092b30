// All layers of a network, one after another, on the block of 16 rows that part chain computes with.
//
// Needs parts math, activation, loops, chain and dense.
// A kernel provides, beside what chain asks for, network_layer(l), (inputs,
// outputs, first weight, first bias) of layer l, and network_store(i, quad), which writes quad i of the block.

fn network_keep(row: u32, column: u32, sums: vec4<f32>, layer: vec4<u32>, activation: u32, last: bool) {
    if (column >= layer.y) {
        return;
    }
    let place = row * CHAIN_STRIDE + column / 4u;
    if (last) {
        network_store(place, dense_quad(sums, column, layer, ACTIVATION_IDENTITY));
    } else {
        network_store(place, dense_quad(sums, column, layer, activation));
    }
}

// The block's rows from inputs, at most CHAIN_WIDTH of them, to outputs; the last layer has no activation. Begins and ends
// with a barrier: what any lane has written before is read, and any lane may read the outputs.
fn network_run(lane: u32, depth: u32, activation: u32) {
    let column = chain_column(lane);
    for (var l = 0u; l < depth; l++) {
        let layer = network_layer(l);
        workgroupBarrier();  // this layer's input is complete
        var sums = chain_layer(ChainSums(), lane, layer.x, layer.z, layer.x, layer.y);
        workgroupBarrier();  // and nobody reads it any more
        for (var i = 0u; i < loops_end(8u, layer.y); i++) {
            network_keep(chain_row(lane, i % 4u), column + i / 4u * 64u, sums.near[0], layer, activation, l + 1u == depth);
            sums = chain_turn(sums);
        }
    }
    workgroupBarrier();
}
