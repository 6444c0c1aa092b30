//! Choices of the library, by the names that its files have for them.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use wgpo::AlgorithmKind;
use wgpo::policy::Activation;

/// A choice of the library as the command line takes it: its name in files, with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<T>(pub T);

/// What [`Choice`] has to know of a type.
pub trait Named: Copy + Send + Sync + serde::Serialize + 'static {
    /// All of them, in the order of the help.
    const ALL: &'static [Choice<Self>];

    /// What it is, for the help; nothing where the name says it.
    fn about(self) -> &'static str {
        ""
    }
}

impl Named for AlgorithmKind {
    const ALL: &'static [Choice<Self>] = &choices(Self::ALL);

    fn about(self) -> &'static str {
        match self {
            Self::Ppo => "The clipped surrogate",
            Self::PpoPenalty => "The surrogate with an adaptive KL penalty in place of the clip",
            Self::Trpo => "Trust region: natural gradient, then a line search",
            Self::Npg => "Natural policy gradient: TRPO without its line search",
            Self::A2c => "Advantage actor-critic: one pass, no ratio",
            Self::Reinforce => "The plain policy gradient: returns of whole episodes, no critic",
            Self::Dqn => "Deep Q-learning, for choices: replay memory and target network",
            Self::Ddpg => "Deep deterministic policy gradient, for floats",
            Self::Td3 => "DDPG with two critics, delays and noise on the target",
            Self::Sac => "Soft actor-critic, for floats or choices: two critics and a trained temperature",
            _ => "",
        }
    }
}

impl Named for Activation {
    const ALL: &'static [Choice<Self>] = &choices(Self::ALL);
}

const fn choices<T: Copy, const N: usize>(all: [T; N]) -> [Choice<T>; N] {
    let mut choices = [Choice(all[0]); N];
    let mut index = 0;
    while index < N {
        choices[index] = Choice(all[index]);
        index += 1;
    }
    choices
}

impl<T: Named> ValueEnum for Choice<T> {
    fn value_variants<'a>() -> &'a [Self] {
        T::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = serde_json::to_value(self.0).ok()?.as_str()?.replace('_', "-");
        let value = PossibleValue::new(name);
        Some(if self.0.about().is_empty() { value } else { value.help(self.0.about()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_its_name() {
        let names = |values: Vec<Option<PossibleValue>>| {
            values.into_iter().map(|value| value.unwrap().get_name().to_owned()).collect::<Vec<_>>()
        };
        let algorithms = Choice::<AlgorithmKind>::value_variants().iter().map(Choice::to_possible_value).collect();
        assert_eq!(names(algorithms), AlgorithmKind::ALL.map(AlgorithmKind::name));
        assert!(AlgorithmKind::ALL.into_iter().all(|algorithm| !algorithm.about().is_empty()));
        let activations = Choice::<Activation>::value_variants().iter().map(Choice::to_possible_value).collect();
        assert_eq!(names(activations), ["identity", "tanh", "relu", "elu", "silu", "gelu-tanh", "gelu-erf"]);
    }
}
