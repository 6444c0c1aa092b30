// The sum of all slices of partial gradients; a kernel provides slices_at(i), element i of them.

// Of element `index` of `count`: four interleaved chains, then a tree over them: a fourth of the rounding of one long chain.
fn slices_sum(index: u32, count: u32, slices: u32) -> f32 {
    var chains = vec4<f32>();
    let whole = slices / 4u * 4u;
    for (var slice = 0u; slice < whole; slice += 4u) {
        let place = slice * count + index;
        chains += vec4<f32>(
            slices_at(place), slices_at(place + count), slices_at(place + 2u * count), slices_at(place + 3u * count));
    }
    var rest = 0.0;
    for (var slice = whole; slice < slices; slice++) {
        rest += slices_at(slice * count + index);
    }
    return ((chains.x + chains.y) + (chains.z + chains.w)) + rest;
}
