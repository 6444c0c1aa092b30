//! What the place can do.

use super::case::block_on;
use super::roof::Roof;
use super::roof_gpu;
use super::timing::Options;
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
/// A device error, or a copy or a sum that is wrong; in a browser [`Error::Config`](crate::Error::Config) for the CPU.
pub async fn roof_async(place: &Place, options: &Options) -> Result<Roof> {
    match place {
        Place::Gpu(gpu) => roof_gpu::measure(gpu, options).await,
        #[cfg(not(target_arch = "wasm32"))]
        Place::Cpu => Ok(super::roof_cpu::measure(options)),
        #[cfg(target_arch = "wasm32")]
        Place::Cpu => Err(crate::error::Error::config("place", "is cpu, but a browser measures devices alone")),
    }
}
