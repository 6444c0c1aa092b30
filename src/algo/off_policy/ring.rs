//! The replay memory on the device, with its counters on the host.

use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::replay_store::ReplayShape;
use crate::memory::small;
use crate::policy::PolicySpec;
use crate::state::ReplayState;

/// Steps between two truncations of an environment of the host's that the compact form is sure to keep the last observation of.
pub(super) const LEAST_STEPS: u32 = 8;

/// A ring of transitions.
#[derive(Debug)]
pub(super) struct ReplayRing {
    pub shape: ReplayShape,
    /// [`ReplayShape::ring_words`].
    pub ring: Buffer<u32>,
    /// [`ReplayShape::ends_words`].
    pub ends: Buffer<u32>,
    /// The place that is written next.
    pub place: u32,
    /// Places that are used.
    pub stored: u32,
}

/// The shape of the memory that `config` asks for; truncations of an environment are at least `least_steps` apart.
pub(super) fn shape(config: &Config, spec: &PolicySpec, least_steps: u32) -> Result<ReplayShape> {
    let replay = config.expect_replay()?;
    let capacity = small("buffer_size", replay.places(config.num_envs))?;
    Ok(ReplayShape {
        capacity,
        envs: small("num_envs", config.num_envs)?,
        obs_dim: small("obs_dim", spec.obs_dim())?,
        action_words: small("action_words", spec.head.action_words())?,
        slots: if replay.compact { ReplayShape::slots_for(capacity, least_steps) } else { 0 },
    })
}

impl ReplayRing {
    /// Without a transition.
    ///
    /// # Errors
    /// As [`ReplayShape::buffers`].
    pub fn new(gpu: &Gpu, shape: ReplayShape) -> Result<Self> {
        let [ring, ends] = shape.buffers(gpu)?;
        Ok(Self { shape, ring, ends, place: 0, stored: 0 })
    }

    /// The place and the count of places used, as they are `steps` steps later.
    pub fn after(&self, steps: u64) -> [u32; 2] {
        let capacity = u64::from(self.shape.capacity);
        let place = (u64::from(self.place) + steps % capacity) % capacity;
        let stored = u64::from(self.stored).saturating_add(steps).min(capacity);
        [place as u32, stored as u32]
    }

    /// What it holds.
    ///
    /// # Errors
    /// A device error.
    pub async fn state(&self, gpu: &Gpu) -> Result<ReplayState> {
        let (ring, ends) = (gpu.read_async(&self.ring).await?, gpu.read_async(&self.ends).await?);
        Ok(Words { shape: self.shape, ring, ends }.state(self.place, self.stored))
    }

    /// Goes on from `state`, or from nothing. The state is one of this shape ([`ReplayState::check`]).
    ///
    /// # Errors
    /// A device error.
    pub fn set_state(&mut self, gpu: &Gpu, state: Option<&ReplayState>) -> Result<()> {
        let Some(state) = state else {
            (self.place, self.stored) = (0, 0);
            // Slots of ends begin anew; what the ring holds is not looked at.
            return gpu.write(&self.ends, 0, &vec![0; self.ends.len() as usize]);
        };
        let words = Words::from_state(self.shape, state, self.ends.len() as usize);
        gpu.write(&self.ring, 0, &words.ring)?;
        gpu.write(&self.ends, 0, &words.ends)?;
        // Both are below the capacity, a u32.
        (self.place, self.stored) = (state.next_write as u32, state.stored as u32);
        Ok(())
    }
}

/// The words of both buffers, `shaders/parts/replay.wgsl`.
struct Words {
    shape: ReplayShape,
    ring: Vec<u32>,
    ends: Vec<u32>,
}

const TERMINATED: u32 = 1;
const TRUNCATED: u32 = 2;
/// Words of a record before the action's.
const HEAD: usize = 2;

impl Words {
    fn sizes(&self) -> [usize; 4] {
        let ReplayShape { envs, obs_dim, action_words, .. } = self.shape;
        [envs as usize, obs_dim as usize, action_words as usize, self.shape.record_words() as usize]
    }

    /// First word of an environment's ends, and of its end `slot`.
    fn end(&self, env: usize, slot: usize) -> [usize; 2] {
        let obs_dim = self.shape.obs_dim as usize;
        let own = env * (2 + obs_dim + self.shape.slots as usize * (1 + obs_dim));
        [own, own + 2 + obs_dim + slot * (1 + obs_dim)]
    }

