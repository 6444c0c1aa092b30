//! The threads that environments step on.

use crate::error::{Error, Result};
#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
use rayon::prelude::*;

/// A pool with the feature `cpu`, which has one anyway. Without it, and in a browser, which refuses any, threads that last for a call.
#[derive(Default)]
pub(super) struct Threads {
    #[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
    pool: Option<rayon::ThreadPool>,
    #[cfg(not(all(feature = "cpu", not(target_arch = "wasm32"))))]
    count: usize,
}

#[cfg(all(feature = "cpu", not(target_arch = "wasm32")))]
impl Threads {
    /// `count` of them; 1 and 0 are the calling one.
    pub fn new(count: usize) -> Result<Self> {
        if count < 2 {
            return Ok(Self::default());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(name).build();
        Ok(Self { pool: Some(pool.map_err(|error| refused(count, error))?) })
    }

    /// `work` on every item with its index.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let Some(pool) = &self.pool else {
            return items.iter_mut().enumerate().for_each(|(index, item)| work(index, item));
        };
        let share = items.len().div_ceil(pool.current_num_threads());
        let items = items.par_iter_mut().with_min_len(share).enumerate();
        pool.install(|| items.for_each(|(index, item)| work(index, item)));
    }
}

#[cfg(not(all(feature = "cpu", not(target_arch = "wasm32"))))]
impl Threads {
    /// `count` of them; 1 and 0 are the calling one.
    pub fn new(count: usize) -> Result<Self> {
        if count > 1 {
            // Whether there are threads at all, as in a browser there are none.
            let one = std::thread::Builder::new().name(name(0)).spawn(|| ()).map_err(|error| refused(count, error))?;
            one.join().map_err(|_| refused(count, "the first ended"))?;
        }
        Ok(Self { count })
    }

    /// `work` on every item with its index. The calling thread has a share, and those that no thread can be started for.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let share = items.len().div_ceil(self.count.max(1)).max(1);
        let run = |first: usize, items: &mut [T]| {
            items.iter_mut().enumerate().for_each(|(index, item)| work(first + index, item));
        };
        let shares: Vec<_> = items.chunks_mut(share).map(|items| std::sync::Mutex::new(Some(items))).collect();
        let take = |index: usize| {
            let taken = shares[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            taken.into_iter().for_each(|items| run(index * share, items));
        };
        std::thread::scope(|scope| {
            let others = 1..shares.len();
            let start = |index| std::thread::Builder::new().name(name(index)).spawn_scoped(scope, move || take(index));
            let refused: Vec<usize> = others.filter(|index| start(*index).is_err()).collect();
            (!shares.is_empty()).then_some(0).into_iter().chain(refused).for_each(take);
        });
    }
}

fn name(index: usize) -> String {
    format!("wgpo environments {index}")
}

fn refused(count: usize, error: impl std::fmt::Display) -> Error {
    Error::config("threads", format!("{count} cannot be started: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_its_turn_and_its_index() {
        for count in [0, 1, 2, 3, 8] {
            let threads = Threads::new(count).unwrap();
            for len in [0, 1, 2, 5, 16, 17] {
                let mut items = vec![0; len];
                threads.each(&mut items, |index, item| *item += index + 1);
                assert_eq!(items, (1..=len).collect::<Vec<_>>(), "{count} threads, {len} items");
            }
        }
    }
}
