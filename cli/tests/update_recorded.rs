//! `wgpo update` on what another trainer recorded: its order of the rows, and log-probabilities of another policy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::Place;
use crate::update::{ENVS, STEPS, UPDATE, spoil, tensor};
use crate::update_heads::{SETTINGS, acted, agree};
use safetensors::tensor::Dtype;
use wgpo::checkpoint::{load_learner, write_rollout};
use wgpo::data::Rollout;
use wgpo::policy::{Bounds, Head, Std};
use wgpo::{Agent, OnPolicy, SaveAgent};

/// Three permutations of the 21 rows, as another trainer recorded them.
fn add_order(place: &Place, order: &[u32]) {
    let bytes = order.iter().flat_map(|row| i64::from(*row).to_le_bytes()).collect::<Vec<u8>>();
    let rows = STEPS * ENVS;
    spoil(place, |all| all.push(("order".to_owned(), Dtype::I64, vec![order.len() / rows, rows], bytes.clone())));
}

#[test]
fn a_recorded_order_is_followed() {
    let place = Place::new();
    let (learner, rollout) = acted(Head::gaussian(1));
    let (_, keyed) = agree(&place, &learner, &rollout);
    let rows = (STEPS * ENVS) as u32;
    let order: Vec<u32> =
        (0..3).flat_map(|epoch| (0..rows).map(move |i| (i * (2 + 3 * epoch) + epoch) % rows)).collect();
    add_order(&place, &order);
    let said = place.run(UPDATE);
    assert!(said.contains("order: that of the file, 3 permutations"), "{said}");
    let ordered = place.bytes("o.safetensors");
    assert!(ordered != keyed, "the order is not read");
    let mut own = learner.clone();
    own.update_in_order(&rollout, Some(&order)).unwrap();
    assert!(load_learner(&place.path("o.safetensors")).unwrap().state == own.state().unwrap());
    // The batch's own order, given and by its setting.
    write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
    add_order(&place, &(0..3).flat_map(|_| 0..rows).collect::<Vec<u32>>());
    place.run(UPDATE);
    let given = load_learner(&place.path("o.safetensors")).unwrap().state;
    write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
    std::fs::write(place.path("c.toml"), format!("{SETTINGS}\nshuffle = \"never\"")).unwrap();
    place.run(UPDATE);
    assert!(load_learner(&place.path("o.safetensors")).unwrap().state == given);
    // Other epochs than those of the settings.
    std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
    std::fs::remove_file(place.path("o.safetensors")).unwrap();
    add_order(&place, &order[rows as usize..]);
    place.refused(
        UPDATE,
        1,
        &["r.safetensors: \"order\" has shape [2, 21], expected [3, 21]", "3 update_epochs of c.toml"],
    );
    assert_eq!(place.list(""), ["c.toml", "p", "r.safetensors"], "a refused update wrote something");
}

/// What it writes beside its results.
fn warnings(place: &Place) -> String {
    let output = place.wgpo(UPDATE).assert().success();
    String::from_utf8(output.get_output().stderr.clone()).unwrap()
}

#[test]
fn log_probabilities_of_another_policy_are_said() {
    let bounds = || Bounds { low: vec![-0.5, -0.5], high: vec![0.5, 0.5] };
    for head in [
        Head::Gaussian { dims: 2, std: Std::default(), bounds: Some(bounds()) },
        Head::TanhGaussian { dims: 2, std: Std::default(), bounds: bounds() },
        Head::Categorical { actions: 5, masked: true },
    ] {
        let place = Place::new();
        let (learner, rollout) = acted(head.clone());
        let (said, after) = agree(&place, &learner, &rollout);
        assert_eq!((said["ratio_before"]["rows"].as_u64(), said["ratio_before"]["off"].as_u64()), (Some(21), Some(0)));
        assert_eq!(warnings(&place), "");
        let words = [
            "warning: before the first step the ratio is not 1",
            "of 21 rows",
            "raw observations stored",
            "another policy",
        ];
        let warned = |why: &str| {
            let text = warnings(&place);
            assert!(words.iter().all(|word| text.contains(word)) && text.lines().count() == 1, "{why}: {text}");
        };
        // Raw observations where normalised ones were acted on.
        let raw = Rollout { obs: rollout.obs.mapv(|x| 3.0 * x + 1.0), ..rollout.clone() };
        write_rollout(&place.path("r.safetensors"), &raw).unwrap();
        warned("raw observations");
        // What the environment got, in place of what was drawn.
        if !head.is_discrete() {
            let acted = Rollout {
                actions: wgpo::low_level::reference::head_actions::to_env(&head, &rollout.actions).unwrap(),
                ..rollout.clone()
            };
            write_rollout(&place.path("r.safetensors"), &acted).unwrap();
            warned("the environment's actions");
        }
        // The policy after the update.
        write_rollout(&place.path("r.safetensors"), &rollout).unwrap();
        std::fs::write(place.path("p/policy.safetensors"), &after).unwrap();
        warned("another policy");
        // Where an older policy is meant to have acted, nothing is to be said.
        std::fs::write(place.path("c.toml"), format!("{SETTINGS}\nadvantage = \"puff\"")).unwrap();
        assert_eq!(warnings(&place), "");
        // Half the digits: said once as converted, and not as another policy.
        learner.save(&place.path("p/policy.safetensors")).unwrap();
        std::fs::write(place.path("c.toml"), SETTINGS).unwrap();
        spoil(&place, |all| {
            for name in ["obs", "logp"] {
                let (_, dtype, _, bytes) = tensor(all, name);
                *dtype = Dtype::BF16;
                // To the nearest; no tie is broken right, which is nothing here.
                let rounded =
                    |word: &[u8]| (u32::from_le_bytes(word.try_into().unwrap()) + 0x8000).to_le_bytes()[2..].to_vec();
                *bytes = bytes.chunks(4).flat_map(rounded).collect();
            }
        });
        assert_eq!(warnings(&place), "");
        let said = place.run(UPDATE);
        assert_eq!(said.matches("converted: ").count(), 1, "{said}");
        assert!(said.contains("obs (BF16)") && said.contains("logp (BF16)"), "{said}");
    }
}
