//! What each algorithm trains, and a gradient step of it by the reference's update.

use super::batch::{Batch, Noise};
use super::networks::Networks;
use super::sac_step::sac_step;
use crate::config::{Algorithm, Config};
use crate::error::{Error, Result};
use crate::policy::{LogStd, PolicySpec};
use crate::reference::Real;
use crate::reference::critics::{CriticStats, Critics};
use crate::reference::dqn_update::{DqnSettings, DqnState, dqn_update};
use crate::reference::optim::{Adam, AdamSettings, Stepped};
use crate::reference::reduce_moments::mean;
use crate::reference::sac_update::{SacSettings, SacState};
use crate::reference::squashed_sample::SquashSettings;
use crate::reference::td_target::polyak;
use crate::reference::td3_update::{Td3Settings, Td3State, td3_update};
use crate::state::{LearnerState, OffPolicyState};

/// What is trained.
#[derive(Debug, Clone)]
pub(super) enum Method<F> {
    Dqn(DqnState<F>),
    /// DDPG, too: with one critic.
    Td3(Td3State<F>),
    Sac(SacState<F>),
}

/// What a gradient step saw, before it changed anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Of all critics together.
    pub value_loss: f64,
    /// If the actor stepped.
    pub policy_loss: Option<f64>,
    /// −mean log π of the actions drawn, with SAC if the actor stepped.
    pub entropy: Option<f64>,
    /// Mean Q of the stored actions, over rows and critics.
    pub q_values: f64,
    /// Mean target.
    pub targets: f64,
    /// The temperature after the step, with SAC.
    pub alpha: Option<f64>,
    /// Of all critics' gradients together, before clipping.
    pub grad_norm: f64,
    /// Whether the critics stepped.
    pub stepped: bool,
    /// Whether the actor's optimiser refused its gradient.
    pub actor_skipped: bool,
}

/// How SAC's actor outputs become actions.
pub(super) fn squash(spec: &PolicySpec, epsilon: f64) -> SquashSettings {
    // Choices have none; other floats are refused by `Config::check_branches`.
    let none = LogStd { low: f32::MIN, high: f32::MAX, tanh: false };
    let limits = spec.head.std().and_then(|std| std.limit.two()).unwrap_or(none);
    SquashSettings {
        log_std_min: limits.low.into(),
        log_std_max: limits.high.into(),
        log_std_tanh: limits.tanh,
        epsilon,
    }
}

impl<F: Real> Method<F> {
    /// A method whose networks have the numbers of `state`.
    ///
    /// # Errors
    /// [`Error::Config`] for an algorithm that is not off-policy. Lengths are the caller's affair.
    pub fn of(networks: &Networks, config: &Config, state: &LearnerState, own: &OffPolicyState) -> Result<Self> {
        let wide = |value: f32| F::of(f64::from(value));
        let policy = || networks.policy_of(&state.parameters);
        let policy_target = || networks.policy_of(&own.targets);
        let policy_adam = |step| Adam {
            exp_avg: networks.policy_of(&state.exp_avg),
            exp_avg_sq: networks.policy_of(&state.exp_avg_sq),
            step,
        };
        let critics = || {
            let moments = networks.critics_of(&state.exp_avg).into_iter().zip(networks.critics_of(&state.exp_avg_sq));
            let of_one = |(exp_avg, exp_avg_sq)| Adam { exp_avg, exp_avg_sq, step: state.optimizer_step };
            Critics {
                online: networks.critics_of(&state.parameters),
                targets: networks.critics_of(&own.targets),
                adam: moments.map(of_one).collect(),
            }
        };
        Ok(match &config.algorithm {
            Algorithm::Dqn(_) => {
                Self::Dqn(DqnState { q: policy(), q_target: policy_target(), adam: policy_adam(state.optimizer_step) })
            }
            Algorithm::Ddpg(_) | Algorithm::Td3(_) => Self::Td3(Td3State {
                critics: critics(),
                policy: policy(),
                policy_target: policy_target(),
                policy_adam: policy_adam(own.policy_optimizer_step),
                updates: own.gradient_steps,
            }),
            Algorithm::Sac(_) => Self::Sac(SacState {
                critics: critics(),
                policy: policy(),
                policy_adam: policy_adam(own.policy_optimizer_step),
                log_alpha: vec![wide(own.log_alpha)],
                alpha_adam: Adam {
                    exp_avg: vec![wide(own.alpha_exp_avg)],
                    exp_avg_sq: vec![wide(own.alpha_exp_avg_sq)],
                    step: own.alpha_optimizer_step,
                },
            }),
            other => {
                let message = format!("is {}, which does not learn off-policy", other.name());
                return Err(Error::config("algorithm", message));
            }
        })
    }

