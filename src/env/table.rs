//! The table of environments.

use super::info::{ActionSpace, EnvInfo};
use super::tuned;
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// Makes the enum and what each of it is from one list of rows.
macro_rules! environments {
    ($($(#[$doc:meta])* $variant:ident $name:literal { $($row:tt)* })*) => {
        /// An environment that runs wholly on the device.
        ///
        /// Autoreset is same-step in a trainer: the step that ends an episode returns the first observation of the next one;
        /// the real last observation is kept apart (`final_obs`). A time limit is reported as truncation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Env {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Env {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Its row of the table.
            pub const fn info(self) -> &'static EnvInfo {
                match self {
                    $(Self::$variant => {
                        const INFO: EnvInfo = EnvInfo { name: $name, $($row)* };
                        &INFO
                    })*
                }
            }
        }
    };
}

environments! {
    /// CartPole-v1: two actions, reward 1 per step, 500 steps at most; solved at a mean return of 475.
    CartPole "cartpole" {
        gymnasium_id: Some("CartPole-v1"),
        about: "CartPole-v1: balance a pole on a cart; solved at a mean return of 475",
        obs_dim: 4,
        state_range: &[[-2.42, 2.42], [-2.0, 2.0], [-0.21, 0.21], [-2.0, 2.0]],
        reward_size: 1.0,
        time_limit: 500,
        actions: ActionSpace::Discrete(2),
        solved_at: 475.0,
        tuned: tuned::cartpole,
    }
    /// Pendulum-v1: one torque in [−2, 2] (clipped in the environment), 200 steps, never terminates.
    Pendulum "pendulum" {
        gymnasium_id: Some("Pendulum-v1"),
        about: "Pendulum-v1: swing a pendulum up and hold it; learnt at a mean return of −300",
        obs_dim: 3,
        state_range: &[[-12.0, 12.0], [-8.0, 8.0]],
        reward_size: 17.0,
        time_limit: 200,
        actions: ActionSpace::Box { low: &[-2.0], high: &[2.0] },
        solved_at: -300.0,
        tuned: tuned::pendulum,
    }
    /// Acrobot-v1: a torque of −1, 0 or 1 at the joint of two links, reward −1 per step until the tip is up, 500 steps at most.
    Acrobot "acrobot" {
        gymnasium_id: Some("Acrobot-v1"),
        about: "Acrobot-v1: swing the tip of two links up; learnt at a mean return of −100",
        obs_dim: 6,
        state_range: &[[-PI, PI], [-PI, PI], [-3.0, 3.0], [-4.0, 4.0]],
        reward_size: 1.0,
        time_limit: 500,
        actions: ActionSpace::Discrete(3),
        solved_at: -100.0,
        tuned: tuned::acrobot,
    }
    /// MountainCarContinuous-v0: one force in [−1, 1], reward 100 on the hill less 0.1 a² per step, 999 steps at most.
    MountainCar "mountain-car" {
        gymnasium_id: Some("MountainCarContinuous-v0"),
        about: "MountainCarContinuous-v0: rock a weak car up a hill; learnt at a mean return of 90",
        obs_dim: 2,
        state_range: &[[-1.2, 0.6], [-0.071, 0.071]],
        reward_size: 100.0,
        time_limit: 999,
        actions: ActionSpace::Box { low: &[-1.0], high: &[1.0] },
        solved_at: 90.0,
        tuned: tuned::mountain_car,
    }
    /// One action: reward (1 + a)/2 for |a| ≤ 1 and nothing beyond, see [`crate::reference::env_bandit_bounded`].
    BanditBounded "bandit-bounded" {
        gymnasium_id: None,
        about: "a bandit whose reward rises to an edge and vanishes beyond it",
        obs_dim: 1,
        state_range: &[[1.0, 1.0]],
        reward_size: 1.0,
        time_limit: 1,
        actions: ActionSpace::Box { low: &[-1.0], high: &[1.0] },
        solved_at: 0.8,
        tuned: tuned::bandit,
    }
    /// One of 100 arms: one pays 1, nine pay ½, see [`crate::reference::env_bandit_sparse`].
    BanditSparse "bandit-sparse" {
        gymnasium_id: None,
        about: "a bandit of a hundred arms, of which one is good and nine are fair",
        obs_dim: 1,
        state_range: &[[1.0, 1.0]],
        reward_size: 1.0,
        time_limit: 1,
        actions: ActionSpace::Discrete(100),
        solved_at: 0.8,
        tuned: tuned::bandit,
    }
    /// One action: a low bump of reward around 0 and a high one around 2.5, see [`crate::reference::env_bandit_bumps`].
    BanditBumps "bandit-bumps" {
        gymnasium_id: None,
        about: "a bandit with a low bump of reward near 0 and a high one far from it",
        obs_dim: 1,
        state_range: &[[1.0, 1.0]],
        reward_size: 1.0,
        time_limit: 1,
        actions: ActionSpace::Box { low: &[-3.0], high: &[3.0] },
        solved_at: 0.7,
        tuned: tuned::bandit,
    }
}
