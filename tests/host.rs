//! The host layer: what does not fit is a clear error before anything ran, and what fits is right at any size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use support::gpu::gpu;
use wgpo::Error;
use wgpo::gpu::{AdapterChoice, Buffer, Call, Counts, Gpu, GpuOptions, Slot, UniformRing};
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{advantage_gae, batch_gather, reduce_partials};
use wgpo::low_level::reference::batch_shuffle::BatchShuffle;

macro_rules! device {
    () => {
        match gpu(false) {
            Some(gpu) => gpu,
            None => return,
        }
    };
}

fn window(steps: u32, envs: u32) -> advantage_gae::Params {
    let mut p = advantage_gae::Params::default();
    (p.steps, p.envs, p.gamma, p.gae_lambda, p.bootstrap) = (steps, envs, 0.5, 1.0, 1);
    p
}

struct Window {
    floats: [Buffer<f32>; 5],
    flags: [Buffer<u32>; 2],
}

impl Window {
    fn new(gpu: &Gpu, lens: [u64; 5]) -> Self {
        let flags = || gpu.buffer("flags", lens[0]).unwrap();
        Self { floats: lens.map(|len| gpu.buffer("floats", len).unwrap()), flags: [flags(), flags()] }
    }

    fn bind(&self, gpu: &Gpu, params: advantage_gae::Params) -> wgpo::Result<Vec<Call>> {
        let [rewards, values, final_values, advantages, returns] = &self.floats;
        let [terminated, truncated] = &self.flags;
        let io = advantage_gae::Io { rewards, values, final_values, terminated, truncated, advantages, returns };
        advantage_gae::bind(gpu, &[params], &io)
    }
}

fn sum(gpu: &Gpu, count: u32, partials: &Buffer<f32>, gradient: &Buffer<f32>) -> wgpo::Result<Vec<Call>> {
    let mut p = reduce_partials::Params::default();
    (p.count, p.slices) = (count, 1);
    reduce_partials::bind(gpu, &[p], &reduce_partials::Io { partials, gradient })
}

