//! The one error type. Every message is a sentence with both numbers and both names.

use std::path::PathBuf;

/// What went wrong. Whatever it was, it was found before anything was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A buffer is shorter than the kernel's shape asks for.
    #[error("{kernel}: buffer \"{buffer}\" holds {holds} elements, needs {needs} = {shape}")]
    BufferLength {
        /// Stem of the kernel.
        kernel: &'static str,
        /// Name of the binding.
        buffer: &'static str,
        /// Elements that the given buffer has.
        holds: u64,
        /// Elements that the shape asks for.
        needs: u64,
        /// How that number comes about, for example `(steps 8 + 1) × envs 16`.
        shape: String,
    },

    /// A host array has another shape than the configuration says.
    #[error("\"{tensor}\" has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        tensor: String,
        /// Shape that was given.
        got: Vec<usize>,
        /// Shape that was expected.
        expected: Vec<usize>,
    },

    /// A setting is out of its range, or two settings contradict each other.
    #[error("config: {field}: {message}")]
    Config {
        /// Name of the setting.
        field: &'static str,
        /// Value, permitted range and why.
        message: String,
    },

    /// An input value cannot be used: NaN, infinite, or an index out of range.
    #[error("\"{tensor}\"[{index}] is {value}, expected {expected}")]
    Value {
        /// Name of the tensor.
        tensor: String,
        /// Flat index of the first bad element.
        index: usize,
        /// The element as text.
        value: String,
        /// What it should have been.
        expected: String,
    },

    /// A WebGPU limit of the device is too small for the shape asked for.
    #[error("{what} needs {needs} for {limit}, the device allows {has}")]
    Limit {
        /// Kernel, buffer or plan that does not fit.
        what: String,
        /// wgpu's name of the limit.
        limit: &'static str,
        /// What the shape needs.
        needs: u64,
        /// What the device has.
        has: u64,
    },

    /// A limit of wgpo's own is too small for the shape asked for, whatever the device: it keeps kernels within what every driver
    /// runs to its end, and numbers within the words of a shader.
    #[error("{what} needs {needs} for {limit}, wgpo allows {has} on every device")]
    OwnLimit {
        /// Kernel, buffer or plan that does not fit.
        what: String,
        /// What is limited.
        limit: &'static str,
        /// What the shape needs.
        needs: u64,
        /// What there is.
        has: u64,
    },

    /// This machine's memory is too small for what was asked.
    #[error("{what} needs {needs} bytes of memory, {has} are free")]
    Memory {
        /// What does not fit.
        what: String,
        /// Bytes that it needs at least.
        needs: u64,
        /// Bytes that the system leaves to this process.
        has: u64,
    },

    /// No adapter suits the request. The message lists those that were found.
    #[error("no adapter: {0}")]
    NoAdapter(String),

    /// An environment variable excludes everything.
    #[error("{name} is \"{value}\": {why}; it must be {expected}")]
    Variable {
        /// Name of the variable.
        name: &'static str,
        /// What it is set to.
        value: String,
        /// What is wrong with that.
        why: String,
        /// What it should have been.
        expected: String,
    },

    /// wgpu refused to make a device on the adapter.
    #[error("adapter \"{adapter}\": no device: {message}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// wgpu's own words.
        message: String,
    },

    /// wgpu found a fault in one of our calls or shaders, or in the embedder's.
    #[error("{what}: wgpu refused: {message}")]
    Wgpu {
        /// What was being made or done.
        what: String,
        /// wgpu's own words.
        message: String,
    },

    /// The device has no memory left for what was asked.
    #[error("{what}: out of device memory: {message}")]
    OutOfMemory {
        /// What was being allocated.
        what: String,
        /// wgpu's own words.
        message: String,
    },

    /// In a browser nothing may block, and what was called waits for the device. Nothing was done.
    #[error(
        "this call waits for the device, which a browser does not allow: use the one of the same name that ends in _async"
    )]
    Waits,

    /// So many iterations were submitted and their statistics not taken: there is no buffer for those of another one. Nothing was submitted.
    #[error("{0} iterations are in flight: take the statistics of one before the next is submitted")]
    InFlight(usize),

    /// The device is gone: unplugged, reset by the driver, or destroyed.
    #[error("device lost: {0}")]
    DeviceLost(String),

    /// One of your own environments failed, panicked, or gave a number that is not finite ([`crate::host::HostEnv`]).
    #[error("environment {env}, after {step} steps: {message}")]
    Environment {
        /// Which of the collector's.
        env: usize,
        /// Steps that each of them had taken.
        step: u64,
        /// Which call, and its own words.
        message: String,
    },

    /// One of several processes that train one policy ([`crate::collective`]) cannot go on, or has other settings than rank 0.
    #[error("rank {rank}: {message}")]
    Rank {
        /// Its number, from 0.
        rank: usize,
        /// Its own words, or what is different there.
        message: String,
    },

    /// A fault of wgpo itself: something that cannot happen has happened. Please report it.
    #[error("this is a fault of wgpo itself, please report it: {0}")]
    Internal(&'static str),

    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },

    /// A file was read, or bytes of one, but they are not what they should be.
    #[error("{path}: {message}", path = path.display())]
    Format {
        /// The file, or what the caller calls the bytes.
        path: PathBuf,
        /// Which tensor or key, what was found, what was expected.
        message: String,
    },
}

/// `Result` with wgpo's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether memory is short, the device's ([`OutOfMemory`](Self::OutOfMemory)) or this machine's ([`Memory`](Self::Memory), also for
    /// buffers of a software adapter): less may fit.
    pub const fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::Memory { .. })
    }

    /// A setting out of range; `message` names value, range and reason.
    pub(crate) fn config(field: &'static str, message: impl Into<String>) -> Self {
        Self::Config { field, message: message.into() }
    }

    /// A host array of the wrong shape.
    pub(crate) fn shape(tensor: impl Into<String>, got: &[usize], expected: &[usize]) -> Self {
        Self::Shape { tensor: tensor.into(), got: got.to_vec(), expected: expected.to_vec() }
    }
}