    /// Writes all numbers to where `state` and `own` have them.
    pub fn put(&self, networks: &Networks, state: &mut LearnerState, own: &mut OffPolicyState) {
        let (policy, policy_adam, critics) = match self {
            Self::Dqn(dqn) => (&dqn.q, &dqn.adam, None),
            Self::Td3(td3) => (&td3.policy, &td3.policy_adam, Some(&td3.critics)),
            Self::Sac(sac) => (&sac.policy, &sac.policy_adam, Some(&sac.critics)),
        };
        networks.put_policy(&mut state.parameters, policy);
        networks.put_policy(&mut state.exp_avg, &policy_adam.exp_avg);
        networks.put_policy(&mut state.exp_avg_sq, &policy_adam.exp_avg_sq);
        match self {
            Self::Dqn(DqnState { q_target: target, .. }) | Self::Td3(Td3State { policy_target: target, .. }) => {
                networks.put_policy(&mut own.targets, target);
            }
            // The actor has none.
            Self::Sac(SacState { policy, .. }) => networks.put_policy(&mut own.targets, policy),
        }
        state.optimizer_step = policy_adam.step;
        if let Some(critics) = critics {
            networks.put_critics(&mut state.parameters, &critics.online);
            networks.put_critics(&mut own.targets, &critics.targets);
            networks.put_critics(&mut state.exp_avg, critics.adam.iter().map(|adam| &adam.exp_avg));
            networks.put_critics(&mut state.exp_avg_sq, critics.adam.iter().map(|adam| &adam.exp_avg_sq));
            own.policy_optimizer_step = policy_adam.step;
            state.optimizer_step = critics.adam.first().map_or(0, |adam| adam.step);
        }
        if let Self::Sac(sac) = self {
            own.log_alpha = sac.log_alpha[0].as_f32();
            own.alpha_exp_avg = sac.alpha_adam.exp_avg[0].as_f32();
            own.alpha_exp_avg_sq = sac.alpha_adam.exp_avg_sq[0].as_f32();
            own.alpha_optimizer_step = sac.alpha_adam.step;
        }
    }

    /// The policy's numbers: Q of each action, or the actor's.
    pub fn policy(&self) -> &[F] {
        match self {
            Self::Dqn(dqn) => &dqn.q,
            Self::Td3(td3) => &td3.policy,
            Self::Sac(sac) => &sac.policy,
        }
    }

    /// The critics of observation and action, if there are any.
    pub fn critics(&self) -> Option<&Critics<F>> {
        match self {
            Self::Dqn(_) => None,
            Self::Td3(td3) => Some(&td3.critics),
            Self::Sac(sac) => Some(&sac.critics),
        }
    }

    /// Other numbers in the networks that are trained; targets and moments stay.
    pub fn set_parameters(&mut self, networks: &Networks, flat: &[f32]) {
        let (policy, critics) = match self {
            Self::Dqn(dqn) => (&mut dqn.q, None),
            Self::Td3(td3) => (&mut td3.policy, Some(&mut td3.critics)),
            Self::Sac(sac) => (&mut sac.policy, Some(&mut sac.critics)),
        };
        *policy = networks.policy_of(flat);
        if let Some(critics) = critics {
            critics.online = networks.critics_of(flat);
        }
    }

