//! What the place can do.

use super::case::block_on;
use super::roof::Roof;
use super::timing::Options;
use super::{roof_cpu, roof_gpu};
use crate::error::Result;
use crate::place::Place;

/// Measures the limits at `place`. Before the rows and after them, and the better of both taken ([`Roof::better`]), they are what
/// the rows are held to.
///
/// # Errors
/// A device error, or a copy or a sum that is wrong; [`Error::Waits`](crate::Error::Waits) in a browser.
pub fn roof(place: &Place, options: &Options) -> Result<Roof> {
    block_on(place, roof_async(place, options))
}

/// [`roof`] without blocking.
///
/// # Errors
/// A device error, or a copy or a sum that is wrong.
pub async fn roof_async(place: &Place, options: &Options) -> Result<Roof> {
    match place {
        Place::Gpu(gpu) => roof_gpu::measure(gpu, options).await,
        Place::Cpu => Ok(roof_cpu::measure(options)),
    }
}
