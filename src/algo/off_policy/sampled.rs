//! A batch of transitions on the device.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu};

/// B transitions, as [`crate::kernels::replay_sample`] leaves them.
#[derive(Debug)]
pub(super) struct Sampled {
    /// B.
    pub rows: u32,
    pub obs_dim: u32,
    /// Words of an action.
    pub action_words: u32,
    /// Whether critics take actions behind observations.
    pub with_actions: bool,
    /// Observations, what followed, and where there is an actor the observations again: 2 or 3.
    pub copies: u32,
    /// Elements from one row to the next, a multiple of four.
    pub stride: u32,
    /// `[copies, rows, stride]`, bits of numbers.
    pub words: Buffer<u32>,
    /// The same memory as numbers.
    pub seen: Buffer<f32>,
    /// `[rows, action_words]`.
    pub actions: Buffer<u32>,
    /// `[rows]`: reward, discount, 1 if terminated, steps.
    pub samples: Buffer<[f32; 4]>,
}

impl Sampled {
    /// Room for `rows` rows.
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(gpu: &Gpu, rows: u32, obs_dim: u32, action_words: u32, with_actions: bool) -> Result<Self> {
        let copies = if with_actions { 3 } else { 2 };
        let width = u64::from(obs_dim) + if with_actions { u64::from(action_words) } else { 0 };
        let stride = width.next_multiple_of(4);
        let words: Buffer<u32> = gpu.buffer("seen", u64::from(copies) * u64::from(rows) * stride)?;
        Ok(Self {
            rows,
            obs_dim,
            action_words,
            with_actions,
            copies,
            // Within the buffer, which u32 indices reach.
            stride: stride as u32,
            seen: words.cast(),
            words,
            actions: gpu.buffer("actions", u64::from(rows) * u64::from(action_words))?,
            samples: gpu.buffer("samples", rows.into())?,
        })
    }

    /// First element of copy `index`.
    pub fn copy(&self, index: u32) -> u32 {
        index * self.rows * self.stride
    }

    /// First element of the first action behind the observations of copy `index`.
    pub fn actions_of(&self, index: u32) -> u32 {
        self.copy(index) + self.obs_dim
    }
}
