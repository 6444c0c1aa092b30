//! `wgpo update` with every kind of head, on rows that do not count too: the program and the library agree bit for bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::Place;
use crate::update::{ENVS, STEPS, UPDATE, spoil, tensor};
use ndarray::{Array1, Array2, s};
use wgpo::checkpoint::{load_learner, write_rollout};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Rollout};
use wgpo::env::Autoreset;
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std};
use wgpo::{ActMode, Agent, Config, OnPolicy, SaveAgent};

/// A learner with a head that no task has by itself, and a window that it acted in; the second row of a masked head allows
/// nothing.
pub(crate) fn acted(head: Head) -> (CpuLearner<f32>, Rollout) {
    let spec = PolicySpec::separate(4, &[8], Activation::Tanh, head);
    let config = settings(&spec.head);
    let mut learner = CpuLearner::<f32>::new(spec, config, 3).unwrap();
    let rows = STEPS * ENVS;
    let wave = |k: usize| (k as f32 * 0.7).sin();
    let obs = Array2::from_shape_fn((rows + ENVS, 4), |(row, column)| wave(row * 5 + column));
    let raw = learner.spec().head.raw_outputs();
    let allowed = Array2::from_shape_fn((rows, raw), |(row, i)| row != 1 && (row * 7 + i * 3) % 5 < 3);
    let allowed = learner.spec().head.is_masked().then_some(allowed);
    let window = obs.slice(s![..rows, ..]);
    let acted = learner.act_masked(window, allowed.as_ref().map(|flags| flags.view()), ActMode::Sample).unwrap();
    let last = learner.values(obs.slice(s![rows.., ..])).unwrap();
    let values = Array1::from_iter(acted.values.iter().chain(&last).copied());
    let rollout = Rollout {
        steps: STEPS,
        envs: ENVS,
        // As the network saw them, where observations are normalised.
        obs: acted.obs,
        actions: acted.actions,
        logp: acted.logp,
        rewards: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| wave(t + 11 * n)),
        values: values.into_shape_with_order((STEPS + 1, ENVS)).unwrap(),
        final_values: Some(Array2::zeros((STEPS, ENVS))),
        terminated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 3 && n == 1)),
        truncated: Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t == 5 && n == 2)),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    };
    (learner, rollout)
}

/// The file of settings for [`acted`].
pub(crate) const SETTINGS: &str = "learning_rate = 1e-3\nnum_minibatches = 2\nupdate_epochs = 3";

/// The same for the library: over what is published for the kind of action.
pub(crate) fn settings(head: &Head) -> Config {
    let base = if head.env_is_discrete() { Config::cleanrl() } else { Config::cleanrl_continuous() };
    Config { num_envs: ENVS, num_steps: STEPS, learning_rate: 1e-3, num_minibatches: 2, update_epochs: 3, ..base }
}

/// Writes policy, settings and rollout, updates with the program and with the library, and compares the whole state bit for bit.
/// Returns the program's statistics and its new policy.
#[track_caller]
pub(crate) fn agree(place: &Place, learner: &CpuLearner<f32>, rollout: &Rollout) -> (serde_json::Value, Vec<u8>) {
    std::fs::create_dir_all(place.path("p")).unwrap();
    learner.save(&place.path("p/policy.safetensors")).unwrap();
    write_rollout(&place.path("r.safetensors"), rollout).unwrap();
    std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
    let said: serde_json::Value = serde_json::from_str(&place.run(&format!("{UPDATE} --json"))).unwrap();
    let mut learner = learner.clone();
    let stats = learner.update(rollout).unwrap();
    let saved = load_learner(&place.path("o.safetensors")).unwrap();
    assert_eq!(&saved.spec, learner.spec());
    assert!(saved.state == learner.state().unwrap(), "the program's policy is not the library's");
    let minibatches = said["minibatches"].as_array().unwrap();
    assert_eq!(minibatches.len(), stats.minibatches.len());
    for (said, stats) in minibatches.iter().zip(&stats.minibatches) {
        assert_eq!(said["policy_loss"].as_f64(), Some(stats.policy_loss));
        assert_eq!(said["head_hits"].as_u64(), Some(stats.head_hits.into()));
    }
    (said, place.bytes("o.safetensors"))
}

#[test]
fn every_kind_of_head_goes_through_the_files() {
    let bounds = || Bounds { low: vec![-2.0, 0.0], high: vec![2.0, 0.5] };
    let heads = [
        Head::MultiDiscrete { nvec: vec![4, 33, 2], masked: true },
        Head::Categorical { actions: 5, masked: true },
        Head::bernoulli(3),
        Head::Beta { dims: 2, bounds: bounds() },
        Head::Discretised { dims: 2, bins: 5, bounds: bounds() },
        Head::TanhGaussian { dims: 2, std: Std { from_state: true, ..Std::default() }, bounds: bounds() },
    ];
    for head in heads {
        let (place, masked, dims) = (Place::new(), head.is_masked(), head.action_dims());
        let (learner, rollout) = acted(head);
        let (stats, _) = agree(&place, &learner, &rollout);
        let hits = stats["minibatches"].as_array().unwrap().iter().map(|one| one["head_hits"].as_u64().unwrap());
        let hits: u64 = hits.sum();
        // The one row without a choice, in each of three epochs; other rows may have dimensions without one.
        assert!(if masked { hits >= 3 * dims as u64 } else { hits == 0 }, "{hits}");
        assert_eq!(place.run(UPDATE).contains("head_hits"), masked);
        if masked {
            // What was allowed belongs to the rollout, and an action that was not allowed is no action.
            let good = place.bytes("r.safetensors");
            std::fs::remove_file(place.path("o.safetensors")).unwrap();
            spoil(&place, |all| all.retain(|tensor| tensor.0 != "allowed"));
            place.refused(UPDATE, 1, &["r.safetensors", "\"allowed\""]);
            std::fs::write(place.path("r.safetensors"), good).unwrap();
            spoil(&place, |all| {
                let Actions::Masked { indices, allowed } = &rollout.actions else { return };
                let flags = &mut tensor(all, "allowed").3;
                flags[4 * indices[[0, 0]] as usize] = 0;
                assert!(allowed[[0, indices[[0, 0]] as usize]]);
            });
            place.refused(UPDATE, 1, &["r.safetensors", "a choice that its mask allows"]);
            assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
        }
    }
}

#[test]
fn rows_that_do_not_count_and_resets_go_through_the_files() {
    let place = Place::new();
    let (learner, plain) = acted(Head::gaussian(1));
    let (_, all) = agree(&place, &learner, &plain);

    let mut padded = plain.clone();
    padded.valid = Some(Array2::from_shape_fn((STEPS, ENVS), |(t, n)| u32::from(t < 5 || n != 0)));
    let (_, counted) = agree(&place, &learner, &padded);
    assert!(counted != all, "padding is counted");
    // What padding holds is nobody's affair.
    padded.obs.row_mut(6 * ENVS).fill(1e30);
    padded.logp[6 * ENVS] = -7.0;
    assert!(agree(&place, &learner, &padded).1 == counted, "padding is read");

    for autoreset in [Autoreset::NextStep, Autoreset::Disabled] {
        let mut rollout = plain.clone();
        rollout.autoreset = autoreset;
        rollout.ended_before = Some(Array1::from_vec(vec![1, 0, 0]));
        let (_, reset) = agree(&place, &learner, &rollout);
        assert!(reset != all && reset != counted, "{autoreset:?} is the same as SameStep");
    }
}
