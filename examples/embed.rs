//! wgpo inside somebody else's engine: their device, their queue, their encoder, their buffers, one submission of theirs.
//!
//! The engine keeps a rollout in buffers of its own. In one encoder it writes a frame of its own, lets wgpo act on the newest
//! observations, lets wgpo record advantages and a whole PPO update, and goes on with commands of its own. Then it submits, once.
//!
//! Run with `cargo run --example embed`.

use wgpo::env::Autoreset;
use wgpo::gpu::{Buffer, Gpu, ReadBack};
use wgpo::policy::{Activation, Head, PolicySpec, initial_parameters};
use wgpo::{ActPlan, Config, Model, RolloutBuffers, RolloutRows, RolloutUpdate, wgpu};

const STEPS: u32 = 16;
const ENVS: u32 = 8;
const OBS_DIM: usize = 6;

/// What the engine owns before it has heard of wgpo.
struct Engine {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Engine {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
        println!("engine runs on {}", adapter.get_info().name);
        let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;
        Ok(Self { device, queue })
    }

    /// A storage buffer of the engine's, with something in it.
    fn storage(&self, label: &str, words: &[u32]) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: 4 * words.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.queue.write_buffer(&buffer, 0, &bytes);
        buffer
    }

    fn floats(&self, label: &str, count: usize, value: impl Fn(usize) -> f32) -> wgpu::Buffer {
        self.storage(label, &(0..count).map(|i| value(i).to_bits()).collect::<Vec<_>>())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = pollster::block_on(Engine::start())?;

    // 1. Once: wgpo takes the device as it is. It makes no instance, sets no callback and never polls.
    let gpu = Gpu::from_wgpu(engine.device.clone(), engine.queue.clone(), true)?;
    let spec = PolicySpec::separate(OBS_DIM, &[32, 32], Activation::Tanh, Head::categorical(3));
    let config = Config { update_epochs: 2, ..Config::cleanrl() };
    let mut model = Model::new(&gpu, &spec, &config, &initial_parameters(&spec, 1), 1)?;

    // 2. Once: the engine's buffers get their shapes.
    let rows = (STEPS * ENVS) as usize;
    let wave = |i: usize| (i as f32 * 0.37).sin();
    let of = |raw: &wgpu::Buffer, len: usize| Buffer::<f32>::from_wgpu(raw, 0, len as u64);
    let newest = of(&engine.floats("newest obs", ENVS as usize * OBS_DIM, wave), ENVS as usize * OBS_DIM)?;
    let rollout = RolloutBuffers {
        steps: STEPS,
        envs: ENVS,
        rewards: of(&engine.floats("rewards", rows, wave), rows)?,
        values: of(&engine.floats("values", rows + ENVS as usize, |_| 0.0), rows + ENVS as usize)?,
        final_values: of(&engine.floats("final values", rows, |_| 0.0), rows)?,
        terminated: Buffer::from_wgpu(&engine.storage("terminated", &vec![0; rows]), 0, rows as u64)?,
        truncated: Buffer::from_wgpu(&engine.storage("truncated", &vec![0; rows]), 0, rows as u64)?,
        log_rhos: None,
        valid: None,
    };
    let acted = RolloutRows {
        obs: of(&engine.floats("obs", rows * OBS_DIM, wave), rows * OBS_DIM)?,
        actions: Buffer::from_wgpu(&engine.storage("actions", &vec![1; rows]), 0, rows as u64)?,
        logp: of(&engine.floats("logp", rows, |_| -1.1), rows)?,
    };
    let act = ActPlan::new(&gpu, &model, &newest, ENVS)?;
    let update = RolloutUpdate::new(&gpu, &model, &config, &rollout, &acted, Autoreset::SameStep, None)?;
    let statistics = ReadBack::new(&gpu, "statistics", update.statistics_len())?;
    let scratch = engine.storage("engine scratch", &[0; 64]);

    // 3. Every frame: record between the engine's own commands, submit once.
    let mut encoder = engine.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") });
    encoder.clear_buffer(&scratch, 0, None); // the engine's own work before
    let slot = model.push_schedule(&gpu, &config, 0)?;
    act.record(&gpu, &mut encoder, false, slot);
    update.record(&gpu, &mut encoder, slot); // advantages, and whatever else the settings ask for
    update.record_statistics(&mut encoder, &statistics, 0)?;
    encoder.clear_buffer(&scratch, 0, Some(16)); // and after
    engine.queue.submit(Some(encoder.finish()));
    model.policy_step += 1;
    model.count_update(rows);

    // 4. Whenever it suits: the statistics, one small buffer.
    let words = statistics.fetch(&gpu)?;
    let stats = update.finish(&words, config.learning_rate)?;
    let counts = gpu.counts();
    println!("{} optimiser steps, approx_kl {:.5}", stats.optimizer_steps, stats.mean(|m| m.approx_kl));
    println!("{} dispatches recorded, {} submissions by wgpo", counts.dispatches, counts.submissions);
    if stats.optimizer_steps != 8 || counts.submissions != 0 {
        return Err("expected 8 optimiser steps and no submission by wgpo".into());
    }
    Ok(())
}