fn message<T: std::fmt::Debug>(result: wgpo::Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_short_buffer_is_named_with_both_numbers() {
    let gpu = device!();
    let w = Window::new(&gpu, [128, 128, 128, 128, 128]);
    assert_eq!(
        message(w.bind(&gpu, window(8, 16))),
        "advantage_gae: buffer \"values\" holds 128 elements, needs 144 = (steps 8 + 1) × envs 16"
    );
    let w = Window::new(&gpu, [128, 144, 128, 127, 128]);
    let text = message(w.bind(&gpu, window(8, 16)));
    assert_eq!(text, "advantage_gae: buffer \"advantages\" holds 127 elements, needs 128 = steps 8 × envs 16");
    gpu.healthy().unwrap();
}

#[test]
fn nothing_is_empty() {
    let gpu = device!();
    let text = message(gpu.buffer::<f32>("nothing", 0));
    assert_eq!(text, "buffer \"nothing\" of 0 elements needs 0 for smallest buffer (elements), the device allows 1");
    assert!(matches!(gpu.upload::<f32>("nothing", &[]), Err(Error::Limit { .. })));
    // No environment, no work: refused when it is bound.
    let w = Window::new(&gpu, [1, 1, 1, 1, 1]);
    assert!(matches!(w.bind(&gpu, window(1, 0)), Err(Error::Limit { needs: 0, .. })));
}

/// A ring of another size holds something else than the kernel reads.
#[test]
fn a_foreign_ring_is_refused() {
    let gpu = device!();
    assert!(message(UniformRing::new(&gpu, 257)).contains("bytes of a slot"));
    let ring = UniformRing::new(&gpu, 16).unwrap();
    assert!(message(ring.push(&gpu, &[0_u32; 5])).contains("\"slot\" holds 16 elements, needs 20"));
    assert!(ring.push(&gpu, &[0_u32; 4]).is_ok());
    let (source, gathered) = (gpu.upload("source", &[1_u32; 12]).unwrap(), gpu.buffer("gathered", 12).unwrap());
    let io = batch_gather::Io { order: &source, source: &source, gathered: &gathered };
    let mut p = batch_gather::Params::default();
    (p.rows, p.width, p.stride) = (4, 3, 3);
    let said = message(batch_gather::bind(&gpu, &[p], &io, &ring));
    let needs = format!("\"ring\" holds 16 elements, needs {}", size_of::<PerUpdate>());
    assert!(said.contains("batch_gather") && said.contains(&needs), "{said}");
}

#[test]
fn rows_that_would_overlap_are_refused() {
    let gpu = device!();
    let (source, gathered) = (gpu.upload("source", &[1_u32; 12]).unwrap(), gpu.buffer("gathered", 12).unwrap());
    let ring = PerUpdate::ring(&gpu).unwrap();
    let io = batch_gather::Io { order: &source, source: &source, gathered: &gathered };
    let mut p = batch_gather::Params::default();
    (p.rows, p.width, p.stride) = (4, 3, 2);
    let text = message(batch_gather::bind(&gpu, &[p], &io, &ring));
    assert_eq!(text, "config: stride: is 2, less than the width 3: rows would overlap");
}

#[test]
fn a_window_of_one_step_and_one_environment_works() {
    let gpu = device!();
    let w = Window::new(&gpu, [1, 2, 1, 1, 1]);
    gpu.write(&w.floats[0], 0, &[2.0]).unwrap();
    gpu.write(&w.floats[1], 0, &[1.0, 4.0]).unwrap();
    gpu.run("one", &w.bind(&gpu, window(1, 1)).unwrap(), Slot::default()).unwrap();
    assert_eq!(gpu.read(&w.floats[3]).unwrap(), [2.0 + 0.5 * 4.0 - 1.0]);
    assert_eq!(gpu.read(&w.floats[4]).unwrap(), [4.0]);
}

#[test]
fn more_workgroups_than_one_dimension_holds() {
    let gpu = device!();
    let rows = 65_536 * 64 + 7;
    let data: Vec<u32> = (0..rows).map(|row: u32| row.wrapping_mul(0x9E37_79B9)).collect();
    let (order, source) = (gpu.buffer("order", 1).unwrap(), gpu.upload("source", &data).unwrap());
    let gathered = gpu.buffer("gathered", data.len() as u64).unwrap();
    let ring = PerUpdate::ring(&gpu).unwrap();
    let slot = ring.push(&gpu, &PerUpdate { seed_low: 3, update_low: 9, ..PerUpdate::default() }).unwrap();
    let mut p = batch_gather::Params::default();
    (p.rows, p.width, p.stride, p.epoch) = (rows, 1, 1, 2);
    let io = batch_gather::Io { order: &order, source: &source, gathered: &gathered };
    gpu.run("large", &batch_gather::bind(&gpu, &[p], &io, &ring).unwrap(), slot).unwrap();
    let got = gpu.read(&gathered).unwrap();
    let shuffle = BatchShuffle::new(rows, 3, 2, 9);
    let wrong = (0..rows).find(|&row| got[row as usize] != data[shuffle.source(row) as usize]);
    assert_eq!(wrong, None);
}

#[test]
fn a_binding_beyond_128_mib_is_refused_before_anything_runs() {
    let gpu = device!();
    let len = (128 << 20) / 4 + 1_u64;
    let text = message(gpu.buffer::<f32>("large", len));
    let want =
        "buffer \"large\" needs 134217732 for max_storage_buffer_binding_size (bytes), the device allows 134217728";
    assert_eq!(text, want);
    // Someone else's buffer may be larger than one binding.
    let raw = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("theirs"),
        size: 4 * len,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let partials = Buffer::<f32>::from_wgpu(&raw, 0, len).unwrap();
    let gradient = gpu.buffer("gradient", 64).unwrap();
    let before = gpu.counts();
    let text = message(sum(&gpu, 64, &partials, &gradient));
    assert!(text.starts_with("reduce_partials: buffer \"partials\" needs 134217732"), "{text}");
    assert_eq!(gpu.counts(), before);
    gpu.healthy().unwrap();
}

#[test]
fn a_larger_binding_may_be_asked_for() {
    let options = GpuOptions { allow_software: true, binding_bytes: Some(u64::MAX), ..GpuOptions::default() };
    if gpu(false).is_some() {
        assert!(matches!(Gpu::new(&options), Err(Error::Limit { needs: u64::MAX, .. })));
    }
}

#[test]
fn one_buffer_is_not_read_and_written_at_once() {
    let gpu = device!();
    let raw = gpu.buffer::<f32>("both", 256).unwrap();
    let halves = [0, 512].map(|offset| Buffer::<f32>::from_wgpu(raw.raw(), offset, 64).unwrap());
    let text = message(sum(&gpu, 64, &halves[0], &halves[1]));
    assert_eq!(
        text,
        "reduce_partials: wgpu refused: \"partials\" and \"gradient\" are the same wgpu buffer and one is written; WebGPU \
         forbids that even for disjoint ranges"
    );
}

#[test]
fn ranges_of_someone_elses_buffer_are_checked() {
    let gpu = device!();
    let raw = |usage| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 1024,
            usage,
            mapped_at_creation: false,
        })
    };
    let storage = raw(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    assert!(message(Buffer::<f32>::from_wgpu(&raw(wgpu::BufferUsages::UNIFORM), 0, 1)).contains("lacks STORAGE"));
    assert!(message(Buffer::<f32>::from_wgpu(&storage, 4, 1)).contains("not a multiple of 256"));
    assert!(message(Buffer::<[f32; 4]>::from_wgpu(&storage, 256, 49)).contains("do not fit in 1024 bytes"));
    assert!(Buffer::<f32>::from_wgpu(&storage, 0, u64::MAX).is_err());
    assert!(Buffer::<f32>::from_wgpu(&storage, 1024, 0).is_err());
    assert_eq!(Buffer::<[f32; 4]>::from_wgpu(&storage, 256, 48).unwrap().bytes(), 768);
}

