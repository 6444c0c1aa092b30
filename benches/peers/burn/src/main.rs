//! Burn on its wgpu backend, with fusion and autotune as they come: the rows of the other peers, on the first adapter.
//! `burn-peer [WORD…]` prints a line of JSON per row whose name holds one of the words.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DeviceKind, TensorData};
use std::f32::consts::PI;
use std::time::Instant;

const CLIP: f32 = 0.2;
const ENT_COEF: f32 = 0.01;
const VF_COEF: f32 = 0.5;
const GAMMA: f32 = 0.99;
const LAMBDA: f32 = 0.95;

/// Name, observations, hidden layers, actions, whether they are choices, rows of a minibatch.
const NETS: [(&str, usize, [usize; 2], usize, bool, usize); 3] = [
    ("cartpole", 4, [64, 64], 2, true, 4_096),
    ("halfcheetah", 17, [64, 64], 6, false, 4_096),
    // A quarter of the other peers' rows or less: software adapters.
    ("ant", 27, [256, 256], 8, false, 2_048),
];

fn wave(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 * 0.7371 + phase) * 1.37).sin()).collect()
}

fn matrix(rows: usize, columns: usize, phase: f32, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(wave(rows * columns, phase), [rows, columns]), device)
}

#[derive(Module, Debug)]
struct ActorCritic {
    actor: Vec<Linear>,
    critic: Vec<Linear>,
    /// Of a Gaussian, `[1, actions]`.
    log_std: Param<Tensor<2>>,
}

fn mlp(layers: &[Linear], obs: Tensor<2>) -> Tensor<2> {
    let last = layers.len() - 1;
    layers.iter().enumerate().fold(obs, |x, (i, layer)| {
        let y = layer.forward(x);
        if i < last { y.tanh() } else { y }
    })
}

/// One minibatch step: forward of actor and critic, clipped loss, backward, clip of the norm, Adam.
fn ppo_step(net: usize) -> impl FnMut() {
    let (_, obs_dim, hidden, actions, choices, rows) = NETS[net];
    let device = Device::wgpu(DeviceKind::DefaultDevice).autodiff();
    let layers = |outputs: usize| {
        let sizes = [obs_dim, hidden[0], hidden[1], outputs];
        sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(&device)).collect::<Vec<_>>()
    };
    let mut model = Some(ActorCritic {
        actor: layers(actions),
        critic: layers(1),
        log_std: Param::from_tensor(Tensor::zeros([1, actions], &device)),
    });
    // Burn clips each tensor by its own norm; by the norm of all there is nothing in the library.
    let clip = burn::grad_clipping::GradientClippingConfig::Norm(0.5);
    let mut adam = AdamConfig::new().with_epsilon(1e-5).with_grad_clipping(Some(clip)).init();

    let obs = matrix(rows, obs_dim, 0.1, &device);
    let chosen: Tensor<2, Int> =
        Tensor::from_data(TensorData::new((0..rows as i32).map(|i| i % 2).collect(), [rows, 1]), &device);
    let taken = matrix(rows, actions, 0.7, &device);
    let logp_old = if choices {
        matrix(rows, 1, 0.5, &device) * 0.05 - (actions as f32).ln()
    } else {
        let normal = taken.clone().powi_scalar(2) * -0.5 - 0.5 * (2.0 * PI).ln();
        normal.sum_dim(1) + matrix(rows, 1, 0.5, &device) * 0.05
    };
    let advantages = matrix(rows, 1, 0.9, &device);
    let values_old = matrix(rows, 1, 0.2, &device);
    let returns = values_old.clone() + matrix(rows, 1, 0.3, &device);

    move || {
        let Some(m) = model.take() else { return };
        let raw = mlp(&m.actor, obs.clone());
        let (logp, entropy) = if choices {
            let logits = log_softmax(raw, 1);
            (logits.clone().gather(1, chosen.clone()), -(logits.clone().exp() * logits).sum_dim(1))
        } else {
            let log_std = m.log_std.val();
            let z = (taken.clone() - raw) * (-log_std.clone()).exp();
            let logp = (z.powi_scalar(2) * -0.5 - log_std.clone() - 0.5 * (2.0 * PI).ln()).sum_dim(1);
            (logp, (log_std + 0.5 * (1.0 + (2.0 * PI).ln())).sum_dim(1))
        };
        let values = mlp(&m.critic, obs.clone());
        let ratio = (logp - logp_old.clone()).exp();
        let one = ratio.clone() * advantages.clone();
        let policy = -one.min_pair(ratio.clamp(1.0 - CLIP, 1.0 + CLIP) * advantages.clone()).mean();
        let clipped = values_old.clone() + (values.clone() - values_old.clone()).clamp(-CLIP, CLIP);
        let error = (values - returns.clone()).powi_scalar(2).max_pair((clipped - returns.clone()).powi_scalar(2));
        let loss = policy - entropy.mean() * ENT_COEF + error.mean() * (0.5 * VF_COEF);
        let grads = GradientsParams::from_grads(loss.backward(), &m);
        model = Some(adam.step(1e-5, m, grads));
        device.sync().expect("the device is there");
    }
}

