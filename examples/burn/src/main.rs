//! wgpo beside Burn, on one device and in one memory: what a Burn model computes is what a wgpo policy observes, without a copy.
//!
//! The task is a bandit with pictures: four places where a bright spot can be, four actions, a reward of 1 for the right one. An
//! encoder in Burn turns pictures into features; here it is a frozen layer with random weights, where you would load a trained
//! network. wgpo acts on the features and learns by PPO, and both read them from the memory of Burn's tensor.
//!
//! Run with `cargo run` in this folder (it has its own lock file, so that nobody else compiles Burn).

use burn::backend::Wgpu;
use burn::backend::wgpu::WgpuResource;
use burn::cubecl::wgpu::{AutoCompiler, WgpuServer};
use burn::nn::{Initializer, LinearConfig};
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::any::Any;
use std::error::Error;
use wgpo::gpu::{Buffer, Gpu};
use wgpo::policy::{Activation, Head, PolicySpec, initial_parameters};
use wgpo::{ActPlan, BatchBuffers, Config, Model, PpoUpdate, wgpu};

const ROWS: usize = 256;
const SIDE: usize = 8;
const FEATURES: usize = 32;
const UPDATES: usize = 20;

/// The application's own device. Burn's compiler asks the adapter, not the device, what it may use, so the device has all of that.
/// Tensors begin where the device allows a binding to begin; wgpo needs multiples of 256 bytes.
async fn open() -> Result<WgpuSetup, Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
    let not_for_us = wgpu::Features::all_experimental_mask() | wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() - not_for_us,
        required_limits: wgpu::Limits { min_storage_buffer_offset_alignment: 256, ..adapter.limits() },
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&descriptor).await?;
    let backend = adapter.get_info().backend;
    Ok(WgpuSetup { instance, adapter, device, queue, backend })
}

/// A Burn tensor of which wgpo has the memory.
struct Shared {
    /// Burn's view.
    tensor: Tensor<2>,
    /// wgpo's view.
    buffer: Buffer<f32>,
    /// As long as it is there, Burn neither frees the memory nor gives it to another tensor.
    _memory: Box<dyn Any>,
}

impl Shared {
    fn new(tensor: Tensor<2>) -> Result<Self, Box<dyn Error>> {
        let primitive = tensor.clone().try_into_primitive::<Wgpu>().map_err(|error| format!("{error:?}"))?;
        if !primitive.is_contiguous() {
            return Err("a view of a tensor, whose rows do not lie one behind the other".into());
        }
        // Burn has only noted down what it will run: now it submits it, before anything that wgpo will submit to the same queue.
        primitive.client.flush()?;
        let memory = primitive.client.get_resource::<WgpuServer<AutoCompiler>>(primitive.handle)?;
        let WgpuResource { buffer, offset, .. } = memory.resource();
        let buffer = Buffer::from_wgpu(buffer, *offset, (ROWS * FEATURES) as u64)?;
        Ok(Self { tensor, buffer, _memory: Box::new(memory) })
    }
}

/// Noise with a bright spot of 2 × 2 pixels in one of four quarters, and which quarter.
fn pictures(device: &Device) -> (Tensor<2>, Vec<u32>) {
    let shape = [ROWS, SIDE * SIDE];
    let mut spots = vec![0.0_f32; ROWS * SIDE * SIDE];
    for row in 0..ROWS {
        let (top, left) = (4 * (row % 4 / 2) + row / 4 % 3, 4 * (row % 2) + row / 12 % 3);
        for pixel in [0, 1, SIDE, SIDE + 1] {
            spots[(row * SIDE + top) * SIDE + left + pixel] = 1.0;
        }
    }
    let noise = Tensor::random(shape, Distribution::Uniform(0.0, 0.3), device);
    (noise + Tensor::from_data(TensorData::new(spots, shape), device), (0..ROWS as u32).map(|row| row % 4).collect())
}

fn rewards(gpu: &Gpu, act: &ActPlan, places: &[u32]) -> wgpo::Result<Vec<f32>> {
    let actions = gpu.read(&act.actions)?;
    Ok(actions.iter().zip(places).map(|(action, place)| f32::from(u8::from(action == place))).collect())
}

