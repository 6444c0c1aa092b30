//! The dispatches from what critics see to their values.

use super::chain::{Chain, Inputs};
use super::model::OffPolicyModel;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack, Slot};
use crate::kernels::mlp_forward_networks::NOT_KEPT;

/// What critics see of some rows, and their values.
#[derive(Debug)]
pub(super) struct ValuesPlan {
    pub rows: u32,
    /// Values of a row by each critic: one, or one for each choice.
    pub width: u32,
    /// Observations, with actions that are floats behind them, `[rows, inputs]`.
    seen: Buffer<f32>,
    /// `[critics, rows, width]`.
    q: Buffer<f32>,
    calls: Vec<Call>,
    staging: ReadBack<f32>,
}

impl ValuesPlan {
    /// Buffers and dispatches for `rows` rows; of a learner with critics.
    ///
    /// # Errors
    /// A limit, or out of memory.
    pub fn new(gpu: &Gpu, model: &OffPolicyModel, rows: u32) -> Result<Self> {
        let critics = model.arrangement.critics();
        let network = critics.first().ok_or_else(|| Error::config("branches", "have no \"q1\""))?;
        let chain = Chain { gpu, activation: model.spec.activation, network, rows };
        let stride = network.layers.first().map_or(0, |layer| layer[0]);
        let width = network.layers.last().map_or(1, |layer| layer[1]);
        let table = rows * width;
        let seen = gpu.buffer("seen", u64::from(rows) * u64::from(stride))?;
        let q = gpu.buffer("q", critics.len() as u64 * u64::from(table))?;
        let unused = gpu.buffer("unused", 1)?;
        let passes: Vec<_> =
            (0..).zip(&critics).map(|(index, critic)| [critic.first, 0, index * table, NOT_KEPT]).collect();
        let inputs = Inputs { buffer: &seen, stride };
        let calls = chain.forward(&model.parameters, inputs, &q, &unused, &passes)?;
        let staging = ReadBack::new(gpu, "values", q.len())?;
        Ok(Self { rows, width, seen, q, calls, staging })
    }

    /// Values of what critics see, `[critics, rows, width]`.
    ///
    /// # Errors
    /// A device error.
    pub async fn run(&self, gpu: &Gpu, seen: &[f32]) -> Result<Vec<f32>> {
        gpu.write(&self.seen, 0, seen)?;
        let mut encoder = gpu.encoder("values");
        gpu.record(&mut encoder, "values", &self.calls, Slot::default());
        self.staging.copy(&mut encoder, &self.q, 0, 0, self.q.len())?;
        gpu.submit(encoder)?;
        self.staging.fetch_async(gpu).await
    }
}
