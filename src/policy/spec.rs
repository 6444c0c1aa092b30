//! A policy's description: its branches, the shape of observations, the activation and the head.

use super::activation::Activation;
use super::branch::{Branch, Input, Layer};
use super::fields::SpecFields;
use super::head::Head;
use serde::{Deserialize, Serialize};

/// Everything about a policy but its numbers: branches of layers, of which `policy` is the actor and `value` the critic.
///
/// ```text
/// obs ─► trunk.0 ─► … ─► policy.0 ─► … ─► policy.P  ─► head (distribution over actions)
///                    └─► value.0  ─► … ─► value.V   ─► V(s)
/// ```
///
/// The activation follows every layer but the last of a branch whose output no other branch takes.
///
/// DDPG, TD3 and SAC have critics of observation and action in place of `value`: `q1`, and `q2`. Those of SAC with choices take the observation and have
/// a value of each choice.
///
/// A policy without a critic has no branch `value`, for algorithms that have none ([`AlgorithmKind`](crate::AlgorithmKind)).
///
/// [`separate`](Self::separate), [`shared`](Self::shared), [`mlp`](Self::mlp), [`actor`](Self::actor) and
/// [`actor_critics`](Self::actor_critics) make the usual ones. The fields may be set at will;
/// [`validate`](Self::validate) says what does not fit. In files, what `mlp` can make is `obs_dim`, `trunk`, `policy_hidden` and
/// `value_hidden`; the keys `obs_shape` and `branches` say the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SpecFields", into = "SpecFields")]
pub struct PolicySpec {
    /// Chains of layers; an input comes before what takes it. Parameters lie in this order.
    pub branches: Vec<Branch>,
    /// Numbers of an observation in each dimension, each at least 1. Observations lie flat, the last dimension fastest: arrays of the host and
    /// buffers are `[rows, obs_dim]`, see [`obs_dim`](Self::obs_dim).
    pub obs_shape: Vec<usize>,
    /// The nonlinearity of all hidden layers.
    pub activation: Activation,
    /// The distribution over actions.
    pub head: Head,
}

impl PolicySpec {
    /// Actor and critic as two networks with the same hidden widths, on observations of `obs_dim` numbers.
    pub fn separate(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head) -> Self {
        Self::mlp(obs_dim, &[], hidden, hidden, activation, head)
    }

    /// All hidden layers shared, with one linear layer each for actor and critic.
    pub fn shared(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head) -> Self {
        Self::mlp(obs_dim, hidden, &[], &[], activation, head)
    }

    /// Dense layers of the widths in `trunk`, if there are any, and behind them hidden layers that are the actor's and the critic's own.
    pub fn mlp(
        obs_dim: usize,
        trunk: &[usize],
        policy_hidden: &[usize],
        value_hidden: &[usize],
        activation: Activation,
        head: Head,
    ) -> Self {
        let input = || if trunk.is_empty() { Input::Obs } else { Input::Branch(Branch::TRUNK.to_owned()) };
        let shared = (!trunk.is_empty()).then(|| Branch::dense(Branch::TRUNK, Input::Obs, trunk));
        let own = [
            Branch::dense(Branch::POLICY, input(), &[policy_hidden, &[head.raw_outputs()]].concat()),
            Branch::dense(Branch::VALUE, input(), &[value_hidden, &[1]].concat()),
        ];
        Self { branches: shared.into_iter().chain(own).collect(), obs_shape: vec![obs_dim], activation, head }
    }

    /// An actor alone, on observations of `obs_dim` numbers: for algorithms without a critic.
    pub fn actor(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head) -> Self {
        Self::mlp(obs_dim, &[], hidden, &[], activation, head).without_critic()
    }

