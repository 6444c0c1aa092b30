//! Where the settings start from.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::sync::LazyLock;
use wgpo::AlgorithmKind;

/// Settings by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Chosen for task and algorithm.
    Tuned,
    /// What another library or a paper publishes, by one of the library's names.
    Published(&'static str),
}

/// All of them: the published ones in the order in which the library has them.
static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let mut all = vec![Preset::Tuned];
    for name in AlgorithmKind::ALL.into_iter().flat_map(wgpo::Preset::names) {
        if !all.contains(&Preset::Published(name)) {
            all.push(Preset::Published(name));
        }
    }
    all
});

impl Preset {
    /// As the command line and a file spell it; `None` for `tuned`, which is nobody else's.
    pub const fn published(self) -> Option<&'static str> {
        match self {
            Self::Tuned => None,
            Self::Published(name) => Some(name),
        }
    }
}

/// Whose settings those called `name` are; nothing where the name says it.
fn about(name: &str) -> &'static str {
    match name {
        "cleanrl" => "CleanRL's defaults",
        "sb3" => "Stable-Baselines3's defaults",
        "baselines-ppo2" => "OpenAI baselines' ppo2 for MuJoCo",
        "rsl_rl" => "rsl_rl's defaults; 4096 environments",
        "skrl" => "skrl's defaults; 4096 environments",
        "tianshou" => "Tianshou's defaults",
        "torchrl" => "TorchRL's ClipPPOLoss",
        "ten-tricks" => "Lizhi-sjtu's PPO-continuous with its tricks",
        "rllib-penalty" => "RLlib's defaults: clip and KL penalty",
        "paper" => "Those of the paper, Schulman et al. 2017",
        "sb3-contrib" => "sb3-contrib's TRPO defaults",
        "baselines" => "OpenAI baselines' trpo_mpi",
        "spinningup" => "OpenAI Spinning Up's ppo and trpo, and its policy gradient with returns to go",
        _ => "",
    }
}

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let Some(name) = self.published() else {
            let help = "Chosen for task and algorithm: reaches the task's mark within a minute or so";
            return Some(PossibleValue::new("tuned").help(help));
        };
        let of = AlgorithmKind::ALL.into_iter().filter(|algorithm| wgpo::Preset::names(*algorithm).contains(&name));
        let of = of.map(AlgorithmKind::name).collect::<Vec<_>>().join(", ");
        Some(PossibleValue::new(name).help(format!("{} ({of})", about(name)).trim_start().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_says_whose_it_is() {
        assert_eq!(Preset::value_variants().len(), 14);
        for preset in Preset::value_variants() {
            assert!(preset.published().is_none_or(|name| !about(name).is_empty()), "{preset:?}");
        }
        let help = Preset::Published("spinningup").to_possible_value().unwrap();
        assert_eq!(
            help.get_help().unwrap().to_string(),
            "OpenAI Spinning Up's ppo and trpo, and its policy gradient with returns to go (ppo, trpo, npg, reinforce)"
        );
    }
}