#[test]
fn an_embedders_device_is_used_and_its_buffers_are_not_mixed_up() {
    let (owner, other) = (device!(), device!());
    let embedded = Gpu::from_wgpu(owner.device().clone(), owner.queue().clone(), false).unwrap();
    let partials = owner.upload("partials", &[1.0_f32; 64]).unwrap();
    let gradient = owner.buffer("gradient", 64).unwrap();
    // Recorded into the owner's encoder, between the owner's commands, and submitted by the owner.
    let calls = sum(&embedded, 64, &partials, &gradient).unwrap();
    let mut encoder = owner.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    embedded.record(&mut encoder, "sum", &calls, Slot::default());
    encoder.clear_buffer(partials.raw(), 0, None);
    owner.queue().submit(Some(encoder.finish()));
    assert_eq!(owner.read(&gradient).unwrap(), [1.0; 64]);
    assert_eq!(owner.read(&partials).unwrap(), [0.0; 64]);
    assert_eq!(embedded.counts(), Counts { dispatches: 1, submissions: 0, readbacks: 0, created: 2 });
    // A buffer of another device is refused by wgpu, and arrives as an error.
    let stranger = other.buffer("gradient", 64).unwrap();
    let refused = sum(&embedded, 64, &partials, &stranger);
    assert!(matches!(refused, Err(Error::Wgpu { .. })), "{refused:?}");
    owner.healthy().unwrap();
    other.healthy().unwrap();
}

