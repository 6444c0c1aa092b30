//! Error scopes: what wgpo makes is refused where it is made.

use super::Gpu;
#[cfg(any(not(target_arch = "wasm32"), test))]
use crate::error::Error;
use crate::error::Result;

impl Gpu {
    /// Runs `make` inside error scopes, so that a refusal is an error here and not a panic or a callback elsewhere.
    pub(super) fn scoped<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        // A browser answers later and nothing may block there: errors reach the uncaptured-error callback instead.
        #[cfg(target_arch = "wasm32")]
        let made = {
            let _ = what;
            make()
        };
        #[cfg(not(target_arch = "wasm32"))]
        let made = {
            let device = &self.inner.device;
            let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
            let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
            let made = make();
            // Native scopes answer at once; nothing is waited for.
            let found = [
                pollster::block_on(validation.pop()),
                pollster::block_on(internal.pop()),
                pollster::block_on(memory.pop()),
            ];
            if let Some(error) = found.into_iter().flatten().next() {
                return Err(wgpu_error(what, error));
            }
            made
        };
        Ok(made)
    }
}

#[cfg(any(not(target_arch = "wasm32"), test))]
fn wgpu_error(what: &str, error: wgpu::Error) -> Error {
    match error {
        wgpu::Error::OutOfMemory { source } => {
            Error::OutOfMemory { what: what.to_owned(), message: source.to_string() }
        }
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            Error::Wgpu { what: what.to_owned(), message: description }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_wgpu_has_its_variant() {
        let source = || Box::<dyn std::error::Error + Send + Sync>::from("words");
        let memory = wgpu_error("buffer \"x\"", wgpu::Error::OutOfMemory { source: source() });
        assert_eq!(memory.to_string(), "buffer \"x\": out of device memory: words");
        let description = "bad".to_owned();
        let refused = wgpu_error("kernel", wgpu::Error::Validation { source: source(), description });
        assert_eq!(refused.to_string(), "kernel: wgpu refused: bad");
    }
}