    /// Where what followed the transition at `place` is kept.
    fn next(&self, place: usize, env: usize, newest: usize) -> &[u32] {
        let [envs, obs_dim, words, width] = self.sizes();
        let obs_at = |place: usize| (place * envs + env) * width + HEAD + words;
        let own = obs_at(place);
        if self.shape.slots == 0 {
            return &self.ring[own + obs_dim..][..obs_dim];
        }
        let flags = self.ring[own - words - 1];
        if flags & TERMINATED != 0 {
            return &self.ring[own..][..obs_dim];
        }
        if flags & TRUNCATED != 0 {
            let [_, end] = self.end(env, (flags >> 2).min(self.shape.slots - 1) as usize);
            let kept = self.ends[end] as usize == place;
            return if kept { &self.ends[end + 1..][..obs_dim] } else { &self.ring[own..][..obs_dim] };
        }
        if place == newest {
            let [own, _] = self.end(env, 0);
            return &self.ends[own + 2..][..obs_dim];
        }
        &self.ring[obs_at((place + 1) % self.shape.capacity as usize)..][..obs_dim]
    }

    fn state(&self, place: u32, stored: u32) -> ReplayState {
        let [envs, obs_dim, words, width] = self.sizes();
        let capacity = self.shape.capacity as usize;
        let newest = (place as usize + capacity - 1) % capacity;
        let float = |word: &u32| f32::from_bits(*word);
        let mut state = ReplayState {
            next_write: place.into(),
            stored: stored.into(),
            obs: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            next_obs: Vec::new(),
            terminated: Vec::new(),
            truncated: Vec::new(),
        };
        for row in 0..stored as usize * envs {
            let record = &self.ring[row * width..][..width];
            state.rewards.push(float(&record[0]));
            state.terminated.push(record[1] & TERMINATED);
            state.truncated.push((record[1] & TRUNCATED) >> 1);
            state.actions.extend(&record[HEAD..][..words]);
            state.obs.extend(record[HEAD + words..][..obs_dim].iter().map(float));
            state.next_obs.extend(self.next(row / envs, row % envs, newest).iter().map(float));
        }
        state
    }

    fn from_state(shape: ReplayShape, state: &ReplayState, ends: usize) -> Self {
        let mut all = Self { shape, ring: Vec::new(), ends: vec![0; ends] };
        let [envs, obs_dim, words, width] = all.sizes();
        let (stored, capacity) = (state.stored as usize, shape.capacity as usize);
        all.ring = vec![0; stored * envs * width];
        let row_words = |values: &[f32], row: usize| -> Vec<u32> {
            values[row * obs_dim..][..obs_dim].iter().map(|value| value.to_bits()).collect()
        };
        // The oldest first, so that slots are taken in their order.
        let oldest = if stored == capacity { state.next_write as usize } else { 0 };
        for place in (0..stored).map(|step| (oldest + step) % stored.max(1)) {
            for env in 0..envs {
                let row = place * envs + env;
                let (terminal, cut) = (state.terminated[row] != 0, state.truncated[row] != 0);
                let after = row_words(&state.next_obs, row);
                let mut flags = (u32::from(terminal) * TERMINATED) | (u32::from(cut) * TRUNCATED);
                let [own, _] = all.end(env, 0);
                if shape.slots > 0 {
                    all.ends[own + 2..][..obs_dim].copy_from_slice(&after);
                }
                if shape.slots > 0 && cut && !terminal {
                    let slot = all.ends[own] % shape.slots;
                    let [_, end] = all.end(env, slot as usize);
                    flags |= slot << 2;
                    all.ends[end] = place as u32;
                    all.ends[end + 1..][..obs_dim].copy_from_slice(&after);
                    all.ends[own] = (slot + 1) % shape.slots;
                }
                let record = &mut all.ring[row * width..][..width];
                record[0] = state.rewards[row].to_bits();
                record[1] = flags;
                record[HEAD..][..words].copy_from_slice(&state.actions[row * words..][..words]);
                record[HEAD + words..][..obs_dim].copy_from_slice(&row_words(&state.obs, row));
                if shape.slots == 0 {
                    record[HEAD + words + obs_dim..].copy_from_slice(&after);
                }
            }
        }
        all
    }
}
