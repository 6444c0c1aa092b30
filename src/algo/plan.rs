//! The update that the configuration asks for.

use super::batch::BatchBuffers;
use super::model::Model;
use super::trust_region::TrustRegionUpdate;
use super::update::PpoUpdate;
use crate::config::Config;
use crate::data::UpdateStats;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, ReadBack};

/// One update of any algorithm, recorded once.
#[derive(Debug)]
pub(super) enum UpdatePlan {
    Ppo(Box<PpoUpdate>),
    TrustRegion(Box<TrustRegionUpdate>),
}

impl UpdatePlan {
    /// On rows whose rewards and value targets are normalised already where `config` asks for it.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        // What these ask for stands before the update.
        let config = &Config { norm_reward: None, norm_value: None, ..config.clone() };
        if config.trust_region().is_some() {
            TrustRegionUpdate::new(gpu, model, config, batch, order).map(|plan| Self::TrustRegion(Box::new(plan)))
        } else {
            PpoUpdate::new(gpu, model, config, batch, order).map(|plan| Self::Ppo(Box::new(plan)))
        }
    }

    pub fn calls(&self) -> &[Call] {
        match self {
            Self::Ppo(plan) => plan.calls(),
            Self::TrustRegion(plan) => plan.calls(),
        }
    }

    pub fn record_start(&self, encoder: &mut wgpu::CommandEncoder) {
        match self {
            Self::Ppo(plan) => plan.record_start(encoder),
            Self::TrustRegion(plan) => plan.record_start(encoder),
        }
    }

    pub fn statistics_len(&self) -> u64 {
        match self {
            Self::Ppo(plan) => plan.statistics_len(),
            Self::TrustRegion(plan) => plan.statistics_len(),
        }
    }

    pub fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        match self {
            Self::Ppo(plan) => plan.record_statistics(encoder, staging, at),
            Self::TrustRegion(plan) => plan.record_statistics(encoder, staging, at),
        }
    }

    pub fn finish(&self, words: &[u32], learning_rate: f64) -> Result<UpdateStats> {
        match self {
            Self::Ppo(plan) => plan.finish(words, learning_rate),
            Self::TrustRegion(plan) => plan.finish(words, learning_rate),
        }
    }
}
