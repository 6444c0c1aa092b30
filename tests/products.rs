//! Tiled products and fused gradients against the plain kernels: the same bits, whichever is picked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use wgpo::config::{AdvantageNorm, Ppo};
use wgpo::config::{ClipFormula, FisherForm, GradClip, KlStop, Optimizer};
use wgpo::gpu::{Call, Gpu, GpuOptions, ProductPath, ReadBack};
use wgpo::low_level::algo::{ActPlan, FisherPlan};
use wgpo::low_level::kernels::loss_ppo_fused;
use wgpo::policy::{Activation, Bounds, Branch, Head, PolicySpec, initial_parameters};
use wgpo::{Algorithm, BatchBuffers, Config, Model, PpoUpdate};

fn gpu(products: ProductPath) -> Option<Gpu> {
    support::gpu::gpu(true)?;
    // Checks stay on: a tile that reads past its buffers would be caught by none of the comparisons.
    Some(
        Gpu::new(&GpuOptions { allow_software: true, bounds_checks: true, products, ..GpuOptions::default() }).unwrap(),
    )
}

fn wave(elements: u64, phase: f32) -> Vec<f32> {
    (0..elements).map(|i| ((i as f32 * 0.7371 + phase) * 1.37).sin()).collect()
}

/// Bits of parameters after an update of one epoch, of its gradient and of a Fisher product; and the kernels of a minibatch.
fn outcome(gpu: &Gpu, spec: &PolicySpec, rows: u32) -> (Vec<Vec<u32>>, Vec<&'static str>) {
    let config = Config { update_epochs: 1, num_minibatches: 2, ..Config::cleanrl() };
    outcome_of(gpu, spec, rows, &config, false, None)
}

/// The same with these settings; with every third row left out, or with one row's advantage not a number.
fn outcome_of(
    gpu: &Gpu,
    spec: &PolicySpec,
    rows: u32,
    config: &Config,
    masked: bool,
    broken: Option<usize>,
) -> (Vec<Vec<u32>>, Vec<&'static str>) {
    let model = Model::new(gpu, spec, config, &initial_parameters(spec, 1), 1).unwrap();
    let r = u64::from(rows);
    let mut advantages = wave(r, 0.4);
    if let Some(row) = broken {
        advantages[row] = f32::NAN;
    }
    let valid: Vec<u32> = (0..rows).map(|row| u32::from(row % 3 != 1)).collect();
    // Choices 0, or numbers in (0, 1), which every head that takes floats allows.
    let mut actions: Vec<u32> = wave(r * spec.head.action_words() as u64, 0.7)
        .iter()
        .map(|x| if spec.head.is_discrete() { 0 } else { (0.5 + 0.4 * x).to_bits() })
        .collect();
    if spec.head.is_masked() {
        // The mask follows the choices: all but one of a dimension, at times choice 0 itself.
        for (row, words) in actions.chunks_mut(spec.head.action_words()).enumerate() {
            words[spec.head.action_dims()..].fill(!(1 << (row % 5)));
        }
    }
    let batch = BatchBuffers {
        rows,
        obs: gpu.upload("obs", &wave(r * spec.obs_dim() as u64, 0.1)).unwrap(),
        actions: gpu.upload("actions", &actions).unwrap(),
        logp_old: gpu.upload("logp_old", &wave(r, 0.3)).unwrap(),
        advantages: gpu.upload("advantages", &advantages).unwrap(),
        returns: gpu.upload("returns", &wave(r, 0.5)).unwrap(),
        values_old: gpu.upload("values_old", &wave(r, 0.6)).unwrap(),
        old_dist: None,
        valid: masked.then(|| gpu.upload("valid", &valid).unwrap()),
    };
    let plan = PpoUpdate::new(gpu, &model, config, &batch, None).unwrap();
    let slot = model.push_schedule(gpu, config, 0).unwrap();
    let fisher = FisherPlan::new(gpu, &model, &batch.obs, &batch.actions, rows, 1, FisherForm::GaussNewton).unwrap();
    let count = model.layout.len() as u64;
    let (vector, product) = (gpu.upload("vector", &wave(count, 0.2)).unwrap(), gpu.buffer("product", count).unwrap());
    let fisher_product = fisher.product(gpu, &model, &vector, &product).unwrap();
    gpu.run("prepare", fisher.prepare(), slot).unwrap();
    gpu.run("product", &fisher_product, slot).unwrap();
    gpu.run("update", plan.calls(), slot).unwrap();
    let staging = ReadBack::new(gpu, "statistics", plan.statistics_len()).unwrap();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    plan.record_statistics(&mut encoder, &staging, 0).unwrap();
    gpu.queue().submit([encoder.finish()]);
    let statistics = staging.fetch(gpu).unwrap();
    // Sign and payload of a NaN are nobody's promise: every NaN is one.
    let bit = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    let bits = |buffer| gpu.read(buffer).unwrap().iter().map(bit).collect::<Vec<u32>>();
    let names = plan.calls().iter().chain(&fisher_product).map(Call::kernel).collect();
    (vec![bits(&product), bits(plan.gradient()), bits(&model.parameters), statistics], names)
}

