//! Ranks on threads against one process with the same environments: every algorithm and preset, in f64 to 1e-10, and in bits among ranks.

use crate::agent::{Agent, OnPolicy};
use crate::collective::{Collective, Share, Threads};
use crate::config::{
    Acceptance, AdaptiveLr, AdvantageNorm, Algorithm, AlgorithmKind, Config, FisherForm, KlHinge, KlPenalty, KlStop,
    MinibatchRest, ObsNorm, Ppo, Preset, RateStep, RewardNorm, Shuffle, TrustRegion, ValueNorm,
};
use crate::cpu::learner::CpuLearner;
use crate::cpu::on_policy::OnPolicyTrainer;
use crate::cpu::team::Team;
use crate::data::{Rollout, UpdateStats};
use crate::env::Env;
use ndarray::{Array2, Axis, s};
use std::sync::Arc;
use std::thread;

mod whole;

const SEED: u64 = 11;
const ENVS: usize = 5;
/// What f64 leaves of a sum in another order, and what five updates make of it.
const CLOSE: f64 = 1e-10;

/// What each rank's thread returns.
fn each<T: Send>(size: usize, work: impl Fn(Arc<dyn Collective>) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let running: Vec<_> = Threads::new(size).into_iter().map(|rank| scope.spawn(|| work(Arc::new(rank)))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn small(config: Config) -> Config {
    let steps = 12 * ENVS as u64;
    Config {
        num_envs: ENVS,
        num_steps: 12,
        num_minibatches: config.num_minibatches.min(4),
        minibatch_size: None,
        update_epochs: config.update_epochs.min(3),
        total_timesteps: 6 * steps,
        ..config
    }
}

/// This rank's environments of a window.
fn part(all: &Rollout, share: Share) -> Rollout {
    let envs = share.first..share.first + share.own;
    let rows: Vec<usize> = (0..all.steps * share.own).map(|row| share.row(row)).collect();
    let of = |flags: &Array2<u32>| flags.slice(s![.., envs.clone()]).to_owned();
    Rollout {
        steps: all.steps,
        envs: share.own,
        obs: all.obs.select(Axis(0), &rows),
        actions: all.actions.select(&rows),
        logp: all.logp.select(Axis(0), &rows),
        rewards: all.rewards.slice(s![.., envs.clone()]).to_owned(),
        values: all.values.slice(s![.., envs.clone()]).to_owned(),
        final_values: all.final_values.as_ref().map(|values| values.slice(s![.., envs.clone()]).to_owned()),
        terminated: of(&all.terminated),
        truncated: of(&all.truncated),
        valid: all.valid.as_ref().map(of),
        autoreset: all.autoreset,
        ended_before: None,
    }
}

/// What one process learns in five iterations, and the windows that it learnt from.
fn alone(env: Env, config: &Config) -> (Vec<Rollout>, CpuLearner<f64>, UpdateStats) {
    let spec = config.fitted(env.policy_for(config.algorithm.kind(), &[8, 6]));
    let mut trainer = OnPolicyTrainer::<f64>::new(Team::default(), env, spec, config.clone(), SEED).unwrap();
    let (mut windows, mut last) = (Vec::new(), None);
    for _ in 0..5 {
        let window = trainer.rollout().unwrap().0;
        last = Some(trainer.learner.update(&window).unwrap());
        windows.push(window);
    }
    (windows, trainer.learner, last.unwrap())
}

/// What this rank learns from its part of them.
fn learnt(rank: Arc<dyn Collective>, env: Env, config: &Config, windows: &[Rollout]) -> (CpuLearner<f64>, UpdateStats) {
    let spec = config.fitted(env.policy_for(config.algorithm.kind(), &[8, 6]));
    let share = Share::even(rank.rank(), rank.size(), ENVS);
    let mut learner = CpuLearner::<f64>::new_among(rank, spec, config.clone(), SEED).unwrap();
    let mut last = None;
    for window in windows {
        last = Some(learner.update(&part(window, share)).unwrap());
    }
    (learner, last.unwrap())
}

fn near(name: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{name}");
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let close = (got - want).abs() <= CLOSE * want.abs().max(1.0) || got.is_nan() && want.is_nan();
        assert!(close, "{name}: [{index}] is {got}, alone {want}");
    }
}

/// The numbers of an update that all ranks and the one process must agree on.
fn numbers(stats: &UpdateStats) -> Vec<f64> {
    let last = stats.last();
    let region = stats.trust_region.clone().unwrap_or_default();
    vec![
        f64::from(stats.optimizer_steps),
        f64::from(stats.epochs),
        stats.minibatches.len() as f64,
        f64::from(last.rows),
        last.policy_loss,
        last.value_loss,
        last.entropy,
        last.loss,
        last.kl,
        last.approx_kl,
        last.clipfrac,
        last.ratio_min,
        last.ratio_max,
        f64::from(last.head_hits),
        last.grad_norm,
        stats.explained_variance,
        stats.learning_rate,
        stats.kl.unwrap_or(0.0),
        stats.kl_coef.unwrap_or(0.0),
        region.kl_after,
        region.surrogate_after,
        region.entropy,
        f64::from(region.tries),
    ]
}

/// 1 to 4 ranks with 5 environments: shares differ.
fn same_as_alone(name: &str, env: Env, config: &Config) {
    let (windows, want, stats) = alone(env, config);
    for size in 1..=4 {
        let name = format!("{name}, {}, {size} ranks", env.name());
        let run = || {
            each(size, |rank| {
                let (learner, stats) = learnt(rank, env, config, &windows);
                (learner.parameters.clone(), stats, learner.state().unwrap().normalizer)
            })
        };
        let (once, twice) = (run(), run());
        for (rank, (got, of_rank, normalizer)) in once.iter().enumerate() {
            near(&name, got, &want.parameters);
            near(&name, &numbers(of_rank), &numbers(&stats));
            assert_eq!(got, &once[0].0, "{name}: bits of rank {rank}");
            assert_eq!(got, &twice[rank].0, "{name}: bits of another run");
            assert_eq!(normalizer, &once[0].2, "{name}: statistics of rank {rank}");
        }
        if size == 1 {
            assert_eq!(once[0].0, want.parameters, "{name}: one rank is one process");
            // As words, in which a NaN equals itself.
            assert_eq!(format!("{:?}", once[0].1), format!("{stats:?}"), "{name}");
        }
    }
}

#[test]
fn every_preset_of_every_algorithm_learns_as_one_process() {
    for kind in AlgorithmKind::ALL.into_iter().filter(|kind| !kind.is_off_policy()) {
        for name in Preset::names(kind) {
            for env in [Env::CartPole, Env::Pendulum] {
                let config = small(Config::preset(name, kind, env.head().is_discrete()).unwrap());
                same_as_alone(&format!("{} {name}", kind.name()), env, &config);
            }
        }
    }
}

#[test]
fn every_switch_learns_as_one_process() {
    let ppo = |ppo: Ppo| Config { anneal_lr: false, ..small(Config::cleanrl()) }.with_algorithm(ppo);
    let normalized = |config: Config| Config {
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm::sb3()),
        norm_value: Some(ValueNorm::rl_games()),
        ..config
    };
    let region = |region: TrustRegion| small(Config::trpo_sb3_contrib()).with_algorithm(Algorithm::Trpo(region));
    let trpo = TrustRegion::sb3_contrib();
    let hinge = KlPenalty { hinge: Some(KlHinge { factor: 0.1, coef: 3.0 }), ..KlPenalty::adaptive() };
    let rate = |step| AdaptiveLr { step, ..AdaptiveLr::default() };
    let stop = |kl_stop| Ppo { target_kl: Some(1e-5), kl_stop, ..Ppo::cleanrl() };
    let mut cases = vec![
        ("normalised", normalized(small(Config::cleanrl()))),
        (
            "rewards, not returns",
            Config { norm_reward: Some(RewardNorm::lizhi_normalization()), ..small(Config::sb3()) },
        ),
        ("batch normalised", Config { norm_adv: AdvantageNorm::Batch, ..small(Config::cleanrl()) }),
        ("hinge", ppo(Ppo { kl_penalty: Some(hinge), ..Ppo::cleanrl() })),
        ("penalty", small(Config::ppo_penalty())),
        ("rate by minibatches", ppo(Ppo { adaptive_lr: Some(rate(RateStep::Minibatch)), ..Ppo::cleanrl() })),
        ("rate by epochs", ppo(Ppo { adaptive_lr: Some(rate(RateStep::Epoch)), ..Ppo::cleanrl() })),
        ("stop at a minibatch", ppo(stop(KlStop::Minibatch))),
        ("stop of an epoch", ppo(stop(KlStop::RestOfEpoch))),
        ("stop after an epoch", ppo(stop(KlStop::Epoch))),
        ("every third row", region(TrustRegion { fisher_subsample: 3, ..trpo })),
        ("half of the rows", region(TrustRegion { subsample: 2, fisher_subsample: 2, ..trpo })),
        ("empirical", region(TrustRegion { fisher: FisherForm::Empirical, cg_warm_start: true, ..trpo })),
        ("never accepted", region(TrustRegion { acceptance: Acceptance::Ratio(1.0), line_search_steps: 2, ..trpo })),
        ("a rank without rows", Config { num_minibatches: 30, ..small(Config::cleanrl()) }),
    ];
    for shuffle in [Shuffle::Update, Shuffle::AfterFirst, Shuffle::Never] {
        cases.push(("shuffle", Config { shuffle, ..small(Config::cleanrl()) }));
    }
    for rest in
        [MinibatchRest::Keep, MinibatchRest::Merge, MinibatchRest::Even, MinibatchRest::Drop, MinibatchRest::Cut]
    {
        cases.push(("rest", Config { minibatch_rest: rest, num_minibatches: 7, ..small(Config::cleanrl()) }));
    }
    for (name, config) in cases {
        same_as_alone(name, Env::CartPole, &config);
    }
}
