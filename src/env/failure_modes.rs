//! The bandits on which the usual PPO fails, and the policies that try them.
//!
//! Hsu, Mendler-Dünner and Hardt, "Revisiting design choices in proximal policy optimization" (2020), show that a clipped
//! surrogate with a Gaussian or softmax policy fails where the reward's support is bounded, where one of many actions
//! pays best and others well, and where a locally best action lies near the initial policy; other parametrisations
//! and a KL penalty in place of the clip help. The bandits are ours, made to show the same.

use super::table::Env;
use crate::config::{Algorithm, Config, KlDirection, KlPenalty, Ppo};
use crate::policy::{Activation, Bounds, Head, PolicySpec};

/// One way to fail, and who tries.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureMode {
    /// 1, 2 or 3.
    pub number: usize,
    /// A bandit: an episode is one step. A seed succeeds at [`Env::solved_at`].
    pub env: Env,
    /// In a few words.
    pub title: &'static str,
    /// The first is the usual PPO.
    pub variants: Vec<FailureVariant>,
}

/// Who tries a [`FailureMode`].
#[derive(Debug, Clone, PartialEq)]
pub struct FailureVariant {
    /// In files.
    pub key: &'static str,
    /// In pictures.
    pub label: &'static str,
    /// Its policy's distribution.
    pub head: Head,
    /// A KL penalty in place of the clip.
    pub penalty: Option<KlDirection>,
}

impl FailureMode {
    /// All three.
    pub fn all() -> Vec<Self> {
        vec![
            Self {
                number: 1,
                env: Env::BanditBounded,
                title: "1 · reward that vanishes outside of [−1, 1]",
                variants: continuous(Bounds::uniform(1, -1.0, 1.0), 21),
            },
            Self {
                number: 2,
                env: Env::BanditSparse,
                title: "2 · 100 actions: one pays 1, nine pay ½",
                variants: usual("softmax", Env::BanditSparse.head()),
            },
            Self {
                number: 3,
                env: Env::BanditBumps,
                title: "3 · a low bump near the start, a high one far away",
                variants: continuous(Bounds::uniform(1, -3.0, 3.0), 13),
            },
        ]
    }

    /// The networks of `variant`: those that the bandit is tuned with, and its own head.
    pub fn spec(&self, variant: &FailureVariant) -> PolicySpec {
        PolicySpec::separate(self.env.obs_dim(), &self.env.tuned().1, Activation::Tanh, variant.head.clone())
    }

    /// Settings under which the usual PPO shows its failure: many steps on few rows, and no limit of the gradient's norm. They
    /// are the same for all variants of a mode.
    pub fn config(&self, variant: &FailureVariant) -> Config {
        let base = Config { max_grad_norm: None, ..self.env.tuned().0 };
        let config = match self.number {
            1 => Config { learning_rate: 0.01, update_epochs: 20, ..base },
            2 => Config { learning_rate: 0.05, update_epochs: 20, num_envs: 16, num_minibatches: 1, ..base },
            _ => Config { learning_rate: 0.005, update_epochs: 10, ..base },
        };
        match variant.penalty {
            None => config,
            Some(direction) => {
                let penalty = KlPenalty { clip: false, ..KlPenalty::fixed(10.0, direction) };
                config.with_algorithm(Algorithm::PpoPenalty(Ppo { kl_penalty: Some(penalty), ..Ppo::cleanrl() }))
            }
        }
    }
}

/// The usual policy under the clip and under both penalties.
fn usual(name: &str, head: Head) -> Vec<FailureVariant> {
    let gaussian = name == "Gaussian";
    let of = |key, labels: [&'static str; 2], penalty| FailureVariant {
        key,
        label: labels[usize::from(gaussian)],
        head: head.clone(),
        penalty,
    };
    vec![
        of("clip", ["clip, softmax", "clip, Gaussian"], None),
        of("kl_old_new", ["KL(old‖new), softmax", "KL(old‖new), Gaussian"], Some(KlDirection::OldNew)),
        of("kl_new_old", ["KL(new‖old), softmax", "KL(new‖old), Gaussian"], Some(KlDirection::NewOld)),
    ]
}

/// The Gaussian ones, and the clip with other policies on `bounds`. The Gaussian is not clamped to them: that its actions leave
/// them is the point.
fn continuous(bounds: Bounds, bins: usize) -> Vec<FailureVariant> {
    let mut all = usual("Gaussian", Head::gaussian(1));
    let beta = Head::Beta { dims: 1, bounds: bounds.clone() };
    all.push(FailureVariant { key: "clip_beta", label: "clip, Beta", head: beta, penalty: None });
    let discretised = Head::Discretised { dims: 1, bins, bounds };
    all.push(FailureVariant { key: "clip_discretised", label: "clip, discretised", head: discretised, penalty: None });
    all
}
