//! `wgpo eval`: how good a saved policy is.

use super::policy::{Episode, Policy};
use crate::args::eval::EvalArgs;
use crate::place::choose::ChosenPlace;
use crate::program::{SUCCESS, Status};
use anyhow::Result;
use serde_json::{Value, json};
use wgpo::ActMode;

/// Plays the episodes, and says what came out.
pub fn eval(args: &EvalArgs) -> Result<Status> {
    let place = ChosenPlace::choose(&args.place)?;
    let mut policy = Policy::open(&args.run, args.env.map(|task| task.0), &place)?;
    let mode = if args.sampled { ActMode::Sample } else { ActMode::Greedy };
    let seeds = match (&args.seeds, args.seed) {
        (Some(seeds), _) => seeds.clone(),
        (None, Some(seed)) => vec![seed],
        // Neither the training nor its own evaluations have seen these start states.
        (None, None) => vec![policy.seed.wrapping_add(1) & i64::MAX as u64],
    };
    let mut each: Vec<(u64, Vec<Episode>)> = Vec::with_capacity(seeds.len());
    for seed in seeds {
        each.push((seed, policy.episodes(args.episodes, seed, mode)?));
    }
    let all: Vec<Episode> = each.iter().flat_map(|(_, episodes)| episodes.iter().copied()).collect();
    let (total, mark) = (Summary::of(&all), policy.env.solved_at());
    let reached = total.returns.mean >= mark;
    let kind = if args.sampled { "sampled" } else { "greedy" };
    if args.json {
        let seeds: Vec<Value> = each
            .iter()
            .map(|(seed, episodes)| {
                let summary = Summary::of(episodes);
                json!({ "seed": seed, "episodes": episodes.len(), "return": summary.returns.json(),
                        "length": summary.lengths.json() })
            })
            .collect();
        let text = json!({
            "policy": policy.path.display().to_string(),
            "update": policy.update,
            "trained_with_seed": policy.seed,
            "env": policy.env.name(),
            "backend": place.name(),
            "actions": kind,
            "episodes": all.len(),
            "return": total.returns.json(),
            "length": total.lengths.json(),
            "mark": mark,
            "mark_reached": reached,
            "seeds": seeds,
        });
        say!("{text:#}");
        return Ok(SUCCESS);
    }
    say!("backend: {}", place.reason());
    say!("policy: {}", policy.describe());
    let listed: Vec<String> = each.iter().map(|(seed, _)| seed.to_string()).collect();
    say!(
        "{}: {} {kind} episodes, from the start states of evaluation seed{} {}",
        policy.env.gymnasium_id(),
        all.len(),
        if listed.len() == 1 { "" } else { "s" },
        listed.join(", ")
    );
    if each.len() > 1 {
        for (seed, episodes) in &each {
            say!("seed {seed}: return {}", Summary::of(episodes).returns.text());
        }
    }
    say!("return: {}", total.returns.text());
    say!("length: {}", total.lengths.text());
    say!("mark of {mark}: {}", if reached { "reached" } else { "not reached" });
    Ok(SUCCESS)
}

/// Returns and lengths of some episodes.
struct Summary {
    returns: Moments,
    lengths: Moments,
}

impl Summary {
    fn of(episodes: &[Episode]) -> Self {
        Self {
            returns: Moments::of(episodes.iter().map(|episode| episode.total)),
            lengths: Moments::of(episodes.iter().map(|episode| episode.length.into())),
        }
    }
}

/// Mean, standard deviation (with n − 1; 0 of one number), smallest and largest.
#[derive(Debug, PartialEq)]
struct Moments {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Self {
            mean,
            std: if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 },
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    fn text(&self) -> String {
        format!("mean {:.1}, std {:.1}, min {:.1}, max {:.1}", self.mean, self.std, self.min, self.max)
    }

    fn json(&self) -> Value {
        json!({ "mean": self.mean, "std": self.std, "min": self.min, "max": self.max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_a_sample() {
        let got = Moments::of([1.0, 2.0, 3.0, 6.0].into_iter());
        // Squares of −2, −1, 0, 3 by 3.
        assert_eq!(got, Moments { mean: 3.0, std: (14.0_f64 / 3.0).sqrt(), min: 1.0, max: 6.0 });
        assert_eq!(Moments::of([7.0].into_iter()), Moments { mean: 7.0, std: 0.0, min: 7.0, max: 7.0 });
    }
}
