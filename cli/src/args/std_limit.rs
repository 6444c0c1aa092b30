//! `--std-limit`: from what the network says to the logarithm of a Gaussian's deviation.

use anyhow::{Result, bail};
use std::str::FromStr;
use wgpo::AlgorithmKind;
use wgpo::policy::{PolicySpec, Std, StdLimit};

/// A limit as the command line spells it: `free`, `soft-floor:LOW`, `clamp:LOW:HIGH` or `tanh:LOW:HIGH`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StdLimitName(pub StdLimit);

impl StdLimitName {
    /// `policy` with this limit of its deviation.
    ///
    /// # Errors
    /// If it has none, as a policy of `kind`.
    pub fn on(self, policy: PolicySpec, kind: AlgorithmKind) -> Result<PolicySpec> {
        if !kind.has_std() {
            bail!("--std-limit: {}'s actor has no deviation; its noise is exploration_noise", kind.name());
        }
        let Some(std) = policy.head.std().copied() else {
            bail!("--std-limit: a {} head has no deviation", policy.head.name());
        };
        let head = policy.head.clone().with_std(Std { limit: self.0, ..std });
        Ok(policy.with_head(head))
    }
}

impl FromStr for StdLimitName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let numbers: Vec<f32> = parts
            .map(|part| part.parse().map_err(|_| format!("\"{part}\" is not a number")))
            .collect::<Result<_, _>>()?;
        match (kind, numbers.as_slice()) {
            ("free", []) => Ok(Self(StdLimit::Free)),
            ("soft-floor", &[log_std]) => Ok(Self(StdLimit::SoftFloor { log_std })),
            ("clamp", &[low, high]) => Ok(Self(StdLimit::Clamp { low, high })),
            ("tanh", &[low, high]) => Ok(Self(StdLimit::Tanh { low, high })),
            _ => Err("must be free, soft-floor:LOW, clamp:LOW:HIGH or tanh:LOW:HIGH".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpo::env::Env;

    #[test]
    fn limits_are_spelt_with_their_numbers() {
        let limit = |text: &str| text.parse::<StdLimitName>().map(|name| name.0);
        assert_eq!(limit("free"), Ok(StdLimit::Free));
        assert_eq!(limit("soft-floor:-3"), Ok(StdLimit::SoftFloor { log_std: -3.0 }));
        assert_eq!(limit("clamp:-20:2"), Ok(StdLimit::Clamp { low: -20.0, high: 2.0 }));
        assert_eq!(limit("tanh:-5:2.5"), Ok(StdLimit::Tanh { low: -5.0, high: 2.5 }));
        for text in ["", "tanh", "tanh:-5", "tanh:-5:2:3", "free:1", "soft-floor:1:2", "soft"] {
            assert!(limit(text).unwrap_err().contains("tanh:LOW:HIGH"), "{text}");
        }
        assert!(limit("clamp:low:2").unwrap_err().contains("\"low\" is not a number"));
    }

    #[test]
    fn a_limit_goes_where_there_is_a_deviation() {
        let tanh = StdLimitName(StdLimit::Tanh { low: -5.0, high: 2.0 });
        for kind in [AlgorithmKind::Ppo, AlgorithmKind::Sac] {
            let before = Env::Pendulum.policy_for(kind, &[4]);
            let after = tanh.on(before.clone(), kind).unwrap();
            let (was, is) = (before.head.std().unwrap(), after.head.std().unwrap());
            assert_eq!(*is, Std { limit: tanh.0, ..*was });
        }
        let refused = |kind, env: Env| tanh.on(env.policy_for(kind, &[4]), kind).unwrap_err().to_string();
        assert!(refused(AlgorithmKind::Td3, Env::Pendulum).contains("td3's actor has no deviation"));
        assert!(refused(AlgorithmKind::Ppo, Env::CartPole).contains("a categorical head has no deviation"));
    }
}
