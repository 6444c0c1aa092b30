//! What a piece has to do, by formula.

use crate::check::Work;
use crate::config::{Config, TrustRegion};
use crate::policy::{Branch, LayerRange, PolicySpec};

/// Multiply-adds of a row in each part of a policy, and what its rows hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Macs {
    /// Trunk and actor, and their layers that observations feed.
    pub actor: f64,
    pub actor_first: f64,
    /// The critic, and its first layer.
    pub critic: f64,
    pub critic_first: f64,
    pub parameters: f64,
    pub obs: f64,
    pub words: f64,
}

impl Macs {
    pub fn new(spec: &PolicySpec) -> Self {
        let layout = spec.layout();
        let of = |layer: &LayerRange| (layer.inputs * layer.outputs) as f64;
        let all = |layers: &[LayerRange]| layers.iter().map(of).sum::<f64>();
        // Behind a trunk only the trunk sees observations.
        let trunk = layout.trunk().first().map(of);
        let first = |name| if trunk.is_some() { 0.0 } else { layout.layers(name).first().map_or(0.0, of) };
        Self {
            actor: all(layout.trunk()) + all(layout.layers(Branch::POLICY)),
            actor_first: trunk.unwrap_or_else(|| first(Branch::POLICY)),
            critic: all(layout.layers(Branch::VALUE)),
            critic_first: first(Branch::VALUE),
            parameters: layout.len() as f64,
            obs: spec.obs_dim() as f64,
            words: spec.head.action_words() as f64,
        }
    }

    /// Both networks forward; observations in, actions, log-probabilities and values out.
    pub fn forward(&self, rows: usize) -> Work {
        let n = rows as f64;
        let bytes = 4.0 * (n * (self.obs + self.words + 2.0) + self.parameters);
        Work::rows(rows, 2.0 * n * (self.actor + self.critic), bytes)
    }

    /// Forward is 2 operations a multiply-add, backward 4, less the gradient at the observations, which nobody wants.
    pub fn gradient_flops(&self) -> f64 {
        6.0 * (self.actor + self.critic) - 2.0 * (self.actor_first + self.critic_first)
    }

    /// One minibatch: a row is observation, action and four numbers; parameters and both moments are read and written.
    pub fn ppo_step(&self, rows: usize) -> Work {
        let n = rows as f64;
        let bytes = 4.0 * (n * (self.obs + self.words + 4.0) + 6.0 * self.parameters);
        Work::rows(rows, n * self.gradient_flops(), bytes)
    }

    /// One Fisher product, the forward pass done before: the tangent is two products a layer (one in the first), backward two
    /// (one in the first).
    pub fn fvp_flops(&self) -> f64 {
        8.0 * self.actor - 4.0 * self.actor_first
    }

    /// One Fisher product: observations and hidden layers are needed (the last do not count), parameters, vector and result.
    pub fn fvp(&self, rows: usize) -> Work {
        let n = rows as f64;
        Work::rows(rows, n * self.fvp_flops(), 4.0 * (n * self.obs + 3.0 * self.parameters))
    }

    /// All epochs on `rows` rows.
    pub fn ppo_update(&self, config: &Config, rows: usize) -> Work {
        let (epochs, n) = (config.update_epochs as f64, rows as f64);
        let minibatches = epochs * config.minibatches(rows).count() as f64;
        let bytes = 4.0 * (epochs * n * (self.obs + self.words + 4.0) + minibatches * 6.0 * self.parameters);
        Work { units: epochs * n, ..Work::rows(rows, epochs * n * self.gradient_flops(), bytes) }
    }

    /// Gradient of the actor, a product per iteration and one more, a forward pass per candidate, the critic's epochs;
    /// with all iterations and candidates that the settings allow.
    pub fn trpo_update(&self, config: &Config, region: &TrustRegion, rows: usize) -> Work {
        let n = rows as f64;
        let (products, tries) = (region.cg_iterations as f64 + 1.0, region.line_search_steps as f64);
        let epochs = config.update_epochs as f64;
        let minibatches = epochs * config.minibatches(rows).count() as f64;
        let actor = 6.0 * self.actor - 2.0 * self.actor_first + products * self.fvp_flops() + tries * 2.0 * self.actor;
        let critic = epochs * (6.0 * self.critic - 2.0 * self.critic_first);
        let row = self.obs + self.words + 4.0;
        let passes = 1.0 + products + tries + epochs;
        let bytes = 4.0 * (passes * n * row + (6.0 * minibatches + 3.0 * products + 2.0 * tries) * self.parameters);
        Work::rows(rows, n * (actor + critic), bytes)
    }

    /// Each step of an environment: the actor on its observation and the critic on it afterwards; what is kept of it is
    /// written, and observations are read by both networks.
    pub fn rollout(&self, steps: usize, envs: usize) -> Work {
        let n = (steps * envs) as f64;
        // Observation written and read twice, action, logp, value, final value, reward, two flags.
        let bytes = 4.0 * (n * (3.0 * self.obs + self.words + 6.0) + self.parameters);
        Work::steps(steps * envs, 2.0 * n * (self.actor + self.critic), bytes)
    }

    /// A rollout, its advantages and an update on it.
    pub fn train(&self, config: &Config, steps: usize, envs: usize) -> Work {
        let (rollout, update) = (self.rollout(steps, envs), self.ppo_update(config, steps * envs));
        let advantages = Work::gae(steps, envs);
        let sum = |of: fn(&Work) -> f64| of(&rollout) + of(&update) + of(&advantages);
        Work::steps(steps * envs, sum(|work| work.flops), sum(|work| work.bytes))
    }
}
