//! Work on several threads: rayon's, or in a browser, which has one, the same words for the calling thread.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use rayon::{current_num_threads, join, prelude, scope};

#[cfg(target_arch = "wasm32")]
pub(crate) use alone::{current_num_threads, join, prelude, scope};

/// What of rayon is used here, one after another. The order of sums is fixed by the shape and not by the threads, so the bits are the same.
#[cfg(any(target_arch = "wasm32", test))]
mod alone {
    #![cfg_attr(test, allow(dead_code, reason = "a browser's half, which natively only its test uses"))]

    pub(crate) const fn current_num_threads() -> usize {
        1
    }

    pub(crate) fn join<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
        (first(), second())
    }

    pub(crate) fn scope<T>(work: impl FnOnce(&()) -> T) -> T {
        work(&())
    }

    pub(crate) mod prelude {
        /// `into_par_iter`.
        pub(crate) trait IntoParallelIterator: IntoIterator + Sized {
            fn into_par_iter(self) -> Self::IntoIter {
                self.into_iter()
            }
        }
        impl<I: IntoIterator> IntoParallelIterator for I {}

        /// How much a thread takes at once.
        pub(crate) trait IndexedParallelIterator: Iterator + Sized {
            fn with_min_len(self, _: usize) -> Self {
                self
            }

            fn with_max_len(self, _: usize) -> Self {
                self
            }
        }
        impl<I: Iterator> IndexedParallelIterator for I {}

        /// `par_iter`, `par_chunks` and `par_chunks_mut`.
        pub(crate) trait ParallelSlice<T> {
            fn par_iter(&self) -> std::slice::Iter<'_, T>;
            fn par_chunks(&self, size: usize) -> std::slice::Chunks<'_, T>;
            fn par_chunks_mut(&mut self, size: usize) -> std::slice::ChunksMut<'_, T>;
        }
        impl<T> ParallelSlice<T> for [T] {
            fn par_iter(&self) -> std::slice::Iter<'_, T> {
                self.iter()
            }

            fn par_chunks(&self, size: usize) -> std::slice::Chunks<'_, T> {
                self.chunks(size)
            }

            fn par_chunks_mut(&mut self, size: usize) -> std::slice::ChunksMut<'_, T> {
                self.chunks_mut(size)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::alone;
    use alone::prelude::*;

    #[test]
    fn one_thread_does_all_in_order() {
        assert_eq!((alone::current_num_threads(), alone::join(|| 1, || 2), alone::scope(|()| 3)), (1, (1, 2), 3));
        let mut numbers = [1, 2, 3, 4, 5];
        IntoParallelIterator::into_par_iter(ParallelSlice::par_chunks_mut(&mut numbers[..], 2))
            .with_min_len(3)
            .for_each(|own| own.reverse());
        assert_eq!(numbers, [2, 1, 4, 3, 5]);
        assert_eq!(ParallelSlice::par_iter(&numbers[..]).with_max_len(1).copied().collect::<Vec<i32>>(), numbers);
    }
}
