//! Masked rows, orders of the caller's, states, and ranks that differ or fail.

use super::{ENVS, SEED, each, near, part, small};
use crate::agent::{Agent, OnPolicy};
use crate::collective::{Collective, Share};
use crate::config::{Config, ObsNorm, RewardNorm};
use crate::cpu::CpuTrainer;
use crate::cpu::learner::CpuLearner;
use crate::cpu::on_policy::OnPolicyTrainer;
use crate::cpu::team::Team;
use crate::data::Rollout;
use crate::env::Env;
use crate::error::Error;
use crate::state::EpisodeStats;
use crate::trainer::Trainer;
use ndarray::Array2;
use std::sync::Arc;

/// Masks that leave a rank few rows or none in a minibatch, and an order of the caller's.
#[test]
fn masked_rows_and_given_orders_are_those_of_all() {
    let env = Env::CartPole;
    for base in [Config::cleanrl(), Config::ppo_penalty(), Config::trpo_sb3_contrib(), Config::reinforce_spinningup()] {
        let config = Config { norm_value: None, norm_reward: Some(RewardNorm::sb3()), ..small(base) };
        let kind = config.algorithm.kind();
        let spec = config.fitted(env.policy_for(kind, &[7]));
        let mut acting = OnPolicyTrainer::<f64>::new(Team::default(), env, spec.clone(), config.clone(), 3).unwrap();
        let mut window = acting.rollout().unwrap().0;
        window.valid = Some(Array2::from_shape_fn((12, ENVS), |(t, n)| {
            u32::from(if n == 1 { t == 5 } else { (t * 7 + n) % 3 != 0 })
        }));
        let rows = window.rows() as u32;
        let order: Vec<u32> = (0..config.order_epochs() as u32)
            .flat_map(|epoch| (0..rows).map(move |i| (i * 7 + epoch) % rows))
            .collect();
        for order in [None, Some(order.as_slice())] {
            let update = |mut learner: CpuLearner<f64>, window: &Rollout| {
                learner.update_in_order(window, order).unwrap();
                learner.update_in_order(window, order).unwrap();
                learner
            };
            let want = update(CpuLearner::new(spec.clone(), config.clone(), 3).unwrap(), &window);
            for size in 2..=4 {
                let learnt = each(size, |rank| {
                    let share = Share::even(rank.rank(), size, ENVS);
                    let learner = CpuLearner::new_among(rank, spec.clone(), config.clone(), 3).unwrap();
                    let learner = update(learner, &part(&window, share));
                    (learner.parameters.clone(), learner.state().unwrap())
                });
                for (got, state) in &learnt {
                    near(kind.name(), got, &want.parameters);
                    assert_eq!((got, state), (&learnt[0].0, &learnt[0].1));
                    assert_eq!(
                        state.normalizer.discounted_returns,
                        want.state().unwrap().normalizer.discounted_returns
                    );
                }
            }
        }
    }
}

/// Whole trainers, which act, too. What a rollout holds is rounded to f32, so that a difference of the last digit of f64 may, rarely, become
/// one of f32's.
#[test]
fn ranks_draw_and_act_as_one_process() {
    for (env, base) in [(Env::CartPole, Config::sb3()), (Env::Pendulum, Config::npg()), (Env::Acrobot, Config::a2c())] {
        let (norm_obs, norm_reward) = (Some(ObsNorm::sb3()), Some(RewardNorm::sb3()));
        let config = small(Config { norm_obs, norm_reward, ..base });
        let spec = config.fitted(env.policy_for(config.algorithm.kind(), &[8, 6]));
        let run = |mut trainer: OnPolicyTrainer<f64>| {
            let episodes: Vec<_> = (0..5).map(|_| trainer.iterate().unwrap().episodes).collect();
            (trainer.learner.parameters.clone(), episodes, trainer.state().unwrap())
        };
        let of = |team| run(OnPolicyTrainer::new(team, env, spec.clone(), config.clone(), SEED).unwrap());
        let (parameters, episodes, state) = of(Team::default());
        for size in 1..=4 {
            let all = each(size, |rank| of(Team::new(rank, &spec, &config, SEED).unwrap()));
            for (got, of_rank, joint) in &all {
                let far = got.iter().zip(&parameters).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(far < 1e-6, "{}, {size} ranks: {far}", env.name());
                assert_eq!((got, joint), (&all[0].0, &all[0].2), "{}, {size} ranks: bits", env.name());
                let counts =
                    |all: &[EpisodeStats]| all.iter().map(|one| (one.count, one.length_sum)).collect::<Vec<_>>();
                assert_eq!(counts(of_rank), counts(&episodes), "{}, {size} ranks", env.name());
                assert_eq!((joint.env_step, joint.learner.env_steps), (state.env_step, state.learner.env_steps));
                // Start states and time are the same bits, and what was drawn is; states are of actions that are near.
                for (got, want) in joint.env_words.iter().zip(&state.env_words) {
                    let (a, b) = (f32::from_bits(*got), f32::from_bits(*want));
                    assert!(got == want || (a - b).abs() <= 1e-4 * b.abs().max(1.0), "{}: {a}, {b}", env.name());
                }
            }
        }
    }
}

