//! A random order without a sort: a keyed bijection of 0 … rows − 1.

use crate::rng::{Draw, block};

/// Rounds of the Feistel network.
const ROUNDS: u32 = 6;

/// The order of one epoch's rows.
///
/// A Feistel network (Luby and Rackoff 1988) permutes all numbers of b = max(2, ⌈log2 rows⌉) bits; an image that is not
/// below `rows` is permuted again until it is (cycle walking, Black and Rogaway 2002). With `left` = ⌈b/2⌉ high
/// and `right` = ⌊b/2⌋ low bits l and r of an index:
///
/// ```text
/// round q = 0 … 5:   q even:  l ← l ⊕ (mix(r, key[q mod 4] + q) mod 2^left)
///                    q odd:   r ← r ⊕ (mix(l, key[q mod 4] + q) mod 2^right)
/// mix(x, k):  h = x ⊕ k;  h ×= 9E3779B1₁₆;  h ⊕= h ≫ 15;  h ×= 85EBCA77₁₆;  h ⊕= h ≫ 13;  h ×= C2B2AE3D₁₆;  h ⊕= h ≫ 16
/// ```
///
/// All arithmetic wraps at 32 bits. The key is the four words of the draw (seed, shuffle, epoch, update), see [`crate::rng`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchShuffle {
    rows: u32,
    right_bits: u32,
    left_mask: u32,
    right_mask: u32,
    key: [u32; 4],
}

impl BatchShuffle {
    /// The order of epoch `epoch` of update `update` over `rows` rows.
    pub fn new(rows: u32, seed: u64, epoch: u32, update: u64) -> Self {
        let bits = (u32::BITS - rows.saturating_sub(1).leading_zeros()).max(2);
        let (left_bits, right_bits) = (bits.div_ceil(2), bits / 2);
        let mask = |bits: u32| (1_u32 << bits) - 1;
        let key = block(seed, Draw::Shuffle, epoch, 0, update);
        Self { rows, right_bits, left_mask: mask(left_bits), right_mask: mask(right_bits), key }
    }

    /// The source row of row `index` of the shuffled epoch; `index` is below `rows`.
    pub fn source(&self, index: u32) -> u32 {
        self.walk(index, Self::permute)
    }

    /// Where row `source` of those below `rows` comes in the shuffled epoch: the inverse of [`source`](Self::source).
    pub fn place(&self, source: u32) -> u32 {
        self.walk(source, Self::unpermute)
    }

    /// From `row` by the bijection `step` of a larger range, until it is among the rows.
    fn walk(&self, row: u32, step: impl Fn(&Self, u32) -> u32) -> u32 {
        if self.rows <= 1 {
            return 0;
        }
        let mut image = step(self, row);
        while image >= self.rows {
            image = step(self, image);
        }
        image
    }

    /// All source rows in order.
    pub fn order(&self) -> Vec<u32> {
        (0..self.rows).map(|index| self.source(index)).collect()
    }

    fn permute(&self, index: u32) -> u32 {
        self.rounds(index, 0..ROUNDS)
    }

    /// A round changes one half by the other, so that it undoes itself.
    fn unpermute(&self, image: u32) -> u32 {
        self.rounds(image, (0..ROUNDS).rev())
    }

    fn rounds(&self, index: u32, rounds: impl Iterator<Item = u32>) -> u32 {
        let (mut left, mut right) = (index >> self.right_bits, index & self.right_mask);
        for round in rounds {
            let key = self.key[(round % 4) as usize].wrapping_add(round);
            if round % 2 == 0 {
                left ^= mix(right, key) & self.left_mask;
            } else {
                right ^= mix(left, key) & self.right_mask;
            }
        }
        (left << self.right_bits) | right
    }
}

fn mix(x: u32, key: u32) -> u32 {
    let mut h = x ^ key;
    h = h.wrapping_mul(0x9E37_79B1);
    h ^= h >> 15;
    h = h.wrapping_mul(0x85EB_CA77);
    h ^= h >> 13;
    h = h.wrapping_mul(0xC2B2_AE3D);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_once() {
        for rows in [1, 2, 3, 4, 5, 63, 64, 65, 1000, 1024, 65_537] {
            for seed in 0..3 {
                let shuffle = BatchShuffle::new(rows, seed, 1, 2);
                let mut order = shuffle.order();
                assert!(order.iter().zip(0..).all(|(source, place)| shuffle.place(*source) == place), "{rows} rows");
                order.sort_unstable();
                assert!(order.iter().copied().eq(0..rows), "{rows} rows, seed {seed}");
            }
        }
    }

    #[test]
    fn epochs_updates_and_seeds_differ() {
        let order = |seed, epoch, update| BatchShuffle::new(500, seed, epoch, update).order();
        let base = order(1, 0, 0);
        assert_eq!(base, order(1, 0, 0));
        for other in [order(2, 0, 0), order(1, 1, 0), order(1, 0, 1), (0..500).collect()] {
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(same < 20, "{same} of 500 rows stay in place");
        }
    }

    #[test]
    fn first_places_are_spread_evenly() {
        // Where row 0 goes over many keys: χ² with 15 degrees of freedom is above 44 once in 10,000 times.
        let mut counts = [0_u32; 16];
        for update in 0..16_000 {
            counts[BatchShuffle::new(16, 3, 0, update).source(0) as usize] += 1;
        }
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 44.0, "χ² is {chi}");
    }
}