fn mean(numbers: &[f32]) -> f32 {
    numbers.iter().sum::<f32>() / numbers.len() as f32
}

fn main() -> Result<(), Box<dyn Error>> {
    // 1. One device for both.
    let setup = pollster::block_on(open())?;
    let device = Device::wgpu_options().setup(setup.clone()).init()?;
    let gpu = Gpu::from_wgpu(setup.device, setup.queue, true)?;
    println!("Burn and wgpo run on {}", gpu.describe());

    // 2. Burn computes features, and wgpo sees them where they are: what wgpo writes there, Burn reads.
    device.seed(1);
    let initializer = Initializer::Normal { mean: 0.0, std: 0.5 };
    let encoder = LinearConfig::new(SIDE * SIDE, FEATURES).with_initializer(initializer).init(&device);
    let (shown, places) = pictures(&device);
    let features = Shared::new(encoder.forward(shown).tanh())?;
    let all = gpu.read(&features.buffer)?;
    assert_eq!(all, features.tensor.to_data().try_to_vec::<f32>()?, "the same numbers");
    gpu.write(&features.buffer, 0, &[-all[0]])?;
    assert_eq!(features.tensor.to_data().try_to_vec::<f32>()?[0], -all[0], "and the same memory");
    gpu.write(&features.buffer, 0, &[all[0]])?;

    // 3. wgpo's policy acts on them, and its update reads them once more.
    let spec = PolicySpec::separate(FEATURES, &[32], Activation::Tanh, Head::categorical(4));
    let total_timesteps = (UPDATES * ROWS) as u64;
    let config = Config { num_envs: ROWS, num_steps: 1, total_timesteps, learning_rate: 1e-2, ..Config::cleanrl() };
    let mut model = Model::new(&gpu, &spec, &config, &initial_parameters(&spec, 1), 1)?;
    let act = ActPlan::new(&gpu, &model, &features.buffer, ROWS as u32)?;
    let batch = BatchBuffers {
        rows: ROWS as u32,
        obs: features.buffer.clone(),
        actions: act.actions.clone(),
        logp_old: act.logp.clone(),
        values_old: act.values.clone(),
        advantages: gpu.buffer("advantages", ROWS as u64)?,
        returns: gpu.buffer("returns", ROWS as u64)?,
        old_dist: None,
        valid: None,
    };
    let update = PpoUpdate::new(&gpu, &model, &config, &batch, None)?;
    for index in 0..UPDATES {
        let mut encoder = gpu.encoder("act");
        act.record(&gpu, &mut encoder, false, model.push_schedule(&gpu, &config, 0)?);
        gpu.submit(encoder)?;
        model.policy_step += 1;

        // An episode is one step: its return is its reward, its advantage what the critic did not expect.
        let returns = rewards(&gpu, &act, &places)?;
        let expected = gpu.read(&act.values)?;
        let advantages: Vec<f32> = returns.iter().zip(&expected).map(|(got, expected)| got - expected).collect();
        gpu.write(&batch.returns, 0, &returns)?;
        gpu.write(&batch.advantages, 0, &advantages)?;

        let mut encoder = gpu.encoder("learn");
        update.record(&gpu, &mut encoder, model.push_schedule(&gpu, &config, 0)?);
        gpu.submit(encoder)?;
        model.count_update(ROWS);
        println!("update {index:2}: mean return {:.2}", mean(&returns));
    }

    // 4. New pictures, through both.
    let (shown, places) = pictures(&device);
    let unseen = Shared::new(encoder.forward(shown).tanh())?;
    let act = ActPlan::new(&gpu, &model, &unseen.buffer, ROWS as u32)?;
    let mut encoder = gpu.encoder("judge");
    act.record(&gpu, &mut encoder, true, model.push_schedule(&gpu, &config, 0)?);
    gpu.submit(encoder)?;
    let share = mean(&rewards(&gpu, &act, &places)?);
    println!("right on {:.0} % of {ROWS} pictures that it has not seen", 100.0 * share);
    if share < 0.9 { Err("it has not learnt: expected 90 %".into()) } else { Ok(()) }
}