/// Advantages and returns of a window, with terminal states, truncations and values of last observations.
fn gae(steps: usize, envs: usize) -> impl FnMut() {
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    let rewards = matrix(steps, envs, 0.1, &device);
    let values = matrix(steps + 1, envs, 0.4, &device);
    let last = matrix(steps, envs, 0.6, &device);
    let every = |period: usize| -> Tensor<2, Bool> {
        let flags: Vec<bool> = (0..steps * envs).map(|i| (31 * (i / envs) + 17 * (i % envs)) % period == 0).collect();
        Tensor::from_data(TensorData::new(flags, [steps, envs]), &device)
    };
    let (terminated, truncated) = (every(97), every(101));
    move || {
        let now = values.clone().slice([0..steps, 0..envs]);
        let following = values.clone().slice([1..steps + 1, 0..envs]);
        let following = following.mask_where(truncated.clone(), last.clone()).mask_fill(terminated.clone(), 0.0);
        let delta = rewards.clone() + following * GAMMA - now.clone();
        let ended = terminated.clone().bool_or(truncated.clone());
        let go_on = Tensor::<2>::full([steps, envs], GAMMA * LAMBDA, &device).mask_fill(ended, 0.0);
        let mut carry = Tensor::<2>::zeros([1, envs], &device);
        let mut rows = Vec::with_capacity(steps);
        for t in (0..steps).rev() {
            carry = delta.clone().slice([t..t + 1, 0..envs]) + go_on.clone().slice([t..t + 1, 0..envs]) * carry;
            rows.push(carry.clone());
        }
        rows.reverse();
        let advantages = Tensor::cat(rows, 0);
        let _returns = advantages.clone() + now;
        device.sync().expect("the device is there");
    }
}

/// Median of single calls, once three in a row are within a fifth of each other, as a line of JSON.
fn report(row: &str, mut call: impl FnMut()) {
    let mut time = || {
        let start = Instant::now();
        call();
        1e3 * start.elapsed().as_secs_f64()
    };
    let mut latest: Vec<f64> = (0..10).map(|_| time()).collect();
    for _ in 0..50 {
        let three = &latest[latest.len() - 3..];
        let (low, high) = three.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), t| (low.min(*t), high.max(*t)));
        if high <= 1.2 * low {
            break;
        }
        latest.push(time());
    }
    let mut times: Vec<f64> = (0..15).map(|_| time()).collect();
    times.sort_by(f64::total_cmp);
    let line = serde_json::json!({ "row": row, "median_ms": times[7], "calls": 15, "before": latest.len() });
    println!("{line}");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |row: &str| words.is_empty() || words.iter().any(|word| row.contains(word.as_str()));
    println!("{}", serde_json::json!({ "peer": "burn", "version": "0.22.1" }));
    for (net, (name, ..)) in NETS.iter().enumerate() {
        let row = format!("ppo_step/{name}");
        if wanted(&row) {
            report(&row, ppo_step(net));
        }
    }
    if wanted("gae/wide") {
        report("gae/wide", gae(128, 4_096));
    }
}
