//! The bandits, and the policies that try them.

use wgpo::config::{KlDirection, KlPenalty, Ppo};
use wgpo::env::Env;
use wgpo::policy::{Bounds, Head};
use wgpo::{Algorithm, Config};

/// One way to fail, and who tries.
pub struct Mode {
    pub number: usize,
    pub env: Env,
    pub title: &'static str,
    /// The first is the usual PPO.
    pub variants: Vec<Variant>,
}

pub struct Variant {
    /// In files.
    pub key: &'static str,
    /// In the picture and on the terminal.
    pub label: &'static str,
    pub head: Head,
    /// A KL penalty in place of the clip.
    pub penalty: Option<KlDirection>,
}

impl Mode {
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

    /// Settings under which the usual PPO shows its failure: many steps on few rows, and no limit of the gradient's norm. They
    /// are the same for all variants of a mode.
    pub fn config(&self, penalty: Option<KlDirection>) -> Config {
        let base = Config { max_grad_norm: None, ..self.env.tuned().0 };
        let config = match self.number {
            1 => Config { learning_rate: 0.01, update_epochs: 20, ..base },
            2 => Config { learning_rate: 0.05, update_epochs: 20, num_envs: 16, num_minibatches: 1, ..base },
            _ => Config { learning_rate: 0.005, update_epochs: 10, ..base },
        };
        match penalty {
            None => config,
            Some(direction) => {
                let penalty = KlPenalty { clip: false, ..KlPenalty::fixed(10.0, direction) };
                config.with_algorithm(Algorithm::PpoPenalty(Ppo { kl_penalty: Some(penalty), ..Ppo::cleanrl() }))
            }
        }
    }
}

/// The usual policy under the clip and under both penalties.
fn usual(name: &str, head: Head) -> Vec<Variant> {
    let gaussian = name == "Gaussian";
    let of = |key, labels: [&'static str; 2], penalty| Variant {
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
fn continuous(bounds: Bounds, bins: usize) -> Vec<Variant> {
    let mut all = usual("Gaussian", Head::gaussian(1));
    let beta = Head::Beta { dims: 1, bounds: bounds.clone() };
    all.push(Variant { key: "clip_beta", label: "clip, Beta", head: beta, penalty: None });
    let discretised = Head::Discretised { dims: 1, bins, bounds };
    all.push(Variant { key: "clip_discretised", label: "clip, discretised", head: discretised, penalty: None });
    all
}
