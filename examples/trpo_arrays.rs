//! TRPO on arrays of your own: no environment, no rollout, only rows of observations, actions and advantages.
//!
//! You learn how to use a [`OnPolicy`] when the data comes from elsewhere (a simulator, a log, another language): `act` gives actions with their
//! log-probabilities and values, you find out what they were worth, `update_batch` takes one step. And you learn what TRPO promises: a step
//! that is taken stays within the KL limit and improves the surrogate; one that is refused leaves every bit of the policy as it was.
//!
//! The task: answer x in [−1, 1] with sin(πx). An action's reward is its negative squared error.
//!
//! Run with `cargo run --release --example trpo_arrays`.

use ndarray::{Array1, Array2, Axis};
use std::f32::consts::PI;
use wgpo::config::TrustRegion;
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{ActMode, Agent, Algorithm, Config, OnPolicy};

const ROWS: usize = 512;
const UPDATES: u32 = 30;

/// How much each answer to `obs` is worth.
fn rewards(obs: &Array2<f32>, answers: &Actions) -> Array1<f32> {
    let Actions::Continuous(answers) = answers else { return Array1::zeros(obs.nrows()) };
    obs.column(0).iter().zip(answers.column(0)).map(|(x, answer)| -(answer - (PI * x).sin()).powi(2)).collect()
}

fn main() -> wgpo::Result<()> {
    let spec = PolicySpec::separate(1, &[32, 32], Activation::Tanh, Head::gaussian(1));
    let trust_region = TrustRegion { max_kl: 0.05, ..TrustRegion::sb3_contrib() };
    let config = Config { algorithm: Algorithm::Trpo(trust_region), ..Config::trpo_sb3_contrib() };
    // The policy's ranges of the flat parameter vector. The critic's are named `value.…`, and change at every update.
    let ranges: Vec<_> =
        spec.layout().ranges().iter().filter(|range| !range.name.starts_with("value")).cloned().collect();
    let policy = |learner: &CpuLearner<f32>| -> wgpo::Result<Vec<u32>> {
        let all = learner.parameters()?;
        Ok(ranges.iter().flat_map(|range| all[range.indices()].iter().map(|value| value.to_bits())).collect())
    };
    let mut learner = CpuLearner::<f32>::new(spec, config, 1)?; // or a GpuLearner
    let obs = Array1::linspace(-1.0, 1.0, ROWS).insert_axis(Axis(1));
    let greedy = |learner: &mut CpuLearner<f32>| -> wgpo::Result<f32> {
        let acted = learner.act(obs.view(), ActMode::Greedy)?;
        Ok(rewards(&obs, &acted.env_actions).mean().unwrap_or(f32::NAN))
    };
    let (before, mut taken, mut last) = (greedy(&mut learner)?, 0, None);
    for update in 1..=UPDATES {
        let acted = learner.act(obs.view(), ActMode::Sample)?;
        let rewards = rewards(&obs, &acted.env_actions);
        let batch = Batch {
            obs: acted.obs,
            actions: acted.actions,
            logp_old: acted.logp,
            advantages: &rewards - &acted.values, // one step and it is over: the return is the reward
            returns: rewards,
            values_old: acted.values,
            old_dist: None,
            valid: None,
        };
        let old = policy(&learner)?;
        let stats = learner.update_batch(&batch, None)?;
        let step = stats.trust_region.unwrap_or_default();
        assert_eq!(step.accepted, policy(&learner)? != old, "a step that is refused changes nothing");
        if step.accepted {
            taken += 1;
            assert!(step.kl_after <= 0.05 && step.surrogate_after > step.surrogate_before, "{step:?}");
        }
        if update % 10 == 0 {
            let mean = batch.returns.mean().unwrap_or(f32::NAN);
            println!("update {update}: mean reward {mean:.3}, KL of the step {:.4}", step.kl_after);
        }
        last = Some(batch);
    }
    // Where no action was better than another there is nothing to improve, and no step.
    if let Some(batch) = last {
        let old = policy(&learner)?;
        let stats = learner.update_batch(&Batch { advantages: Array1::zeros(ROWS), ..batch }, None)?;
        assert!(!stats.trust_region.unwrap_or_default().accepted && policy(&learner)? == old, "a step from nothing");
    }
    let after = greedy(&mut learner)?;
    println!("{taken} of {UPDATES} steps taken; greedy mean reward {before:.3} before, {after:.3} after");
    assert!(taken > 25 && after > 0.1 * before, "it has not learnt"); // a constant answer keeps all of it
    Ok(())
}
