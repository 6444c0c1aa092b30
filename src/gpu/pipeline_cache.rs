//! The pipelines that a device has, by what they were made from.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pipeline with the layout of its one bind group.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Name, source, chosen parts, constants. The source, too: two kernels may have one name.
pub(super) type Key = (&'static str, &'static str, Vec<&'static str>, Vec<(&'static str, u64)>);

#[derive(Debug, Default)]
pub(super) struct PipelineCache(Mutex<HashMap<Key, Pipeline>>);

impl PipelineCache {
    /// The pipeline of that key, if it was made before.
    pub fn get(&self, key: &Key) -> Option<Pipeline> {
        self.map().get(key).cloned()
    }

    /// Keeps `made`, unless another thread was quicker; the one that is kept.
    pub fn keep(&self, key: Key, made: Pipeline) -> Pipeline {
        self.map().entry(key).or_insert(made).clone()
    }

    /// A poisoned lock means that another thread panicked while it held a finished entry: the map is still good.
    fn map(&self) -> MutexGuard<'_, HashMap<Key, Pipeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
