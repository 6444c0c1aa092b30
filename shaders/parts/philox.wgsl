// Philox4x32-10 (Salmon et al. 2011): four random words from a key and a counter; the same integers as `wgpo::rng`.

const PHILOX_ACTION: u32 = 0u;
const PHILOX_RESET: u32 = 1u;
const PHILOX_SHUFFLE: u32 = 2u;
const PHILOX_REPLAY: u32 = 4u;
const PHILOX_NOISE: u32 = 5u;
const PHILOX_EXPLORATION: u32 = 6u;

// High and low word of a * b, by 16-bit limbs: WGSL has neither 64-bit integers nor a high product.
fn philox_product(a: u32, b: u32) -> vec2<u32> {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let cross = a_high * b_low + ((a_low * b_low) >> 16u);
    let middle = a_low * b_high + (cross & 0xffffu);
    return vec2<u32>(a_high * b_high + (cross >> 16u) + (middle >> 16u), a * b);
}

fn philox_block(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round += 1u) {
        let p = philox_product(0xD2511F53u, c.x);
        let q = philox_product(0xCD9E8D57u, c.z);
        c = vec4<u32>(q.x ^ c.y ^ k.x, q.y, p.x ^ c.w ^ k.y, p.y);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// `kind` keeps the streams of one seed apart; `dimension` < 2^24; `step` is (low, high).
fn philox_counter(kind: u32, index: u32, dimension: u32, step: vec2<u32>) -> vec4<u32> {
    return vec4<u32>(index, (kind << 24u) | dimension, step.x, step.y);
}

// In the open interval (0, 1), exact in f32.
fn philox_uniform(word: u32) -> f32 {
    return (f32(word >> 9u) + 0.5) * 1.1920928955078125e-7;
}

// One of 0..n by the 64-bit number (low, high) of the first two words, times n and shifted by 64 bits; see `rng::below`.
fn philox_below(words: vec4<u32>, n: u32) -> u32 {
    let high = philox_product(words.y, n);
    let low = philox_product(words.x, n).x;
    return high.x + select(0u, 1u, high.y + low < low);
}
