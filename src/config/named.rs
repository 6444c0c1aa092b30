//! Presets by name, with the networks that go with them.

use super::config::Config;
use super::kind::AlgorithmKind;
use crate::error::{Error, Result};
use crate::policy::{Activation, Std};

/// Settings that another library publishes, and the networks that it publishes them with: actor and critic apart (or the actor alone),
/// each with these hidden layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The settings.
    pub config: Config,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// The deviation of a Gaussian over real numbers, see [`Head::with_std`](crate::policy::Head::with_std): rsl_rl's is a plain
    /// parameter, SAC's depends on the state. [`AlgorithmKind::fitted`] leaves SAC's as it is; DDPG and TD3 have none.
    pub std: Std,
}

impl Preset {
    /// The names that [`named`](Self::named) takes for `algorithm`.
    pub const fn names(algorithm: AlgorithmKind) -> &'static [&'static str] {
        match algorithm {
            AlgorithmKind::Ppo => &[
                "cleanrl",
                "sb3",
                "baselines-ppo2",
                "rsl_rl",
                "skrl",
                "tianshou",
                "torchrl",
                "spinningup",
                "ten-tricks",
                "rllib-penalty",
            ],
            AlgorithmKind::PpoPenalty => &["paper", "rllib-penalty"],
            AlgorithmKind::Trpo | AlgorithmKind::Npg => &["sb3-contrib", "baselines", "spinningup", "tianshou"],
            AlgorithmKind::A2c => &["sb3"],
            AlgorithmKind::Reinforce => &["spinningup"],
            AlgorithmKind::Dqn | AlgorithmKind::Ddpg | AlgorithmKind::Td3 | AlgorithmKind::Sac => &["cleanrl", "sb3"],
        }
    }

    /// The name of the default preset of `algorithm`.
    pub const fn usual(algorithm: AlgorithmKind) -> &'static str {
        match algorithm {
            AlgorithmKind::Ppo => "cleanrl",
            AlgorithmKind::PpoPenalty => "paper",
            AlgorithmKind::Trpo => "sb3-contrib",
            AlgorithmKind::Npg => "spinningup",
            AlgorithmKind::A2c => "sb3",
            AlgorithmKind::Reinforce => "spinningup",
            AlgorithmKind::Dqn | AlgorithmKind::Ddpg | AlgorithmKind::Td3 | AlgorithmKind::Sac => "cleanrl",
        }
    }

    /// The first algorithm (in the order of [`AlgorithmKind::ALL`]) that has a preset of this name.
    pub fn algorithm_of(name: &str) -> Option<AlgorithmKind> {
        AlgorithmKind::ALL.into_iter().find(|algorithm| Self::names(*algorithm).contains(&name))
    }

    /// The preset `name` of `algorithm`, for policies over indices (`discrete`) or over real numbers. `docs/presets.md` lists
    /// all values and what of each library they do not reproduce.
    ///
    /// # Errors
    /// [`Error::Config`] with the names that there are.
    pub fn named(name: &str, algorithm: AlgorithmKind, discrete: bool) -> Result<Self> {
        let config = match (algorithm, name) {
            (AlgorithmKind::Ppo, "cleanrl") if discrete => Config::cleanrl(),
            (AlgorithmKind::Ppo, "cleanrl") => Config::cleanrl_continuous(),
            (AlgorithmKind::Ppo, "sb3") => Config::sb3(),
            (AlgorithmKind::Ppo, "baselines-ppo2") => Config::baselines_ppo2(),
            (AlgorithmKind::Ppo, "rsl_rl") => Config::rsl_rl(),
            (AlgorithmKind::Ppo, "skrl") => Config::skrl(),
            (AlgorithmKind::Ppo, "tianshou") => Config::tianshou(),
            (AlgorithmKind::Ppo, "torchrl") => Config::torchrl(),
            (AlgorithmKind::Ppo, "spinningup") => Config::spinningup(),
            (AlgorithmKind::Ppo, "ten-tricks") => Config::ten_tricks(),
            (AlgorithmKind::Ppo | AlgorithmKind::PpoPenalty, "rllib-penalty") => Config::rllib_penalty(),
            (AlgorithmKind::PpoPenalty, "paper") => Config::ppo_penalty(),
            (AlgorithmKind::Trpo | AlgorithmKind::Npg, "sb3-contrib") => Config::trpo_sb3_contrib(),
            (AlgorithmKind::Trpo | AlgorithmKind::Npg, "baselines") => Config::trpo_baselines(),
            (AlgorithmKind::Trpo | AlgorithmKind::Npg, "spinningup") => Config::trpo_spinningup(),
            (AlgorithmKind::Trpo, "tianshou") => Config::trpo_tianshou(),
            (AlgorithmKind::Npg, "tianshou") => Config::npg_tianshou(),
            (AlgorithmKind::A2c, "sb3") => Config::a2c(),
            (AlgorithmKind::Reinforce, "spinningup") => Config::reinforce_spinningup(),
            (AlgorithmKind::Dqn, "cleanrl") => Config::dqn_cleanrl(),
            (AlgorithmKind::Dqn, "sb3") => Config::dqn_sb3(),
            (AlgorithmKind::Ddpg, "cleanrl") => Config::ddpg_cleanrl(),
            (AlgorithmKind::Ddpg, "sb3") => Config::ddpg_sb3(),
            (AlgorithmKind::Td3, "cleanrl") => Config::td3_cleanrl(),
            (AlgorithmKind::Td3, "sb3") => Config::td3_sb3(),
            (AlgorithmKind::Sac, "cleanrl") => Config::sac_cleanrl(),
            (AlgorithmKind::Sac, "sb3") => Config::sac_sb3(),
            _ => {
                let names: Vec<_> = Self::names(algorithm).iter().map(|name| format!("\"{name}\"")).collect();
                let message = format!("is \"{name}\", must be {} for {}", names.join(" or "), algorithm.name());
                return Err(Error::config("preset", message));
            }
        };
        let (hidden, activation) = match name {
            _ if algorithm == AlgorithmKind::Reinforce => (vec![32], Activation::Tanh),
            "cleanrl" if algorithm == AlgorithmKind::Dqn => (vec![120, 84], Activation::Relu),
            _ if algorithm == AlgorithmKind::Dqn => (vec![64, 64], Activation::Relu),
            "sb3" if matches!(algorithm, AlgorithmKind::Ddpg | AlgorithmKind::Td3) => {
                (vec![400, 300], Activation::Relu)
            }
            _ if algorithm.is_off_policy() => (vec![256, 256], Activation::Relu),
            "rsl_rl" => (vec![256, 256, 256], Activation::Elu),
            "rllib-penalty" => (vec![256, 256], Activation::Tanh),
            "baselines" => (vec![32, 32], Activation::Tanh),
            _ => (vec![64, 64], Activation::Tanh),
        };
        let std = match (algorithm, name) {
            (AlgorithmKind::Sac, "cleanrl") => Std::SAC_CLEANRL,
            (AlgorithmKind::Sac, _) => Std::SAC,
            (AlgorithmKind::Ppo, "rsl_rl") => Std::SCALAR,
            _ => Std::default(),
        };
        // The same settings may have another name: TRPO's are NPG's, too.
        let of_kind = config.algorithm.renamed(algorithm).unwrap_or(config.algorithm);
        Ok(Self { config: config.with_algorithm(of_kind), hidden, activation, std })
    }
}

impl Config {
    /// The settings of [`Preset::named`].
    ///
    /// # Errors
    /// [`Error::Config`] with the names that there are.
    pub fn preset(name: &str, algorithm: AlgorithmKind, discrete: bool) -> Result<Self> {
        Ok(Preset::named(name, algorithm, discrete)?.config)
    }
}