    /// An actor with `critics` (1 or 2) of the same hidden widths, for DDPG, TD3 and SAC: branches `policy`, `q1`, `q2`. The critics are on observation
    /// and action, with a [`Head::TanhGaussian`]; with a [`Head::Categorical`] on the observation alone, with a value of each choice.
    pub fn actor_critics(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head, critics: usize) -> Self {
        let mut spec = Self::actor(obs_dim, hidden, activation, head);
        let (input, outputs) = match spec.head {
            Head::Categorical { actions, .. } => (Input::Obs, actions),
            _ => (Input::ObsAction, 1),
        };
        let widths = [hidden, &[outputs]].concat();
        let critic = |name: &&str| Branch::dense(name, input.clone(), &widths);
        spec.branches.extend(Branch::CRITICS.iter().take(critics).map(critic));
        spec
    }

    /// The same without the branch `value`, if there is one.
    #[must_use]
    pub fn without_critic(mut self) -> Self {
        self.branches.retain(|branch| branch.name != Branch::VALUE);
        self
    }

    /// The same with another head, and as many outputs of the actor as it takes.
    #[must_use]
    pub fn with_head(mut self, head: Head) -> Self {
        let actor = self.branches.iter_mut().find(|branch| branch.name == Branch::POLICY);
        if let Some(Layer::Dense { outputs }) = actor.and_then(|actor| actor.layers.last_mut()) {
            *outputs = head.raw_outputs();
        }
        Self { head, ..self }
    }

    /// The same with other hidden layers before the last layer of the branch called `name`; unchanged if there is none.
    #[must_use]
    pub fn with_hidden(mut self, name: &str, hidden: &[usize]) -> Self {
        if let Some(branch) = self.branches.iter_mut().find(|branch| branch.name == name) {
            let last = branch.layers.pop();
            branch.layers = hidden.iter().map(|outputs| Layer::Dense { outputs: *outputs }).chain(last).collect();
        }
        self
    }

    /// Numbers of an observation: the product of [`obs_shape`](Self::obs_shape), at most the greatest `usize`.
    pub fn obs_dim(&self) -> usize {
        self.obs_shape.iter().fold(1, |product: usize, size| product.saturating_mul(*size))
    }

    /// The branch called `name`.
    pub fn branch(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.name == name)
    }

    /// Places of the critics of actions among the branches: those that take the action, and of choices `q1` and `q2`.
    pub(crate) fn critics(&self) -> Vec<usize> {
        let trunk = self.index(Branch::POLICY).and_then(|policy| self.input_of(policy));
        let of_choices = |index: usize, branch: &Branch| {
            let named = branch.input == Input::Obs && Branch::CRITICS.contains(&branch.name.as_str());
            named && Some(index) != trunk && matches!(self.head, Head::Categorical { .. })
        };
        let is_critic =
            |(index, branch): &(usize, &Branch)| branch.input == Input::ObsAction || of_choices(*index, branch);
        self.branches.iter().enumerate().filter(is_critic).map(|(index, _)| index).collect()
    }

    /// The layers that actor and critic share: the branch whose output the actor takes.
    pub fn trunk(&self) -> Option<&Branch> {
        let shared = self.input_of(self.index(Branch::POLICY)?)?;
        self.branches.get(shared)
    }

    /// Widths of all layers but the last of the branch called `name`; empty if there is none.
    pub fn hidden(&self, name: &str) -> Vec<usize> {
        let mut widths: Vec<_> = self.branch(name).into_iter().flat_map(Branch::widths).collect();
        widths.pop();
        widths
    }

    /// Widths of the branch called `name` from its input to its output, both included; empty if there is none.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        self.index(name).map_or(Vec::new(), |index| self.sizes_at(index))
    }

    /// Widths on the way from the observation to the output of the branch called `name`, both included; empty if there is none.
    pub fn path_sizes(&self, name: &str) -> Vec<usize> {
        let path = self.path(name);
        let first = path.first().map(|_| self.obs_dim());
        first.into_iter().chain(path.into_iter().flat_map(|index| self.branches[index].widths())).collect()
    }

    /// The greatest width, that of observations included.
    pub fn widest(&self) -> usize {
        self.branches.iter().flat_map(Branch::widths).fold(self.obs_dim(), usize::max)
    }

    /// Which branches lie on the way from the observation to the output of the branch called `name`, in that order.
    pub fn path(&self, name: &str) -> Vec<usize> {
        let mut path: Vec<_> = std::iter::successors(self.index(name), |index| self.input_of(*index)).collect();
        path.reverse();
        path
    }

    /// All branches on the ways to the outputs of those called `names`, in the order of [`branches`](Self::branches).
    pub(crate) fn branches_to(&self, names: &[&str]) -> Vec<usize> {
        let all: std::collections::BTreeSet<_> = names.iter().flat_map(|name| self.path(name)).collect();
        all.into_iter().collect()
    }

    /// Widths of branch `index`.
    pub(super) fn sizes_at(&self, index: usize) -> Vec<usize> {
        let input = match self.branches[index].input {
            Input::ObsAction => Some(self.obs_dim().saturating_add(self.head.action_dims())),
            _ => self.input_of(index).and_then(|before| self.branches[before].widths().last()),
        };
        std::iter::once(input.unwrap_or_else(|| self.obs_dim())).chain(self.branches[index].widths()).collect()
    }

    /// The branch that branch `index` takes the output of; `None` for the observation, with or without an action, and for a name that no earlier branch has.
    pub(super) fn input_of(&self, index: usize) -> Option<usize> {
        match &self.branches.get(index)?.input {
            Input::Obs | Input::ObsAction => None,
            Input::Branch(name) => self.index(name).filter(|before| *before < index),
        }
    }

    /// Where the branch called `name` is.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.branches.iter().position(|branch| branch.name == name)
    }
}

