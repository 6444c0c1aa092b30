//! Iterations whose statistics are awaited later, and futures that nobody blocks on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wgpo::data::{Autoreset, Rollout};
use wgpo::{
    ActMode, Activation, Agent, AlgorithmKind, Config, Env, Error, Gpu, GpuLearner, GpuOffPolicyTrainer, GpuTrainer,
    Head, OnPolicy, PolicySpec, Trainer,
};

/// Runs a future as a loop does that draws frames: it looks in, and polls the device without waiting.
fn frames<T>(gpu: &Gpu, future: impl Future<Output = T>) -> T {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    for _ in 0..1_000_000 {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
        gpu.device().poll(wgpo::wgpu::PollType::Poll).unwrap();
        std::thread::yield_now();
    }
    panic!("it did not end");
}

fn small(algorithm: AlgorithmKind) -> (Env, PolicySpec, Config) {
    let env = Env::CartPole;
    let config = Config { num_envs: 3, num_steps: 16, num_minibatches: 2, ..env.tuned_for(algorithm).0 };
    (env, env.policy_for(algorithm, &[8]), config)
}

#[test]
fn statistics_that_are_awaited_later_are_the_same() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::Trpo] {
        let (env, spec, config) = small(algorithm);
        let new = || GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), 5).unwrap();
        let mut alone = new();
        // As text, in which a number that is none equals itself.
        let want: Vec<_> = (0..5).map(|_| format!("{:?}", alone.iterate().unwrap())).collect();
        let mut trainer = new();
        let mut running = trainer.submit().unwrap();
        let mut got = Vec::new();
        for _ in 0..4 {
            let next = trainer.submit().unwrap();
            let state = trainer.state().unwrap();
            // A third has no buffer, and changes nothing.
            assert!(matches!(trainer.submit(), Err(Error::InFlight(2))));
            assert_eq!(trainer.state().unwrap(), state);
            got.push(frames(&gpu, std::mem::replace(&mut running, next).statistics()).unwrap());
        }
        got.push(gpu.block_on(running.statistics()).unwrap());
        assert_eq!(got.iter().map(|stats| format!("{stats:?}")).collect::<Vec<_>>(), want);
        assert_eq!(trainer.state().unwrap(), alone.state().unwrap());
        // One whose statistics nobody wants runs nevertheless, and leaves its buffer.
        for _ in 0..3 {
            drop(trainer.submit().unwrap());
            alone.iterate().unwrap();
        }
        assert_eq!(frames(&gpu, trainer.state_async()).unwrap(), alone.state().unwrap());
    }
}

#[test]
fn an_off_policy_iteration_can_be_in_flight_too() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let env = Env::CartPole;
    let (config, _) = env.tuned_for(AlgorithmKind::Dqn);
    let mut config = Config { num_envs: 2, num_steps: 8, ..config };
    let replay = config.replay_mut().unwrap();
    (replay.learning_starts, replay.batch_size, replay.buffer_size) = (16, 8, 64);
    let spec = env.policy_for(AlgorithmKind::Dqn, &[8]);
    let new = || GpuOffPolicyTrainer::new(&gpu, env, spec.clone(), config.clone(), 5).unwrap();
    let (mut alone, mut trainer) = (new(), new());
    let want: Vec<_> = (0..4).map(|_| format!("{:?}", alone.iterate().unwrap())).collect();
    let both = [trainer.submit().unwrap(), trainer.submit().unwrap()];
    assert!(matches!(trainer.submit(), Err(Error::InFlight(2))));
    let mut got: Vec<_> =
        both.into_iter().map(|one| format!("{:?}", frames(&gpu, one.statistics()).unwrap())).collect();
    got.extend((0..2).map(|_| format!("{:?}", frames(&gpu, trainer.iterate_async()).unwrap())));
    assert_eq!(got, want);
    assert_eq!(frames(&gpu, trainer.state_async(true)).unwrap(), alone.state().unwrap());
}

#[test]
fn a_learner_that_is_not_waited_for_gives_the_same() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let spec = PolicySpec::separate(3, &[8], Activation::Tanh, Head::gaussian(1));
    let config = Config { num_envs: 2, num_steps: 4, num_minibatches: 2, ..Config::cleanrl_continuous() };
    let new = || GpuLearner::new(&gpu, spec.clone(), config.clone(), 3).unwrap();
    let (mut blocking, mut other) = (new(), new());
    let obs = ndarray::Array2::from_shape_fn((8, 3), |(row, column)| (row as f32 - 3.5) * 0.3 + column as f32 * 0.1);
    let want = blocking.act(obs.view(), ActMode::Sample).unwrap();
    let got = frames(&gpu, other.act_masked_async(obs.view(), None, ActMode::Sample)).unwrap();
    assert_eq!(format!("{got:?}"), format!("{want:?}"));
    assert_eq!(frames(&gpu, other.values_async(obs.view())).unwrap(), blocking.values(obs.view()).unwrap());
    let values = ndarray::Array2::from_shape_vec((4, 2), want.values.to_vec()).unwrap();
    let flags = || ndarray::Array2::from_shape_fn((4, 2), |(t, n)| u32::from((t, n) == (1, 1)));
    let rollout = Rollout {
        steps: 4,
        envs: 2,
        obs: want.obs,
        actions: want.actions,
        logp: want.logp,
        rewards: ndarray::Array2::from_shape_fn((4, 2), |(t, n)| t as f32 - n as f32),
        values: ndarray::concatenate![ndarray::Axis(0), values, ndarray::Array2::zeros((1, 2))],
        final_values: None,
        terminated: flags(),
        truncated: flags(),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    };
    let want = blocking.update(&rollout).unwrap();
    let got = frames(&gpu, other.update_in_order_async(&rollout, None)).unwrap();
    assert_eq!(format!("{got:?}"), format!("{want:?}"));
    assert_eq!(frames(&gpu, other.state_async()).unwrap(), blocking.state().unwrap());
    assert_eq!(frames(&gpu, other.parameters_async()).unwrap(), blocking.parameters().unwrap());
}
