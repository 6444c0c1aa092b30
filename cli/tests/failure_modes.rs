//! Usual PPO fails on the three bandits, and each remedy that should help does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part of it")]
use crate::support;

use std::collections::BTreeMap;
use support::Place;

/// Success rates by variant, of one mode.
fn rates(place: &Place, folder: &str) -> BTreeMap<String, f64> {
    let text = place.text(&format!("{folder}/summary.csv"));
    let mut lines = text.lines();
    assert_eq!(lines.next().unwrap(), "mode,environment,variant,seeds,successes,success_rate,last_reward,mark");
    lines
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            (fields[2].to_owned(), fields[5].parse().unwrap())
        })
        .collect()
}

/// Each of `remedies` succeeds on at least half of the seeds more than the usual PPO.
#[track_caller]
fn helps(rates: &BTreeMap<String, f64>, remedies: &[&str]) {
    println!("{rates:?}");
    for remedy in remedies {
        assert!(rates[*remedy] >= rates["clip"] + 0.5, "{remedy}: {rates:?}");
    }
}

#[test]
fn a_bounded_support_is_lost_by_the_clip() {
    let place = Place::new();
    place.run("failure-modes --backend cpu --mode 1 --out r");
    let rates = rates(&place, "r");
    helps(&rates, &["clip_beta", "clip_discretised", "kl_old_new", "kl_new_old"]);

    assert_eq!(place.list("r"), ["failure_modes.svg", "rewards.csv", "summary.csv"]);
    let svg = place.text("r/failure_modes.svg");
    assert!(svg.contains("clip, Gaussian") && svg.contains("95 % interval"), "{svg}");
    // Five variants, sixteen seeds, a hundred updates, and the line of names.
    assert_eq!(place.text("r/rewards.csv").lines().count(), 5 * 16 * 100 + 1);
    place.refused("failure-modes --backend cpu --mode 1 --out r", 1, &["r: exists already", "--force"]);
}

#[test]
fn a_rare_best_action_is_missed_by_the_clip() {
    let place = Place::new();
    place.run("failure-modes --backend cpu --mode 2 --out r");
    helps(&rates(&place, "r"), &["kl_old_new", "kl_new_old"]);
}

#[test]
fn a_local_optimum_keeps_a_gaussian() {
    let place = Place::new();
    place.run("failure-modes --backend cpu --mode 3 --out r");
    let rates = rates(&place, "r");
    helps(&rates, &["clip_discretised"]);
    // A penalty of the same policy is no way out of a local optimum.
    assert!(rates["kl_old_new"] <= 0.5 && rates["kl_new_old"] <= 0.5, "{rates:?}");
}