impl From<PolicySpec> for SpecFields {
    fn from(spec: PolicySpec) -> Self {
        let trunk: Vec<_> = spec.branch(Branch::TRUNK).into_iter().flat_map(Branch::widths).collect();
        let (policy, value) = (spec.hidden(Branch::POLICY), spec.hidden(Branch::VALUE));
        let obs_dim = spec.obs_dim();
        let usual = PolicySpec::mlp(obs_dim, &trunk, &policy, &value, spec.activation, spec.head.clone());
        let other = (usual.branches != spec.branches).then_some(spec.branches);
        let said = |widths| if other.is_none() { widths } else { Vec::new() };
        Self {
            obs_dim,
            obs_shape: (spec.obs_shape.len() != 1).then_some(spec.obs_shape),
            trunk: said(trunk),
            policy_hidden: said(policy),
            value_hidden: said(value),
            activation: spec.activation,
            head: spec.head,
            branches: other,
        }
    }
}

impl TryFrom<SpecFields> for PolicySpec {
    type Error = String;

    fn try_from(fields: SpecFields) -> std::result::Result<Self, String> {
        let SpecFields { obs_dim, obs_shape, trunk, policy_hidden, value_hidden, activation, head, branches } = fields;
        let mut spec = Self::mlp(obs_dim, &trunk, &policy_hidden, &value_hidden, activation, head);
        if let Some(shape) = obs_shape {
            spec.obs_shape = shape;
            if spec.obs_dim() != obs_dim {
                return Err(format!(
                    "obs_shape {:?} has {} numbers, obs_dim is {obs_dim}",
                    spec.obs_shape,
                    spec.obs_dim()
                ));
            }
        }
        if let Some(branches) = branches {
            if !(trunk.is_empty() && policy_hidden.is_empty() && value_hidden.is_empty()) {
                return Err("has branches, so trunk, policy_hidden and value_hidden must be empty".to_owned());
            }
            if branches.len() > Branch::MOST {
                return Err(format!("has {} branches, at most {} are possible", branches.len(), Branch::MOST));
            }
            spec.branches = branches;
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
