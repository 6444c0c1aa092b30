//! Presets by name, with the networks that go with them.

use super::{Algorithm, Config};
use crate::error::{Error, Result};
use crate::policy::{Activation, Std};

/// Settings that another library publishes, and the networks that it publishes them with: actor and critic apart, each with
/// these hidden layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The settings.
    pub config: Config,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Their activation.
    pub activation: Activation,
    /// The deviation of a Gaussian over real numbers, see [`Head::with_std`](crate::policy::Head::with_std): rsl_rl's is a plain
    /// parameter.
    pub std: Std,
}

impl Preset {
    /// The names that [`named`](Self::named) takes for `algorithm`.
    pub const fn names(algorithm: Algorithm) -> &'static [&'static str] {
        match algorithm {
            Algorithm::Ppo => &[
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
            Algorithm::PpoPenalty => &["paper", "rllib-penalty"],
            Algorithm::Trpo | Algorithm::Npg => &["sb3-contrib", "baselines", "spinningup", "tianshou"],
            Algorithm::A2c => &["sb3"],
        }
    }

    /// The name of the default preset of `algorithm`.
    pub const fn usual(algorithm: Algorithm) -> &'static str {
        match algorithm {
            Algorithm::Ppo => "cleanrl",
            Algorithm::PpoPenalty => "paper",
            Algorithm::Trpo => "sb3-contrib",
            Algorithm::Npg => "spinningup",
            Algorithm::A2c => "sb3",
        }
    }

    /// The first algorithm (in the order of [`Algorithm::ALL`]) that has a preset of this name.
    pub fn algorithm_of(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| Self::names(*algorithm).contains(&name))
    }

    /// The preset `name` of `algorithm`, for policies over indices (`discrete`) or over real numbers. `docs/presets.md` lists
    /// all values and what of each library they do not reproduce.
    ///
    /// # Errors
    /// [`Error::Config`] with the names that there are.
    pub fn named(name: &str, algorithm: Algorithm, discrete: bool) -> Result<Self> {
        let config = match (algorithm, name) {
            (Algorithm::Ppo, "cleanrl") if discrete => Config::cleanrl(),
            (Algorithm::Ppo, "cleanrl") => Config::cleanrl_continuous(),
            (Algorithm::Ppo, "sb3") => Config::sb3(),
            (Algorithm::Ppo, "baselines-ppo2") => Config::baselines_ppo2(),
            (Algorithm::Ppo, "rsl_rl") => Config::rsl_rl(),
            (Algorithm::Ppo, "skrl") => Config::skrl(),
            (Algorithm::Ppo, "tianshou") => Config::tianshou(),
            (Algorithm::Ppo, "torchrl") => Config::torchrl(),
            (Algorithm::Ppo, "spinningup") => Config::spinningup(),
            (Algorithm::Ppo, "ten-tricks") => Config::ten_tricks(),
            (Algorithm::Ppo | Algorithm::PpoPenalty, "rllib-penalty") => Config::rllib_penalty(),
            (Algorithm::PpoPenalty, "paper") => Config::ppo_penalty(),
            (Algorithm::Trpo | Algorithm::Npg, "sb3-contrib") => Config::trpo_sb3_contrib(),
            (Algorithm::Trpo | Algorithm::Npg, "baselines") => Config::trpo_baselines(),
            (Algorithm::Trpo | Algorithm::Npg, "spinningup") => Config::trpo_spinningup(),
            (Algorithm::Trpo, "tianshou") => Config::trpo_tianshou(),
            (Algorithm::Npg, "tianshou") => Config::npg_tianshou(),
            (Algorithm::A2c, "sb3") => Config::a2c(),
            _ => {
                let names: Vec<_> = Self::names(algorithm).iter().map(|name| format!("\"{name}\"")).collect();
                let message = format!("is \"{name}\", must be {} for {}", names.join(" or "), algorithm.name());
                return Err(Error::config("preset", message));
            }
        };
        let (hidden, activation) = match name {
            "rsl_rl" => (vec![256, 256, 256], Activation::Elu),
            "rllib-penalty" => (vec![256, 256], Activation::Tanh),
            "baselines" => (vec![32, 32], Activation::Tanh),
            _ => (vec![64, 64], Activation::Tanh),
        };
        let std = if name == "rsl_rl" { Std::SCALAR } else { Std::default() };
        Ok(Self { config: Config { algorithm, ..config }, hidden, activation, std })
    }
}

impl Config {
    /// The settings of [`Preset::named`].
    ///
    /// # Errors
    /// [`Error::Config`] with the names that there are.
    pub fn preset(name: &str, algorithm: Algorithm, discrete: bool) -> Result<Self> {
        Ok(Preset::named(name, algorithm, discrete)?.config)
    }
}