/// Saved by three ranks, gone on with by one process and by two ranks: the same bits of the environments, parameters to rounding.
#[test]
fn a_state_is_of_all_whatever_the_number_of_ranks() {
    let env = Env::CartPole;
    let config =
        Config { norm_obs: Some(ObsNorm::sb3()), norm_reward: Some(RewardNorm::sb3()), ..small(Config::sb3()) };
    let spec = env.policy(&[6]);
    let saved = each(3, |rank| {
        let mut trainer = CpuTrainer::new_among(rank, env, spec.clone(), config.clone(), SEED).unwrap();
        trainer.iterate().unwrap();
        trainer.iterate().unwrap();
        trainer.state().unwrap()
    });
    let mut alone = CpuTrainer::from_state(spec.clone(), config.clone(), &saved[0]).unwrap();
    let want = alone.iterate().unwrap();
    for size in [2, 5] {
        let outcome = each(size, |rank| {
            let mut trainer = CpuTrainer::from_state_among(rank, spec.clone(), config.clone(), &saved[1]).unwrap();
            assert_eq!(trainer.state().unwrap(), saved[2]);
            (trainer.iterate().unwrap(), trainer.state().unwrap())
        });
        for (stats, state) in outcome {
            assert_eq!(
                (stats.env_steps, stats.updates, stats.episodes.count),
                (want.env_steps, 3, want.episodes.count)
            );
            // In f32: some hundred roundings of 6e-8.
            for (got, want) in state.learner.parameters.iter().zip(alone.learner().parameters().unwrap()) {
                assert!((got - want).abs() < 1e-4, "{got}, {want}");
            }
        }
    }
}

#[test]
fn ranks_that_differ_or_fail_are_named_and_nothing_changes() {
    let env = Env::CartPole;
    let config = small(Config::cleanrl());
    let made = |rank: Arc<dyn Collective>, config: Config, seed| {
        CpuTrainer::new_among(rank, env, env.policy(&[6]), config, seed).map(drop).map_err(|error| error.to_string())
    };
    let seeds = each(3, |rank| made(rank.clone(), config.clone(), if rank.rank() == 1 { 4 } else { 3 }));
    assert!(seeds.iter().all(|outcome| outcome == &Err("rank 1: has seed 4, rank 0 has 3".to_owned())), "{seeds:?}");
    let rates = each(3, |rank| {
        let learning_rate = if rank.rank() == 2 { 0.5 } else { 0.25 };
        made(rank, Config { learning_rate, ..config.clone() }, 3)
    });
    for outcome in rates {
        let words = outcome.unwrap_err();
        assert!(words.starts_with("rank 2: has the settings …") && words.contains("\"learning_rate\":0.5"), "{words}");
    }
    let few = each(6, |rank| made(rank, config.clone(), 3).unwrap_err());
    assert!(few.iter().all(|words| words.contains("is 5, fewer than the 6 ranks")), "{few:?}");
    let sac = each(2, |rank| made(rank, Config::sac_sb3(), 3).unwrap_err());
    assert!(sac.iter().all(|words| words.contains("algorithm")), "{sac:?}");

    // One whose rollout is refused: the others hear of it in the update, and all are as they were.
    let outcomes = each(3, |rank| {
        let (number, mut acting) = (
            rank.rank(),
            OnPolicyTrainer::<f64>::new(Team::default(), env, env.policy(&[6]), config.clone(), SEED).unwrap(),
        );
        let mut learner = CpuLearner::<f64>::new_among(rank, env.policy(&[6]), config.clone(), SEED).unwrap();
        let mut own = part(&acting.rollout().unwrap().0, Share::even(number, 3, ENVS));
        if number == 1 {
            own.rewards[[3, 0]] = f32::NAN;
        }
        let before = learner.parameters.clone();
        let error = learner.update(&own).unwrap_err();
        assert_eq!((before, learner.update), (learner.parameters.clone(), 0));
        error
    });
    assert!(matches!(outcomes[1], Error::Value { .. }), "{}", outcomes[1]);
    for other in [&outcomes[0], &outcomes[2]] {
        assert!(other.to_string().starts_with("rank 1: \"rewards\""), "{other}");
    }
}