/// On a device that fuses multiplications and additions where it likes, bits may differ; software drivers do not.
fn same_bits(spec: &PolicySpec, rows: u32, tiled: bool) {
    same_bits_by(&[ProductPath::Direct, ProductPath::Staged, ProductPath::Fused], spec, rows, tiled);
}

fn same_bits_by(paths: &[ProductPath], spec: &PolicySpec, rows: u32, tiled: bool) {
    let Some(plain) = gpu(ProductPath::Plain) else { return };
    let (want, names) = outcome(&plain, spec, rows);
    assert!(names.iter().all(|name| !name.ends_with("_tiled") && !name.ends_with("_fused")), "{names:?}");
    assert!(want[..3].iter().flatten().all(|bits| f32::from_bits(*bits).is_finite()));
    for &path in paths {
        let gpu = gpu(path).unwrap();
        let (got, names) = outcome(&gpu, spec, rows);
        assert_eq!(names.iter().any(|name| name.ends_with("_tiled")), tiled, "{path:?}: {names:?}");
        let fused = path == ProductPath::Fused && loss_ppo_fused::fits(spec);
        assert_eq!(names.contains(&"loss_ppo_fused"), fused, "{path:?}: {names:?}");
        if plain.is_software() {
            let all = ["Fisher product", "gradient", "parameters", "statistics"];
            for (what, (got, want)) in all.iter().zip(got.iter().zip(&want)) {
                let differ = got.iter().zip(want).filter(|(a, b)| a != b).count();
                assert_eq!(differ, 0, "{path:?}, {spec:?}, {rows} rows: {what}, of {}", want.len());
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_the_kernels() {
    for (obs, hidden, head) in [
        (1, vec![1, 3], Head::categorical(2)),
        (3, vec![31, 64], Head::gaussian(3)),
        (31, vec![65, 129], Head::gaussian(5)),
        (5, vec![64, 64], Head::categorical(33)),
        (4, vec![], Head::gaussian(1)),
    ] {
        let spec = PolicySpec::separate(obs, &hidden, Activation::Tanh, head);
        for rows in [67, 600] {
            same_bits(&spec, rows, true);
        }
    }
}

/// Every activation, heads of each part, one hidden layer and two, widths that no quad and no lane divides.
#[test]
fn gradients_of_narrow_networks_have_the_bits_of_the_plain_kernels() {
    let beta = Head::Beta { dims: 2, bounds: Bounds::uniform(2, -1.0, 1.0) };
    let heads = [Head::gaussian(2), Head::categorical(5), Head::bernoulli(3), beta];
    let mut specs: Vec<_> = (0..)
        .zip(Activation::ALL)
        .map(|(index, activation)| {
            let hidden = [vec![33, 18], vec![64, 64], vec![7], vec![64, 1]][index % 4].clone();
            let head = heads[(index + index / 4) % 4].clone();
            PolicySpec::separate([17, 4, 32, 1][index % 4], &hidden, activation, head)
        })
        .collect();
    let unequal = PolicySpec::separate(6, &[20], Activation::Tanh, Head::gaussian(16));
    specs.push(unequal.with_hidden(Branch::VALUE, &[9, 40]));
    let masked = Head::MultiDiscrete { nvec: vec![3, 4], masked: true };
    specs.push(PolicySpec::separate(5, &[12, 13], Activation::Elu, masked));
    for spec in specs {
        for rows in [10, 331] {
            same_bits_by(&[ProductPath::Fused], &spec, rows, rows >= 32);
        }
    }
}

/// Masks, early stops, clipping of both kinds, another optimiser, a row that is not finite, and a shorter last minibatch that has more
/// slices than the others.
#[test]
fn updates_have_the_bits_of_the_plain_kernels_whatever_is_on() {
    let Some(plain) = gpu(ProductPath::Plain) else { return };
    let spec = PolicySpec::separate(3, &[9, 6], Activation::Tanh, Head::gaussian(2));
    let base = Config { update_epochs: 3, num_minibatches: 2, ..Config::cleanrl() };
    let limit = Some(1e-7);
    let apart = GradClip::Separate;
    for (config, rows, masked, broken) in [
        (base.clone(), 331, true, None),
        (
            Config {
                algorithm: Algorithm::Ppo(Ppo { target_kl: limit, kl_stop: KlStop::Minibatch, ..Ppo::cleanrl() }),
                ..base.clone()
            },
            331,
            false,
            None,
        ),
        (
            Config {
                algorithm: Algorithm::Ppo(Ppo { target_kl: limit, kl_stop: KlStop::Epoch, ..Ppo::cleanrl() }),
                ..base.clone()
            },
            331,
            true,
            None,
        ),
        (Config { grad_clip: apart, grad_clip_formula: ClipFormula::Tensorflow, ..base.clone() }, 200, false, None),
        (Config { optimizer: Optimizer::RmsProp, ..base.clone() }, 200, false, None),
        (Config { norm_adv: AdvantageNorm::None, ..base.clone() }, 200, false, Some(77)),
        (Config { minibatch_size: Some(5_000), update_epochs: 1, ..base }, 9_000, false, None),
    ] {
        let (want, _) = outcome_of(&plain, &spec, rows, &config, masked, broken);
        for path in [ProductPath::Direct, ProductPath::Staged, ProductPath::Fused] {
            let (got, names) = outcome_of(&plain.with_products(path), &spec, rows, &config, masked, broken);
            assert_eq!(names.contains(&"loss_ppo_fused"), path == ProductPath::Fused, "{names:?}");
            if plain.is_software() {
                assert_eq!(
                    got[1..],
                    want[1..],
                    "{path:?}, {rows} rows, masked {masked}: gradient, parameters, statistics"
                );
            }
        }
    }
}

/// Slices that some driver would cut short go through the tiled kernels instead.
#[test]
fn minibatches_too_large_for_one_loop_are_not_fused() {
    let Some(gpu) = gpu(ProductPath::Fused) else { return };
    let spec = PolicySpec::separate(1, &[1], Activation::Tanh, Head::categorical(2));
    let config = Config { num_minibatches: 1, update_epochs: 1, ..Config::cleanrl() };
    let model = Model::new(&gpu, &spec, &config, &initial_parameters(&spec, 1), 1).unwrap();
    for (rows, fused) in [(4_096, true), (300_000, false)] {
        let column = |name| gpu.buffer(name, u64::from(rows)).unwrap();
        let batch = BatchBuffers {
            rows,
            obs: column("obs"),
            actions: gpu.buffer("actions", u64::from(rows)).unwrap(),
            logp_old: column("logp_old"),
            advantages: column("advantages"),
            returns: column("returns"),
            values_old: column("values_old"),
            old_dist: None,
            valid: None,
        };
        let plan = PpoUpdate::new(&gpu, &model, &config, &batch, None).unwrap();
        assert_eq!(plan.calls().iter().any(|call| call.kernel() == "loss_ppo_fused"), fused, "{rows} rows");
    }
}

#[test]
fn networks_that_cannot_share_dispatches_have_them_alone() {
    let base = PolicySpec::separate(6, &[20, 12], Activation::Silu, Head::gaussian(2));
    let trunk = PolicySpec::mlp(6, &[17], &[20, 12], &[20, 12], Activation::Silu, Head::gaussian(2));
    let bare_trunk = PolicySpec::shared(6, &[24, 8], Activation::Silu, Head::gaussian(2));
    let unequal = base.with_hidden(Branch::POLICY, &[33]).with_hidden(Branch::VALUE, &[9, 40, 5]);
    for spec in [trunk, bare_trunk, unequal] {
        same_bits(&spec, 131, true);
    }
}

/// Distribution rows and values in one dispatch: wide and narrow, deep, with a trunk, more observations than a block holds at once.
#[test]
fn forward_passes_in_one_dispatch_have_the_bits_of_the_plain_kernels() {
    let (Some(plain), Some(fused)) = (gpu(ProductPath::Plain), gpu(ProductPath::Staged)) else { return };
    if !plain.is_software() {
        println!("SKIPPED: hardware fuses multiplications and additions where it likes");
        return;
    }
    let mut specs = vec![
        PolicySpec::separate(17, &[64, 64], Activation::Tanh, Head::gaussian(6)),
        PolicySpec::separate(4, &[], Activation::Relu, Head::categorical(2)),
        PolicySpec::separate(131, &[128, 127, 66, 5], Activation::Tanh, Head::categorical(126)),
        PolicySpec::mlp(7, &[33, 70], &[9], &[9], Activation::Silu, Head::gaussian(3)),
        PolicySpec::mlp(5, &[], &[1], &[65], Activation::Elu, Head::bernoulli(64)),
    ];
    specs.extend(Activation::ALL.map(|activation| PolicySpec::separate(6, &[34], activation, Head::categorical(3))));
    for spec in specs {
        for rows in [1_u32, 67] {
            let act = |gpu: &Gpu| {
                let config = Config::cleanrl();
                let model = Model::new(gpu, &spec, &config, &initial_parameters(&spec, 3), 1).unwrap();
                let obs = gpu.upload("obs", &wave(u64::from(rows) * spec.obs_dim() as u64, 0.1)).unwrap();
                let plan = ActPlan::new(gpu, &model, &obs, rows).unwrap();
                gpu.run("act", plan.calls(false), model.push_schedule(gpu, &config, 0).unwrap()).unwrap();
                let bits = |buffer| gpu.read(buffer).unwrap().iter().map(|x: &f32| x.to_bits()).collect::<Vec<u32>>();
                let one = plan.calls(false).iter().filter(|call| call.kernel() == "mlp_forward_fused").count();
                ([gpu.read(&plan.actions).unwrap(), bits(&plan.logp), bits(&plan.values)], one)
            };
            let ((want, none), (got, one)) = (act(&plain), act(&fused));
            assert_eq!((none, one), (0, 1), "{spec:?}");
            assert_eq!(got, want, "{spec:?}, {rows} rows: actions, logp, values");
        }
    }
}

#[test]
fn few_rows_take_the_plain_kernels() {
    same_bits(&PolicySpec::separate(6, &[20, 12], Activation::Tanh, Head::gaussian(2)), 30, false);
}

#[test]
fn a_buffer_of_someone_else_that_ends_early_takes_the_plain_kernels() {
    let Some(gpu) = gpu(ProductPath::Direct) else { return };
    let spec = PolicySpec::separate(3, &[8], Activation::Tanh, Head::categorical(2));
    let model = Model::new(&gpu, &spec, &Config::cleanrl(), &initial_parameters(&spec, 1), 1).unwrap();
    let rows = 33_u32;
    let actions = gpu.buffer("actions", u64::from(rows)).unwrap();
    let raw = |bytes| {
        gpu.device().create_buffer(&wgpo::wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpo::wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    // 99 numbers end three after the last four.
    for (bytes, tiled) in [(396, 0), (400, 1)] {
        let obs = wgpo::gpu::Buffer::from_wgpu(&raw(bytes), 0, 99).unwrap();
        let fisher = FisherPlan::new(&gpu, &model, &obs, &actions, rows, 1, FisherForm::GaussNewton).unwrap();
        let names: Vec<_> = fisher.prepare().iter().map(Call::kernel).collect();
        let want = [["mlp_forward", "mlp_forward_tiled"], ["mlp_forward_tiled", "mlp_forward_tiled"]][tiled];
        assert_eq!(names, want);
    }
}
