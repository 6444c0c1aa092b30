//! The host layer: device, buffers, pipelines, recording. Knows wgpu; knows no reinforcement learning.
//!
//! A kernel becomes work in three steps, of which only the last happens per update:
//!
//! 1. its definition ([`KernelDef`]) is composed, compiled inside an error scope and cached in the [`Gpu`];
//! 2. `bind` checks every length and makes one bind group and its parameter blocks: a list of [`Call`]s;
//! 3. [`Gpu::record`] writes the calls into one compute pass of the caller's encoder.
//!
//! Nothing here submits, polls or waits except [`Gpu::submit`] and [`Gpu::run`], which submit, and [`Gpu::read`], [`Gpu::wait`],
//! [`Gpu::block_on`] and [`ReadBack::fetch`], which poll the device until it is done. Each of these has a half that ends in `_async` and never
//! blocks: the only one that a browser allows. There, the blocking shell is [`Error::Waits`](crate::Error::Waits), before anything was done.

mod adapter;
mod buffer;
#[cfg(not(target_arch = "wasm32"))]
mod compiling;
mod counts;
mod device;
mod environment;
mod health;
mod kernel;
mod lengths;
mod loops;
mod loss;
mod options;
mod pipeline;
mod pipeline_cache;
mod readback;
mod record;
mod ring;
mod scope;
mod signal;
mod timestamps;
#[cfg(not(target_arch = "wasm32"))]
mod watch;

pub use adapter::{AdapterSummary, adapters};
pub use buffer::{Buffer, Element};
pub use counts::Counts;
pub use device::Gpu;
pub use environment::narrowed;
pub use kernel::{Access, Binding, KernelDef, ParamField, ParamKind, Part, Variant};
pub(crate) use lengths::{MOST_ITERATIONS, elements, iterations};
pub use options::{AdapterChoice, GpuOptions, ProductPath};
pub use readback::{Fetch, ReadBack};
pub use record::Call;
pub(crate) use record::{Bind, Grid, require_calls};
pub use ring::{Slot, UniformRing};
pub use timestamps::Timestamps;
#[cfg(not(target_arch = "wasm32"))]
pub use watch::Compiling;
