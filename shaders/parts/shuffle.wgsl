// A keyed permutation of 0..n without sort or index buffer: a Feistel network on just enough bits, walked until it
// falls below n (Mitchell et al. 2021, arXiv 2106.06161).

fn shuffle_mix(x: u32, key: u32) -> u32 {
    var h = x ^ key;
    h *= 0x9E3779B1u;
    h ^= h >> 15u;
    h *= 0x85EBCA77u;
    h ^= h >> 13u;
    h *= 0xC2B2AE3Du;
    h ^= h >> 16u;
    return h;
}

// Where row i < n of the shuffled order comes from. Different i give different results.
fn shuffle_index(i: u32, n: u32, key: vec4<u32>) -> u32 {
    if (n <= 1u) {
        return 0u;
    }
    var keys = key;
    let bits = max(2u, 32u - countLeadingZeros(n - 1u));
    let left_mask = (1u << ((bits + 1u) / 2u)) - 1u;
    let right_bits = bits / 2u;
    let right_mask = (1u << right_bits) - 1u;
    var x = i;
    // Each walk leaves 0..n with a probability below one half. The bound never binds; it only says so to the device.
    for (var walk = 0u; walk < 1024u; walk += 1u) {
        var left = x >> right_bits;
        var right = x & right_mask;
        for (var round = 0u; round < 6u; round += 2u) {
            left ^= shuffle_mix(right, keys[round & 3u] + round) & left_mask;
            right ^= shuffle_mix(left, keys[(round + 1u) & 3u] + round + 1u) & right_mask;
        }
        x = (left << right_bits) | right;
        if (x < n) {
            break;
        }
    }
    return min(x, n - 1u);
}
