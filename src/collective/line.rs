//! What a rank can do.

use crate::error::Result;
use std::fmt::Debug;

/// One rank's end of the line to the others.
///
/// Errors are [`Error::Rank`](crate::Error::Rank) and name the rank that cannot go on; after one, every later call is one, too.
pub trait Collective: Debug + Send + Sync {
    /// This process' number, below [`size`](Self::size).
    fn rank(&self) -> usize;

    /// How many there are, at least 1.
    fn size(&self) -> usize;

    /// The bytes of all ranks, in rank order. `own` is as long on every rank, `all` [`size`](Self::size) times as long.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if a rank is gone.
    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()>;

    /// Each element becomes the sum of all ranks' elements, in rank order.
    ///
    /// # Errors
    /// As [`all_gather`](Self::all_gather).
    fn sum_f64(&self, values: &mut [f64]) -> Result<()> {
        let len = values.len();
        let mut all = vec![0_f64; len * self.size()];
        self.all_gather(bytemuck::cast_slice(values), bytemuck::cast_slice_mut(&mut all))?;
        values.iter_mut().enumerate().for_each(|(i, value)| *value = in_rank_order(&all, len, i));
        Ok(())
    }

    /// The same of `f32`: added up in `f64`, rounded once.
    ///
    /// # Errors
    /// As [`all_gather`](Self::all_gather).
    fn sum_f32(&self, values: &mut [f32]) -> Result<()> {
        let len = values.len();
        let mut all = vec![0_f32; len * self.size()];
        self.all_gather(bytemuck::cast_slice(values), bytemuck::cast_slice_mut(&mut all))?;
        values.iter_mut().enumerate().for_each(|(i, value)| *value = in_rank_order(&all, len, i) as f32);
        Ok(())
    }

    /// Tells the others that this rank cannot go on, and why. They get it as [`Error::Rank`](crate::Error::Rank) from the call that they
    /// wait in; an implementation may also end all processes.
    fn fail(&self, message: &str);
}

/// The sum of the ranks' elements `index`, of `all` vectors of `len` one after the other.
pub fn in_rank_order<T: Copy + Into<f64>>(all: &[T], len: usize, index: usize) -> f64 {
    let mut terms = all.iter().skip(index).step_by(len.max(1)).map(|term| (*term).into());
    let first = terms.next().unwrap_or(0.0);
    terms.fold(first, |sum, term| sum + term)
}
