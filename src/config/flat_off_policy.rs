//! The keys of off-policy algorithms in files.

use super::algorithm::Algorithm;
use super::dqn::Dqn;
use super::flat::Wrong;
use super::flat_keys::Flat;
use super::kind::AlgorithmKind;
use super::replay::Replay;
use super::sac::Sac;
use super::td3::Td3;

/// The keys of a struct of settings, each from the file, where it must be; `$more` are given.
macro_rules! taken {
    ($form:ident from $flat:expr, [$($key:ident),* $(,)?], $($own:ident: $value:expr),* $(,)?) => {
        $form { $($key: $flat.$key.ok_or(Wrong::Missing(stringify!($key)))?,)* $($own: $value,)* }
    };
}

/// The same back.
macro_rules! put {
    ($flat:expr, $from:expr, [$($key:ident),* $(,)?]) => {{ $($flat.$key = Some($from.$key);)* }};
}

impl Flat {
    /// Writes the keys of an off-policy algorithm.
    pub(super) const fn put_off_policy(&mut self, algorithm: &Algorithm) {
        let Some(replay) = algorithm.replay() else { return };
        put!(
            self,
            replay,
            [
                buffer_size,
                batch_size,
                learning_starts,
                train_frequency,
                gradient_steps,
                n_steps,
                compact,
                exploration_hold
            ]
        );
        match algorithm {
            Algorithm::Dqn(own) => {
                put!(
                    self,
                    own,
                    [double, dueling, td_loss, target_network_frequency, tau, start_e, end_e, exploration_fraction]
                )
            }
            Algorithm::Ddpg(own) | Algorithm::Td3(own) => {
                put!(self, own, [policy_lr, policy_noise, noise_clip, policy_frequency, tau, exploration_noise])
            }
            Algorithm::Sac(own) => {
                put!(
                    self,
                    own,
                    [
                        policy_lr,
                        policy_frequency,
                        target_network_frequency,
                        tau,
                        alpha,
                        autotune,
                        alpha_lr,
                        squash_epsilon
                    ]
                );
                self.target_entropy = own.target_entropy;
            }
            _ => {}
        }
    }

    /// An off-policy algorithm with its own settings.
    pub(super) fn off_policy(&self) -> Result<Algorithm, Wrong> {
        let replay = taken!(
            Replay from self,
            [buffer_size, batch_size, learning_starts, train_frequency, gradient_steps, n_steps, compact],
            // Files of 0.2.0's first days have no such key.
            exploration_hold: self.exploration_hold.unwrap_or(1),
        );
        let td3 = || {
            Ok(taken!(
                Td3 from self,
                [policy_lr, policy_noise, noise_clip, policy_frequency, tau, exploration_noise],
                replay: replay,
            ))
        };
        Ok(match self.algorithm {
            AlgorithmKind::Ddpg => Algorithm::Ddpg(td3()?),
            AlgorithmKind::Td3 => Algorithm::Td3(td3()?),
            AlgorithmKind::Sac => Algorithm::Sac(taken!(
                Sac from self,
                [policy_lr, policy_frequency, target_network_frequency, tau, alpha, autotune, alpha_lr, squash_epsilon],
                replay: replay,
                target_entropy: self.target_entropy,
            )),
            _ => Algorithm::Dqn(taken!(
                Dqn from self,
                [double, td_loss, target_network_frequency, tau, start_e, end_e, exploration_fraction],
                replay: replay,
                // Nor this one.
                dueling: self.dueling.unwrap_or(false),
            )),
        })
    }

    /// Refuses keys of off-policy algorithms where nothing reads them. No earlier version wrote them.
    pub(super) fn nothing_of_others(&self) -> Result<(), Wrong> {
        use AlgorithmKind::{Ddpg, Dqn, Sac, Td3};
        let (all, floats) = ([Dqn, Ddpg, Td3, Sac].as_slice(), [Ddpg, Td3, Sac].as_slice());
        let (dqn, td3, sac) = ([Dqn].as_slice(), [Ddpg, Td3].as_slice(), [Sac].as_slice());
        for (set, key, readers) in [
            (self.buffer_size.is_some(), "buffer_size", all),
            (self.batch_size.is_some(), "batch_size", all),
            (self.learning_starts.is_some(), "learning_starts", all),
            (self.train_frequency.is_some(), "train_frequency", all),
            (self.gradient_steps.is_some(), "gradient_steps", all),
            (self.n_steps.is_some(), "n_steps", all),
            (self.compact.is_some(), "compact", all),
            (self.exploration_hold.is_some(), "exploration_hold", all),
            (self.tau.is_some(), "tau", all),
            (self.double.is_some(), "double", dqn),
            (self.dueling.is_some(), "dueling", dqn),
            (self.td_loss.is_some(), "td_loss", dqn),
            (self.target_network_frequency.is_some(), "target_network_frequency", &[Dqn, Sac]),
            (self.start_e.is_some(), "start_e", dqn),
            (self.end_e.is_some(), "end_e", dqn),
            (self.exploration_fraction.is_some(), "exploration_fraction", dqn),
            (self.policy_lr.is_some(), "policy_lr", floats),
            (self.policy_frequency.is_some(), "policy_frequency", floats),
            (self.policy_noise.is_some(), "policy_noise", td3),
            (self.noise_clip.is_some(), "noise_clip", td3),
            (self.exploration_noise.is_some(), "exploration_noise", td3),
            (self.alpha.is_some(), "alpha", sac),
            (self.autotune.is_some(), "autotune", sac),
            (self.alpha_lr.is_some(), "alpha_lr", sac),
            (self.target_entropy.is_some(), "target_entropy", sac),
            (self.squash_epsilon.is_some(), "squash_epsilon", sac),
        ] {
            if set && !readers.contains(&self.algorithm) {
                return Err(Wrong::Asks(format!("{key}: is set, {} does not read it", self.algorithm.name())));
            }
        }
        Ok(())
    }
}