    /// Gradient step number `update`, from 0, on a batch.
    ///
    /// # Errors
    /// As the updates of the reference; nothing has changed then.
    pub fn step(
        &mut self,
        networks: &Networks,
        spec: &PolicySpec,
        config: &Config,
        update: u64,
        batch: &Batch<F>,
        noise: &Noise<F>,
    ) -> Result<Seen> {
        let (adam, lr) = (AdamSettings::new(config, 0..0), config.learning_rate);
        let due = |frequency: u64| update.wrapping_add(1).is_multiple_of(frequency.max(1));
        match (self, &config.algorithm) {
            (Self::Dqn(state), Algorithm::Dqn(dqn)) => {
                let settings = DqnSettings { double: dqn.double, loss: dqn.td_loss, adam, lr };
                let actions = batch.indices.view();
                let stats = dqn_update(&networks.q, &settings, state, &batch.transitions(), actions)?;
                if due(dqn.target_network_frequency) {
                    polyak(&mut state.q_target, &state.q, F::of(dqn.tau))?;
                }
                F::give(stats.gradient);
                let (q_values, targets) = (mean(stats.q_values.view()), mean(stats.targets.view()));
                Ok(Seen::new(stats.loss, [q_values, targets], &[stats.stepped]))
            }
            (Self::Td3(state), Algorithm::Ddpg(td3) | Algorithm::Td3(td3)) => {
                let settings = Td3Settings {
                    policy_noise: td3.policy_noise,
                    noise_clip: td3.noise_clip,
                    policy_frequency: td3.policy_frequency,
                    tau: td3.tau,
                    adam,
                    q_lr: lr,
                    policy_lr: td3.policy_lr,
                };
                let nets = [&networks.critic, &networks.policy];
                let (batch, actions) = (batch.transitions(), batch.floats.view());
                let stats = td3_update(nets, &settings, state, &batch, actions, noise.next.view())?;
                let policy_loss = stats.actor.map(|(loss, gradient)| {
                    F::give(gradient);
                    loss.as_f64()
                });
                let actor_skipped = !stats.actor_stepped;
                Ok(Seen { policy_loss, actor_skipped, ..Seen::of_critics(stats.critics) })
            }
            (Self::Sac(state), Algorithm::Sac(sac)) => {
                let settings = SacSettings {
                    squash: squash(spec, sac.squash_epsilon),
                    target_entropy: sac.target_entropy_of(&spec.head),
                    adam,
                    q_lr: lr,
                    policy_lr: sac.policy_lr,
                    alpha_lr: sac.alpha_lr,
                    moves_policy: due(sac.policy_frequency),
                };
                let nets = [&networks.critic, &networks.policy];
                let (critics, actor) = sac_step(nets, spec.head.is_discrete(), &settings, state, batch, noise)?;
                if due(sac.target_network_frequency) {
                    state.critics.follow(F::of(sac.tau))?;
                }
                let mut seen = Seen { alpha: Some(state.log_alpha[0].exp().as_f64()), ..Seen::of_critics(critics) };
                if let Some((loss, gradient, stepped, log_prob)) = actor {
                    F::give(gradient);
                    seen.policy_loss = Some(loss.as_f64());
                    seen.actor_skipped = !stepped;
                    seen.entropy = Some(-mean(log_prob.view()).as_f64());
                }
                Ok(seen)
            }
            (_, other) => {
                let message = format!("is {}, the learner was made for another", other.name());
                Err(Error::config("algorithm", message))
            }
        }
    }
}

impl Seen {
    fn new<F: Real>(loss: F, [q_values, targets]: [F; 2], stepped: &[Stepped<F>]) -> Self {
        let square = |stepped: &Stepped<F>| stepped.grad_norm.as_f64().powi(2);
        Self {
            value_loss: loss.as_f64(),
            policy_loss: None,
            entropy: None,
            q_values: q_values.as_f64(),
            targets: targets.as_f64(),
            alpha: None,
            grad_norm: stepped.iter().map(square).sum::<f64>().sqrt(),
            stepped: stepped.iter().all(|stepped| stepped.stepped),
            actor_skipped: false,
        }
    }

    fn of_critics<F: Real>(critics: CriticStats<F>) -> Self {
        let q_values = critics.q_values.rows().into_iter().map(|row| mean(row)).sum::<F>();
        let means = [q_values / F::count(critics.q_values.nrows()), mean(critics.targets.view())];
        let seen = Self::new(critics.loss, means, &critics.stepped);
        critics.gradients.into_iter().for_each(F::give);
        seen
    }
}