#[test]
fn what_wgpu_refuses_at_submission_is_an_error() {
    let gpu = device!();
    let (partials, gradient) = (gpu.buffer("partials", 64).unwrap(), gpu.buffer("gradient", 64).unwrap());
    let calls = sum(&gpu, 64, &partials, &gradient).unwrap();
    gradient.raw().destroy();
    let refused = gpu.run("gone", &calls, Slot::default());
    assert!(matches!(refused, Err(Error::Wgpu { .. })), "{refused:?}");
    // It was caught where it happened, so the device is as healthy as before.
    gpu.healthy().unwrap();
}

#[test]
fn a_lost_device_is_an_error() {
    let guarded = device!();
    let gpu = Gpu::clone(&guarded);
    drop(guarded); // or it would ask for health in the end
    let (partials, gradient) = (gpu.buffer("partials", 64).unwrap(), gpu.buffer("gradient", 64).unwrap());
    let calls = sum(&gpu, 64, &partials, &gradient).unwrap();
    gpu.device().destroy();
    // wgpu tells of a loss when it is next polled: until then work may be taken, and is lost.
    drop(gpu.run("lost", &calls, Slot::default()));
    let first = gpu.read(&gradient);
    assert!(matches!(first, Err(Error::DeviceLost(_) | Error::Wgpu { .. })), "{first:?}");
    drop(gpu.wait());
    let results = [
        gpu.healthy(),
        gpu.run("lost", &calls, Slot::default()),
        gpu.read(&gradient).map(drop),
        sum(&gpu, 64, &partials, &gradient).map(drop),
        gpu.wait(),
    ];
    for (i, result) in results.iter().enumerate() {
        assert!(matches!(result, Err(Error::DeviceLost(_) | Error::Wgpu { .. })), "{i}: {result:?}");
    }
    assert!(matches!(results[0], Err(Error::DeviceLost(_))), "{:?}", results[0]);
}

#[test]
fn work_is_counted() {
    let gpu = device!();
    let partials = gpu.upload("partials", &[1.5_f32; 64]).unwrap();
    let gradient = gpu.buffer("gradient", 64).unwrap();
    let calls = sum(&gpu, 64, &partials, &gradient).unwrap();
    let start = gpu.counts();
    let mut encoder = gpu.encoder("thrice");
    for _ in 0..3 {
        gpu.record(&mut encoder, "sum", &calls, Slot::default());
    }
    assert_eq!(gpu.counts() - start, Counts { dispatches: 3, submissions: 0, readbacks: 0, created: 0 });
    gpu.submit(encoder).unwrap();
    assert_eq!(gpu.counts() - start, Counts { dispatches: 3, submissions: 1, readbacks: 0, created: 0 });
    assert_eq!(gpu.read(&gradient).unwrap(), [1.5; 64]);
    assert_eq!(gpu.counts() - start, Counts { dispatches: 3, submissions: 2, readbacks: 1, created: 1 });
}

#[test]
fn writes_and_order_stay_inside() {
    let gpu = device!();
    let buffer = gpu.upload("words", &[1_u32, 2, 3]).unwrap();
    gpu.write(&buffer, 1, &[7]).unwrap();
    assert_eq!(gpu.read(&buffer).unwrap(), [1, 7, 3]);
    let text = message(gpu.write(&buffer, 2, &[1, 2]));
    assert_eq!(text, "write: buffer \"data\" holds 3 elements, needs 4 = start 2 + 2 elements");
    assert!(gpu.write(&buffer, u64::MAX, &[1]).is_err());
}

#[test]
fn an_adapter_that_is_not_there_is_an_error() {
    for adapter in [AdapterChoice::Name("no such adapter".into()), AdapterChoice::Index(usize::MAX)] {
        let options = GpuOptions { adapter, ..GpuOptions::default() };
        let text = message(Gpu::new(&options));
        assert!(text.starts_with("no adapter: ") && text.contains("; found: "), "{text}");
    }
}
